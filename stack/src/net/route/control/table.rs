//! The routing table of one family in a vnet, as the control thread changes it (FreeBSD: `rib_action`,
//! net/route/route_ctl.c).
//!
//! A change takes two steps, because workers read the FIB while it changes: first every hop that the change needs has
//! an id and is published; only then does the FIB point to it.

use super::changes::Outlook;
use super::{HopTable, RouteChange, RouteError};
use crate::net::route::{FibAlgo, Rib, RouteEntry};
use crate::net::{Family, IpPrefix};

/// Changes of this many routes and more rebuild the FIB once, instead of following each.
const REBUILD_FROM: usize = 4096;

/// The RIB, the FIB that follows it, and the ids of the hops that both speak of.
#[derive(Debug)]
pub struct RouteTable<F: Family> {
    rib: Rib<F::Prefix>,
    fib: F::Fib,
    hops: HopTable,
}

/// Changes whose hops have ids, ready for the FIB.
#[derive(Debug)]
pub struct PreparedChanges<P> {
    list: Vec<(P, Option<RouteEntry>)>,
    /// Whether a hop is new: then the hops must be published before the changes are applied.
    pub has_new_hops: bool,
}

impl<F: Family> RouteTable<F> {
    /// A table without routes; `fib` is that of an empty one.
    #[must_use]
    pub fn new(fib: F::Fib) -> Self {
        Self { rib: Rib::new(), fib, hops: HopTable::default() }
    }

    /// The routes.
    #[must_use]
    pub fn rib(&self) -> &Rib<F::Prefix> {
        &self.rib
    }

    /// The hops that the routes lead to.
    #[must_use]
    pub fn hops(&self) -> &HopTable {
        &self.hops
    }

    /// The table that workers look destinations up in.
    #[must_use]
    pub fn fib(&self) -> &F::Fib {
        &self.fib
    }

    /// First step: checks all changes, in their order, and takes ids for their hops.
    ///
    /// # Errors
    /// A change cannot be made; then nothing has changed.
    pub fn prepare(
        &mut self,
        changes: &[RouteChange<F::Prefix>],
    ) -> Result<PreparedChanges<F::Prefix>, RouteError> {
        let mut outlook = Outlook::new(&self.rib, changes);
        for change in changes {
            let prefix = change.prefix().masked();
            match change {
                RouteChange::Add { .. } => outlook.add(prefix)?,
                RouteChange::Delete { .. } => outlook.delete(prefix)?,
            }
        }
        let mut prepared =
            PreparedChanges { list: Vec::with_capacity(changes.len()), has_new_hops: false };
        for change in changes {
            let RouteChange::Add { prefix, hop, flags } = change else {
                prepared.list.push((change.prefix(), None));
                continue;
            };
            let Some((nexthop, is_new)) = self.hops.acquire(hop) else {
                let taken = prepared.list.into_iter().filter_map(|(_, entry)| entry);
                taken.for_each(|entry| self.hops.release(entry.nexthop));
                return Err(RouteError::TooManyHops);
            };
            prepared.has_new_hops |= is_new;
            // A route that goes and comes is replaced: at no moment do packets find none.
            let _replaced =
                prepared.list.pop_if(|(before, entry)| before == prefix && entry.is_none());
            prepared.list.push((*prefix, Some(RouteEntry { nexthop, flags: *flags })));
        }
        Ok(prepared)
    }

    /// Second step: changes RIB and FIB. True when the FIB is another one now, which must be published.
    #[must_use]
    pub fn apply(&mut self, prepared: PreparedChanges<F::Prefix>) -> bool {
        let rebuild = prepared.list.len() >= REBUILD_FROM;
        let mut replaced = rebuild;
        for (prefix, entry) in prepared.list {
            let old = match entry {
                Some(entry) => {
                    self.rib.insert(prefix, entry).expect("the first step looked for room")
                }
                None => self.rib.remove(prefix),
            };
            if !rebuild {
                replaced |= self.fib.change_route(&self.rib, prefix);
            }
            if let Some(old) = old {
                self.hops.release(old.nexthop);
            }
        }
        if rebuild {
            self.fib.rebuild_from(&self.rib);
        }
        replaced
    }

    /// Memory that the FIB has freed since the last call, to be dropped after a grace period.
    #[must_use]
    pub fn seal_freed(&mut self) -> Option<Box<dyn Send>> {
        self.fib.seal_freed()
    }

    /// Lets the ids of hops that no route leads to be used again, after a grace period.
    pub fn reuse_rested(&mut self) {
        self.hops.reuse_rested();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use ipnet::{Ipv4Net, Ipv6Net};

    use super::*;
    use crate::net::route::{Hop, RibError, RouteFlags};
    use crate::wire::EtherType;

    /// A FIB that nothing is looked up in.
    #[derive(Debug)]
    struct NoFib;

    impl<P: IpPrefix> FibAlgo<P> for NoFib {
        fn change_route(&mut self, _rib: &Rib<P>, _prefix: P) -> bool {
            false
        }

        fn rebuild_from(&mut self, _rib: &Rib<P>) {}

        fn seal_freed(&mut self) -> Option<Box<dyn Send>> {
            None
        }
    }

    macro_rules! family {
        ($name:ident, $addr:ty, $prefix:ty, $ether_type:expr) => {
            #[derive(Debug)]
            struct $name;

            impl Family for $name {
                type Addr = $addr;
                type Prefix = $prefix;
                type Fib = NoFib;
                const ETHER_TYPE: EtherType = $ether_type;
            }
        };
    }

    family!(V4, Ipv4Addr, Ipv4Net, EtherType::IPV4);
    family!(V6, Ipv6Addr, Ipv6Net, EtherType(0x86dd));

    /// The prefix of this length whose address begins with these two bytes.
    fn prefix<P: IpPrefix>(bytes: [u8; 2], len: u8) -> P {
        let [first, second] = bytes.map(P::R::from);
        let shift = P::num_bits() as usize - 8;
        P::from_repr_len((first << shift) | (second << (shift - 8)), len)
    }

    fn add<P: IpPrefix>(prefix: P, hop: Hop) -> RouteChange<P> {
        RouteChange::Add { prefix, hop, flags: RouteFlags::STATIC }
    }

    fn delete<P>(prefix: P) -> RouteChange<P> {
        RouteChange::Delete { prefix }
    }

    /// The route that the table begins with, and three more specific ones.
    fn routes<P: IpPrefix>() -> (P, [P; 3]) {
        (prefix([10, 0], 8), [1, 2, 3].map(|second| prefix([10, second], 16)))
    }

    /// A table with one route and room for two more.
    fn table<F: Family<Fib = NoFib>>() -> RouteTable<F> {
        let rib = Rib::with_limit(3);
        let mut table = RouteTable { rib, fib: NoFib, hops: HopTable::default() };
        let prepared = table.prepare(&[add(routes().0, Hop::Blackhole)]).expect("room");
        assert!(!table.apply(prepared));
        table
    }

    /// A batch is refused, and nothing of it remains: no route, and no hop.
    #[track_caller]
    fn refused<F: Family>(
        table: &mut RouteTable<F>,
        changes: &[RouteChange<F::Prefix>],
        error: &RouteError,
    ) {
        let before: Vec<_> = table.rib.iter().collect();
        assert_eq!(&table.prepare(changes).expect_err("a refusal"), error);
        assert_eq!(table.rib.iter().collect::<Vec<_>>(), before);
        assert_eq!(table.hops.iter().flatten().collect::<Vec<_>>(), [&Hop::Blackhole]);
    }

    fn a_batch_that_does_not_fit<F: Family<Fib = NoFib>>() {
        let mut table = table::<F>();
        let (ten, more) = routes();
        let [one, two, three] = more.map(|prefix| add(prefix, Hop::Reject));
        let full = RouteError::Rib(RibError::Full { limit: 3 });
        refused(&mut table, &[one.clone(), two.clone(), three.clone()], &full);
        // In this order there is room at each step, and in the other there is not.
        let last_out = [one.clone(), two.clone(), three.clone(), delete(ten)];
        refused(&mut table, &last_out, &full);
        let prepared = table.prepare(&[delete(ten), one, two, three]).expect("room");
        assert!(!table.apply(prepared));
        assert_eq!(table.rib.len(), 3);
    }

    #[test]
    fn a_batch_that_does_not_fit_is_refused_whole() {
        a_batch_that_does_not_fit::<V4>();
        a_batch_that_does_not_fit::<V6>();
    }

    fn a_later_change<F: Family<Fib = NoFib>>() {
        let mut table = table::<F>();
        let (ten, [one, ..]) = routes();
        let twice = [add(one, Hop::Reject), add(one, Hop::Reject)];
        refused(&mut table, &twice, &RouteError::Exists(one.into()));
        refused(&mut table, &[delete(ten), delete(ten)], &RouteError::Missing(ten.into()));
        let prepared = table.prepare(&[delete(ten), add(ten, Hop::Reject)]).expect("a replacement");
        assert_eq!(prepared.list.len(), 1, "between two steps there would be no route");
        assert!(!table.apply(prepared));
        let entry = table.rib.get(ten).expect("a route");
        assert_eq!(table.hops.get(entry.nexthop), Some(&Hop::Reject));
    }

    #[test]
    fn a_change_counts_on_those_before_it() {
        a_later_change::<V4>();
        a_later_change::<V6>();
    }
}
