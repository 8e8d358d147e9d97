//! Names and numbers that must not be mixed up.

use std::fmt;

macro_rules! name {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        ///
        /// Starts with a letter and goes on with letters, digits, `_`, `-` and `.`.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) String);

        impl $name {
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
    PortName
}

name! {
    /// The name of a vnet, at most 63 bytes.
    VnetName
}

name! {
    /// The name of an interface within its vnet, at most 15 bytes (`IFNAMSIZ` less the NUL).
    IfName
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
