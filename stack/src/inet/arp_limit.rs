//! How many ARP requests of one host an interface answers in a second.

use super::RateWindow;
use crate::time::Nanos;
use crate::wire::MacAddr;

/// Hosts are told apart by four bits of a hash of their MAC addresses, as a probe comes from no IPv4 address: one that floods takes the budget of one in sixteen, and of no more.
const WINDOWS: usize = 16;

/// The budgets of one interface, shared by its vnet's workers.
#[derive(Debug, Default)]
pub(crate) struct ArpLimit {
    windows: [RateWindow; WINDOWS],
}

impl ArpLimit {
    /// Takes one answer to `sender` from this second's budget of `limit`; 0 is no limit.
    pub(crate) fn take(&self, sender: MacAddr, limit: i32, now: Nanos) -> bool {
        let hash =
            sender.key().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - WINDOWS.ilog2());
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
        let host = |last| MacAddr([2, 0, 0, 0, 0, last]);
        let taken = |sender| (0..1000).filter(|_| limit.take(sender, 50, now)).count();
        assert_eq!(taken(host(2)), 50);
        let others = (3..=255).filter(|last| limit.take(host(*last), 50, now));
        assert!(others.count() > 253 * 8 / 10);
        assert!(limit.take(host(2), 50, Nanos::from_seconds(6)), "the next second");
        assert!((0..1000).all(|_| limit.take(host(2), 0, now)), "0 is no limit");
    }
}
