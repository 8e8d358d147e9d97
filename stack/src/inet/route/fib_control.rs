//! The control side of the FIB: makes it from the RIB and follows the RIB's changes.

mod extents;
mod kind;
mod lists;
mod policy;
mod relocate;
mod shape;
mod writer;

use std::sync::Arc;

use ipnet::Ipv4Net;

use super::fib::{Few, Fib, Layout, Tables};
use crate::net::route::{FibAlgo, Rib};
use extents::Extents;
pub use extents::GraceToken;
use kind::{Kind, tables};
use lists::Lists;
pub use policy::FibPolicy;

/// A change of a prefix shorter than this touches so much of the table that a new one is built.
const WIDE_PREFIX_LEN: u8 = 4;

/// Arena words a route, as a first guess when a table is built.
const WORDS_PER_ROUTE: usize = 4;

/// What a change of the RIB did to the FIB.
#[derive(Debug)]
#[must_use = "workers read the old table until a replacement is published"]
pub enum FibUpdate {
    /// The published table has been changed, or had nothing to change: readers see it already.
    InPlace,
    /// This table takes the place of the published one: publish it, and retire the old one.
    Replaced(Arc<Fib>),
}

/// Owns the FIB of one vnet: what it looks like, and which words of its arena are free.
///
/// One change of the RIB is followed by one [`FibControl::update`]; a bulk load by one
/// [`FibControl::rebuild`]. Once per tick, [`FibControl::seal`] starts a grace period for what was freed.
#[derive(Debug)]
pub struct FibControl {
    policy: FibPolicy,
    fib: Arc<Fib>,
    extents: Extents,
    /// The ranges of the entries that are being written; kept for its capacity.
    lists: Lists,
}

impl FibControl {
    /// The FIB of an empty RIB.
    #[must_use]
    pub fn new(policy: FibPolicy) -> Self {
        Self {
            policy,
            fib: Arc::new(Fib(Layout::Few(Few::default()))),
            extents: Extents::default(),
            lists: Lists::default(),
        }
    }

    /// The current table: the one to publish.
    #[must_use]
    pub const fn fib(&self) -> &Arc<Fib> {
        &self.fib
    }

    /// Bytes of memory that the control side holds beside the table itself.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.extents.memory_bytes() + self.lists.memory_bytes()
    }

    /// Makes the table anew from `rib`, in the layout that fits best and as compact as can be.
    pub fn rebuild(&mut self, rib: &Rib<Ipv4Net>) -> Arc<Fib> {
        self.build(self.policy.choose(Kind::Few, rib), rib);
        Arc::clone(&self.fib)
    }

    /// Follows a change of `rib` at `prefix` (inserted, replaced or deleted).
    ///
    /// The cost is that of walking the routes in the table entries that `prefix` covers: about a
    /// microsecond for a /16 to /32; a rebuild for one shorter than /4 and when the layout changes.
    ///
    /// Workers may see the change before this returns. So publish what a new next hop is before the routes
    /// that lead to it, and let a grace period pass before an id that no route leads to is used again.
    pub fn update(&mut self, rib: &Rib<Ipv4Net>, prefix: Ipv4Net) -> FibUpdate {
        let before = Arc::clone(&self.fib);
        let current = Kind::of(&self.fib.0);
        let kind = self.policy.choose(current, rib);
        if kind != current || kind == Kind::Few || prefix.prefix_len() < WIDE_PREFIX_LEN {
            self.build(kind, rib);
        } else {
            self.write(rib, prefix);
            self.shrink();
        }
        if Arc::ptr_eq(&before, &self.fib) {
            FibUpdate::InPlace
        } else {
            FibUpdate::Replaced(Arc::clone(&self.fib))
        }
    }

    /// Starts a grace period for the memory that changes have freed since the last call; `None` if there is
    /// none. See [`GraceToken`].
    pub fn seal(&mut self) -> Option<GraceToken> {
        self.extents.seal()
    }

    /// A new table of the layout `kind`.
    fn build(&mut self, kind: Kind, rib: &Rib<Ipv4Net>) {
        let everything = Ipv4Net::default();
        let few = || Few::new(rib.ranges(everything).map(|range| (range.start, range.nexthop)));
        if kind == Kind::Few
            && let Some(few) = few()
        {
            self.install(Layout::Few(few));
            return;
        }
        let words = WORDS_PER_ROUTE * rib.len();
        self.install(kind.layout(Tables::new(kind.cut().top_bits, words)));
        self.write(rib, everything);
        self.relocate(0);
    }

    /// Takes `layout` as the current table; nobody reads it before the caller publishes it.
    fn install(&mut self, layout: Layout) {
        self.extents = Extents::new(tables(&layout).map_or(0, |tables| tables.arena.len()));
        self.fib = Arc::new(Fib(layout));
    }
}

impl FibAlgo<Ipv4Net> for FibControl {
    fn change_route(&mut self, rib: &Rib<Ipv4Net>, prefix: Ipv4Net) -> bool {
        matches!(self.update(rib, prefix), FibUpdate::Replaced(_))
    }

    fn rebuild_from(&mut self, rib: &Rib<Ipv4Net>) {
        let _fib = self.rebuild(rib);
    }

    fn seal_freed(&mut self) -> Option<Box<dyn Send>> {
        Some(Box::new(self.seal()?))
    }
}
