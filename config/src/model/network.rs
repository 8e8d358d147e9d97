//! Devices.

use std::fmt;
use std::str::FromStr;

/// The device that the EAL probes for a port. Its `Display` is the string that DPDK takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A NIC on the PCI bus (`--allow`).
    Pci {
        /// Where it sits.
        address: PciAddress,
        /// Arguments for its driver, without the leading comma.
        args: Option<String>,
    },
    /// A virtual device (`--vdev`).
    Vdev {
        /// Driver and instance, for example `net_pcap0`.
        name: String,
        /// Arguments for its driver, without the leading comma.
        args: Option<String>,
    },
}

impl Device {
    /// The part that two ports must not share: the PCI address in full, or the vdev's name.
    pub fn key(&self) -> String {
        match self {
            Self::Pci { address, .. } => address.to_string(),
            Self::Vdev { name, .. } => name.clone(),
        }
    }

    /// The driver's arguments, if there are any.
    pub fn args(&self) -> Option<&str> {
        match self {
            Self::Pci { args, .. } | Self::Vdev { args, .. } => args.as_deref(),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.key())?;
        match self.args() {
            Some(args) => write!(formatter, ",{args}"),
            None => Ok(()),
        }
    }
}

/// Where a device sits on the PCI bus. Its `Display` has the domain: `0000:03:00.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bus, device, function } = self;
        write!(formatter, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

impl FromStr for PciAddress {
    type Err = BadPciAddress;

    /// `DOMAIN:BUS:DEVICE.FUNCTION` in hexadecimal, or without the domain, which is then 0.
    fn from_str(text: &str) -> Result<Self, BadPciAddress> {
        let (place, function) = text.rsplit_once('.').ok_or(BadPciAddress)?;
        let (place, device) = place.rsplit_once(':').ok_or(BadPciAddress)?;
        let (domain, bus) = place.rsplit_once(':').unwrap_or(("0", place));
        Ok(Self {
            domain: hexadecimal(domain, 8, u32::MAX)?,
            bus: narrow(hexadecimal(bus, 2, 0xff)?)?,
            device: narrow(hexadecimal(device, 2, 0x1f)?)?,
            function: narrow(hexadecimal(function, 1, 7)?)?,
        })
    }
}

/// The text is no PCI address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PCI address is DOMAIN:BUS:DEVICE.FUNCTION in hexadecimal, such as 0000:03:00.0")]
pub struct BadPciAddress;

fn hexadecimal(digits: &str, digits_max: usize, max: u32) -> Result<u32, BadPciAddress> {
    let plain = (1..=digits_max).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u32::from_str_radix(digits, 16).map_err(|_| BadPciAddress)?;
    if plain && value <= max { Ok(value) } else { Err(BadPciAddress) }
}

fn narrow(value: u32) -> Result<u8, BadPciAddress> {
    u8::try_from(value).map_err(|_| BadPciAddress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_come_out_in_full() {
        for (text, full) in [
            ("0000:03:00.0", "0000:03:00.0"),
            ("03:00.1", "0000:03:00.1"),
            ("10000:E1:1F.7", "10000:e1:1f.7"),
        ] {
            assert_eq!(text.parse::<PciAddress>().map(|pci| pci.to_string()), Ok(full.to_owned()));
        }
    }

    #[test]
    fn what_is_no_pci_address_is_refused() {
        for text in [
            "",
            ".",
            ":",
            "3:0",
            "03:00",
            "0000:03:00",
            "0000:03:20.0",
            "0000:03:00.8",
            "g:00.0",
            "0000:103:00.0",
            "0000:03:00.0.0",
            "+0:03:00.0",
            "0000:+3:00.0",
            "00 :03:00.0",
        ] {
            assert_eq!(text.parse::<PciAddress>(), Err(BadPciAddress), "{text}");
        }
    }
}
