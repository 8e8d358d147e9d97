//! The declaration of a sysctl.

use std::fmt;
use std::ops::RangeInclusive;

use super::{SysctlError, Value};
use crate::Control;

/// The operations that an OID allows (FreeBSD: `CTLFLAG_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// May be read.
    pub const RD: Self = Self(1);
    /// May be written.
    pub const WR: Self = Self(2);
    /// May be read and written.
    pub const RW: Self = Self(3);
    /// May be set by the configuration of a new vnet, even if it is read-only afterwards.
    pub const TUN: Self = Self(4);
    /// Read-only, but a tunable.
    pub const RDTUN: Self = Self(5);
    /// Read-write, and a tunable.
    pub const RWTUN: Self = Self(7);
    /// Each vnet has its own. The tree sets it.
    pub const VNET: Self = Self(8);

    /// All of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The type of an OID's value (FreeBSD: `CTLTYPE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `int`.
    Int,
    /// `u_int`.
    Uint,
    /// `int64_t`.
    S64,
    /// `uint64_t`.
    U64,
    /// A string.
    Str,
    /// Bytes.
    Opaque,
    /// Its procedure alone knows the values.
    Proc,
}

impl Kind {
    /// The numbers that the type has; none for a type that has no numbers, or whose procedure decides.
    #[must_use]
    pub const fn range(self) -> Option<(i128, i128)> {
        match self {
            Self::Int => Some((i32::MIN as i128, i32::MAX as i128)),
            Self::Uint => Some((0, u32::MAX as i128)),
            Self::S64 => Some((i64::MIN as i128, i64::MAX as i128)),
            Self::U64 => Some((0, u64::MAX as i128)),
            Self::Str | Self::Opaque | Self::Proc => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int => "an integer of 32 bits",
            Self::Uint => "an unsigned integer of 32 bits",
            Self::S64 => "an integer of 64 bits",
            Self::U64 => "an unsigned integer of 64 bits",
            Self::Str => "a string",
            Self::Opaque => "bytes",
            Self::Proc => "a value that its procedure understands",
        })
    }
}

/// A variable that a sysctl reads and writes as it is.
pub trait SysctlVar: crate::Field {
    /// The type of its value.
    const KIND: Kind;

    /// Its value.
    fn read(&self) -> Value;

    /// Changes its value.
    ///
    /// # Errors
    ///
    /// The value is of another type, or too long. Numbers have been converted to the variable's type.
    fn write(&self, name: &'static str, value: Value) -> Result<(), SysctlError>;
}

/// A request to a procedure.
#[derive(Debug)]
pub struct Request<'a> {
    /// The control thread's rights. Its curvnet is the vnet of the OID, if the OID has one.
    pub control: &'a mut Control,
    /// The value to write; none to read.
    pub new: Option<Value>,
}

/// A procedure behind an OID (FreeBSD: `SYSCTL_PROC`): gets the resolved variable and the request, and returns the
/// value as it was before.
pub type Handler<T> = fn(&T, &mut Request<'_>) -> Result<Value, SysctlError>;

/// A procedure, as the macro sees it.
#[doc(hidden)]
pub trait Procedure {
    type Type: crate::Field;
    const HANDLER: Handler<Self::Type>;
}

type Access = unsafe fn(*const u8, &'static str, &mut Request<'_>) -> Result<Value, SysctlError>;

/// The declaration of a sysctl.
pub struct SysctlDef {
    pub(super) name: &'static str,
    pub(super) flags: Flags,
    pub(super) kind: Kind,
    pub(super) range: Option<(i128, i128)>,
    pub(super) description: &'static str,
    /// Reads, and writes if there is a new value; returns the old.
    pub(super) access: Access,
}

impl SysctlDef {
    /// A number within a range.
    #[must_use]
    pub const fn ranged<T: SysctlVar>(
        name: &'static str,
        flags: Flags,
        range: RangeInclusive<i128>,
        description: &'static str,
    ) -> Self {
        let (min, max) = (*range.start(), *range.end());
        let Some((least, most)) = T::KIND.range() else { panic!("only numbers have ranges") };
        assert!(
            least <= min && min <= max && max <= most,
            "the range is not one of the variable's type"
        );
        Self { range: Some((min, max)), ..Self::variable::<T>(name, flags, description) }
    }

    /// A variable of any sysctl type.
    #[must_use]
    pub const fn variable<T: SysctlVar>(
        name: &'static str,
        flags: Flags,
        description: &'static str,
    ) -> Self {
        Self {
            name,
            flags,
            kind: T::KIND,
            range: T::KIND.range(),
            description,
            access: access::<T>,
        }
    }

    /// A procedure on a variable of any type.
    #[doc(hidden)]
    #[must_use]
    pub const fn procedure<P: Procedure>(
        name: &'static str,
        flags: Flags,
        description: &'static str,
    ) -> Self {
        Self { name, flags, kind: Kind::Proc, range: None, description, access: call::<P> }
    }
}

/// # Safety
///
/// `variable` is the address of a `T` that outlives the call.
unsafe fn access<T: SysctlVar>(
    variable: *const u8,
    name: &'static str,
    request: &mut Request<'_>,
) -> Result<Value, SysctlError> {
    // SAFETY: the caller's promise.
    let variable = unsafe { &*variable.cast::<T>() };
    let old = variable.read();
    if let Some(new) = request.new.take() {
        variable.write(name, new)?;
    }
    Ok(old)
}

/// # Safety
///
/// `variable` is the address of a `P::Type` that outlives the call.
unsafe fn call<P: Procedure>(
    variable: *const u8,
    _name: &'static str,
    request: &mut Request<'_>,
) -> Result<Value, SysctlError> {
    // SAFETY: the caller's promise.
    (P::HANDLER)(unsafe { &*variable.cast::<P::Type>() }, request)
}

impl fmt::Debug for SysctlDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SysctlDef")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
