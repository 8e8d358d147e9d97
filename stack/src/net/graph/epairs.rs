//! Frames on their way from one end of an epair to the other. They never leave their worker: they wait here until the
//! burst that they came from is done with, and then are what the other end received.

use std::collections::VecDeque;

use pmd::{Burst, MAX_BURST, Mask, Mbuf};

use super::columns::Columns;
use super::epair_queue::{EpairQueue, Link};
use crate::net::{EpairEnd, MAX_EPAIR_ENDS};

/// Ends that may have frames waiting at a time: a burst leads to as many as it has packets, and epairs are looked after
/// behind each burst.
pub const EPAIR_QUEUES: usize = MAX_BURST;

/// Bursts that may cross at a time without being touched: as a rule one, which is received before the next one comes.
const CROSSINGS: usize = 4;

/// The queues of one worker. Their memory does not depend on how many epairs there are, but for the numbers.
#[derive(Debug)]
pub(crate) struct Epairs {
    /// Queues with frames, in the order of their first ones.
    waiting: VecDeque<Box<EpairQueue>>,
    /// The number of the first of `waiting`; the others follow, and wrap.
    first: u16,
    /// By end: the number that its queue has, or had.
    numbers: Box<[u16]>,
    /// Queues without frames.
    free: VecDeque<Box<EpairQueue>>,
    /// For the next bursts that cross.
    columns: Vec<Box<Columns>>,
    /// Frames for ends that there was no queue for.
    spilled: u64,
}

impl Default for Epairs {
    fn default() -> Self {
        Self {
            waiting: VecDeque::with_capacity(EPAIR_QUEUES),
            first: 0,
            // Zeroed memory, which takes no page before it is used.
            numbers: vec![0; MAX_EPAIR_ENDS].into(),
            free: (0..EPAIR_QUEUES).map(|_| Box::new(EpairQueue::new())).collect(),
            columns: (0..CROSSINGS).map(|_| Box::default()).collect(),
            spilled: 0,
        }
    }
}

impl Epairs {
    /// Adds a frame for an end.
    #[inline]
    pub(super) fn push(&mut self, end: EpairEnd, mbuf: Mbuf) {
        match self.queue(end) {
            Some(queue) => queue.push(mbuf),
            None => {
                self.spilled += 1;
                drop(mbuf);
            }
        }
    }

    /// Moves the frames whose bit is set, `count` of them, out of `burst` to an end.
    #[inline]
    pub(super) fn extract(&mut self, end: EpairEnd, burst: &mut Burst, mask: &Mask, count: usize) {
        match self.queue(end) {
            Some(queue) => queue.extract(burst, mask, count),
            None => self.spilled += burst.extract(mask, &mut Burst::new()) as u64,
        }
    }

    /// Sends a whole burst to an end that [`Self::can_cross`] says yes to, as it is: of its frames `columns` were read, and they
    /// are sent with this link header. The caller gets other columns for them.
    #[inline]
    pub(super) fn cross(
        &mut self,
        end: EpairEnd,
        burst: &mut Burst,
        columns: &mut Box<Columns>,
        link: Link,
    ) {
        let spare = self.columns.pop();
        match (self.queue(end), spare) {
            (Some(queue), Some(spare)) => {
                queue.cross(burst, std::mem::replace(columns, spare), link);
            }
            (_, spare) => {
                self.columns.extend(spare);
                self.spilled += burst.len() as u64;
                burst.clear();
            }
        }
    }

    /// The queue of an end, if it has one or can get one.
    #[inline]
    fn queue(&mut self, end: EpairEnd) -> Option<&mut EpairQueue> {
        let at = match self.place(end) {
            Some(at) => at,
            None => self.enqueue(end)?,
        };
        self.waiting.get_mut(at).map(|queue| &mut **queue)
    }

    /// Gives an end a queue; where that is.
    #[inline]
    fn enqueue(&mut self, end: EpairEnd) -> Option<usize> {
        let number = self.numbers.get_mut(end.place())?;
        let mut queue = self.free.pop_back()?;
        queue.turn_to(end);
        let last = self.waiting.len();
        *number = self.first.wrapping_add(last as u16);
        self.waiting.push_back(queue);
        Some(last)
    }

    /// Where the queue of an end is, if frames wait for it.
    #[inline]
    fn place(&self, end: EpairEnd) -> Option<usize> {
        let number = self.numbers.get(end.place())?;
        let at = usize::from(number.wrapping_sub(self.first));
        // A number that is out of date leads nowhere, or to the queue of another end.
        self.waiting.get(at).is_some_and(|queue| queue.end() == Some(end)).then_some(at)
    }

    /// Whether a burst can cross to an end as a whole: nothing waits there, and there is a queue for it.
    #[inline]
    pub(super) fn can_cross(&self, end: EpairEnd) -> bool {
        self.place(end).is_none() && !self.free.is_empty() && !self.columns.is_empty()
    }

    /// How many ends frames wait for.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The queue whose frames have waited longest, to be given back empty; and its end.
    pub(crate) fn pop(&mut self) -> Option<(EpairEnd, Box<EpairQueue>)> {
        let queue = self.waiting.pop_front()?;
        self.first = self.first.wrapping_add(1);
        Some((queue.end()?, queue))
    }

    /// Takes a queue back whose frames were processed.
    pub(crate) fn put_back(&mut self, mut queue: Box<EpairQueue>) {
        self.columns.extend(queue.take_columns());
        self.free.push_back(queue);
    }

    /// How many frames ended because there was no queue for them, since this was last asked.
    pub(crate) fn take_spilled(&mut self) -> u64 {
        std::mem::take(&mut self.spilled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(count: usize) -> Vec<EpairEnd> {
        (0..count).map(|number| EpairEnd::pair(number).expect("there are so many").0).collect()
    }

    /// The end whose queue an end's frames get into.
    fn end_of(epairs: &mut Epairs, end: EpairEnd) -> Option<EpairEnd> {
        epairs.queue(end).and_then(|queue| queue.end())
    }

    #[test]
    fn an_end_keeps_its_queue_until_it_is_taken() {
        let mut epairs = Epairs::default();
        let ends = ends(3);
        // More often than numbers can tell apart.
        for round in 0..100_000usize {
            for end in &ends[round % 3..] {
                assert_eq!(end_of(&mut epairs, *end), Some(*end));
                assert_eq!(end_of(&mut epairs, *end), Some(*end));
            }
            assert_eq!(epairs.len(), 3 - round % 3);
            for end in &ends[round % 3..] {
                let (popped, queue) = epairs.pop().expect("it waits");
                assert_eq!(popped, *end);
                epairs.put_back(queue);
            }
            assert!(epairs.pop().is_none());
        }
    }

    #[test]
    fn an_end_gets_another_queue_while_its_own_is_processed() {
        let mut epairs = Epairs::default();
        let end = ends(1)[0];
        assert_eq!(end_of(&mut epairs, end), Some(end));
        let (_, taken) = epairs.pop().expect("it waits");
        assert_eq!(end_of(&mut epairs, end), Some(end));
        assert_eq!(epairs.len(), 1, "what it sends to itself waits for the next round");
        epairs.put_back(taken);
        assert_eq!(epairs.pop().map(|(popped, _)| popped), Some(end));
    }

    #[test]
    fn there_are_no_more_queues_than_that() {
        let mut epairs = Epairs::default();
        for end in ends(EPAIR_QUEUES) {
            assert!(epairs.can_cross(end));
            assert_eq!(end_of(&mut epairs, end), Some(end));
            assert!(!epairs.can_cross(end));
        }
        let more = EpairEnd::pair(EPAIR_QUEUES).expect("there are so many").0;
        assert_eq!(end_of(&mut epairs, more), None);
        assert!(!epairs.can_cross(more));
        assert_eq!((epairs.len(), epairs.take_spilled()), (EPAIR_QUEUES, 0));
    }
}
