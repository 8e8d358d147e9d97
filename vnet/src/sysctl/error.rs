//! Why a sysctl was not read or written.

use super::{Kind, Value};

/// Why a sysctl was not read or written; the text names cause and cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SysctlError {
    /// No OID has the name.
    #[error("unknown sysctl {name}{}", hint(.nearest.as_deref()))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The known name that is spelled most like it.
        nearest: Option<String>,
    },
    /// The OID cannot be written.
    #[error("sysctl {name} is read-only: it can only be looked at")]
    ReadOnly {
        /// The OID's name.
        name: &'static str,
    },
    /// The OID can be written only before its vnet runs.
    #[error(
        "sysctl {name} is a tunable: set it in the configuration of a new vnet, it is read-only afterwards"
    )]
    TunableOnly {
        /// The OID's name.
        name: &'static str,
    },
    /// The number is not in the OID's range.
    #[error("{value} is out of range for sysctl {name}: give a number from {min} to {max}")]
    OutOfRange {
        /// The OID's name.
        name: &'static str,
        /// The value that was to be written.
        value: i128,
        /// The smallest number that may be.
        min: i128,
        /// The largest number that may be.
        max: i128,
    },
    /// The value is of another type.
    #[error("sysctl {name} does not take `{value}`: give it {expected}")]
    WrongType {
        /// The OID's name.
        name: &'static str,
        /// The value that was to be written.
        value: Value,
        /// The kind of value that the OID has.
        expected: Kind,
    },
    /// The string or the bytes are too long.
    #[error("the value for sysctl {name} has {len} bytes: give at most {max}")]
    TooLong {
        /// The OID's name.
        name: &'static str,
        /// The length that was given.
        len: usize,
        /// The largest length.
        max: usize,
    },
    /// The OID is of a vnet and none was given.
    #[error("sysctl {name} exists in each vnet: say in which")]
    NeedsVnet {
        /// The OID's name.
        name: &'static str,
    },
    /// The OID is of the process, and cannot be written on behalf of a vnet.
    #[error(
        "sysctl {name} belongs to the whole process, not to vnet {vnet}: set it without naming a vnet"
    )]
    GlobalOnly {
        /// The OID's name.
        name: &'static str,
        /// The vnet that was named.
        vnet: String,
    },
    /// The vnet lacks the OID's module, or is dying.
    #[error(
        "vnet {vnet} has no module {module}, to which sysctl {name} belongs: the module is not attached (yet)"
    )]
    NotAttached {
        /// The OID's name.
        name: &'static str,
        /// The module's name.
        module: &'static str,
        /// The vnet's name.
        vnet: String,
    },
    /// The vnet is dying, or belongs to another domain than the control.
    #[error("vnet {vnet} takes no requests any more: it is being destroyed")]
    Dying {
        /// The vnet's name.
        vnet: String,
    },
    /// The OID's procedure refused.
    #[error("sysctl {name}: {cause}")]
    Refused {
        /// The OID's name; filled in by the tree.
        name: &'static str,
        /// Cause and cure.
        cause: String,
    },
}

impl SysctlError {
    /// For a procedure that refuses; the text names cause and cure.
    pub fn refused(cause: impl Into<String>) -> Self {
        Self::Refused { name: "", cause: cause.into() }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || ": `sysctl -a` lists those that there are".to_owned(),
        |nearest| format!(": did you mean {nearest}?"),
    )
}
