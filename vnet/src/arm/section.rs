//! Arm `vimage-section`: the variables of all modules lie in one linker section, and each vnet has a copy of it
//! (FreeBSD since 8.0: section `set_vnet`, `vnet_data_base + &vnet_entry_x`; sys/net/vnet.c, "How it works").

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::AllocError;
use crate::vnet::Allocator;
use crate::{ModuleDef, Reader, VarDef, Vnet, curvnet};

/// The arm's name, as the feature spells it.
pub const NAME: &str = "vimage-section";
/// How many vnets there can be at a time.
pub const MAX_VNETS: usize = 65_536;

/// A variable's entry in the section: its initial value, which is copied and otherwise never touched.
#[repr(transparent)]
#[derive(Debug)]
pub struct Entry<T>(UnsafeCell<T>);

// SAFETY: nothing gives access to the value in place.
unsafe impl<T> Sync for Entry<T> {}

impl<T> Entry<T> {
    /// An entry with an initial value.
    pub const fn new(initial: T) -> Self {
        Self(UnsafeCell::new(initial))
    }
}

/// Large enough for every variable (`VarDef::of` checks), so that a copy aligns like the original.
const ALIGN: usize = 128;

/// Aligns the section, and makes sure that there is one.
#[repr(C, align(128))]
struct Anchor([u8; ALIGN]);

#[used]
#[unsafe(link_section = "set_vnet")]
static ANCHOR: Entry<Anchor> = Entry::new(Anchor([0; ALIGN]));

unsafe extern "C" {
    /// The linker defines these for every section whose name is a C identifier.
    #[link_name = "__start_set_vnet"]
    static START: Entry<u8>;
    #[link_name = "__stop_set_vnet"]
    static STOP: Entry<u8>;
}

fn start() -> *const u8 {
    (&raw const START).cast()
}

fn layout() -> Layout {
    let size = (&raw const STOP).addr() - start().addr();
    Layout::from_size_align(size, ALIGN).expect("the linker has laid the section out")
}

/// One vnet's copy of the section.
#[derive(Debug)]
#[repr(C)]
pub struct Data {
    /// The copy's address minus the section's: what is added to an entry's address. Null if there is no copy.
    base: Biased,
    copy: *mut u8,
    allocator: Option<AllocatorRef>,
    /// Whose variables are dropped with the copy.
    modules: Mutex<Vec<Known>>,
}

/// A module whose variables in the copy are in use, or were.
#[derive(Debug)]
struct Known {
    module: &'static ModuleDef,
    /// Whether it has not been removed.
    here: bool,
}

// SAFETY: owns the variables in the copy, which are `Field`s and so `Send + Sync`.
unsafe impl Send for Data {}
// SAFETY: as above.
unsafe impl Sync for Data {}

type Biased = *const u8;

/// A vnet's right to exist; in this arm everybody has it.
#[derive(Debug)]
pub(crate) struct Claim;

impl Claim {
    pub(crate) fn take() -> Option<Self> {
        Some(Self)
    }
}

struct AllocatorRef(Allocator);

impl std::fmt::Debug for AllocatorRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AllocatorRef")
    }
}

impl Data {
    #[allow(clippy::declare_interior_mutable_const, reason = "the initial value of one static")]
    pub(crate) const EMPTY: Self = Self {
        base: ptr::null(),
        copy: ptr::null_mut(),
        allocator: None,
        modules: Mutex::new(Vec::new()),
    };

    /// Copies the section.
    pub(crate) fn new(allocator: Allocator) -> Result<Self, AllocError> {
        let layout = layout();
        // SAFETY: the section holds at least the anchor, so the size is not zero.
        let copy = unsafe { allocator.alloc_zeroed(layout) };
        if copy.is_null() {
            return Err(AllocError { bytes: layout.size() });
        }
        // SAFETY: the section's entries hold initial values that nothing changes or drops, so a copy of their bytes
        // is a value of its own; between them is padding.
        unsafe { ptr::copy_nonoverlapping(start(), copy, layout.size()) };
        Ok(Self {
            base: copy.wrapping_sub(start().addr()),
            copy,
            allocator: Some(AllocatorRef(allocator)),
            modules: Mutex::new(Vec::new()),
        })
    }

    /// Notes that `module` uses its variables.
    #[allow(clippy::unnecessary_wraps, reason = "other arms allocate here")]
    pub(crate) fn add(&self, module: &'static ModuleDef) -> Result<(), AllocError> {
        let mut modules = self.modules();
        let Some(known) = modules.iter_mut().find(|known| ptr::eq(known.module, module)) else {
            modules.push(Known { module, here: true });
            return Ok(());
        };
        known.here = true;
        drop(modules);
        for place in module.vars().iter().filter_map(|var| Some((var, self.address(module, var)?)))
        {
            // SAFETY: `address` found the variable.
            unsafe { (place.0.restart)(place.1) };
        }
        Ok(())
    }

    /// Takes the variables of `module` away. They stay in the copy, for bases that somebody still has.
    pub(crate) fn remove(&self, module: &'static ModuleDef) {
        let mut modules = self.modules();
        if let Some(known) = modules.iter_mut().find(|known| ptr::eq(known.module, module)) {
            known.here = false;
        }
    }

    /// Where `var` is, if the vnet has the module.
    pub(crate) fn address(&self, module: &'static ModuleDef, var: &VarDef) -> Option<*const u8> {
        let here = self.modules().iter().any(|known| known.here && ptr::eq(known.module, module));
        here.then(|| self.base.wrapping_add((var.location)().addr()))
    }

    pub(crate) fn bytes(&self) -> usize {
        layout().size()
    }

    fn modules(&self) -> MutexGuard<'_, Vec<Known>> {
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let Some(allocator) = &self.allocator else { return };
        let modules = self.modules.get_mut().unwrap_or_else(PoisonError::into_inner);
        for var in modules.iter().flat_map(|known| known.module.vars()) {
            let offset = (var.location)().addr() - start().addr();
            // SAFETY: the variable lies at this offset of the copy, is dropped once, and, as `self` is being dropped,
            // nobody looks at it.
            unsafe { (var.drop)(self.copy.add(offset)) };
        }
        // SAFETY: `new` got the memory with this layout from this allocator.
        unsafe { allocator.0.dealloc(self.copy, layout()) };
    }
}

/// A variable's offset in the section.
pub(crate) fn offset(var: &VarDef) -> usize {
    (var.location)().addr() - start().addr()
}

/// The number that is added to the address of an entry in `vnet`.
#[inline(always)]
#[must_use]
pub fn init(vnet: &Vnet) -> *const u8 {
    if vnet.data.base.is_null() { missing() } else { vnet.data.base }
}

/// The number that is added to the address of an entry in curvnet.
#[inline(always)]
#[must_use]
pub fn cur(reader: &Reader) -> *const u8 {
    let base = curvnet::fast(reader).data.base;
    if base.is_null() { slow(reader) } else { base }
}

/// Where the variables of a module are in a vnet.
#[derive(Debug)]
pub struct Kept {
    base: Biased,
    first_variable: usize,
}

// SAFETY: a reference to a vnet, in effect, and vnets are `Sync`.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

impl Kept {
    pub(crate) fn new(vnet: &Vnet, module: &'static ModuleDef) -> Self {
        let base = init(vnet);
        let first = module.vars().first().map_or(0, |var| (var.location)().addr());
        Self { base, first_variable: base.wrapping_add(first).addr() }
    }

    /// Where the first variable is.
    #[inline(always)]
    pub(crate) fn first_variable(&self) -> usize {
        self.first_variable
    }

    /// The number that is added to the address of an entry.
    #[inline(always)]
    #[must_use]
    pub fn base(&self) -> *const u8 {
        self.base
    }
}

/// The variable of `entry` in the vnet that `base` belongs to.
///
/// # Safety
///
/// `base` comes from [`init`] or [`cur`] for a vnet that outlives `'a`, and the entry lies in the section.
#[inline(always)]
#[must_use]
pub unsafe fn variable<'a, T>(base: *const u8, entry: &'static Entry<T>) -> &'a T {
    let place = base.wrapping_add((&raw const *entry).addr()).cast::<T>();
    // SAFETY: the sum is the entry's place in the vnet's copy of the section, which holds a `T` from the beginning.
    unsafe { &*place }
}

/// The thread has several readers, or curvnet is not set.
#[cold]
#[inline(never)]
fn slow(reader: &Reader) -> *const u8 {
    init(curvnet::current(reader))
}

#[cold]
#[inline(never)]
fn missing() -> ! {
    panic!("curvnet is not set");
}

/// A module's entries, base and accessors.
#[doc(hidden)]
#[macro_export]
macro_rules! __storage {
    ($($(#[doc = $doc:literal])* $vis:vis $var:ident : $ty:ty = $initial:expr;)*) => {
        #[allow(non_upper_case_globals, unused_imports)]
        mod entries {
            use super::*;
            $(
                #[unsafe(link_section = "set_vnet")]
                pub(super) static $var: $crate::__private::Entry<$ty> = $crate::__private::Entry::new($initial);
            )*
        }

        const CONTAINER: (usize, usize) = (0, 1);

        /// The module's variables in one vnet (`INIT_VNET_*`).
        #[derive(Clone, Copy)]
        pub struct Base<'a>(*const u8, ::core::marker::PhantomData<&'a ()>);

        // SAFETY: a reference to a vnet, in effect, and vnets are `Sync`.
        unsafe impl Send for Base<'_> {}
        // SAFETY: as above.
        unsafe impl Sync for Base<'_> {}

        impl<'a> Base<'a> {
            $(
                $(#[doc = $doc])*
                #[inline(always)]
                $vis fn $var(&self) -> &'a $ty {
                    // SAFETY: the base is that of a vnet which 'a borrows; the entry is in the section.
                    unsafe { $crate::__private::variable(self.0, &entries::$var) }
                }
            )*
        }

        /// The module's variables in `vnet`.
        #[inline(always)]
        pub fn init(vnet: &$crate::Vnet) -> Base<'_> {
            Base($crate::__private::init(vnet), ::core::marker::PhantomData)
        }

        /// The module's variables in curvnet.
        #[inline(always)]
        pub fn cur(reader: &$crate::Reader) -> Base<'_> {
            Base($crate::__private::cur(reader), ::core::marker::PhantomData)
        }

        /// The module's variables in the vnet of `bound`, if it has a place `at`.
        #[inline(always)]
        pub fn of<const N: usize>(bound: &$crate::Bound<N>, at: usize) -> Option<Base<'_>> {
            bound.kept(at).map(|kept| Base(kept.base(), ::core::marker::PhantomData))
        }

        $crate::__locations!($($var => (&raw const entries::$var).cast();)*);
    };
}
