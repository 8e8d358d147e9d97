//! Arm `vimage`: each module has a container in each vnet, found through `mod_data` (FreeBSD's `options VIMAGE` of
//! 2009: `((struct vnet_net *)vnet_net)->_ifnet`).

use std::alloc::Layout;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::AllocError;
use crate::vnet::Allocator;
use crate::{ModuleDef, ModuleId, Reader, VarDef, Vnet, curvnet};

/// The arm's name, as the feature spells it.
pub const NAME: &str = "vimage";
/// How many vnets there can be at a time.
pub const MAX_VNETS: usize = 65_536;

/// The beginning of a container: the module that it belongs to.
#[repr(C)]
#[derive(Debug)]
pub struct Header {
    /// Tells containers of two modules apart that (in tests) share an id, so that no base is ever made of the wrong
    /// type. Comparing it also finds an absent container, so there is no null check.
    module: *const ModuleDef,
}

// SAFETY: the pointer is compared, or followed to a static.
unsafe impl Sync for Header {}
// SAFETY: as above.
unsafe impl Send for Header {}

impl Header {
    /// The header of `module`'s containers.
    #[must_use]
    pub const fn new(module: &'static ModuleDef) -> Self {
        Self { module }
    }
}

/// Stands for a container that does not exist.
static ABSENT: Header = Header { module: ptr::null() };

const fn absent() -> *mut Header {
    (&raw const ABSENT).cast_mut()
}

/// The containers of one vnet.
#[repr(C)]
#[derive(Debug)]
pub struct Data {
    /// Each entry is `ABSENT` or a container that is freed with this.
    mod_data: [AtomicPtr<Header>; ModuleId::LIMIT],
    allocator: Option<AllocatorRef>,
    /// Containers that were removed, one for each module at most: somebody may still have a base, so they are freed with
    /// this, too.
    removed: Mutex<Vec<AtomicPtr<Header>>>,
}

/// A vnet's right to exist; in this arm everybody has it.
#[derive(Debug)]
pub(crate) struct Claim;

impl Claim {
    pub(crate) fn take() -> Option<Self> {
        Some(Self)
    }
}

pub(super) struct AllocatorRef(Allocator);

impl std::fmt::Debug for AllocatorRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AllocatorRef")
    }
}

impl Data {
    #[allow(clippy::declare_interior_mutable_const, reason = "the initial value of one static")]
    pub(crate) const EMPTY: Self = Self::with(None);

    const fn with(allocator: Option<AllocatorRef>) -> Self {
        let mod_data = [const { AtomicPtr::new(absent()) }; ModuleId::LIMIT];
        Self { mod_data, allocator, removed: Mutex::new(Vec::new()) }
    }

    #[allow(clippy::unnecessary_wraps, reason = "other arms allocate here")]
    pub(crate) fn new(allocator: Allocator) -> Result<Self, AllocError> {
        Ok(Self::with(Some(AllocatorRef(allocator))))
    }

    /// Gives `module` its variables, with their initial values.
    pub(crate) fn add(&self, module: &'static ModuleDef) -> Result<(), AllocError> {
        let entry = &self.mod_data[module.id().index()];
        let layout = layout(module);
        let error = AllocError { bytes: layout.size() };
        if entry.load(Ordering::Acquire) != absent() {
            return self.restart(module);
        }
        if let Some(container) = self.take_removed(module) {
            entry.store(container, Ordering::Release);
            return self.restart(module);
        }
        let allocator = self.allocator.as_ref().ok_or(error)?;
        // SAFETY: the layout's size is not zero: it has a header.
        let container = unsafe { allocator.0.alloc_zeroed(layout) };
        if container.is_null() {
            return Err(error);
        }
        // SAFETY: the memory has the container's layout, of which the header and the variables are parts; nobody
        // else has it yet.
        unsafe {
            container.cast::<Header>().write(Header::new(module));
            for var in module.vars() {
                (var.init)(container.add(offset(var)));
            }
        }
        entry.store(container.cast(), Ordering::Release);
        Ok(())
    }

    /// Takes the variables of `module` away, whose id may go to another.
    pub(crate) fn remove(&self, module: &'static ModuleDef) {
        let entry = &self.mod_data[module.id().index()];
        let container = entry.load(Ordering::Acquire);
        if is_of(container, module) {
            entry.store(absent(), Ordering::Release);
            self.removed().push(AtomicPtr::new(container));
        }
    }

    fn take_removed(&self, module: &'static ModuleDef) -> Option<*mut Header> {
        let mut removed = self.removed();
        let at = removed.iter().position(|one| is_of(one.load(Ordering::Acquire), module))?;
        Some(removed.swap_remove(at).into_inner())
    }

    fn removed(&self) -> MutexGuard<'_, Vec<AtomicPtr<Header>>> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn restart(&self, module: &'static ModuleDef) -> Result<(), AllocError> {
        for var in module.vars() {
            let place =
                self.address(module, var).ok_or(AllocError { bytes: layout(module).size() })?;
            // SAFETY: `address` found the variable.
            unsafe { (var.restart)(place) };
        }
        Ok(())
    }

    /// Where `var` of `module` is, if the vnet has the module.
    pub(crate) fn address(&self, module: &'static ModuleDef, var: &VarDef) -> Option<*const u8> {
        let container = self.mod_data[module.id().index()].load(Ordering::Acquire);
        // SAFETY: the offset is that of a field of this module's container.
        is_of(container, module)
            .then(|| unsafe { container.cast::<u8>().add(offset(var)) }.cast_const())
    }

    pub(crate) fn bytes(&self) -> usize {
        modules(&self.mod_data).map(|(_, module)| layout(module).size()).sum()
    }
}

/// Whether `container`, an entry of a `Data`, is one of `module`.
#[inline(always)]
fn is_of(container: *const Header, module: &'static ModuleDef) -> bool {
    // SAFETY: an entry is `ABSENT` or a container that lives as long as its `Data`; both begin with a header.
    ptr::eq(unsafe { (*container).module }, module)
}

/// The containers among the entries of a `Data`.
fn modules(
    entries: &[AtomicPtr<Header>],
) -> impl Iterator<Item = (*mut Header, &'static ModuleDef)> {
    entries.iter().filter_map(|entry| {
        let container = entry.load(Ordering::Acquire);
        // SAFETY: as in `is_of`; a module that is not null is a static.
        unsafe { (*container).module.as_ref() }.map(|module| (container, module))
    })
}

impl Drop for Data {
    fn drop(&mut self) {
        let Some(allocator) = &self.allocator else { return };
        for (container, module) in modules(&self.mod_data).chain(modules(&self.removed())) {
            let container = container.cast::<u8>();
            // SAFETY: `add` wrote the variables and got the memory with this layout from this allocator; as `self`
            // is being dropped, nobody looks at them.
            unsafe {
                for var in module.vars() {
                    (var.drop)(container.add(offset(var)));
                }
                allocator.0.dealloc(container, layout(module));
            }
        }
    }
}

/// The container's layout: of whole cache lines.
fn layout(module: &ModuleDef) -> Layout {
    const CACHE_LINE: usize = 64;
    let (size, align) = module.parts().container;
    let align = align.max(CACHE_LINE);
    Layout::from_size_align(size.next_multiple_of(align), align)
        .expect("the layout of a struct, rounded up")
}

/// A variable's offset in its container.
pub(crate) fn offset(var: &VarDef) -> usize {
    (var.location)().addr()
}

/// The container of `module` in `vnet`.
///
/// # Safety
///
/// `C` is the container type of `module`, whose id is `id`.
#[inline(always)]
#[must_use]
pub unsafe fn init<'a, C>(vnet: &'a Vnet, id: ModuleId, module: &'static ModuleDef) -> &'a C {
    match container(vnet, id, module) {
        // SAFETY: the header says that it is a container of `module`, and the caller says that those are `C`. It
        // lives as long as the vnet.
        Some(container) => unsafe { &*container.cast::<C>() },
        None => missing(vnet, module),
    }
}

/// The container of `module` in curvnet.
///
/// # Safety
///
/// As for [`init`].
#[inline(always)]
#[must_use]
pub unsafe fn cur<'a, C>(reader: &'a Reader, id: ModuleId, module: &'static ModuleDef) -> &'a C {
    match container(curvnet::fast(reader), id, module) {
        // SAFETY: as in `init`.
        Some(container) => unsafe { &*container.cast::<C>() },
        // SAFETY: the caller's promise.
        None => unsafe { slow(reader, id, module) },
    }
}

/// Where the variables of a module are in a vnet, or that they are not there.
#[derive(Debug)]
pub struct Kept(*const Header);

// SAFETY: the pointer is compared, or followed to a container, whose variables are `Field`s and so `Send + Sync`.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

impl Kept {
    pub(crate) fn new(vnet: &Vnet, module: &'static ModuleDef) -> Self {
        Self(container(vnet, module.id(), module).unwrap_or(absent()))
    }

    /// Where the container begins, with the header and the first variable.
    #[inline(always)]
    pub(crate) fn first_variable(&self) -> usize {
        self.0.addr()
    }
}

/// The container that was kept, if it is one of `module`.
///
/// # Safety
///
/// `C` is the container type of `module`, and the vnet in which it was found lives as long as the borrow.
#[inline(always)]
#[must_use]
pub unsafe fn kept<'a, C>(kept: &'a Kept, module: &'static ModuleDef) -> Option<&'a C> {
    // SAFETY: the header says that it is a container of `module`, and the caller says that those are `C`, and that the vnet,
    // and so the container, lives as long as the borrow.
    is_of(kept.0, module).then(|| unsafe { &*kept.0.cast::<C>() })
}

#[inline(always)]
fn container(vnet: &Vnet, id: ModuleId, module: &'static ModuleDef) -> Option<*const Header> {
    let container = vnet.data.mod_data[id.index()].load(Ordering::Acquire);
    // SAFETY: as in `Data::address`.
    let owner = unsafe { (*container).module };
    ptr::eq(owner, module).then_some(container.cast_const())
}

/// The thread has several readers, or curvnet is not set, or the vnet lacks the module.
///
/// # Safety
///
/// As for [`init`].
#[cold]
#[inline(never)]
unsafe fn slow<'a, C>(reader: &'a Reader, id: ModuleId, module: &'static ModuleDef) -> &'a C {
    // SAFETY: the caller's promise.
    unsafe { init(curvnet::current(reader), id, module) }
}

#[cold]
#[inline(never)]
fn missing(vnet: &Vnet, module: &ModuleDef) -> ! {
    panic!("curvnet is not set, or the vnet has no module {}: {vnet:?}", module.name());
}

/// A module's container, base and accessors.
#[doc(hidden)]
#[macro_export]
macro_rules! __storage {
    ($($(#[doc = $doc:literal])* $vis:vis $var:ident : $ty:ty = $initial:expr;)*) => {
        #[repr(C)]
        struct Container {
            __header: $crate::__private::Header,
            $($var: $ty,)*
        }

        const CONTAINER: (usize, usize) = (size_of::<Container>(), align_of::<Container>());

        /// The module's variables in one vnet (`INIT_VNET_*`).
        #[derive(Clone, Copy)]
        pub struct Base<'a>(&'a Container);

        impl<'a> Base<'a> {
            $(
                $(#[doc = $doc])*
                #[inline(always)]
                $vis fn $var(&self) -> &'a $ty {
                    &self.0.$var
                }
            )*
        }

        /// The module's variables in `vnet`.
        #[inline(always)]
        pub fn init(vnet: &$crate::Vnet) -> Base<'_> {
            // SAFETY: the container type and the module are those of one declaration.
            Base(unsafe { $crate::__private::init::<Container>(vnet, ID, &MODULE) })
        }

        /// The module's variables in curvnet.
        #[inline(always)]
        pub fn cur(reader: &$crate::Reader) -> Base<'_> {
            // SAFETY: the container type and the module are those of one declaration.
            Base(unsafe { $crate::__private::cur::<Container>(reader, ID, &MODULE) })
        }

        /// The module's variables in the vnet of `bound`, if they are those at place `at`.
        #[inline(always)]
        pub fn of<const N: usize>(bound: &$crate::Bound<N>, at: usize) -> Option<Base<'_>> {
            let kept = bound.kept(at)?;
            // SAFETY: the container type and the module are those of one declaration; `bound` holds the vnet.
            unsafe { $crate::__private::kept::<Container>(kept, &MODULE) }.map(Base)
        }

        $crate::__locations!($($var => ::core::ptr::without_provenance(::core::mem::offset_of!(Container, $var));)*);
    };
}
