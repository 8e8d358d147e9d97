//! A handle to a vnet that has the variables of some modules at hand.

use std::fmt;
use std::ops::Deref;

use crate::{ModuleDef, VnetRef, arm};

/// A handle to a vnet, and where the variables of `N` modules are in it: found once, for what needs them often. It does not
/// know the modules' types, so it may be kept by code of a lower layer; `of(&bound, at)`, which [`module!`](crate::module!)
/// makes, gives a module's base back.
pub struct Bound<const N: usize> {
    vnet: VnetRef,
    kept: [arm::Kept; N],
}

impl<const N: usize> Bound<N> {
    /// Finds the variables of `modules` in `vnet`.
    #[must_use]
    pub fn new(vnet: VnetRef, modules: [&'static ModuleDef; N]) -> Self {
        let kept = modules.map(|module| arm::Kept::new(&vnet, module));
        Self { vnet, kept }
    }

    /// Where the variables of the module at place `at` begin, for prefetching.
    #[inline(always)]
    #[must_use]
    pub fn first_variable(&self, at: usize) -> Option<usize> {
        self.kept.get(at).map(arm::Kept::first_variable)
    }

    /// The place where the module at place `at` was found.
    #[doc(hidden)]
    #[inline(always)]
    #[must_use]
    pub fn kept(&self, at: usize) -> Option<&arm::Kept> {
        self.kept.get(at)
    }
}

impl<const N: usize> Deref for Bound<N> {
    type Target = VnetRef;

    #[inline(always)]
    fn deref(&self) -> &VnetRef {
        &self.vnet
    }
}

impl<const N: usize> fmt::Debug for Bound<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bound").field(&self.vnet).finish()
    }
}
