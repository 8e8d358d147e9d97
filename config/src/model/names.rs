//! Names and numbers that must not be mixed up.

use std::fmt;

use crate::defaults::limits;

macro_rules! name {
    ($(#[doc = $doc:literal])+ $name:ident, $bytes_max:expr) => {
        $(#[doc = $doc])+
        ///
        /// Starts with a letter and goes on with letters, digits, `_`, `-` and `.`.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) String);

        impl $name {
            /// A name of that text.
            ///
            /// # Errors
            /// The text can be no name.
            pub fn new(text: &str) -> Result<Self, BadName> {
                check_name(text, $bytes_max).map(|()| Self(text.to_owned()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }
    };
}

name! {
    /// The name of a port, at most 63 bytes.
    PortName, limits::NAME_BYTES
}

name! {
    /// The name of a vnet, at most 63 bytes.
    VnetName, limits::NAME_BYTES
}

name! {
    /// The name of an interface within its vnet, at most 15 bytes (`IFNAMSIZ` less the NUL).
    IfName, limits::INTERFACE_NAME_BYTES
}

/// Why a text can be no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Names stand next to numbers and addresses, from which the first letter tells them apart.
    #[error("must start with a letter")]
    Start,
    /// Only letters, digits, `_`, `-` and `.`.
    #[error("{0:?} cannot be in a name")]
    Character(char),
    /// More bytes than a name has.
    #[error("has {bytes} bytes, {} more than fit", .bytes - .bytes_max)]
    Long {
        /// The text's.
        bytes: usize,
        /// The most that a name has.
        bytes_max: usize,
    },
}

/// Names stand in commands, JSON keys and log lines.
pub(crate) fn check_name(text: &str, bytes_max: usize) -> Result<(), BadName> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(BadName::Start);
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(bad) => Err(BadName::Character(bad)),
        None if text.len() > bytes_max => Err(BadName::Long { bytes: text.len(), bytes_max }),
        None => Ok(()),
    }
}

impl VnetName {
    /// The vnet that always exists (FreeBSD's `vnet0`).
    pub const BASE: &'static str = "vnet0";

    /// True for the vnet that always exists.
    pub fn is_base(&self) -> bool {
        self.0 == Self::BASE
    }
}

impl IfName {
    /// The loopback interface that every vnet has.
    pub const LOOPBACK: &'static str = "lo0";
}

/// A CPU by the kernel's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuId(pub usize);

impl fmt::Display for CpuId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A VLAN, 1..=4094 (IEEE 802.1Q).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(pub(crate) u16);

impl VlanId {
    /// The VLAN of that number, if there can be one.
    pub fn new(number: u16) -> Option<Self> {
        limits::VLAN.contains(&i64::from(number)).then_some(Self(number))
    }

    /// The number that stands in the tag.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
