//! [`MbufPool`]: where packet buffers come from and go back to.

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys as ffi;

use crate::eal::last_error;
use crate::extmem::{self, ExternalHeap};
use crate::hugepage;
use crate::segment::field;
use crate::{Burst, Eal, Mbuf, SocketId};

/// Bytes of packet data a buffer holds behind its headroom, unless asked otherwise.
pub const DATA_ROOM: u16 = 2048;
/// Bytes kept free in front of the data of each buffer (`RTE_PKTMBUF_HEADROOM`).
pub const HEADROOM: u16 = ffi::RTE_PKTMBUF_HEADROOM as u16;
/// The largest per-thread cache of a pool (`RTE_MEMPOOL_CACHE_MAX_SIZE`).
pub const MAX_CACHE: u32 = ffi::RTE_MEMPOOL_CACHE_MAX_SIZE;

/// Why a pool could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// DPDK takes C strings of at most 25 bytes here.
    #[error("{0:?} cannot name a pool: use 1 to 25 ASCII letters, digits or _")]
    Name(String),
    /// A cache must leave buffers for the others: DPDK wants 1.5 caches to fit.
    #[error(
        "pool {name}: a cache of {cache} does not go with {mbufs} mbufs; it may be {max} at most"
    )]
    Cache {
        /// The pool.
        name: String,
        /// Buffers asked for.
        mbufs: u32,
        /// Cache asked for.
        cache: u32,
        /// The largest cache for that many buffers.
        max: u32,
    },
    /// Mostly: not enough memory.
    #[error(
        "pool {name}: {mbufs} mbufs on NUMA node {socket} take about {mib} MiB: {reason}; lower \
         [dpdk] mbufs, or give EAL more memory (more hugepages)"
    )]
    Create {
        /// The pool.
        name: String,
        /// Buffers asked for.
        mbufs: u32,
        /// NUMA node asked for, -1 any.
        socket: SocketId,
        /// About what they take.
        mib: u64,
        /// `rte_errno` in words.
        reason: String,
    },
}

/// A pool of packet buffers on one NUMA node. Clones are handles to the same pool.
#[derive(Debug, Clone)]
pub struct MbufPool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: NonNull<ffi::rte_mempool>,
    name: String,
    capacity: u32,
    cache: u32,
    data_room: u16,
    socket: SocketId,
    /// The memory that the pool lies in, if it is not EAL's.
    heap: Option<ExternalHeap>,
    /// `None` only while being dropped.
    eal: Option<Eal>,
}

// SAFETY: mempools may be used from every thread: a thread registered with EAL has a cache of its
// own, the others share the multi-producer, multi-consumer ring.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl MbufPool {
    /// Makes a pool of `mbufs` single-segment buffers of [`DATA_ROOM`] bytes, with a cache of `cache`
    /// buffers for each thread (0: none). Best memory use: `mbufs` = 2^q - 1.
    ///
    /// # Errors
    /// See [`PoolError`].
    pub fn create(
        eal: &Eal,
        name: &str,
        mbufs: u32,
        cache: u32,
        socket: SocketId,
    ) -> Result<MbufPool, PoolError> {
        Self::with_data_room(eal, name, mbufs, cache, socket, DATA_ROOM)
    }

    /// Like [`MbufPool::create`], with room for `data_room` bytes of packet in each buffer.
    ///
    /// # Errors
    /// See [`PoolError`].
    pub fn with_data_room(
        eal: &Eal,
        name: &str,
        mbufs: u32,
        cache: u32,
        socket: SocketId,
        data_room: u16,
    ) -> Result<MbufPool, PoolError> {
        let c_name = pool_name(name)?;
        let max = max_cache(mbufs);
        if cache > max {
            return Err(PoolError::Cache { name: name.to_owned(), mbufs, cache, max });
        }
        let buffer = data_room.saturating_add(HEADROOM);
        // SAFETY: EAL is initialised, the name is a C string; all numbers are checked by the callee.
        let on = |socket: SocketId| unsafe {
            let name = c_name.as_ptr();
            NonNull::new(ffi::rte_pktmbuf_pool_create(name, mbufs, cache, 0, buffer, socket.0))
        };
        let created = heap_for(eal, mbufs, data_room, socket)
            .and_then(|heap| Some((on(heap.socket())?, Some(heap))))
            .or_else(|| Some((on(socket)?, None)));
        let (pool, heap) = created.ok_or_else(|| PoolError::Create {
            name: name.to_owned(),
            mbufs,
            socket,
            mib: memory_mib(mbufs, data_room),
            reason: last_error(),
        })?;
        let inner = Inner {
            pool,
            name: name.to_owned(),
            capacity: mbufs,
            cache,
            data_room,
            socket,
            heap,
            eal: Some(eal.clone()),
        };
        Ok(MbufPool { inner: Arc::new(inner) })
    }

    /// The pool's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Buffers that the pool was made with.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.inner.capacity
    }

    /// Buffers that each thread may keep in its cache.
    #[must_use]
    pub fn cache(&self) -> u32 {
        self.inner.cache
    }

    /// Bytes of packet that each buffer holds behind its headroom.
    #[must_use]
    pub fn data_room(&self) -> u16 {
        self.inner.data_room
    }

    /// The NUMA node that the pool was asked for.
    #[must_use]
    pub fn socket(&self) -> SocketId {
        self.inner.socket
    }

    /// Whether the pool lies in memory of its own, which EAL cannot share with other processes.
    pub(crate) fn is_external(&self) -> bool {
        self.inner.heap.is_some()
    }

    /// Buffers that can be allocated, those in the caches of all threads included. Exact only while
    /// nobody allocates or frees; it walks over all caches.
    #[must_use]
    pub fn available(&self) -> u32 {
        // SAFETY: the pool is valid.
        unsafe { ffi::rte_mempool_avail_count(self.inner.pool.as_ptr()) }
    }

    /// Buffers held by packets and by descriptors of ports; see [`MbufPool::available`].
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.capacity().saturating_sub(self.available())
    }

    /// An empty packet of one segment; `None` if the pool is empty.
    #[inline]
    #[must_use]
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool is valid.
        let mbuf = NonNull::new(unsafe { ffi::cv_mbuf_alloc(self.as_ptr()) })?;
        // SAFETY: a fresh mbuf; a pool with buffers in use is never freed (see `Drop for Inner`).
        Some(unsafe { Mbuf::from_raw(mbuf) })
    }

    /// Appends `n` empty packets to the burst, or none: `false` if the pool has fewer, or the burst
    /// less room.
    #[inline]
    #[must_use]
    pub fn alloc_bulk(&self, burst: &mut Burst, n: usize) -> bool {
        if n > burst.room() {
            return false;
        }
        if n == 0 {
            return true;
        }
        // SAFETY: the burst has room for n pointers behind its length; on success all are written.
        unsafe {
            let result = ffi::cv_mbuf_alloc_bulk(self.as_ptr(), burst.spare_ptr(), n as u32);
            if result == 0 {
                burst.grow(n);
            }
            result == 0
        }
    }

    /// A packet with these bytes, in as many segments as they need; `None` if the pool is too empty.
    #[must_use]
    pub fn from_bytes(&self, bytes: &[u8]) -> Option<Mbuf> {
        let first = self.alloc()?;
        let room = usize::from(first.tailroom()).max(1);
        let mut chunks = bytes.chunks(room);
        let mut packet = fill(first, chunks.next().unwrap_or_default())?;
        for chunk in chunks {
            packet.chain(fill(self.alloc()?, chunk)?).ok()?;
        }
        Some(packet)
    }

    /// A packet with one segment for each slice; `None` if a slice is larger than a buffer, there is no
    /// slice, or the pool is too empty.
    #[must_use]
    pub fn from_segments(&self, segments: &[&[u8]]) -> Option<Mbuf> {
        let (first, rest) = segments.split_first()?;
        let mut packet = fill(self.alloc()?, first)?;
        for bytes in rest {
            packet.chain(fill(self.alloc()?, bytes)?).ok()?;
        }
        Some(packet)
    }

    /// Whether the packet's first segment is of this pool.
    #[must_use]
    pub fn owns(&self, packet: &Mbuf) -> bool {
        std::ptr::eq(field!(packet.as_raw(), CV_MBUF_POOL, *mut ffi::rte_mempool), self.as_ptr())
    }

    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut ffi::rte_mempool {
        self.inner.pool.as_ptr()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the pool is valid.
        let available = unsafe { ffi::rte_mempool_avail_count(self.pool.as_ptr()) };
        if available == self.capacity {
            // SAFETY: no buffer and no handle is left, so nobody can use the pool any more.
            unsafe { ffi::rte_mempool_free(self.pool.as_ptr()) };
            return;
        }
        // Packets that outlive their pool must stay valid: keep its memory, and EAL with it.
        if let Some(heap) = self.heap.take() {
            extmem::keep(heap);
        }
        let in_use = self.capacity.saturating_sub(available);
        tracing::error!(pool = %self.name, in_use, "pool dropped with mbufs in use; it is not freed");
        std::mem::forget(self.eal.take());
    }
}

fn fill(mut segment: Mbuf, bytes: &[u8]) -> Option<Mbuf> {
    segment.append(u16::try_from(bytes.len()).ok()?)?.copy_from_slice(bytes);
    Some(segment)
}

/// `RTE_MEMPOOL_NAMESIZE` is 26 with the final NUL; DPDK puts a prefix of its own in front.
fn pool_name(name: &str) -> Result<CString, PoolError> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let error = || PoolError::Name(name.to_owned());
    if name.is_empty() || name.len() > 25 || !name.bytes().all(valid) {
        return Err(error());
    }
    CString::new(name).map_err(|_| error())
}

/// The cache for each thread that goes with a burst: two bursts, so that a worker that forwards hardly
/// ever goes to the shared ring; less if the pool is too small for that.
#[must_use]
pub fn cache_for(burst: u16, mbufs: u32) -> u32 {
    (2 * u32::from(burst)).min(max_cache(mbufs))
}

/// DPDK wants one and a half caches to fit into the pool.
const fn max_cache(mbufs: u32) -> u32 {
    let fitting = mbufs / 3 * 2;
    if fitting < MAX_CACHE { fitting } else { MAX_CACHE }
}

/// MiB that a pool takes, without its ring and its caches.
#[must_use]
pub fn memory_mib(mbufs: u32, data_room: u16) -> u64 {
    (u64::from(mbufs) * object_bytes(data_room)).div_ceil(1024 * 1024)
}

/// Buffer, headroom, `struct rte_mbuf` and the mempool's header of an object.
fn object_bytes(data_room: u16) -> u64 {
    const OBJECT_HEADER: u64 = 64;
    let object =
        u64::from(data_room) + u64::from(HEADROOM) + u64::from(ffi::CV_MBUF_SIZE) + OBJECT_HEADER;
    object.next_multiple_of(64)
}

/// A heap that the pool just fits into; `None` if the pool is to lie in EAL's memory, or the node is not there.
fn heap_for(eal: &Eal, mbufs: u32, data_room: u16, socket: SocketId) -> Option<ExternalHeap> {
    if !hugepage::has_heap(socket) {
        return None;
    }
    let mut heap = ExternalHeap::create(eal)?;
    heap.grow(usize::try_from(heap_bytes(mbufs, data_room)).ok()?).then_some(heap)
}

/// Bytes of a heap with a pool in it. No object crosses a page. One page goes to the alignment of the first object's, and
/// another to the heads of what else is in the heap.
fn heap_bytes(mbufs: u32, data_room: u16) -> u64 {
    const PAGE: u64 = extmem::PAGE as u64;
    /// DPDK lengthens objects by a few cache lines, so that they begin on different channels of memory.
    const SPREAD: u64 = 4 * 64;
    let objects = (PAGE / (object_bytes(data_room) + SPREAD)).max(1);
    let ring = 8 * u64::from(mbufs).next_power_of_two() * 2;
    (u64::from(mbufs).div_ceil(objects) + 2) * PAGE + ring + u64::from(ffi::CV_MEMPOOL_SIZE)
}
