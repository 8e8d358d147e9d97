//! Variables that have a dotted name: FreeBSD's sysctl(9), with per-vnet OIDs.

mod def;
mod error;
mod oid;
mod tree;
mod value;
mod vars;

pub use def::{Flags, Handler, Kind, Procedure, Request, SysctlDef, SysctlVar};
pub use error::SysctlError;
pub use oid::{Oid, VSubs, resolve_v_arg1};
pub use tree::Tree;
pub use value::Value;
pub use vars::{SysctlI64, SysctlInt, SysctlOpaque, SysctlStr, SysctlU64, SysctlUint};
