//! One network stack instance.

use std::alloc::GlobalAlloc;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use crate::arm;

/// Names a vnet: an index that is used again, and a generation that tells one use from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VnetId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl VnetId {
    const NONE: Self = Self { index: u32::MAX, generation: 0 };

    /// The index, below [`Vnets::MAX_VNETS`](crate::Vnets::MAX_VNETS).
    #[must_use]
    pub fn index(self) -> usize {
        // A u32 fits where this program runs.
        self.index as usize
    }

    /// How often the index was used before.
    #[must_use]
    pub fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for VnetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// Where a vnet is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum VnetState {
    /// Modules are being attached.
    Attaching,
    /// In use.
    Alive,
    /// Takes no new work; no longer found by name or id.
    Dying,
    /// Modules are detached; waits for the last handle and the last reader.
    Dead,
}

/// One network stack instance: an isolated set of the variables of all modules.
// A worker that enters a vnet reads one cache line: the domain and the first entries of `data`.
#[repr(C, align(64))]
pub struct Vnet {
    /// The domain whose readers are waited for before this is freed; 0 from the beginning of that last grace period.
    domain: AtomicU32,
    magic: AtomicU32,
    state: AtomicU8,
    pinned: AtomicBool,
    pub(crate) data: arm::Data,
    id: VnetId,
    name: String,
}

/// The name of the first vnet.
pub const VNET0_NAME: &str = "vnet0";

/// A handle to a vnet. The memory of a vnet is freed after the last handle is gone, and never by dropping a handle.
pub type VnetRef = Arc<Vnet>;

/// FreeBSD's `VNET_MAGIC_N`, cut to 32 bits.
const MAGIC: u32 = 0x5e4a_6f28;
const POISON: u32 = 0xdead_dead;

impl Vnet {
    /// Stands for no vnet.
    #[allow(clippy::declare_interior_mutable_const, reason = "the initial value of one static")]
    pub(crate) const LIMBO: Self = Self {
        data: arm::Data::EMPTY,
        domain: AtomicU32::new(0),
        magic: AtomicU32::new(POISON),
        state: AtomicU8::new(VnetState::Dead as u8),
        pinned: AtomicBool::new(false),
        id: VnetId::NONE,
        name: String::new(),
    };

    pub(crate) fn new(data: arm::Data, domain: u32, id: VnetId, name: String) -> Self {
        Self {
            data,
            domain: AtomicU32::new(domain),
            magic: AtomicU32::new(MAGIC),
            state: AtomicU8::new(VnetState::Attaching as u8),
            pinned: AtomicBool::new(false),
            id,
            name,
        }
    }

    /// The vnet's id.
    #[must_use]
    pub fn id(&self) -> VnetId {
        self.id
    }

    /// The vnet's name; unique among those that are alive.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the vnet is in its life.
    #[must_use]
    pub fn state(&self) -> VnetState {
        match self.state.load(Ordering::Acquire) {
            0 => VnetState::Attaching,
            1 => VnetState::Alive,
            2 => VnetState::Dying,
            _ => VnetState::Dead,
        }
    }

    /// Whether the vnet takes new work.
    #[inline]
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.state() == VnetState::Alive
    }

    /// How many bytes the modules' variables take; not counting what they point to.
    #[must_use]
    pub fn container_bytes(&self) -> usize {
        self.data.bytes()
    }

    pub(crate) fn set_state(&self, state: VnetState) {
        self.state.store(state as u8, Ordering::Release);
    }

    #[inline(always)]
    pub(crate) fn domain(&self) -> u32 {
        self.domain.load(Ordering::Relaxed)
    }

    /// From now on no reader may make this vnet current. Before the last grace period.
    pub(crate) fn leave_domain(&self) {
        self.domain.store(0, Ordering::Release);
    }

    pub(crate) fn poison(&self) {
        self.magic.store(POISON, Ordering::Release);
    }

    #[cfg_attr(not(debug_assertions), allow(dead_code, reason = "checked in debug builds"))]
    pub(crate) fn magic_holds(&self) -> bool {
        self.magic.load(Ordering::Acquire) == MAGIC
    }

    /// Whether it was pinned before.
    pub(crate) fn pin(&self) -> bool {
        self.pinned.load(Ordering::Relaxed) || self.pinned.swap(true, Ordering::AcqRel)
    }
}

/// Where the containers come from.
pub(crate) type Allocator = &'static (dyn GlobalAlloc + Sync);

impl fmt::Debug for Vnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vnet")
            .field("id", &format_args!("{}", self.id))
            .field("name", &self.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
