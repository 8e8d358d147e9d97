//! [`RxQueue`] and [`TxQueue`]: what a worker polls. Each belongs to one thread at a time.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dpdk_sys as ffi;

use crate::burst::free_bulk;
use crate::port::Shared;
use crate::{Burst, PortId, QueueId};

/// How often tx offers packets to a queue that does not take all of them, before it drops the rest.
/// More than one, because drivers may take a burst in portions.
const TX_TRIES: usize = 4;

/// Makes a type `!Sync` while it stays `Send`.
type NotSync = PhantomData<Cell<()>>;

/// A receive queue. It keeps its port open.
#[derive(Debug)]
pub struct RxQueue {
    port: u16,
    queue: u16,
    shared: Arc<Shared>,
    _not_sync: NotSync,
}

impl RxQueue {
    /// # Safety
    /// The port is started, the queue is set up, and no other `RxQueue` for it exists.
    pub(crate) unsafe fn new(shared: &Arc<Shared>, queue: u16) -> RxQueue {
        RxQueue { port: shared.id.0, queue, shared: Arc::clone(shared), _not_sync: PhantomData }
    }

    /// Appends up to `max` received packets to the burst, as far as it has room. Returns how many.
    /// Never waits.
    #[inline(always)]
    pub fn rx(&mut self, burst: &mut Burst, max: u16) -> usize {
        // The room is at most MAX_BURST, which fits.
        let max = max.min(burst.room() as u16);
        // SAFETY: the queue is set up and polled by this owner alone, the burst has room for `max`
        // pointers, and the driver passes ownership of what it writes.
        unsafe {
            let received = ffi::cv_rx_burst(self.port, self.queue, burst.spare_ptr(), max);
            burst.grow(usize::from(received));
            usize::from(received)
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> PortId {
        PortId(self.port)
    }

    /// The queue's number.
    #[must_use]
    pub fn queue(&self) -> QueueId {
        QueueId(self.queue)
    }

    pub(crate) fn belongs_to(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }
}

/// A transmit queue. It keeps its port open.
#[derive(Debug)]
pub struct TxQueue {
    port: u16,
    queue: u16,
    /// The driver sends chains; else they are made one segment first.
    multi_segments: bool,
    shared: Arc<Shared>,
    _not_sync: NotSync,
}

impl TxQueue {
    /// # Safety
    /// The port is started, the queue is set up, and no other `TxQueue` for it exists.
    pub(crate) unsafe fn new(shared: &Arc<Shared>, queue: u16, multi_segments: bool) -> TxQueue {
        TxQueue {
            port: shared.id.0,
            queue,
            multi_segments,
            shared: Arc::clone(shared),
            _not_sync: PhantomData,
        }
    }

    /// Sends all packets of the burst that the queue takes in a few tries and frees the others, which
    /// [`TxQueue::dropped`] counts. The burst is empty afterwards. Returns how many were sent.
    #[inline]
    pub fn tx(&mut self, burst: &mut Burst) -> usize {
        if !self.multi_segments {
            self.linearize(burst);
        }
        let (packets, count) = burst.release();
        let mut sent = 0;
        for _ in 0..TX_TRIES {
            if sent == count {
                return sent;
            }
            // SAFETY: packets[sent..count] are owned by this call, and the driver takes the first ones
            // of them, as many as it returns. The count is at most MAX_BURST, which fits.
            unsafe {
                let rest = (count - sent) as u16;
                let taken = ffi::cv_tx_burst(self.port, self.queue, packets.add(sent), rest);
                sent += usize::from(taken);
            }
        }
        if sent < count {
            // SAFETY: the driver did not take packets[sent..count].
            unsafe { free_bulk(packets.add(sent), count - sent) };
            self.count_dropped(count - sent);
        }
        sent
    }

    /// Sends the first packets of the burst, as many as the queue takes at once. The others stay in the
    /// burst, in order, for a later call: a packet generator must not lose what it has numbered. Returns
    /// how many were sent. Only a chain that neither the driver nor one buffer can take is dropped, and
    /// counted by [`TxQueue::dropped`].
    #[inline]
    pub fn tx_some(&mut self, burst: &mut Burst) -> usize {
        if !self.multi_segments {
            self.linearize(burst);
        }
        // SAFETY: the burst owns its packets, at most MAX_BURST, which fits; the driver takes the first
        // ones of them, as many as it returns, and the burst forgets exactly those.
        unsafe {
            let (count, packets) = (burst.len() as u16, burst.slots_ptr().cast());
            let sent = usize::from(ffi::cv_tx_burst(self.port, self.queue, packets, count));
            burst.forget_front(sent);
            sent
        }
    }

    /// Packets that were given to [`TxQueue::tx`] and not sent, since the port was opened.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.tx_dropped[usize::from(self.queue)].load(Relaxed)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> PortId {
        PortId(self.port)
    }

    /// The queue's number.
    #[must_use]
    pub fn queue(&self) -> QueueId {
        QueueId(self.queue)
    }

    pub(crate) fn belongs_to(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// Makes each packet one segment; what does not fit into its first buffer is dropped.
    fn linearize(&mut self, burst: &mut Burst) {
        if burst.iter().all(|packet| packet.nb_segs() == 1) {
            return;
        }
        let mut failed = [0; crate::MAX_BURST / 64];
        for (i, packet) in burst.iter_mut().enumerate() {
            if packet.nb_segs() > 1 && !packet.linearize() {
                failed[i / 64] |= 1 << (i % 64);
            }
        }
        let mut dropped = Burst::new();
        let count = burst.extract(&failed, &mut dropped);
        self.count_dropped(count);
    }

    #[cold]
    fn count_dropped(&self, count: usize) {
        // One writer: this queue's owner.
        let counter = &self.shared.tx_dropped[usize::from(self.queue)];
        counter.store(counter.load(Relaxed) + count as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MbufPool, Port, PortConfig, test_support};

    fn chain(pool: &MbufPool, first: usize, second: usize) -> crate::Mbuf {
        pool.from_segments(&[&vec![1; first], &vec![2; second]]).expect("two buffers")
    }

    #[test]
    fn what_a_full_queue_does_not_take_stays_in_order() {
        /// `net_ring` makes rings of 1024, of which one place stays free.
        const RING: usize = 1023;
        let pool = test_support::own_pool("tx_some", 2047);
        let config = PortConfig {
            name: "full".to_owned(),
            device: "net_ring6".to_owned(),
            ..PortConfig::default()
        };
        let mut port = Port::open(&test_support::eal(), &config, &pool).expect("a ring port");
        let (mut rx, mut tx) = port.start().expect("started");
        let (mut burst, mut back) = (Burst::new(), Burst::new());
        let mut numbers = 0..1100_u32;
        let mut sent = 0;
        while burst.is_empty() {
            for number in numbers.by_ref().take(100) {
                let packet = pool.from_bytes(&number.to_be_bytes()).expect("a buffer");
                burst.push(packet).expect("room");
            }
            sent += tx[0].tx_some(&mut burst);
        }
        assert_eq!((sent, burst.len()), (RING, 1100 - RING));
        assert_eq!(tx[0].tx_some(&mut burst), 0, "still full");
        assert_eq!(rx[0].rx(&mut back, 100), 100);
        assert_eq!(tx[0].tx_some(&mut burst), 1100 - RING);
        for expected in 0..1100_u32 {
            if back.is_empty() {
                let _ = rx[0].rx(&mut back, 250);
            }
            assert_eq!(back[0].data(), expected.to_be_bytes());
            let mut first = [0; crate::MAX_BURST / 64];
            first[0] = 1;
            let _ = back.extract(&first, &mut Burst::new());
        }
        assert_eq!(tx[0].dropped(), 0);
        port.stop(rx, tx).expect("stopped");
        assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn a_driver_without_chains_gets_one_segment_or_nothing() {
        let pool = test_support::own_pool("linearize", 63);
        let config = PortConfig {
            name: "loop".to_owned(),
            device: "net_ring7".to_owned(),
            ..PortConfig::default()
        };
        let mut port = Port::open(&test_support::eal(), &config, &pool).expect("a ring port");
        let (mut rx, mut tx) = port.start().expect("started");
        assert!(tx[0].multi_segments, "net_ring offers it");
        tx[0].multi_segments = false;

        let mut burst = Burst::new();
        for (first, second) in [(10, 20), (2048, 1), (30, 0), (2000, 48)] {
            burst.push(chain(&pool, first, second)).expect("room");
        }
        assert_eq!(tx[0].tx(&mut burst), 3);
        assert_eq!(tx[0].dropped(), 1, "2049 bytes do not fit into a buffer");
        assert_eq!(rx[0].rx(&mut burst, 8), 3);
        let packets: Vec<(u16, usize)> =
            burst.iter().map(|packet| (packet.nb_segs(), packet.data().len())).collect();
        assert_eq!(packets, [(1, 30), (1, 30), (1, 2048)]);
        assert_eq!(burst[0].data()[9..11], [1, 2]);
        burst.clear();
        port.stop(rx, tx).expect("stopped");
        assert_eq!(pool.in_use(), 0);
    }
}
