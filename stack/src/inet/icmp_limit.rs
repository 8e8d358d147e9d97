//! How many ICMP messages of a class a vnet sends in a second (FreeBSD: `badport_bandlim`, netinet/ip_icmp.c).

use super::RateWindow;
use crate::time::Nanos;

/// Classes with a budget of their own, so that one kind of traffic cannot silence the answers to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum IcmpClass {
    /// Echo replies.
    Echo,
    /// Destination unreachable.
    Unreach,
    /// Time exceeded.
    TimeExceeded,
    /// Redirect.
    Redirect,
    /// Parameter problem.
    ParameterProblem,
    /// Fragmentation needed. Apart from the other unreachables, so that a stranger who provokes those cannot blind
    /// everybody's path MTU discovery (RFC 1191).
    NeedsFragmentation,
    /// Timestamp replies.
    Timestamp,
}

const CLASSES: usize = 7;

/// The budgets of one vnet, shared by its workers.
#[derive(Debug)]
pub struct IcmpLimit {
    windows: [RateWindow; CLASSES],
}

impl vnet::Field for IcmpLimit {
    const INIT: Self = Self { windows: [const { RateWindow::new() }; CLASSES] };

    fn restart(&self, _initial: &Self) {
        self.windows.iter().for_each(RateWindow::restart);
    }
}

impl IcmpLimit {
    /// How many messages of `class` may be sent now, at most.
    #[inline]
    pub fn budget(&self, class: IcmpClass, limit: i32, now: Nanos) -> u32 {
        self.windows[class as usize].budget(limit, now)
    }

    /// Takes one message of `class` from this second's budget of `limit`; 0 is no limit.
    pub fn take(&self, class: IcmpClass, limit: i32, now: Nanos) -> bool {
        self.windows[class as usize].take(limit, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_budget_and_no_more() {
        let limit = <IcmpLimit as vnet::Field>::INIT;
        for second in [1u64, 2, 7] {
            let now = Nanos::from_seconds(second);
            let sent = (0..1000).filter(|_| limit.take(IcmpClass::Unreach, 200, now)).count();
            assert_eq!(sent, 200);
            assert_eq!(limit.budget(IcmpClass::Unreach, 200, now), 0);
            let echo = limit.budget(IcmpClass::Echo, 200, now);
            assert_eq!(echo, 200, "another class has its own budget");
        }
        assert!((0..1000).all(|_| limit.take(IcmpClass::Echo, 0, Nanos(0))), "0 is no limit");
    }

    #[test]
    fn a_worker_that_is_late_does_not_open_the_window_again() {
        let limit = <IcmpLimit as vnet::Field>::INIT;
        let (next, last) = (Nanos::from_seconds(7), Nanos::from_seconds(6));
        assert!(limit.take(IcmpClass::Echo, 200, last));
        assert!((0..199).all(|_| limit.take(IcmpClass::Echo, 200, next)));
        assert!(limit.take(IcmpClass::Echo, 200, last), "the last one of the window of both");
        assert_eq!(limit.budget(IcmpClass::Echo, 200, last), 0);
        assert!(!limit.take(IcmpClass::Echo, 200, next), "and no new window");
    }
}
