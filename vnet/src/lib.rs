//! Per-vnet state for a poll-mode network stack: FreeBSD's VIMAGE, re-thought for pinned workers that never sleep.
//!
//! A **vnet** is one network stack instance: an own set of the variables of all modules. A module declares its
//! variables once, in [`module!`]; how a variable is found is chosen when the program is built, by a cargo feature:
//!
//! | feature | a variable is | a base is | like |
//! |---|---|---|---|
//! | `vimage` | a field of the container at `curvnet.mod_data[module]` | one `fs:` load, one load, one cold check | `options VIMAGE`, 2009 |
//! | none | a field of one static struct for each module | nothing | FreeBSD's default build |
//! | `vimage-globals` | a static of its own | nothing | `options VIMAGE_GLOBALS` |
//! | `vimage-section` | at an offset of each vnet's copy of a linker section | one `fs:` load, one load, one cold check | FreeBSD since 8.0 |
//!
//! Code that uses a module is the same in all four. The two static builds have one vnet ([`Vnets::MAX_VNETS`]).
//!
//! The ideas are those of FreeBSD's `sys/net/vnet.h` and `sys/net/vnet.c` (M. Zec's commits of 2008 and 2009, and the
//! linker set of 8.0): `CURVNET_SET`, `INIT_VNET_*`, `VNET_DEFINE`, module ids and dependencies, `vnet_symmap`, and
//! `SYSCTL_RESOLVE_V_ARG1`. What is new: readers that take no lock, and deaths that wait for them.
//!
//! # What there is
//!
//! | what | names |
//! |---|---|
//! | declaring modules | [`module!`], [`ModuleId`], [`ModuleDef`], [`VarDef`], [`Field`], [`AttachError`] |
//! | which modules there are | [`Registry`], [`RegisterError`], [`Symbol`] |
//! | vnets, their birth and death | [`Vnets`], [`Vnet`], [`VnetRef`], [`Bound`], [`VnetId`], [`CreateError`], [`DestroyError`] |
//! | the vnet at work | [`curvnet::set`], [`curvnet::get`], [`CurvnetGuard`] |
//! | reading without locks | [`Domain`], [`Reader`], [`Control`], [`GraceToken`] |
//! | kinds of variables | [`Published`], [`PublishedTable`], [`PerWorker`], [`Counter`], [`ControlCell`], [`SysctlInt`] and its like |
//! | names of variables | [`sysctl`] |
//! | which build this is | [`ARM`] |
//!
//! # Who may do what
//!
//! The control thread owns [`Control`] and [`Vnets`]; it alone builds, publishes and frees. Each worker owns a
//! [`Reader`], reads what is published, and writes its own part of a [`PerWorker`]. Everything that a worker has loaded
//! borrows its reader, and ends with [`Reader::quiescent`], once in each iteration.
//!
//! # Example
//!
//! ```
//! use vnet::{Domain, Registry, Vnets, curvnet};
//!
//! mod module {
//!     vnet::module! {
//!         /// IPv4.
//!         pub mod inet {
//!             id: vnet::ModuleId::INET,
//!             depends: [],
//!             attach: super::attach,
//!             vars {
//!                 /// Forward packets between interfaces.
//!                 pub ipforwarding: vnet::SysctlInt = 0,
//!                     sysctl("net.inet.ip.forwarding", RW, 0..=1, "Enable IP forwarding between interfaces");
//!                 /// Routes, for the workers.
//!                 pub routes: vnet::Published<Vec<u32>>;
//!                 /// Packets forwarded.
//!                 pub forwarded: vnet::PerWorker<vnet::Counter>;
//!             }
//!         }
//!     }
//!
//!     fn attach(vnet: &vnet::VnetRef, control: &mut vnet::Control) -> Result<(), vnet::AttachError> {
//!         inet::init(vnet).forwarded().alloc(control.slots());
//!         Ok(())
//!     }
//! }
//! use module::inet;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The control thread.
//! let domain = Domain::new(1);
//! let mut control = domain.control()?;
//! let mut registry = Registry::new();
//! registry.register(&inet::MODULE)?;
//! registry.check()?;
//! let mut vnets = Vnets::new(registry, &control, &std::alloc::System);
//! let red = vnets.create(&mut control, "red")?;
//! control.publish(inet::init(&red).routes(), Some(Box::new(vec![1, 2, 3])));
//! vnets.registry().sysctl().set(&mut control, Some(&red), "net.inet.ip.forwarding", 1.into())?;
//!
//! // A worker.
//! std::thread::scope(|scope| {
//!     scope.spawn(|| {
//!         let mut reader = domain.reader(0).expect("slot 0 is free");
//!         {
//!             let _curvnet = curvnet::set(&reader, &red);
//!             let inet = inet::cur(&reader);
//!             if inet.ipforwarding().get() != 0 && inet.routes().load(&reader).is_some() {
//!                 inet.forwarded().get(&reader).inc();
//!             }
//!         }
//!         reader.quiescent();
//!     });
//! });
//!
//! let forwarded = inet::init(&red).forwarded();
//! assert_eq!(forwarded.iter(control.reader()).map(vnet::Counter::get).sum::<u64>(), 1);
//! drop(red);
//! assert_eq!(vnets.shutdown(&mut control), 0, "nothing is left");
//! # Ok(())
//! # }
//! ```

mod published;
mod published_table;
pub mod qsbr;
mod sync;

// Loom models publication and quiescence; its atomics cannot be in statics, so the rest is left out.
#[cfg(not(loom))]
mod framework {
    pub use crate::arm::{AllocError, NAME as ARM};
    pub use crate::bound::Bound;
    pub use crate::control_cell::ControlCell;
    pub use crate::counter::Counter;
    pub use crate::curvnet::CurvnetGuard;
    pub use crate::field::Field;
    pub use crate::module::{Attach, AttachError, Hook, ModuleDef, ModuleId, VarDef};
    pub use crate::per_worker::PerWorker;
    pub use crate::registry::{AttachFailure, RegisterError, Registry, Symbol};
    pub use crate::sysctl::{
        SysctlError, SysctlI64, SysctlInt, SysctlOpaque, SysctlStr, SysctlU64, SysctlUint, Value,
    };
    pub use crate::vnet::{VNET0_NAME, Vnet, VnetId, VnetRef, VnetState};
    pub use crate::vnets::{CreateError, DestroyError, Vnets};
}

#[cfg(not(loom))]
mod arm;
#[cfg(not(loom))]
mod attic;
#[cfg(not(loom))]
mod bound;
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

#[cfg(not(loom))]
pub use framework::*;
pub use published::Published;
pub use published_table::PublishedTable;
pub use qsbr::{Control, Domain, GraceToken, QsbrError, Reader};

/// For [`module!`] alone.
#[cfg(not(loom))]
#[doc(hidden)]
pub mod __private {
    pub use crate::arm::*;
    pub use crate::module::{ModuleParts, Variable};
    pub use crate::sysctl::Procedure;
}
