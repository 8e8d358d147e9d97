//! The values that are read from and written to sysctls.

use std::fmt;

use super::Kind;

/// A sysctl's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// FreeBSD's `int`.
    Int(i32),
    /// `u_int`.
    Uint(u32),
    /// `int64_t`.
    S64(i64),
    /// `uint64_t`.
    U64(u64),
    /// A string.
    Str(String),
    /// Bytes that only the reader understands.
    Opaque(Vec<u8>),
}

impl Value {
    /// The value as a number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(i128::from(*value)),
            Self::Uint(value) => Some(i128::from(*value)),
            Self::S64(value) => Some(i128::from(*value)),
            Self::U64(value) => Some(i128::from(*value)),
            Self::Str(_) | Self::Opaque(_) => None,
        }
    }

    /// The value as a string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(value) => Some(value),
            _ => None,
        }
    }

    /// `text` as a number of any sign or base (`0x`), or else as the string that it is.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let unsigned = match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        };
        let signed = || text.parse().ok().map(Self::S64);
        unsigned.map(Self::U64).or_else(signed).unwrap_or_else(|| Self::Str(text.to_owned()))
    }

    /// The kind of OID that has such values.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Int(_) => Kind::Int,
            Self::Uint(_) => Kind::Uint,
            Self::S64(_) => Kind::S64,
            Self::U64(_) => Kind::U64,
            Self::Str(_) => Kind::Str,
            Self::Opaque(_) => Kind::Opaque,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Uint(value) => value.fmt(f),
            Self::S64(value) => value.fmt(f),
            Self::U64(value) => value.fmt(f),
            Self::Str(value) => value.fmt(f),
            Self::Opaque(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

macro_rules! values_from {
    ($($from:ty => $variant:ident),*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

values_from!(i32 => Int, u32 => Uint, i64 => S64, u64 => U64, String => Str, &str => Str, bool => Int);
