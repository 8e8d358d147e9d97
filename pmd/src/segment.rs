//! One segment of a packet: where its fields are and where its bytes.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use dpdk_sys as ffi;

use crate::Mbuf;

/// Reads or writes a field of the mbuf at the offset that the C shim exports.
macro_rules! field {
    ($mbuf:expr, $offset:ident, $type:ty) => {
        // SAFETY: the pointer is to a live rte_mbuf, and the offset and type are those of the field.
        unsafe { $mbuf.byte_add(ffi::$offset as usize).cast::<$type>().read() }
    };
    ($mbuf:expr, $offset:ident, $type:ty, $value:expr) => {
        // SAFETY: as above, and the chain is owned, so nobody else looks at it.
        unsafe { $mbuf.byte_add(ffi::$offset as usize).cast::<$type>().write($value) }
    };
}
pub(crate) use field;

/// One segment of a chain; a plain pointer whose user guarantees that it is live.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment(pub(crate) NonNull<ffi::rte_mbuf>);

impl Segment {
    #[inline(always)]
    pub(crate) fn data_off(self) -> u16 {
        field!(self.0, CV_MBUF_DATA_OFF, u16)
    }

    #[inline(always)]
    pub(crate) fn data_len(self) -> u16 {
        field!(self.0, CV_MBUF_DATA_LEN, u16)
    }

    #[inline(always)]
    pub(crate) fn data_start(self) -> *mut u8 {
        // Every mbuf of a pool has a buffer; the type saves a test for null wherever a header is read.
        let buffer = field!(self.0, CV_MBUF_BUF_ADDR, NonNull<u8>);
        // SAFETY: data_off is at most buf_len, the length of the buffer.
        unsafe { buffer.add(usize::from(self.data_off())) }.as_ptr()
    }

    pub(crate) fn tailroom(self) -> u16 {
        let buf_len = field!(self.0, CV_MBUF_BUF_LEN, u16);
        buf_len.saturating_sub(self.data_off()).saturating_sub(self.data_len())
    }

    pub(crate) fn next(self) -> Option<Segment> {
        NonNull::new(field!(self.0, CV_MBUF_NEXT, *mut ffi::rte_mbuf)).map(Segment)
    }

    pub(crate) fn last(self) -> Segment {
        let mut segment = self;
        while let Some(next) = segment.next() {
            segment = next;
        }
        segment
    }
}

/// Iterates over the bytes of a packet's segments; see [`Mbuf::segments`].
#[derive(Clone)]
pub struct Segments<'a> {
    next: Option<Segment>,
    _packet: PhantomData<&'a Mbuf>,
}

impl<'a> Segments<'a> {
    pub(crate) fn new(packet: &'a Mbuf) -> Segments<'a> {
        Segments { next: Some(Segment(packet.as_raw())), _packet: PhantomData }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let segment = self.next?;
        self.next = segment.next();
        // SAFETY: as in `Mbuf::data`, for a segment of the borrowed chain.
        Some(unsafe {
            std::slice::from_raw_parts(segment.data_start(), usize::from(segment.data_len()))
        })
    }
}

impl fmt::Debug for Segments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(<[u8]>::len)).finish()
    }
}
