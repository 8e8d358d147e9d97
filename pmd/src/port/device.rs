//! Which device a port sits on, and how it comes into EAL and out again.

use std::ffi::{CStr, CString};

use dpdk_sys as ffi;

use crate::eal::strerror;
use crate::log;

use super::PortError;

/// A device string, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// A PCI function; EAL probes it at start if it is in [`crate::EalConfig::pci_allow`], else when the port is opened.
    Pci {
        /// `DDDD:BB:DD.F`
        address: String,
    },
    /// A virtual device, created when the port is opened.
    Vdev {
        /// Driver and number, e.g. `net_pcap0`.
        name: String,
        /// The driver's arguments, `key=value` separated by commas.
        args: String,
    },
}

impl Device {
    /// Takes a device string apart. What does not look like a PCI address is a vdev.
    #[must_use]
    pub fn parse(device: &str) -> Device {
        let (name, args) = device.split_once(',').unwrap_or((device, ""));
        match pci_address(name.trim()) {
            Some(address) => Device::Pci { address },
            None => Device::Vdev { name: name.trim().to_owned(), args: args.trim().to_owned() },
        }
    }

    /// The name that ethdev knows the device by.
    #[must_use]
    pub fn ethdev_name(&self) -> &str {
        match self {
            Device::Pci { address } => address,
            Device::Vdev { name, .. } => name,
        }
    }

    /// Whether the driver has another process map the memory that packets lie in: virtio-user (the vhost backend does) and
    /// memif with `zero-copy=yes`. See [`crate::EalConfig::shared_memory`].
    #[must_use]
    pub fn shares_memory(&self) -> bool {
        match self {
            Device::Pci { .. } => false,
            Device::Vdev { name, args } => shares_memory(&format!("{name},{args}")),
        }
    }
}

/// [`Device::shares_memory`], of a device string or of an argument of EAL that has one.
pub(crate) fn shares_memory(text: &str) -> bool {
    text.contains("virtio_user") || text.contains("memif") && text.contains("zero-copy=yes")
}

/// `[DDDD:]BB:DD.F` in hexadecimal, returned with the domain and in lower case.
fn pci_address(text: &str) -> Option<String> {
    let (rest, function) = text.rsplit_once('.')?;
    let mut parts: Vec<&str> = rest.split(':').collect();
    if parts.len() == 2 {
        parts.insert(0, "0000");
    }
    let [domain, bus, slot] = parts[..] else { return None };
    let hex = |digits: &str, len: std::ops::RangeInclusive<usize>| {
        len.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let valid = hex(domain, 4..=8) && hex(bus, 2..=2) && hex(slot, 2..=2) && hex(function, 1..=1);
    valid.then(|| format!("{domain}:{bus}:{slot}.{function}").to_lowercase())
}

/// A device that is known to ethdev.
#[derive(Debug)]
pub(crate) struct Attached {
    pub port: u16,
    /// The device to take out of EAL at close; none for a vdev that EAL's own arguments created.
    pub plugged: Option<Plugged>,
}

/// A device that has to be taken out of EAL, or it could not be put in again.
#[derive(Debug)]
pub(crate) struct Plugged {
    bus: &'static CStr,
    name: CString,
}

/// Finds the device, or puts it into EAL: a vdev is created, a PCI device is probed.
pub(crate) fn attach(name: &str, device: &Device) -> Result<Attached, PortError> {
    let ethdev_name = c_string(name, device.ethdev_name())?;
    let (bus, args) = match device {
        Device::Pci { .. } => (c"pci", ""),
        Device::Vdev { args, .. } => (c"vdev", args.as_str()),
    };
    if let Some(port) = find(&ethdev_name) {
        // EAL probed a PCI device at start: once closed it comes back only by another probe.
        let is_pci = matches!(device, Device::Pci { .. });
        let plugged = is_pci.then_some(Plugged { bus, name: ethdev_name });
        return Ok(Attached { port, plugged });
    }
    let args = c_string(name, args)?;
    let error = |reason| PortError::Attach {
        name: name.to_owned(),
        device: device.ethdev_name().to_owned(),
        reason,
        log: log::take(),
    };
    // SAFETY: EAL is initialised; three C strings.
    let result =
        unsafe { ffi::rte_eal_hotplug_add(bus.as_ptr(), ethdev_name.as_ptr(), args.as_ptr()) };
    match result {
        0 => {}
        _ if matches!(device, Device::Pci { .. }) => {
            let (name, address) = (name.to_owned(), device.ethdev_name().to_owned());
            return Err(PortError::NoPciDevice { name, address, log: log::take() });
        }
        // Drivers return -1 for anything, which is not meant as EPERM.
        -1 => return Err(error("the driver refuses it".to_owned())),
        errno => return Err(error(strerror(errno))),
    }
    let plugged = Plugged { bus, name: ethdev_name };
    match find(&plugged.name) {
        Some(port) => Ok(Attached { port, plugged: Some(plugged) }),
        None => {
            plugged.detach();
            Err(error("it is not an Ethernet device".to_owned()))
        }
    }
}

impl Plugged {
    /// Takes the device out of EAL. It is gone from the process either way, so a failure is only worth a line.
    pub(crate) fn detach(&self) {
        // SAFETY: EAL is initialised; two C strings.
        let result = unsafe { ffi::rte_eal_hotplug_remove(self.bus.as_ptr(), self.name.as_ptr()) };
        if result != 0 {
            tracing::warn!(device = ?self.name, error = %strerror(result), "device not removed");
        }
    }
}

fn find(name: &CString) -> Option<u16> {
    let mut port = 0;
    // SAFETY: a C string and a place for the result.
    let result = unsafe { ffi::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut port) };
    (result == 0).then_some(port)
}

fn c_string(name: &str, text: &str) -> Result<CString, PortError> {
    CString::new(text).map_err(|_| PortError::Device { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_share_memory() {
        for (text, shares) in [
            ("virtio_user0,path=/run/vhost.sock", true),
            ("net_virtio_user1,path=/dev/vhost-net", true),
            ("net_memif0,role=client,zero-copy=yes", true),
            ("net_memif0,role=client", false),
            ("net_tap0", false),
            ("0000:3b:00.1", false),
        ] {
            assert_eq!(Device::parse(text).shares_memory(), shares, "{text}");
        }
    }

    #[test]
    fn device_strings() {
        let pci = |address: &str| Device::Pci { address: address.to_owned() };
        let vdev =
            |name: &str, args: &str| Device::Vdev { name: name.to_owned(), args: args.to_owned() };
        let table = [
            ("0000:3b:00.1", pci("0000:3b:00.1")),
            ("3B:00.1", pci("0000:3b:00.1")),
            ("10000:01:00.0", pci("10000:01:00.0")),
            ("0000:3b:00.0,representor=0", pci("0000:3b:00.0")),
            ("net_null0", vdev("net_null0", "")),
            (
                "net_pcap0,rx_pcap=a.pcap,infinite_rx=1",
                vdev("net_pcap0", "rx_pcap=a.pcap,infinite_rx=1"),
            ),
            ("0000:3b:00", vdev("0000:3b:00", "")),
            ("3b:0.1", vdev("3b:0.1", "")),
        ];
        for (text, device) in table {
            assert_eq!(Device::parse(text), device, "{text}");
        }
    }
}
