//! Why a port could not be used.

use crate::log;

/// Why opening, starting or stopping a port failed. `name` is the operator's name of the port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The device string is not a C string.
    #[error("port {name}: the device string holds a NUL byte")]
    Device {
        /// The port.
        name: String,
    },
    /// EAL did not find the PCI device.
    #[error(
        "port {name}: no driver took PCI device {address}: it must exist, be bound to vfio-pci \
         (dpdk-devbind.py -b vfio-pci {address}), have a driver in this DPDK, and EAL must have been started with a \
         PCI device or [dpdk] eal_args = [\"--allow={address}\"]{}", log::suffix(.log)
    )]
    NoPciDevice {
        /// The port.
        name: String,
        /// The PCI address.
        address: String,
        /// The lines that DPDK logged.
        log: Vec<String>,
    },
    /// EAL was not told of such a device, and its pools lie where other processes cannot map them.
    #[error(
        "port {name}: {device} has another process map the memory of packets, and this memory cannot be shared; use \
         hugepages, or have the port in the configuration that curvnet starts with"
    )]
    MemoryNotShared {
        /// The port.
        name: String,
        /// The device.
        device: String,
    },
    /// The vdev could not be created.
    #[error(
        "port {name}: {device} could not be created: {reason}; check the driver's name and its \
         arguments{}", log::suffix(.log)
    )]
    Attach {
        /// The port.
        name: String,
        /// The vdev.
        device: String,
        /// The error in words.
        reason: String,
        /// The lines that DPDK logged.
        log: Vec<String>,
    },
    /// Two ports on one device.
    #[error("port {name}: {device} is already open; each port needs a device of its own")]
    AlreadyOpen {
        /// The port.
        name: String,
        /// The device.
        device: String,
    },
    /// A device without queues in one direction cannot be a port.
    #[error(
        "port {name}: the driver {driver} offers {rx} rx queues and {tx} tx queues; one of each is needed"
    )]
    NoQueues {
        /// The port.
        name: String,
        /// The driver.
        driver: String,
        /// Receive queues offered.
        rx: u16,
        /// Transmit queues offered.
        tx: u16,
    },
    /// A buffer of the pool is too small for the device.
    #[error(
        "port {name}: the device needs receive buffers of {needed} bytes, the pool's have {room}"
    )]
    BufferTooSmall {
        /// The port.
        name: String,
        /// Bytes needed.
        needed: u32,
        /// Bytes that a buffer has.
        room: u32,
    },
    /// A call of ethdev failed.
    #[error("port {name}: {call} failed: {reason}{}", log::suffix(.log))]
    Call {
        /// The port.
        name: String,
        /// The function of ethdev.
        call: &'static str,
        /// The error in words.
        reason: String,
        /// The lines that DPDK logged.
        log: Vec<String>,
    },
    /// [`crate::Port::start`] was called twice.
    #[error("port {name} is already started")]
    Started {
        /// The port.
        name: String,
    },
    /// A port is stopped only when no worker can poll it any more.
    #[error("port {name}: {missing} of its queues are still in use: give all back to stop it")]
    QueuesInUse {
        /// The port.
        name: String,
        /// Queues not given back.
        missing: usize,
    },
    /// A queue was given to the wrong port.
    #[error("port {name}: a queue of another port was given back")]
    ForeignQueue {
        /// The port.
        name: String,
    },
}
