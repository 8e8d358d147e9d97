//! The static arms: one vnet, whose variables are statics.
//!
//! `none` has one static struct for each module (FreeBSD's default build: `vnet_net_0._ifnet`), `vimage-globals` a
//! static for each variable (`options VIMAGE_GLOBALS`). A base has no size and an access is an address that the linker
//! knows.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::AllocError;
use crate::vnet::Allocator;
use crate::{ModuleDef, VarDef, Vnet};

/// The arm's name: as the feature spells it, or `none`.
pub const NAME: &str = if cfg!(feature = "vimage-globals") { "vimage-globals" } else { "none" };
/// How many vnets there can be at a time.
pub const MAX_VNETS: usize = 1;

/// The variables are statics; this only counts them.
#[derive(Debug)]
pub struct Data {
    bytes: AtomicUsize,
}

static CLAIMED: AtomicBool = AtomicBool::new(false);

/// The right to the process's one set of variables.
#[derive(Debug)]
pub(crate) struct Claim(());

impl Claim {
    pub(crate) fn take() -> Option<Self> {
        (!CLAIMED.swap(true, Ordering::AcqRel)).then_some(Self(()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED.store(false, Ordering::Release);
    }
}

impl Data {
    #[allow(clippy::declare_interior_mutable_const, reason = "the initial value of one static")]
    pub(crate) const EMPTY: Self = Self { bytes: AtomicUsize::new(0) };

    #[allow(clippy::unnecessary_wraps, reason = "other arms allocate here")]
    pub(crate) fn new(_allocator: Allocator) -> Result<Self, AllocError> {
        Ok(Self::EMPTY)
    }

    /// Brings the variables of `module` to their initial values.
    #[allow(clippy::unnecessary_wraps, reason = "other arms allocate here")]
    pub(crate) fn add(&self, module: &'static ModuleDef) -> Result<(), AllocError> {
        for var in module.vars() {
            // SAFETY: the location is that of the static variable.
            unsafe { (var.restart)((var.location)()) };
            let _before = self.bytes.fetch_add(var.size(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Takes the variables of `module` away; they are statics, so this only counts.
    pub(crate) fn remove(&self, module: &'static ModuleDef) {
        for var in module.vars() {
            let count = |bytes: usize| bytes.checked_sub(var.size());
            let _had_it = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
        }
    }

    /// Where `var` is.
    #[allow(clippy::unused_self, reason = "other arms need it")]
    pub(crate) fn address(&self, _module: &'static ModuleDef, var: &VarDef) -> Option<*const u8> {
        Some((var.location)())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Where the variables of a module are.
#[derive(Debug)]
pub struct Kept {
    first_variable: usize,
}

impl Kept {
    pub(crate) fn new(_vnet: &Vnet, module: &'static ModuleDef) -> Self {
        Self { first_variable: module.vars().first().map_or(0, |var| (var.location)().addr()) }
    }

    /// Where the first variable is.
    #[inline(always)]
    pub(crate) fn first_variable(&self) -> usize {
        self.first_variable
    }
}

/// A variable's address: what the offset is in the other arms.
pub(crate) fn offset(var: &VarDef) -> usize {
    (var.location)().addr()
}

/// A module's base and its two constructors, which are the same in both static arms.
#[doc(hidden)]
#[macro_export]
macro_rules! __static_base {
    () => {
        const CONTAINER: (usize, usize) = (0, 1);

        /// The module's variables (`INIT_VNET_*`); they are statics, so this has no size.
        #[derive(Clone, Copy)]
        pub struct Base<'a>(::core::marker::PhantomData<&'a ()>);

        /// The module's variables in `vnet`, which is the only one.
        #[inline(always)]
        pub fn init(_vnet: &$crate::Vnet) -> Base<'_> {
            Base(::core::marker::PhantomData)
        }

        /// The module's variables in the vnet of `bound`, if it has a place `at`.
        #[inline(always)]
        pub fn of<const N: usize>(bound: &$crate::Bound<N>, at: usize) -> Option<Base<'_>> {
            bound.kept(at).map(|_| Base(::core::marker::PhantomData))
        }

        /// The module's variables in the only vnet.
        #[inline(always)]
        pub fn cur(_reader: &$crate::Reader) -> Base<'_> {
            Base(::core::marker::PhantomData)
        }
    };
}

/// A module's struct, base and accessors.
#[cfg(not(feature = "vimage-globals"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __storage {
    ($($(#[doc = $doc:literal])* $vis:vis $var:ident : $ty:ty = $initial:expr;)*) => {
        struct Variables {
            $($var: $ty,)*
        }

        static VARIABLES: Variables = Variables { $($var: $initial,)* };

        $crate::__static_base!();

        impl<'a> Base<'a> {
            $(
                $(#[doc = $doc])*
                #[inline(always)]
                $vis fn $var(&self) -> &'a $ty {
                    &VARIABLES.$var
                }
            )*
        }

        $crate::__locations!($($var => (&raw const VARIABLES.$var).cast();)*);
    };
}

/// A module's statics, base and accessors.
#[cfg(feature = "vimage-globals")]
#[doc(hidden)]
#[macro_export]
macro_rules! __storage {
    ($($(#[doc = $doc:literal])* $vis:vis $var:ident : $ty:ty = $initial:expr;)*) => {
        #[allow(non_upper_case_globals, unused_imports)]
        mod variables {
            use super::*;
            $(pub(super) static $var: $ty = $initial;)*
        }

        $crate::__static_base!();

        impl<'a> Base<'a> {
            $(
                $(#[doc = $doc])*
                #[inline(always)]
                $vis fn $var(&self) -> &'a $ty {
                    &variables::$var
                }
            )*
        }

        $crate::__locations!($($var => (&raw const variables::$var).cast();)*);
    };
}
