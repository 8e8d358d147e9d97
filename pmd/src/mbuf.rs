//! [`Mbuf`]: one owned packet buffer chain.

use std::fmt;
use std::ptr::NonNull;

use dpdk_sys as ffi;

use crate::PortId;
use crate::segment::{Segment, Segments, field};

/// A packet: a chain of segments from a [`crate::MbufPool`], owned. Dropping it gives all segments back.
///
/// Every segment is owned by one `Mbuf` alone (no clones, no shared buffers), which is what makes
/// handing out `&mut [u8]` sound.
#[repr(transparent)]
pub struct Mbuf(NonNull<ffi::rte_mbuf>);

// SAFETY: the chain is owned, and a pool may be used from every thread.
unsafe impl Send for Mbuf {}
// SAFETY: through `&Mbuf` the chain is only read.
unsafe impl Sync for Mbuf {}

impl Mbuf {
    /// Takes ownership of a chain.
    ///
    /// # Safety
    /// `chain` heads a valid chain of direct mbufs that nobody else owns, and whose pool outlives it.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(chain: NonNull<ffi::rte_mbuf>) -> Mbuf {
        Mbuf(chain)
    }

    /// Gives the chain away without freeing it.
    #[inline(always)]
    pub(crate) fn into_raw(self) -> NonNull<ffi::rte_mbuf> {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }

    /// The head of the chain, for C.
    #[inline(always)]
    pub(crate) fn as_raw(&self) -> NonNull<ffi::rte_mbuf> {
        self.0
    }

    #[inline(always)]
    fn head(&self) -> Segment {
        Segment(self.0)
    }

    /// The bytes of the first segment, from the Ethernet header on.
    #[inline(always)]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        let head = self.head();
        // SAFETY: data_len bytes from data_start on lie in the segment's buffer, which is initialised
        // memory (hugepages and heap are zeroed by the kernel) that is owned while `self` is.
        unsafe { std::slice::from_raw_parts(head.data_start(), usize::from(head.data_len())) }
    }

    /// The bytes of the first segment, to be changed.
    #[inline(always)]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let head = self.head();
        // SAFETY: as in `data`, and `&mut self` makes the borrow exclusive.
        unsafe { std::slice::from_raw_parts_mut(head.data_start(), usize::from(head.data_len())) }
    }

    /// Bytes of the whole packet, over all segments.
    #[inline(always)]
    #[must_use]
    pub fn pkt_len(&self) -> u32 {
        field!(self.0, CV_MBUF_PKT_LEN, u32)
    }

    /// Number of segments, at least 1.
    #[inline(always)]
    #[must_use]
    pub fn nb_segs(&self) -> u16 {
        field!(self.0, CV_MBUF_NB_SEGS, u16)
    }

    /// The segments' bytes, in order.
    #[must_use]
    pub fn segments(&self) -> Segments<'_> {
        Segments::new(self)
    }

    /// The port that received the packet.
    #[inline(always)]
    #[must_use]
    pub fn port(&self) -> PortId {
        PortId(field!(self.0, CV_MBUF_PORT, u16))
    }

    /// Notes a port in the descriptor: the one the packet will leave through.
    #[inline(always)]
    pub fn set_port(&mut self, port: PortId) {
        field!(self.0, CV_MBUF_PORT, u16, port.0);
    }

    /// `ol_flags`: what rx found out and what tx is asked to do (`RTE_MBUF_F_*`).
    #[inline(always)]
    #[must_use]
    pub fn ol_flags(&self) -> u64 {
        field!(self.0, CV_MBUF_OL_FLAGS, u64)
    }

    /// Sets `ol_flags`. Those that say whose memory the data lies in stay as they are: freeing goes by them.
    #[inline(always)]
    pub fn set_ol_flags(&mut self, flags: u64) {
        let owner = self.ol_flags() & ffi::CV_MBUF_ATTACHED;
        let flags = flags & !ffi::CV_MBUF_ATTACHED | owner;
        field!(self.0, CV_MBUF_OL_FLAGS, u64, flags);
    }

    /// Sets the word of header lengths that goes with checksum offload flags.
    #[inline(always)]
    pub(crate) fn set_tx_offload(&mut self, lengths: u64) {
        field!(self.0, CV_MBUF_TX_OFFLOAD, u64, lengths);
    }

    /// The NIC verified the IPv4 header checksum and found it right.
    #[inline(always)]
    #[must_use]
    pub fn rx_ip_cksum_good(&self) -> bool {
        self.ol_flags() & ffi::CV_RX_IP_CKSUM_MASK == ffi::CV_RX_IP_CKSUM_GOOD
    }

    /// The NIC verified the IPv4 header checksum and found it wrong. Neither good nor bad: unknown.
    #[inline(always)]
    #[must_use]
    pub fn rx_ip_cksum_bad(&self) -> bool {
        self.ol_flags() & ffi::CV_RX_IP_CKSUM_MASK == ffi::CV_RX_IP_CKSUM_BAD
    }

    /// The NIC verified the TCP or UDP checksum and found it right.
    #[inline(always)]
    #[must_use]
    pub fn rx_l4_cksum_good(&self) -> bool {
        self.ol_flags() & ffi::CV_RX_L4_CKSUM_MASK == ffi::CV_RX_L4_CKSUM_GOOD
    }

    /// The NIC verified the TCP or UDP checksum and found it wrong. Neither good nor bad: unknown.
    #[inline(always)]
    #[must_use]
    pub fn rx_l4_cksum_bad(&self) -> bool {
        self.ol_flags() & ffi::CV_RX_L4_CKSUM_MASK == ffi::CV_RX_L4_CKSUM_BAD
    }

    /// The 802.1Q tag (TCI, host order) if the NIC took it out of the frame.
    #[inline(always)]
    #[must_use]
    pub fn rx_vlan_stripped(&self) -> Option<u16> {
        (self.ol_flags() & ffi::CV_RX_VLAN_STRIPPED != 0)
            .then(|| field!(self.0, CV_MBUF_VLAN_TCI, u16))
    }

    /// As if the NIC had taken this tag out of the frame.
    pub(crate) fn set_rx_vlan_stripped(&mut self, tci: u16) {
        self.set_ol_flags(self.ol_flags() | ffi::CV_RX_VLAN_STRIPPED);
        field!(self.0, CV_MBUF_VLAN_TCI, u16, tci);
    }

    /// The RSS hash if the NIC computed one.
    #[inline(always)]
    #[must_use]
    pub fn rss_hash(&self) -> Option<u32> {
        (self.ol_flags() & ffi::CV_RX_RSS_HASH != 0).then(|| field!(self.0, CV_MBUF_RSS_HASH, u32))
    }

    /// `packet_type`: what the NIC parsed (`RTE_PTYPE_*`), 0 if it does not parse.
    #[inline(always)]
    #[must_use]
    pub fn packet_type(&self) -> u32 {
        field!(self.0, CV_MBUF_PACKET_TYPE, u32)
    }

    /// Free bytes before the data of the first segment.
    #[must_use]
    pub fn headroom(&self) -> u16 {
        self.head().data_off()
    }

    /// Free bytes behind the data of the last segment.
    #[must_use]
    pub fn tailroom(&self) -> u16 {
        self.head().last().tailroom()
    }

    /// Removes `n` bytes from the front; `false`, and nothing done, if the first segment is shorter.
    #[inline]
    #[must_use]
    pub fn adj(&mut self, n: u16) -> bool {
        let (head, len) = (self.head(), self.head().data_len());
        if n > len {
            return false;
        }
        field!(head.0, CV_MBUF_DATA_OFF, u16, head.data_off() + n);
        field!(head.0, CV_MBUF_DATA_LEN, u16, len - n);
        self.set_pkt_len(self.pkt_len() - u32::from(n));
        true
    }

    /// Removes `n` bytes from the end; `false`, and nothing done, if the last segment is shorter.
    #[inline]
    #[must_use]
    pub fn trim(&mut self, n: u16) -> bool {
        let last = self.head().last();
        let len = last.data_len();
        if n > len {
            return false;
        }
        field!(last.0, CV_MBUF_DATA_LEN, u16, len - n);
        self.set_pkt_len(self.pkt_len() - u32::from(n));
        true
    }

    /// Adds `n` bytes in front and returns them (contents unspecified); `None`, and nothing done, if
    /// the headroom is smaller.
    #[inline]
    #[must_use]
    pub fn prepend(&mut self, n: u16) -> Option<&mut [u8]> {
        let head = self.head();
        let offset = head.data_off().checked_sub(n)?;
        let len = head.data_len().checked_add(n)?;
        let total = self.pkt_len().checked_add(u32::from(n))?;
        field!(head.0, CV_MBUF_DATA_OFF, u16, offset);
        field!(head.0, CV_MBUF_DATA_LEN, u16, len);
        self.set_pkt_len(total);
        Some(&mut self.data_mut()[..usize::from(n)])
    }

    /// Adds `n` bytes behind the last segment's and returns them (contents unspecified); `None`, and
    /// nothing done, if the tailroom is smaller.
    #[inline]
    #[must_use]
    pub fn append(&mut self, n: u16) -> Option<&mut [u8]> {
        let last = self.head().last();
        if n > last.tailroom() {
            return None;
        }
        let len = last.data_len();
        let total = self.pkt_len().checked_add(u32::from(n))?;
        field!(last.0, CV_MBUF_DATA_LEN, u16, len + n);
        self.set_pkt_len(total);
        // SAFETY: the bytes lie between the old and the new end of the last segment's data, inside its
        // buffer because of the tailroom; `&mut self` makes the borrow exclusive.
        Some(unsafe {
            std::slice::from_raw_parts_mut(last.data_start().add(usize::from(len)), usize::from(n))
        })
    }

    /// Makes the packet one segment; `false`, and nothing done, if it does not fit into the first.
    #[must_use]
    pub fn linearize(&mut self) -> bool {
        // SAFETY: the chain is valid and owned.
        unsafe { ffi::cv_mbuf_linearize(self.0.as_ptr()) == 0 }
    }

    /// Appends another packet's segments to this one. Gives `tail` back if the chain would get more
    /// than DPDK's 65535 segments.
    ///
    /// # Errors
    /// The tail, unchanged.
    pub fn chain(&mut self, tail: Mbuf) -> Result<(), Mbuf> {
        // SAFETY: both chains are valid, owned and different.
        if unsafe { ffi::cv_mbuf_chain(self.0.as_ptr(), tail.0.as_ptr()) } != 0 {
            return Err(tail);
        }
        // The tail's segments now belong to `self`.
        let _ = tail.into_raw();
        Ok(())
    }

    #[inline(always)]
    fn set_pkt_len(&mut self, len: u32) {
        field!(self.0, CV_MBUF_PKT_LEN, u32, len);
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the chain is owned and is not used again.
        unsafe { ffi::cv_mbuf_free(self.0.as_ptr()) };
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf")
            .field("pkt_len", &self.pkt_len())
            .field("nb_segs", &self.nb_segs())
            .field("port", &self.port())
            .field("ol_flags", &format_args!("{:#x}", self.ol_flags()))
            .finish_non_exhaustive()
    }
}
