//! The layouts as the control side sees them: a ladder, and how each rung cuts an address.
//!
//! Control side.

use super::super::fib::{Layout, NODE_BITS, ROOT_BITS, Tables};

/// The layouts in the order of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Few,
    Split,
    Direct16,
    Direct18,
    Direct20,
}

/// How a layout with tables cuts an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Leading bits that select an entry (a hit or a list).
    pub(super) entry_bits: u8,
    /// Leading bits that select an element of `top`.
    pub(super) top_bits: u8,
}

impl Cut {
    /// Entries of one node.
    pub(super) const NODE_ENTRIES: usize = 1 << NODE_BITS;

    /// Address bits below an entry.
    pub(super) const fn entry_shift(self) -> u32 {
        32 - self.entry_bits as u32
    }

    /// Entries below one element of `top`: 1, or those of a node.
    pub(super) const fn group(self) -> u32 {
        1 << (self.entry_bits - self.top_bits)
    }
}

impl Kind {
    pub(super) const fn of(layout: &Layout) -> Self {
        match layout {
            Layout::Few(_) => Self::Few,
            Layout::Split(_) => Self::Split,
            Layout::Direct16(_) => Self::Direct16,
            Layout::Direct18(_) => Self::Direct18,
            Layout::Direct20(_) => Self::Direct20,
        }
    }

    /// How this layout cuts an address; `few` has no tables and counts as `split`.
    pub(super) const fn cut(self) -> Cut {
        match self {
            Self::Few | Self::Split => {
                Cut { entry_bits: ROOT_BITS + NODE_BITS, top_bits: ROOT_BITS }
            }
            Self::Direct16 => Cut { entry_bits: 16, top_bits: 16 },
            Self::Direct18 => Cut { entry_bits: 18, top_bits: 18 },
            Self::Direct20 => Cut { entry_bits: 20, top_bits: 20 },
        }
    }

    /// This layout with `tables`; `few` has no tables and counts as `split`.
    pub(super) const fn layout(self, tables: Tables) -> Layout {
        match self {
            Self::Few | Self::Split => Layout::Split(tables),
            Self::Direct16 => Layout::Direct16(tables),
            Self::Direct18 => Layout::Direct18(tables),
            Self::Direct20 => Layout::Direct20(tables),
        }
    }
}

/// The tables of a layout; `None` for `few`.
pub(super) const fn tables(layout: &Layout) -> Option<&Tables> {
    match layout {
        Layout::Few(_) => None,
        Layout::Split(tables)
        | Layout::Direct16(tables)
        | Layout::Direct18(tables)
        | Layout::Direct20(tables) => Some(tables),
    }
}
