//! Per-vnet state for a poll-mode network stack: FreeBSD's VIMAGE framework.

mod published;
pub mod qsbr;
mod sync;

#[cfg(not(loom))]
mod arm;
#[cfg(not(loom))]
mod attic;
#[cfg(not(loom))]
mod control_cell;
#[cfg(not(loom))]
mod counter;
#[cfg(not(loom))]
pub mod curvnet;
#[cfg(not(loom))]
mod field;
#[cfg(not(loom))]
mod macros;
#[cfg(not(loom))]
mod module;
#[cfg(not(loom))]
mod per_worker;
#[cfg(not(loom))]
mod registry;
#[cfg(not(loom))]
pub mod sysctl;
#[cfg(not(loom))]
pub mod testing;
#[cfg(not(loom))]
mod vnet;
#[cfg(not(loom))]
mod vnets;

pub use published::Published;
pub use qsbr::{Control, Domain, GraceToken, QsbrError, Reader};

#[cfg(not(loom))]
pub use self::{
    arm::{AllocError, NAME as ARM},
    control_cell::ControlCell,
    counter::Counter,
    curvnet::CurvnetGuard,
    field::Field,
    module::{Attach, AttachError, Hook, ModuleDef, ModuleId, VarDef},
    per_worker::PerWorker,
    registry::{AttachFailure, RegisterError, Registry, Symbol},
    sysctl::{
        SysctlError, SysctlI64, SysctlInt, SysctlOpaque, SysctlStr, SysctlU64, SysctlUint, Value,
    },
    vnet::{VNET0_NAME, Vnet, VnetId, VnetRef, VnetState},
    vnets::{CreateError, DestroyError, Vnets},
};

/// For [`module!`] alone.
#[cfg(not(loom))]
#[doc(hidden)]
pub mod __private {
    pub use crate::arm::*;
    pub use crate::module::{ModuleParts, Variable};
    pub use crate::sysctl::Procedure;
}
