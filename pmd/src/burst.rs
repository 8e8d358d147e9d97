//! [`Burst`]: the packets of one poll, without a heap.

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::{Index, IndexMut};

use dpdk_sys as ffi;

use crate::{Drain, Mbuf};

/// The most packets that a burst holds.
pub const MAX_BURST: usize = 256;

/// A set of positions in a burst: bit `i % 64` of word `i / 64` stands for packet `i`.
pub type Mask = [u64; MAX_BURST / 64];

/// Up to [`MAX_BURST`] owned packets in order. Dropping it frees them in bulk.
// The count first: one cache line tells it and has the first packets.
#[repr(C)]
pub struct Burst {
    /// Packets held: `slots[..len]` are initialised, the rest is not.
    len: usize,
    /// One slot more than the capacity, so that `extract` may write one past the end without a branch.
    slots: [MaybeUninit<Mbuf>; MAX_BURST + 1],
}

impl Burst {
    /// An empty burst. Touches no slot.
    #[inline(always)]
    #[must_use]
    pub const fn new() -> Burst {
        Burst { len: 0, slots: [const { MaybeUninit::uninit() }; MAX_BURST + 1] }
    }

    /// Number of packets.
    #[inline(always)]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no packet.
    #[inline(always)]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many more packets fit.
    #[inline(always)]
    #[must_use]
    pub const fn room(&self) -> usize {
        MAX_BURST - self.len
    }

    /// The packets.
    #[inline(always)]
    #[must_use]
    pub fn as_slice(&self) -> &[Mbuf] {
        // SAFETY: slots[..len] are initialised; MaybeUninit<Mbuf> has the layout of Mbuf.
        unsafe { std::slice::from_raw_parts(self.slots.as_ptr().cast(), self.len) }
    }

    /// The packets, to be changed.
    #[inline(always)]
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [Mbuf] {
        // SAFETY: as in `as_slice`, and `&mut self` makes the borrow exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.slots.as_mut_ptr().cast(), self.len) }
    }

    /// Iterates over the packets in order.
    #[inline(always)]
    pub fn iter(&self) -> std::slice::Iter<'_, Mbuf> {
        self.as_slice().iter()
    }

    /// Iterates over the packets in order, to change them.
    #[inline(always)]
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Mbuf> {
        self.as_mut_slice().iter_mut()
    }

    /// Appends a packet.
    ///
    /// # Errors
    /// The packet, if the burst is full.
    #[inline(always)]
    pub fn push(&mut self, packet: Mbuf) -> Result<(), Mbuf> {
        if self.len == MAX_BURST {
            return Err(packet);
        }
        let _ = self.slots[self.len].write(packet);
        self.len += 1;
        Ok(())
    }

    /// Takes the last packet.
    #[inline(always)]
    #[must_use]
    pub fn pop(&mut self) -> Option<Mbuf> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: the slot was initialised, and is beyond the length now.
        Some(unsafe { self.slots[self.len].assume_init_read() })
    }

    /// Takes all packets, in order. Those that the iterator did not hand out are freed with it.
    #[inline]
    pub fn drain(&mut self) -> Drain<'_> {
        Drain::new(self)
    }

    /// Frees all packets.
    #[inline]
    pub fn clear(&mut self) {
        let len = std::mem::replace(&mut self.len, 0);
        if len != 0 {
            // SAFETY: slots[..len] were initialised and are beyond the length now.
            unsafe { free_bulk(self.slots.as_mut_ptr().cast(), len) };
        }
    }

    /// Moves all packets of `other` that fit behind those of `self`; what does not fit stays in
    /// `other`, in order. Returns how many were moved.
    #[inline]
    pub fn append(&mut self, other: &mut Burst) -> usize {
        let moved = other.len.min(self.room());
        // SAFETY: `moved` initialised slots are copied into free ones of another burst; what stays in
        // `other` is moved to its front. Both lengths are set so that each packet is counted once.
        unsafe {
            let from = other.slots.as_mut_ptr();
            self.slots.as_mut_ptr().add(self.len).copy_from_nonoverlapping(from, moved);
            from.copy_from(from.add(moved), other.len - moved);
        }
        self.len += moved;
        other.len -= moved;
        moved
    }

    /// Moves the packets whose bit is set in `mask` to the end of `into`, keeping their order; the rest
    /// stays, compacted, in order. If `into` runs out of room the packets that do not fit stay as well.
    /// Returns how many were moved.
    ///
    /// A mask of all packets is one copy; a mask of none does nothing.
    #[inline]
    pub fn extract(&mut self, mask: &Mask, into: &mut Burst) -> usize {
        let count = self.count(mask);
        if count == 0 {
            return 0;
        }
        if count == self.len {
            return into.append(self);
        }
        if count > into.room() {
            return self.extract_while_room(mask, into);
        }
        self.compact(mask, into)
    }

    /// Puts the packets into another order: at place `i` the one that was at `order[i]`. Where `order` names none, or one that it
    /// named before, those that it does not name follow in the order that they had.
    #[inline]
    pub fn reorder(&mut self, order: &[u8; MAX_BURST]) {
        let mut packets = [std::ptr::null_mut::<ffi::rte_mbuf>(); MAX_BURST];
        let slots = self.slots.as_mut_ptr().cast::<*mut ffi::rte_mbuf>();
        // SAFETY: the first `len` slots are initialised, an Mbuf is transparent to its pointer, and `packets` has room for all
        // slots. From here on `packets` owns the mbufs.
        unsafe { packets.as_mut_ptr().copy_from_nonoverlapping(slots, self.len) };
        let mut is_named_twice = false;
        for (place, from) in order[..self.len].iter().enumerate() {
            // Each pointer is taken once, so no packet is in two slots.
            let packet = std::mem::replace(&mut packets[usize::from(*from)], std::ptr::null_mut());
            is_named_twice |= packet.is_null();
            // SAFETY: `place` is below `len`.
            unsafe { slots.add(place).write(packet) };
        }
        if is_named_twice {
            self.fill(&packets);
        }
    }

    /// Puts the packets that are left into the slots that have none; there are as many of these as of those.
    #[cold]
    fn fill(&mut self, left: &[*mut ffi::rte_mbuf; MAX_BURST]) {
        let slots = self.slots.as_mut_ptr().cast::<*mut ffi::rte_mbuf>();
        let mut left = left.iter().filter(|packet| !packet.is_null());
        for place in 0..self.len {
            // SAFETY: `place` is below `len`, and the slot was written by `reorder`.
            let slot = unsafe { &mut *slots.add(place) };
            if slot.is_null()
                && let Some(packet) = left.next()
            {
                *slot = *packet;
            }
        }
    }

    /// The set bits that stand for packets of this burst.
    fn count(&self, mask: &Mask) -> usize {
        let (words, rest) = (self.len / 64, self.len % 64);
        let full: u32 = mask[..words].iter().map(|word| word.count_ones()).sum();
        let partial = if rest == 0 { 0 } else { mask[words] & ((1 << rest) - 1) };
        full as usize + partial.count_ones() as usize
    }

    /// `extract` for a mixed mask with room for all: no branch per packet.
    fn compact(&mut self, mask: &Mask, into: &mut Burst) -> usize {
        // Packets before the first set bit stay where they are.
        let first = mask.iter().position(|&word| word != 0).unwrap_or(0);
        let start = first * 64 + mask[first].trailing_zeros() as usize;
        let (from, to) = (self.slots.as_mut_ptr(), into.slots.as_mut_ptr());
        let (mut kept, mut moved) = (start, into.len);
        for i in start..self.len {
            let set = (mask[i / 64] >> (i % 64) & 1) as usize;
            // SAFETY: i < len; kept <= i; moved <= MAX_BURST, for which there is the additional slot.
            // The packet is written to both places, and only the one that counts it is kept.
            unsafe {
                let packet = from.add(i).cast::<*mut ffi::rte_mbuf>().read();
                from.add(kept).cast::<*mut ffi::rte_mbuf>().write(packet);
                to.add(moved).cast::<*mut ffi::rte_mbuf>().write(packet);
            }
            kept += 1 - set;
            moved += set;
        }
        let count = moved - into.len;
        self.len = kept;
        into.len = moved;
        count
    }

    #[cold]
    fn extract_while_room(&mut self, mask: &Mask, into: &mut Burst) -> usize {
        let mut fitting = *mask;
        let mut room = into.room();
        for i in 0..MAX_BURST {
            let (word, bit) = (i / 64, 1 << (i % 64));
            if i >= self.len || (mask[word] & bit != 0 && room == 0) {
                fitting[word] &= !bit;
            } else if mask[word] & bit != 0 {
                room -= 1;
            }
        }
        if self.count(&fitting) == 0 { 0 } else { self.compact(&fitting, into) }
    }

    /// The slots; those from the length on hold no packet of this burst.
    #[inline(always)]
    pub(crate) fn slots_ptr(&mut self) -> *mut Mbuf {
        self.slots.as_mut_ptr().cast()
    }

    /// Where C writes packets behind the last one; [`Burst::room`] pointers fit.
    #[inline(always)]
    pub(crate) fn spare_ptr(&mut self) -> *mut *mut ffi::rte_mbuf {
        // SAFETY: len <= MAX_BURST, so the result is inside the array. Mbuf is transparent to a pointer.
        unsafe { self.slots.as_mut_ptr().add(self.len).cast() }
    }

    /// Counts packets that C has written to [`Burst::spare_ptr`].
    ///
    /// # Safety
    /// The next `n` slots hold owned packets, and `n` is at most [`Burst::room`].
    #[inline(always)]
    pub(crate) unsafe fn grow(&mut self, n: usize) {
        debug_assert!(n <= self.room());
        self.len += n;
    }

    /// Forgets the first `n` packets, which somebody else owns now; the others move to the front.
    ///
    /// # Safety
    /// `n` is at most the length, and the first `n` packets were given away through
    /// [`Burst::slots_ptr`].
    #[inline(always)]
    pub(crate) unsafe fn forget_front(&mut self, n: usize) {
        debug_assert!(n <= self.len);
        let rest = self.len - n;
        // SAFETY: slots[n..len] are initialised and stay inside the array; those before them are not
        // owned any more.
        unsafe {
            let slots = self.slots.as_mut_ptr();
            slots.copy_from(slots.add(n), rest);
        }
        self.len = rest;
    }

    /// Gives the packets away: the pointers stay in the slots, the burst is empty.
    #[inline(always)]
    pub(crate) fn release(&mut self) -> (*mut *mut ffi::rte_mbuf, usize) {
        let len = std::mem::replace(&mut self.len, 0);
        (self.slots.as_mut_ptr().cast(), len)
    }
}

/// Frees packets in bulk.
///
/// # Safety
/// `packets` points to `count` owned packets, which are not used again; `count` is at most
/// [`MAX_BURST`].
#[inline]
pub(crate) unsafe fn free_bulk(packets: *mut *mut ffi::rte_mbuf, count: usize) {
    // SAFETY: as the caller states.
    unsafe { ffi::rte_pktmbuf_free_bulk(packets, count as u32) };
}

impl Default for Burst {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Burst {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}

impl Index<usize> for Burst {
    type Output = Mbuf;

    #[inline(always)]
    fn index(&self, index: usize) -> &Mbuf {
        &self.as_slice()[index]
    }
}

impl IndexMut<usize> for Burst {
    #[inline(always)]
    fn index_mut(&mut self, index: usize) -> &mut Mbuf {
        &mut self.as_mut_slice()[index]
    }
}

impl<'a> IntoIterator for &'a Burst {
    type Item = &'a Mbuf;
    type IntoIter = std::slice::Iter<'a, Mbuf>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Burst {
    type Item = &'a mut Mbuf;
    type IntoIter = std::slice::IterMut<'a, Mbuf>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl fmt::Debug for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
