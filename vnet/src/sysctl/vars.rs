//! The types of variables that sysctls read and write as they are.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Kind, SysctlError, SysctlVar, Value};
use crate::Field;

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $atomic:ident, $int:ty, $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name($atomic);

        impl $name {
            /// A variable with this value.
            #[must_use]
            pub const fn new(value: $int) -> Self {
                Self($atomic::new(value))
            }

            /// The value.
            #[inline(always)]
            #[must_use]
            pub fn get(&self) -> $int {
                self.0.load(Ordering::Relaxed)
            }

            /// Changes the value; the sysctl's range is not looked at.
            #[inline]
            pub fn set(&self, value: $int) {
                self.0.store(value, Ordering::Relaxed);
            }
        }

        impl Field for $name {
            const INIT: Self = Self::new(0);

            fn restart(&self, initial: &Self) {
                self.set(initial.get());
            }
        }

        impl SysctlVar for $name {
            const KIND: Kind = Kind::$kind;

            fn read(&self) -> Value {
                Value::$kind(self.get())
            }

            fn write(&self, name: &'static str, value: Value) -> Result<(), SysctlError> {
                match value.as_number().and_then(|number| <$int>::try_from(number).ok()) {
                    Some(number) => self.set(number),
                    None => return Err(SysctlError::WrongType { name, value, expected: Self::KIND }),
                }
                Ok(())
            }
        }
    )*};
}

numbers! {
    /// FreeBSD's `int`. Workers read it with a plain load.
    SysctlInt: AtomicI32, i32, Int;
    /// `u_int`. Workers read it with a plain load.
    SysctlUint: AtomicU32, u32, Uint;
    /// `int64_t`. Workers read it with a plain load.
    SysctlI64: AtomicI64, i64, S64;
    /// `uint64_t`. Workers read it with a plain load.
    SysctlU64: AtomicU64, u64, U64;
}

/// A string of at most [`SysctlStr::MAX`] bytes; for the control side, as it takes a lock.
#[derive(Debug)]
pub struct SysctlStr {
    default: &'static str,
    /// None until it is changed.
    changed: Mutex<Option<String>>,
}

impl SysctlStr {
    /// The most bytes it holds.
    pub const MAX: usize = 1024;

    /// A variable with this value.
    #[must_use]
    pub const fn new(default: &'static str) -> Self {
        assert!(default.len() <= Self::MAX, "too long for a sysctl");
        Self { default, changed: Mutex::new(None) }
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> String {
        self.lock().clone().unwrap_or_else(|| self.default.to_owned())
    }

    /// Changes the value; the sysctl's limit is not looked at.
    pub fn set(&self, value: String) {
        *self.lock() = Some(value);
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Field for SysctlStr {
    const INIT: Self = Self::new("");

    fn restart(&self, _initial: &Self) {
        *self.lock() = None;
    }
}

impl SysctlVar for SysctlStr {
    const KIND: Kind = Kind::Str;

    fn read(&self) -> Value {
        Value::Str(self.get())
    }

    fn write(&self, name: &'static str, value: Value) -> Result<(), SysctlError> {
        match value {
            Value::Str(value) if value.len() > Self::MAX => {
                Err(SysctlError::TooLong { name, len: value.len(), max: Self::MAX })
            }
            Value::Str(value) => {
                self.set(value);
                Ok(())
            }
            value => Err(SysctlError::WrongType { name, value, expected: Self::KIND }),
        }
    }
}

/// `N` bytes that only the reader understands; for the control side, as it takes a lock.
#[derive(Debug)]
pub struct SysctlOpaque<const N: usize>(Mutex<[u8; N]>);

impl<const N: usize> SysctlOpaque<N> {
    /// A variable with this value.
    #[must_use]
    pub const fn new(value: [u8; N]) -> Self {
        Self(Mutex::new(value))
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> [u8; N] {
        *self.lock()
    }

    /// Changes the value.
    pub fn set(&self, value: [u8; N]) {
        *self.lock() = value;
    }

    fn lock(&self) -> MutexGuard<'_, [u8; N]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const N: usize> Field for SysctlOpaque<N> {
    const INIT: Self = Self::new([0; N]);

    fn restart(&self, initial: &Self) {
        self.set(initial.get());
    }
}

impl<const N: usize> SysctlVar for SysctlOpaque<N> {
    const KIND: Kind = Kind::Opaque;

    fn read(&self) -> Value {
        Value::Opaque(self.get().to_vec())
    }

    fn write(&self, name: &'static str, value: Value) -> Result<(), SysctlError> {
        match value {
            Value::Opaque(bytes) => match <[u8; N]>::try_from(bytes.as_slice()) {
                Ok(bytes) => self.set(bytes),
                Err(_) => return Err(SysctlError::TooLong { name, len: bytes.len(), max: N }),
            },
            value => return Err(SysctlError::WrongType { name, value, expected: Self::KIND }),
        }
        Ok(())
    }
}
