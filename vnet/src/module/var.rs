//! A variable of a module, with its type erased.

use std::any::type_name;
use std::fmt;

use crate::Field;
use crate::sysctl::SysctlDef;

/// A variable, as the macro sees it.
///
/// # Safety
///
/// For [`module!`](crate::module!) alone: `location` says where this arm finds a variable of this type, and the sysctls
/// are declared for this type.
#[doc(hidden)]
pub unsafe trait Variable {
    type Type: Field;
    const NAME: &'static str;

    const DOC: &'static str;
    const INITIAL: Self::Type;
    const SYSCTLS: &'static [SysctlDef];
    fn location() -> *const u8;
}

/// A variable of a module, with its type erased.
pub struct VarDef {
    name: &'static str,
    type_name: fn() -> &'static str,
    doc: &'static str,
    size: usize,
    sysctls: &'static [SysctlDef],
    pub(crate) location: fn() -> *const u8,
    #[allow(dead_code, reason = "for the arms that build variables")]
    pub(crate) init: unsafe fn(*mut u8),
    #[allow(dead_code, reason = "for the arms that free variables")]
    pub(crate) drop: unsafe fn(*mut u8),
    pub(crate) restart: unsafe fn(*const u8),
}

impl VarDef {
    #[doc(hidden)]
    #[must_use]
    pub const fn of<V: Variable>() -> Self {
        const {
            assert!(
                align_of::<V::Type>() <= 128,
                "a per-vnet variable is aligned to 128 bytes at most"
            );
        };
        Self {
            name: V::NAME,
            type_name: type_name::<V::Type>,
            doc: V::DOC,
            size: size_of::<V::Type>(),
            sysctls: V::SYSCTLS,
            location: V::location,
            init: init::<V>,
            drop: drop_in_place::<V>,
            restart: restart::<V>,
        }
    }

    /// The variable's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The variable's type, as the compiler calls it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        (self.type_name)()
    }

    /// The documentation of the declaration.
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    /// Size in bytes, without what it points to.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The sysctls that read and write it.
    #[must_use]
    pub fn sysctls(&self) -> &'static [SysctlDef] {
        self.sysctls
    }
}

/// # Safety
///
/// `place` is memory for a `V::Type`, without a value.
unsafe fn init<V: Variable>(place: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        place.cast::<V::Type>().write(V::INITIAL);
    }
}

/// # Safety
///
/// `place` holds a `V::Type` that nobody uses again.
unsafe fn drop_in_place<V: Variable>(place: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        place.cast::<V::Type>().drop_in_place();
    }
}

/// # Safety
///
/// `place` holds a `V::Type`.
unsafe fn restart<V: Variable>(place: *const u8) {
    // SAFETY: the caller's promise.
    let variable = unsafe { &*place.cast::<V::Type>() };
    variable.restart(&V::INITIAL);
}

impl fmt::Debug for VarDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VarDef")
            .field("name", &self.name)
            .field("type", &self.type_name())
            .finish_non_exhaustive()
    }
}
