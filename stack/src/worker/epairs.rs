//! Frames on their way from one end of an epair to the other. They never leave their worker: they wait here until the
//! burst that they came from is done with, and then are what the other end received.

use std::collections::VecDeque;
use std::sync::Arc;

use pmd::{MAX_BURST, PortId};

use super::tx_port::{TxCounters, TxPort};
use crate::net::{EpairEnd, MAX_EPAIR_ENDS};

/// Ends that may have frames waiting at a time: a burst leads to as many as it has packets, and epairs are looked after
/// behind each burst.
pub const EPAIR_QUEUES: usize = MAX_BURST;

/// The queues of one worker. Their memory does not depend on how many epairs there are, but for the numbers.
#[derive(Debug)]
pub(super) struct Epairs {
    /// Queues with frames, in the order of their first ones.
    waiting: VecDeque<Box<TxPort>>,
    /// The number of the first of `waiting`; the others follow, and wrap.
    first: u16,
    /// By end: the number that its queue has, or had.
    numbers: Box<[u16]>,
    /// Queues without frames.
    free: VecDeque<Box<TxPort>>,
    /// Takes the frames for ends that there is no queue for.
    spill: Box<TxPort>,
}

impl Default for Epairs {
    fn default() -> Self {
        let counters: Arc<TxCounters> = Arc::default();
        let queue = || Box::new(TxPort::epair(Arc::clone(&counters)));
        Self {
            waiting: VecDeque::with_capacity(EPAIR_QUEUES),
            first: 0,
            // Zeroed memory, which takes no page before it is used.
            numbers: vec![0; MAX_EPAIR_ENDS].into(),
            free: (0..EPAIR_QUEUES).map(|_| queue()).collect(),
            spill: queue(),
        }
    }
}

impl Epairs {
    /// The queue of an end. Always one: frames that find no place in it are counted by it.
    #[inline]
    pub(super) fn queue(&mut self, end: EpairEnd) -> &mut TxPort {
        let mut at = self.place(end);
        if at.is_none()
            && let Some(number) = self.numbers.get_mut(end.place())
            && let Some(mut queue) = self.free.pop_back()
        {
            queue.set_port(end.port());
            let last = self.waiting.len();
            *number = self.first.wrapping_add(last as u16);
            self.waiting.push_back(queue);
            at = Some(last);
        }
        at.and_then(|at| self.waiting.get_mut(at)).unwrap_or(&mut self.spill)
    }

    /// Where the queue of an end is, if frames wait for it.
    #[inline]
    fn place(&self, end: EpairEnd) -> Option<usize> {
        let number = self.numbers.get(end.place())?;
        let at = usize::from(number.wrapping_sub(self.first));
        // A number that is out of date leads nowhere, or to the queue of another end.
        self.waiting.get(at).is_some_and(|queue| queue.port() == end.port()).then_some(at)
    }

    /// Whether nothing waits for an end, and there is a queue for it.
    #[inline]
    pub(super) fn is_idle(&self, end: EpairEnd) -> bool {
        self.place(end).is_none() && !self.free.is_empty()
    }

    /// The queue of an end that frames wait for.
    pub(super) fn find(&mut self, end: EpairEnd) -> Option<&mut TxPort> {
        let at = self.place(end)?;
        self.waiting.get_mut(at).map(|queue| &mut **queue)
    }

    /// How many ends frames wait for.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The queue whose frames have waited longest, to be given back empty.
    pub(super) fn pop(&mut self) -> Option<(PortId, Box<TxPort>)> {
        let queue = self.waiting.pop_front()?;
        self.first = self.first.wrapping_add(1);
        Some((queue.port(), queue))
    }

    /// Takes a queue back whose frames were processed.
    pub(super) fn put_back(&mut self, queue: Box<TxPort>) {
        self.free.push_back(queue);
    }

    /// Ends the frames that there was no queue for; how many there were.
    pub(super) fn drain_spill(&mut self) -> u64 {
        self.spill.discard()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(count: usize) -> Vec<EpairEnd> {
        (0..count).map(|number| EpairEnd::pair(number).expect("there are so many").0).collect()
    }

    #[test]
    fn an_end_keeps_its_queue_until_it_is_taken() {
        let mut epairs = Epairs::default();
        let ends = ends(3);
        // More often than numbers can tell apart.
        for round in 0..100_000usize {
            for end in &ends[round % 3..] {
                assert_eq!(epairs.queue(*end).port(), end.port());
                assert_eq!(epairs.queue(*end).port(), end.port());
            }
            assert_eq!(epairs.len(), 3 - round % 3);
            for end in &ends[round % 3..] {
                let (port, queue) = epairs.pop().expect("it waits");
                assert_eq!(port, end.port());
                epairs.put_back(queue);
            }
            assert!(epairs.pop().is_none());
        }
    }

    #[test]
    fn an_end_gets_another_queue_while_its_own_is_processed() {
        let mut epairs = Epairs::default();
        let end = ends(1)[0];
        let _queue = epairs.queue(end);
        let (_, taken) = epairs.pop().expect("it waits");
        let _queue = epairs.queue(end);
        assert_eq!(epairs.len(), 1, "what it sends to itself waits for the next round");
        epairs.put_back(taken);
        assert_eq!(epairs.pop().map(|(port, _)| port), Some(end.port()));
    }

    #[test]
    fn ends_without_a_queue_share_the_one_that_ends_frames() {
        let mut epairs = Epairs::default();
        for end in ends(EPAIR_QUEUES) {
            assert_eq!(epairs.queue(end).port(), end.port());
        }
        let more = EpairEnd::pair(EPAIR_QUEUES).expect("there are so many").0;
        assert_ne!(epairs.queue(more).port(), more.port());
        assert_eq!((epairs.len(), epairs.drain_spill()), (EPAIR_QUEUES, 0));
    }
}
