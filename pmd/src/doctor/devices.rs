//! Network devices, and what a user-space driver needs to reach them.

use std::fs;

use super::{Check, Machine, State};

const DEVICES: &str = "sys/bus/pci/devices";
/// Kernel drivers that hand a device to user space.
const USER_SPACE: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];
/// Kernel drivers that DPDK's driver works beside.
const SHARED: [&str; 3] = ["mlx4_core", "mlx5_core", "mana"];

pub(super) fn checks(machine: &Machine) -> Vec<Check> {
    let mut checks = vec![iommu(machine), vfio(machine)];
    let nics = machine.list(DEVICES).into_iter().filter(|address| {
        // PCI class 02: network controller.
        let class = machine.read(&format!("{DEVICES}/{address}/class"));
        class.is_some_and(|class| class.starts_with("0x02"))
    });
    checks.extend(nics.map(|address| nic(machine, &address)));
    checks
}

fn iommu(machine: &Machine) -> Check {
    let groups = machine.list("sys/kernel/iommu_groups").len();
    if groups > 0 {
        return Check::ok("IOMMU", format!("{groups} groups"));
    }
    Check::bad(
        State::Warn,
        "IOMMU",
        "none: vfio-pci works only in its unsafe mode",
        "boot with intel_iommu=on or amd_iommu=on, and iommu=pt; without one: \
         echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
    )
}

fn vfio(machine: &Machine) -> Check {
    if machine.path("sys/bus/pci/drivers/vfio-pci").exists() {
        return Check::ok("vfio-pci", "loaded");
    }
    Check::bad(State::Missing, "vfio-pci", "not loaded", "modprobe vfio-pci")
}

fn nic(machine: &Machine, address: &str) -> Check {
    let folder = format!("{DEVICES}/{address}");
    let name = format!("nic {address}");
    let driver = fs::read_link(machine.path(&format!("{folder}/driver"))).ok();
    let driver = driver.and_then(|path| path.file_name()?.to_str().map(str::to_owned));
    let identity = identity(machine, &folder);
    let interfaces = interfaces(machine, &folder);
    match driver.as_deref() {
        Some(driver) if USER_SPACE.contains(&driver) || SHARED.contains(&driver) => {
            Check::ok(name, format!("{identity}, driver {driver}"))
        }
        driver => {
            let driver = driver.map_or("no driver".to_owned(), |driver| format!("driver {driver}"));
            let detail = format!("{identity}, {driver}{interfaces}: curvnet cannot use it");
            let cure = format!("dpdk-devbind.py -b vfio-pci {address}");
            Check::bad(State::Warn, name, detail, cure)
        }
    }
}

fn identity(machine: &Machine, folder: &str) -> String {
    let id = |file| {
        let text = machine.read(&format!("{folder}/{file}")).unwrap_or_default();
        text.trim_start_matches("0x").to_owned()
    };
    let node = machine.read(&format!("{folder}/numa_node"));
    let node = node.filter(|node| !node.starts_with('-'));
    let node = node.map_or("no NUMA node".to_owned(), |node| format!("NUMA node {node}"));
    format!("{}:{}, {node}", id("vendor"), id("device"))
}

/// The kernel's interfaces on the device, e.g. `, eth0 (up)`; virtio has them a level deeper.
fn interfaces(machine: &Machine, folder: &str) -> String {
    let mut places = vec![format!("{folder}/net")];
    let virtio = machine.list(folder).into_iter().filter(|name| name.starts_with("virtio"));
    places.extend(virtio.map(|name| format!("{folder}/{name}/net")));
    let mut text = String::new();
    for place in places {
        for interface in machine.list(&place) {
            let state = machine.read(&format!("{place}/{interface}/operstate"));
            text += &format!(", {interface} ({})", state.unwrap_or_default());
        }
    }
    text
}
