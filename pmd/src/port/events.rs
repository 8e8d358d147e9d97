//! Link changes and removals: counted where they happen, logged when the control side asks.

use std::ffi::{c_int, c_void};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};

use dpdk_sys as ffi;

use super::{Capabilities, MAX_PORTS, Port, Shared};
use crate::PortId;

/// The events of a port since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events {
    /// Times the link went up or down.
    pub link_changes: u64,
    /// Times the device went away (0 or 1 for most).
    pub removals: u64,
}

/// The counters behind [`Events`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    link_changes: AtomicU64,
    removals: AtomicU64,
    /// Link state at the last look.
    link_up: AtomicBool,
    /// The driver reports link changes by interrupt; if not, looks are compared.
    link_interrupt: AtomicBool,
    /// Removals that were logged.
    logged_removals: AtomicU64,
    /// The kernel interface that the port sits on: its folder in sysfs and its index.
    interface: OnceLock<(PathBuf, u32)>,
    interface_gone: AtomicBool,
}

impl Counters {
    /// Remembers how the driver reports changes, and the kernel interface behind the port (af_packet,
    /// af_xdp, tap), whose removal no driver reports.
    pub(crate) fn watch(&self, offered: &Capabilities) {
        self.link_interrupt.store(offered.lsc_interrupt, Relaxed);
        let if_index = offered.if_index;
        if if_index == 0 {
            return;
        }
        let Ok(entries) = fs::read_dir("/sys/class/net") else { return };
        let found = entries
            .flatten()
            .map(|entry| entry.path())
            .find(|path| interface_index(path) == Some(if_index));
        if let Some(path) = found {
            let _ = self.interface.set((path, if_index));
        }
    }

    pub(crate) fn set_link(&self, up: bool) {
        self.link_up.store(up, Relaxed);
    }

    /// Whether the link changed since the last look; counts it if no interrupt does.
    fn look_at_link(&self, up: bool) -> bool {
        let changed = self.link_up.swap(up, Relaxed) != up;
        if changed && !self.link_interrupt.load(Relaxed) {
            let _ = self.link_changes.fetch_add(1, Relaxed);
        }
        changed
    }

    /// Whether the kernel interface is up and has a carrier; `None` if there is no such interface.
    pub(crate) fn interface_up(&self) -> Option<bool> {
        let (path, _) = self.interface.get()?;
        // Reading fails while the interface is down.
        let carrier = fs::read_to_string(path.join("carrier"));
        Some(carrier.is_ok_and(|carrier| carrier.trim() == "1"))
    }

    fn look_at_interface(&self) {
        let Some((path, index)) = self.interface.get() else { return };
        if interface_index(path) != Some(*index) && !self.interface_gone.swap(true, Relaxed) {
            let _ = self.removals.fetch_add(1, Release);
        }
    }
}

fn interface_index(path: &std::path::Path) -> Option<u32> {
    fs::read_to_string(path.join("ifindex")).ok()?.trim().parse().ok()
}

impl Port {
    /// Looks at the link and the device, logs what changed since the last call, and returns the
    /// totals. The control side calls this at every tick.
    pub fn events(&self) -> Events {
        let counters = &self.shared.counters;
        let link = self.link();
        if counters.look_at_link(link.up) {
            tracing::info!(port = %self.name(), up = link.up, "link changed");
        }
        counters.look_at_interface();
        let removals = counters.removals.load(Acquire);
        if removals != counters.logged_removals.swap(removals, Relaxed) {
            tracing::warn!(port = %self.name(), "device removed");
        }
        Events { link_changes: counters.link_changes.load(Acquire), removals }
    }

    /// Whether the device has gone away. Such a port receives nothing, and tx counts drops.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.shared.counters.look_at_interface();
        // SAFETY: the port exists.
        let by_driver = unsafe { ffi::rte_eth_dev_is_removed(self.id().0) } == 1;
        by_driver || self.shared.counters.removals.load(Acquire) != 0
    }
}

/// Called by EAL's interrupt thread.
unsafe extern "C" fn on_event(
    _port: u16,
    event: ffi::rte_eth_event_type,
    shared: *mut c_void,
    _result: *mut c_void,
) -> c_int {
    // SAFETY: `register` passed a `Shared` that `unregister` keeps alive until no call is under way.
    let counters = unsafe { &(*shared.cast::<Shared>()).counters };
    if event == ffi::RTE_ETH_EVENT_INTR_LSC {
        let _ = counters.link_changes.fetch_add(1, Release);
    } else if event == ffi::RTE_ETH_EVENT_INTR_RMV {
        let _ = counters.removals.fetch_add(1, Release);
    }
    0
}

const EVENTS: [ffi::rte_eth_event_type; 2] =
    [ffi::RTE_ETH_EVENT_INTR_LSC, ffi::RTE_ETH_EVENT_INTR_RMV];

/// Has the port's events counted.
pub(crate) fn register(shared: &Arc<Shared>) {
    for event in EVENTS {
        let argument = Arc::as_ptr(shared).cast_mut().cast();
        // SAFETY: `Shared` stays where it is until its drop, which unregisters first.
        let result = unsafe {
            ffi::rte_eth_dev_callback_register(shared.id.0, event, Some(on_event), argument)
        };
        if result != 0 {
            tracing::warn!(port = %shared.name, event, "events of the port are not counted");
        }
    }
}

/// Ends the counting.
pub(crate) fn unregister(shared: &Shared) {
    const EAGAIN: c_int = 11;
    for event in EVENTS {
        let argument = std::ptr::from_ref(shared).cast_mut().cast();
        // While the callback runs DPDK answers EAGAIN. `on_event` neither waits nor loops, so this ends
        // with it; giving up earlier would leave EAL a dangling pointer.
        //
        // SAFETY: the same arguments as at registration; unknown ones are no error.
        while unsafe {
            ffi::rte_eth_dev_callback_unregister(shared.id.0, event, Some(on_event), argument)
        } == -EAGAIN
        {
            std::thread::yield_now();
        }
    }
}

/// Ports that are open in this process.
static OPEN: [AtomicBool; MAX_PORTS] = [const { AtomicBool::new(false) }; MAX_PORTS];

/// Marks the port as open; `false` if it was.
pub(crate) fn claim(port: PortId) -> bool {
    OPEN.get(usize::from(port.0)).is_some_and(|open| !open.swap(true, AcqRel))
}

/// Marks the port as closed.
pub(crate) fn release(port: PortId) {
    if let Some(open) = OPEN.get(usize::from(port.0)) {
        open.store(false, Release);
    }
}
