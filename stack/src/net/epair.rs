//! Epairs: two Ethernet interfaces, what is sent to one is received by the other (FreeBSD: sys/net/if_epair.c).
//!
//! To whoever sends, an end is a port: frames for it carry its [`EpairEnd::port`], a number above those of DPDK. Every
//! worker carries the whole stack, so a frame stays with its worker: it waits in `Output` and goes on in the
//! vnet of the other end, without a ring, a copy or another core.

use pmd::PortId;

/// The first number that is no port: above DPDK's, and above those of the forwarding lab, which numbers thousands itself.
const FIRST_PORT: u16 = 16_384;
const _: () = assert!(pmd::MAX_PORTS <= FIRST_PORT as usize);

/// Epairs of a process.
pub const MAX_EPAIRS: usize = MAX_EPAIR_ENDS / 2;
/// Ends of a process's epairs. The last number stands for no port at all.
pub(crate) const MAX_EPAIR_ENDS: usize = (u16::MAX - FIRST_PORT) as usize & !1;

/// One end of an epair: twice the pair's number, and one more for the `b` end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpairEnd(u16);

impl EpairEnd {
    /// Both ends of a pair; `None` beyond [`MAX_EPAIRS`] of them.
    pub(crate) fn pair(number: usize) -> Option<(Self, Self)> {
        let a = u16::try_from(number.checked_mul(2)?).ok()?;
        (usize::from(a) < MAX_EPAIR_ENDS).then_some((Self(a), Self(a + 1)))
    }

    /// The end that frames for this port go to, if it is no port of DPDK's.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn of_port(port: PortId) -> Option<Self> {
        match port.0.checked_sub(FIRST_PORT) {
            Some(end) if (end as usize) < MAX_EPAIR_ENDS => Some(Self(end)),
            _ => None,
        }
    }

    /// The port that frames for this end are given.
    #[inline(always)]
    #[must_use]
    pub const fn port(self) -> PortId {
        PortId(FIRST_PORT + self.0)
    }

    /// The other end.
    #[inline]
    #[must_use]
    pub const fn peer(self) -> Self {
        Self(self.0 ^ 1)
    }

    /// The pair's number.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0 as usize / 2
    }

    /// Its place among all ends.
    #[inline(always)]
    pub(crate) const fn place(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_ports_of_their_own() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..MAX_EPAIRS {
            let (a, b) = EpairEnd::pair(number).expect("there are so many");
            assert_eq!((a.peer(), b.peer()), (b, a));
            for end in [a, b] {
                assert_eq!(end.number(), number);
                assert_eq!(EpairEnd::of_port(end.port()), Some(end));
                assert!(seen.insert(end.port()), "{end:?} has a port of its own");
            }
        }
        assert_eq!(EpairEnd::pair(MAX_EPAIRS), None);
        assert!(
            seen.iter().all(|port| usize::from(port.0) >= pmd::MAX_PORTS && port.0 != u16::MAX)
        );
        assert_eq!(EpairEnd::of_port(PortId(u16::MAX)), None);
        assert_eq!(EpairEnd::of_port(PortId(FIRST_PORT - 1)), None);
    }
}
