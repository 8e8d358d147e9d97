//! An OID, and the one place where it becomes an address.

use std::fmt;

use super::{Flags, Kind, SysctlDef, SysctlError};
use crate::{ModuleDef, ModuleId, VarDef, Vnet, arm};

/// Whose an OID is (FreeBSD: `oid_v_subs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VSubs {
    /// The process has one.
    Global,
    /// Each vnet has its own.
    Net,
}

/// A sysctl of a registered module.
#[derive(Clone, Copy)]
pub struct Oid {
    pub(super) def: &'static SysctlDef,
    pub(super) var: &'static VarDef,
    module: &'static ModuleDef,
    pub(super) v_subs: VSubs,
}

impl Oid {
    /// The dotted name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.def.name
    }

    /// The description.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.def.description
    }

    /// The type of the value.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.def.kind
    }

    /// The operations that it allows.
    #[must_use]
    pub fn flags(&self) -> Flags {
        match self.v_subs {
            VSubs::Net => self.def.flags.union(Flags::VNET),
            VSubs::Global => self.def.flags,
        }
    }

    /// The smallest and the largest number; none if it is no number, or if its procedure decides.
    #[must_use]
    pub fn range(&self) -> Option<(i128, i128)> {
        self.def.range
    }

    /// Whether it is a string.
    #[must_use]
    pub fn is_string(&self) -> bool {
        self.kind() == Kind::Str
    }

    /// Whether it can never be written, not even by the configuration of a new vnet.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        !self.flags().contains(Flags::WR) && !self.flags().contains(Flags::TUN)
    }

    /// Whose it is.
    #[must_use]
    pub fn v_subs(&self) -> VSubs {
        self.v_subs
    }

    /// The module it belongs to.
    #[must_use]
    pub fn v_mod(&self) -> ModuleId {
        self.module.id()
    }

    /// The variable's offset in its container or section; its address, in the static arms and if it is global.
    #[must_use]
    pub fn offset(&self) -> usize {
        match self.v_subs {
            VSubs::Net => arm::offset(self.var),
            VSubs::Global => (self.var.location)().addr(),
        }
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oid")
            .field("name", &self.name())
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

/// The address of an OID's variable (FreeBSD: `SYSCTL_RESOLVE_V_ARG1`). Every read and write goes through here, in
/// every arm.
///
/// # Errors
///
/// The OID is of a vnet and none was given, or the vnet lacks its module.
pub fn resolve_v_arg1(oid: &Oid, vnet: Option<&Vnet>) -> Result<*const u8, SysctlError> {
    let name = oid.name();
    match (oid.v_subs, vnet) {
        (VSubs::Global, _) => Ok((oid.var.location)()),
        (VSubs::Net, None) => Err(SysctlError::NeedsVnet { name }),
        (VSubs::Net, Some(vnet)) => {
            vnet.data.address(oid.module, oid.var).ok_or_else(|| SysctlError::NotAttached {
                name,
                module: oid.module.name(),
                vnet: vnet.name().to_owned(),
            })
        }
    }
}

/// The OIDs of a module.
pub(super) fn oids_of(module: &'static ModuleDef) -> impl Iterator<Item = Oid> {
    let of = move |vars: &'static [VarDef], v_subs| {
        vars.iter().flat_map(move |var| {
            var.sysctls().iter().map(move |def| Oid { def, var, module, v_subs })
        })
    };
    of(module.globals(), VSubs::Global).chain(of(module.vars(), VSubs::Net))
}
