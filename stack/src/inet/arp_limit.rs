//! How many ARP requests of one host an interface answers in a second.

use super::RateWindow;
use crate::time::Nanos;

/// Hosts are told apart by four bits of a hash: one that floods takes the budget of one in sixteen, and of no more.
const WINDOWS: usize = 16;

/// The budgets of one interface, shared by its vnet's workers.
#[derive(Debug, Default)]
pub(crate) struct ArpLimit {
    windows: [RateWindow; WINDOWS],
}

impl ArpLimit {
    /// Takes one answer to `sender`, host byte order, from this second's budget of `limit`; 0 is no limit.
    pub(crate) fn take(&self, sender: u32, limit: i32, now: Nanos) -> bool {
        let hash = sender.wrapping_mul(0x9e37_79b1) >> (u32::BITS - WINDOWS.ilog2());
        self.windows.get(hash as usize).is_none_or(|window| window.take(limit, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_that_floods_leaves_the_others_their_budget() {
        let limit = ArpLimit::default();
        let now = Nanos::from_seconds(5);
        let taken = |sender| (0..1000).filter(|_| limit.take(sender, 50, now)).count();
        assert_eq!(taken(0x0a00_0002), 50);
        let others = (0x0a00_0003..0x0a00_0100).filter(|sender| limit.take(*sender, 50, now));
        assert!(others.count() > 253 * 8 / 10);
        assert!(limit.take(0x0a00_0002, 50, Nanos::from_seconds(6)), "the next second");
        assert!((0..1000).all(|_| limit.take(0x0a00_0002, 0, now)), "0 is no limit");
    }
}
