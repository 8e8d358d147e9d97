//! `[control] devices`: the devices that users of the control socket may name.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use super::PciAddress;

/// One entry of `[control] devices`. Its `Display` is the text of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceRule {
    /// Virtual devices of this driver: `net_tap`.
    Driver(String),
    /// This NIC: `0000:03:00.0`.
    Pci(PciAddress),
    /// This interface of the host, as an argument of a driver: `iface=veth0`.
    Interface(String),
    /// Files and sockets below this folder, as arguments of a driver: `/run/tenants`.
    Folder(PathBuf),
}

impl fmt::Display for DeviceRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(driver) => formatter.write_str(driver),
            Self::Pci(address) => address.fmt(formatter),
            Self::Interface(name) => write!(formatter, "iface={name}"),
            Self::Folder(path) => path.display().fmt(formatter),
        }
    }
}

/// The text is no entry of `[control] devices`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a driver, a PCI address, an interface of the host, nor a folder")]
pub struct BadDeviceRule;

impl FromStr for DeviceRule {
    type Err = BadDeviceRule;

    fn from_str(text: &str) -> Result<Self, BadDeviceRule> {
        if let Some(name) = text.strip_prefix("iface=") {
            return is_interface(name)
                .then(|| Self::Interface(name.to_owned()))
                .ok_or(BadDeviceRule);
        }
        if text.starts_with('/') {
            return is_canonical(Path::new(text))
                .then(|| Self::Folder(text.into()))
                .ok_or(BadDeviceRule);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Pci(address));
        }
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let driver = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && !text.ends_with(|c: char| c.is_ascii_digit())
            && text.chars().all(letters);
        driver.then(|| Self::Driver(text.to_owned())).ok_or(BadDeviceRule)
    }
}

/// Whether a device of the host can have the name (`dev_valid_name` of Linux, and what a device string can carry).
fn is_interface(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    (1..16).contains(&name.len()) && name.chars().all(allowed) && name != "." && name != ".."
}

/// Whether a path begins at the root and has no part that leads back or says nothing.
pub(crate) fn is_canonical(path: &Path) -> bool {
    let mut parts = path.components();
    parts.next() == Some(Component::RootDir)
        && parts.all(|part| matches!(part, Component::Normal(_)))
        && path.components().collect::<PathBuf>().as_os_str() == path.as_os_str()
}

/// The devices that the author of a configuration may name.
#[derive(Clone, Debug, Default)]
pub enum DeviceAccess {
    /// Any: the author may do whatever the process may.
    #[default]
    Any,
    /// Only some of them.
    Only(DevicePermission),
}

/// The devices that a user of the control socket may name who is neither root nor the socket's owner.
#[derive(Clone, Debug, Default)]
pub struct DevicePermission {
    /// `[control] devices` of the instance.
    pub rules: Vec<DeviceRule>,
    /// The devices of ports that are open, as they were given: naming them again opens nothing new.
    pub running: BTreeSet<String>,
    /// The user that the process runs as, which owns folders that are as safe as root's.
    pub user: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_written() {
        for text in ["net_tap", "0000:03:00.0", "iface=veth0", "/run/tenants", "/"] {
            assert_eq!(text.parse::<DeviceRule>().map(|rule| rule.to_string()), Ok(text.into()));
        }
        assert_eq!("03:00.0".parse::<DeviceRule>(), "0000:03:00.0".parse());
    }

    #[test]
    fn what_means_nothing_is_no_rule() {
        for text in [
            "",
            "net_tap0",
            "net tap",
            "iface=",
            "iface=../x",
            "iface=a,b",
            "run/tenants",
            "/run/..",
            "/run/../etc",
            "/run//x",
            "/run/",
            "/run/./x",
            "3",
            "net_pcap,rx_pcap=/x",
            "*",
        ] {
            assert_eq!(text.parse::<DeviceRule>(), Err(BadDeviceRule), "{text}");
        }
    }
}
