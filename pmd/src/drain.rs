//! [`Drain`]: the packets of a burst, one after the other.

use crate::burst::free_bulk;
use crate::{Burst, Mbuf};

/// Takes the packets out of a burst; see [`Burst::drain`].
#[derive(Debug)]
pub struct Drain<'a> {
    burst: &'a mut Burst,
    next: usize,
    end: usize,
}

impl<'a> Drain<'a> {
    /// Takes over the packets of the burst, which is empty from now on.
    #[inline]
    pub(crate) fn new(burst: &'a mut Burst) -> Drain<'a> {
        let (_, end) = burst.release();
        Drain { burst, next: 0, end }
    }
}

impl Iterator for Drain<'_> {
    type Item = Mbuf;

    #[inline(always)]
    fn next(&mut self) -> Option<Mbuf> {
        if self.next == self.end {
            return None;
        }
        // SAFETY: slots[next..end] are initialised and counted by nobody but this iterator.
        let packet = unsafe { self.burst.slots_ptr().add(self.next).read() };
        self.next += 1;
        Some(packet)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl ExactSizeIterator for Drain<'_> {}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        let rest = self.end - self.next;
        if rest != 0 {
            // SAFETY: slots[next..end] are initialised and counted by nobody but this iterator.
            unsafe { free_bulk(self.burst.slots_ptr().add(self.next).cast(), rest) };
        }
    }
}
