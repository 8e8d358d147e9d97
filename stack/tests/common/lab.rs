//! A worker and a control thread with their vnets, on one thread and in virtual time.

use std::alloc::{GlobalAlloc, System};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pmd::{Burst, MAX_BURST, Mbuf, MbufPool, PortId, test_support};
use rtrb::{Consumer, RingBuffer};
use stack::control::{EPAIR_MTU, EpairSpec, FrameTotals, InterfaceSpec, Stack};
use stack::drops::DropReason;
use stack::net::route::RouteTarget;
use stack::net::{IfSlot, Ifnet, Interfaces};
use stack::time::Nanos;
use stack::wire::MacAddr;
use stack::worker::{
    Datapath, DatapathParts, Inject, Output, PortDrops, TxPort, WorkerQueues, control_queues,
};
use vnet::testing::Turn;
use vnet::{Domain, Value, VnetRef, Vnets};

use super::Mac;

/// Ports of the laboratory: 0 to 3.
pub const PORTS: u16 = 4;
/// Buffers of a laboratory's pool.
const MBUFS: u32 = 8191;
/// Frames that may wait to be taken.
const WIRE: usize = 8191;
/// Between two looks of the control thread while time passes.
const TICK: Duration = Duration::from_millis(100);

/// A frame that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub at: Nanos,
    pub port: u16,
    pub frame: Vec<u8>,
}

/// The parts that a thread needs to be the worker.
pub struct Worker {
    queues: WorkerQueues,
    pub pool: MbufPool,
    domain: Domain,
    interfaces: Arc<Interfaces>,
}

/// Where the frames go that leave, by port.
pub struct Wire(Vec<Consumer<Mbuf>>);

impl Wire {
    /// Takes the frames that have left, those of a port in order.
    pub fn take(&mut self, mut each: impl FnMut(u16, Mbuf)) {
        for (port, ring) in (0..PORTS).zip(&mut self.0) {
            while let Ok(mbuf) = ring.pop() {
                each(port, mbuf);
            }
        }
    }

    fn len(&self) -> usize {
        self.0.iter().map(Consumer::slots).sum()
    }
}

impl Worker {
    /// The calling thread's stack, and where its frames go.
    pub fn datapath(self) -> (Datapath, Wire) {
        let Self { queues, pool, domain, interfaces } = self;
        let (senders, wire): (Vec<_>, Vec<_>) = (0..PORTS).map(|_| RingBuffer::new(WIRE)).unzip();
        let out = (0..PORTS).zip(senders).map(|(port, ring)| TxPort::ring(PortId(port), ring));
        let out = Output::new(out);
        let reader = domain.reader(0).unwrap();
        let parts = DatapathParts { reader, interfaces, queues, pool, out };
        (Datapath::new(parts), Wire(wire))
    }
}

/// One worker, its control thread and their vnets.
pub struct Lab {
    pub now: Nanos,
    pub pool: MbufPool,
    /// The worker's ends of its queues while there is no worker.
    pub queues: Option<WorkerQueues>,
    /// Gone before the stack ends, so that nobody waits for this reader.
    datapath: Option<Datapath>,
    stack: Option<Stack>,
    /// Where frames go that leave; none before there is a worker.
    wire: Option<Wire>,
    /// Frames that left while there was another worker.
    untaken: Vec<Sent>,
    /// Of the worker, and of those before it.
    port_drops: Vec<Arc<PortDrops>>,
    domain: Domain,
    offered: u64,
    taken: u64,
    _turn: Turn,
}

/// Pools that no laboratory uses at the moment: to make one takes longer than most tests.
static POOLS: Mutex<Vec<MbufPool>> = Mutex::new(Vec::new());

fn pool() -> MbufPool {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let used = POOLS.lock().unwrap_or_else(PoisonError::into_inner).pop();
    used.unwrap_or_else(|| {
        let name = format!("lab{}", NAMES.fetch_add(1, Ordering::Relaxed));
        test_support::own_pool(&name, MBUFS)
    })
}

/// Ports that take turns.
const ANNOUNCED: usize = 16;

impl Lab {
    /// An empty laboratory, one second after midnight.
    pub fn new() -> Self {
        Self::with_containers_from(&System)
    }

    /// One whose vnets have their variables from this allocator.
    pub fn with_containers_from(allocator: &'static (dyn GlobalAlloc + Sync)) -> Self {
        let turn = vnet::testing::turn();
        let domain = Domain::new(1);
        let control = domain.control().unwrap();
        let vnets = Vnets::new(Stack::modules().unwrap(), &control, allocator);
        let ((queues, control_ends), pool) = (control_queues(), pool());
        let stack = Stack::new(vnets, control, vec![control_ends], pool.clone());
        let mut lab = Self {
            now: Nanos::from_seconds(1),
            pool,
            queues: Some(queues),
            port_drops: Vec::new(),
            datapath: None,
            domain,
            stack: Some(stack),
            wire: None,
            untaken: Vec::new(),
            offered: 0,
            taken: 0,
            _turn: turn,
        };
        lab.work_here();
        lab
    }

    /// The worker is this thread, as it is at the beginning.
    pub fn work_here(&mut self) {
        let (datapath, wire) = self.worker().datapath();
        self.untaken = self.take_wire();
        self.wire = Some(wire);
        self.port_drops.push(datapath.drops());
        self.datapath = Some(datapath);
    }

    /// Ends the worker of this thread; what another thread needs to be one.
    pub fn worker(&mut self) -> Worker {
        self.end_worker();
        Worker {
            domain: self.domain.clone(),
            interfaces: self.stack().interfaces(),
            queues: self.queues.take().expect("there is one worker"),
            pool: self.pool.clone(),
        }
    }

    /// Counts what a worker on another thread did.
    pub fn account(&mut self, offered: u64, taken: u64, port_drops: Arc<PortDrops>) {
        self.offered += offered;
        self.taken += taken;
        self.port_drops.push(port_drops);
    }

    pub fn stack(&self) -> &Stack {
        self.stack.as_ref().unwrap()
    }

    pub fn datapath(&mut self) -> &mut Datapath {
        self.datapath.as_mut().unwrap()
    }

    /// Ends the worker of this thread.
    pub fn end_worker(&mut self) {
        if let Some(datapath) = self.datapath.take() {
            self.queues = Some(datapath.into_parts().1);
        }
    }

    /// Ends the worker, and what waits for it or for the control thread; then there is a new one.
    pub fn drain(&mut self) {
        self.end_worker();
        self.stack.as_mut().unwrap().drain(self.now, self.queues.as_mut_slice());
        self.work_here();
    }

    /// Has the worker do this, as if the control thread asked for it.
    pub fn inject(&mut self, inject: Inject) {
        self.stack.as_mut().unwrap().queues_mut()[0].inject.push(inject).unwrap();
    }

    /// Packets on the way to the worker.
    pub fn injected(&self) -> usize {
        self.stack().queues()[0].injected()
    }

    /// Packets on the way to the control thread.
    pub fn punted(&self) -> usize {
        self.stack().queues()[0].punt.slots()
    }

    /// Does what the control thread does, which may wait for the worker: not for one on this thread.
    pub fn control<R>(&mut self, work: impl FnOnce(&mut Stack) -> R) -> R {
        if let Some(datapath) = &mut self.datapath {
            datapath.offline();
        }
        let result = work(self.stack.as_mut().unwrap());
        if let Some(datapath) = &mut self.datapath {
            datapath.online();
        }
        result
    }

    // --- what operators do ---------------------------------------------------------------------

    /// The vnet of this name; makes it when there is none.
    pub fn vnet(&mut self, name: &str) -> VnetRef {
        if let Some(vnet) = self.stack().vnets().by_name(name) {
            return vnet.clone();
        }
        self.control(|stack| stack.create_vnet(name)).unwrap()
    }

    /// Makes an interface with an MTU of 1500 and these addresses.
    pub fn interface(
        &mut self,
        vnet: &str,
        name: &str,
        port: u16,
        vlan: Option<u16>,
        mac: Mac,
        addresses: &[&str],
    ) -> IfSlot {
        let vnet = self.vnet(vnet);
        let spec = InterfaceSpec {
            name: name.to_owned(),
            port: PortId(port),
            vlan,
            mac: MacAddr(mac),
            mtu: 1500,
        };
        self.control(|stack| {
            let slot = stack.create_interface(&vnet, spec).unwrap();
            for address in addresses {
                stack.add_address(slot, address.parse().unwrap()).unwrap();
            }
            slot
        })
    }

    /// Makes an epair of a vnet, a name and addresses for each end.
    pub fn epair(&mut self, ends: [(&str, &str, &[&str]); 2]) -> [IfSlot; 2] {
        let specs = ends.map(|(vnet, name, _)| EpairSpec {
            vnet: self.vnet(vnet),
            name: name.to_owned(),
            mac: None,
            mtu: EPAIR_MTU,
        });
        let [a, b] = specs;
        let (a, b) = self.control(|stack| stack.create_epair(a, b)).unwrap();
        for (slot, (_, _, addresses)) in [a, b].into_iter().zip(ends) {
            for address in addresses {
                self.control(|stack| stack.add_address(slot, address.parse().unwrap())).unwrap();
            }
        }
        [a, b]
    }

    /// Moves an interface to another vnet, which is made when there is none.
    pub fn move_to(&mut self, vnet: &str, interface: &str, target: &str) -> IfSlot {
        let slot = self.ifnet(vnet, interface).slot;
        let target = self.vnet(target);
        self.control(|stack| stack.move_interface(slot, &target)).unwrap()
    }

    pub fn ifnet(&mut self, vnet: &str, name: &str) -> Arc<Ifnet> {
        let vnet = self.vnet(vnet);
        self.stack().find(&vnet, name).unwrap_or_else(|| panic!("no interface {name}"))
    }

    pub fn set_mtu(&mut self, vnet: &str, interface: &str, mtu: u16) {
        let slot = self.ifnet(vnet, interface).slot;
        self.control(|stack| stack.set_interface_mtu(slot, mtu)).unwrap();
    }

    pub fn set_up(&mut self, vnet: &str, interface: &str, up: bool) {
        let slot = self.ifnet(vnet, interface).slot;
        self.control(|stack| stack.set_interface_up(slot, up)).unwrap();
    }

    pub fn neighbor(&mut self, vnet: &str, interface: &str, addr: &str, mac: Mac) {
        let slot = self.ifnet(vnet, interface).slot;
        let vnet = self.vnet(vnet);
        self.control(|stack| stack.add_neighbor(&vnet, slot, addr.parse().unwrap(), MacAddr(mac)))
            .unwrap();
    }

    pub fn route(&mut self, vnet: &str, prefix: &str, target: RouteTarget) {
        let vnet = self.vnet(vnet);
        let route = (prefix.parse().unwrap(), target);
        self.control(|stack| stack.add_routes(&vnet, [route])).unwrap();
    }

    /// A route through these gateways.
    pub fn via(&mut self, vnet: &str, prefix: &str, gateways: &[&str]) {
        let gateways: Vec<Ipv4Addr> = gateways.iter().map(|addr| addr.parse().unwrap()).collect();
        self.route(vnet, prefix, RouteTarget::via(gateways));
    }

    pub fn sysctl(&mut self, vnet: &str, name: &str, value: i32) {
        let vnet = self.vnet(vnet);
        self.control(|stack| stack.set_sysctl(&vnet, name, Value::Int(value))).unwrap();
    }

    // --- packets and time ----------------------------------------------------------------------

    /// A packet as a port receives it.
    pub fn mbuf(&self, frame: &[u8]) -> Mbuf {
        self.pool.from_bytes(frame).unwrap()
    }

    /// A packet in segments of these lengths, the last one with the rest.
    pub fn segmented(&self, frame: &[u8], lengths: &[usize]) -> Mbuf {
        let mut segments = Vec::new();
        let mut rest = frame;
        for &length in lengths {
            let (segment, after) = rest.split_at(length.min(rest.len()));
            segments.push(segment);
            rest = after;
        }
        segments.push(rest);
        self.pool.from_segments(&segments).unwrap()
    }

    /// One iteration of the worker, in which `port` received these packets.
    pub fn iterate(&mut self, port: u16, packets: impl IntoIterator<Item = Mbuf>) {
        let mut burst = Burst::new();
        packets.into_iter().for_each(|mbuf| burst.push(mbuf).unwrap());
        self.cycle(port, &mut burst);
    }

    /// The stack's part of an iteration: from its beginning to the quiescent state.
    pub fn cycle(&mut self, port: u16, burst: &mut Burst) {
        let received = burst.len();
        self.offered += received as u64;
        let now = self.now;
        let datapath = self.datapath();
        let _timed: bool = datapath.begin(now);
        if received > 0 {
            // As if there were ports enough for announcements, most of which nobody has: they change nothing.
            datapath.expect(0, ANNOUNCED, |turn| PortId(port + turn as u16));
            datapath.receive(PortId(port), burst);
        }
        datapath.finish(received);
    }

    /// Lets worker and control thread finish what they have for each other.
    pub fn settle(&mut self) {
        for _round in 0..1000 {
            let now = self.now;
            // Never waits for the worker: no need to take it offline.
            self.stack.as_mut().unwrap().tick(now);
            let busy = self.injected() > 0 || self.datapath().holds_frames();
            self.iterate(0, []);
            if !busy && self.punted() == 0 {
                // Once more for what a vnet sent to itself in the last iteration.
                return self.iterate(0, []);
            }
        }
        panic!("worker and control thread do not come to rest");
    }

    /// Frames that left since the last call.
    pub fn take(&mut self) -> Vec<Sent> {
        let sent = self.take_wire();
        self.taken += sent.len() as u64;
        sent
    }

    fn take_wire(&mut self) -> Vec<Sent> {
        let mut sent = std::mem::take(&mut self.untaken);
        let at = self.now;
        if let Some(wire) = &mut self.wire {
            wire.take(|port, mbuf| {
                let frame: Vec<u8> = mbuf.segments().collect::<Vec<_>>().concat();
                assert_eq!(frame.len(), mbuf.pkt_len() as usize);
                sent.push(Sent { at, port, frame });
            });
        }
        sent
    }

    /// Frames that left and were not taken.
    fn waiting(&self) -> usize {
        self.untaken.len() + self.wire.as_ref().map_or(0, Wire::len)
    }

    /// Receives packets in full bursts; what left in consequence.
    pub fn send_mbufs(&mut self, port: u16, packets: Vec<Mbuf>) -> Vec<Sent> {
        let mut packets = packets.into_iter();
        while packets.len() > 0 {
            self.iterate(port, packets.by_ref().take(MAX_BURST));
        }
        self.settle();
        self.take()
    }

    /// Receives frames, each in as few segments as it takes; what left in consequence.
    pub fn send(&mut self, port: u16, frames: &[Vec<u8>]) -> Vec<Sent> {
        let packets = frames.iter().map(|frame| self.mbuf(frame)).collect();
        self.send_mbufs(port, packets)
    }

    /// Lets time pass; what left meanwhile.
    pub fn pass(&mut self, time: Duration) -> Vec<Sent> {
        let end = self.now + time;
        let mut sent = Vec::new();
        while self.now < end {
            self.now = (self.now + TICK).min(end);
            self.settle();
            sent.extend(self.take());
        }
        sent
    }

    // --- books ---------------------------------------------------------------------------------

    /// Drops of one vnet by reason, those that are not zero.
    pub fn drops(&mut self, vnet: &str) -> BTreeMap<&'static str, u64> {
        let vnet = self.vnet(vnet);
        self.stack().books_of(&vnet).drops.into_iter().collect()
    }

    /// Frames that no vnet took.
    pub fn port_drops(&self, reason: DropReason) -> u64 {
        self.port_drops.iter().map(|drops| drops.get(reason)).sum()
    }

    /// One of FreeBSD's counters.
    pub fn stat(&mut self, vnet: &str, name: &str) -> u64 {
        let vnet = self.vnet(vnet);
        let all = self.stack().statistics_of(&vnet);
        all.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    /// Frames that came in, with those that no vnet took, and that left: as the program closes its books.
    fn ethernet_totals(&self) -> (u64, u64) {
        let unclaimed: u64 = self.port_drops.iter().map(|drops| drops.received.total()).sum();
        let FrameTotals { received, sent } = self.stack().frame_totals();
        (received + unclaimed, sent)
    }

    /// Asserts that every packet ended in exactly one place and that no buffer is lost.
    pub fn check(&mut self) {
        let stack = self.stack();
        let mut held = 0;
        for vnet in stack.vnets().iter() {
            let books = stack.books_of(vnet);
            assert!(books.balance(), "the books of {}: {books:?}", vnet.name());
            let waiting = stack.with_inet(vnet, |inet| inet.arp.neighbors.held()).unwrap();
            assert_eq!(books.in_flight, waiting as u64, "{}: {books:?}", vnet.name());
            held += waiting;
        }
        let (received, sent) = self.ethernet_totals();
        assert_eq!(self.offered, received, "frames that came in");
        assert_eq!(self.taken + self.waiting() as u64, sent, "frames that left");
        let FrameTotals { received, sent } = self.stack().epair_totals();
        let lost: u64 = self.port_drops.iter().map(|drops| drops.crossing.total()).sum();
        assert_eq!(sent, received + lost, "frames that one end of an epair sent the other");
        assert_eq!((self.punted(), self.injected()), (0, 0));
        // A packet that waits may be in several pieces.
        assert!(
            self.pool.in_use() as usize >= held + self.wire.as_ref().map_or(0, Wire::len),
            "buffers in use"
        );
    }

    /// Ends everything and asserts that nothing is left.
    pub fn end(mut self) {
        self.settle();
        let _rest = self.take();
        self.check();
        self.end_worker();
        let mut stack = self.stack.take().unwrap();
        stack.drain(self.now, self.queues.as_mut_slice());
        for (name, books) in stack.books() {
            assert!(books.balance() && books.in_flight == 0, "{name}: {books:?}");
        }
        assert_eq!(stack.shutdown(), 0, "a vnet that could not be freed");
        drop(stack);
        assert_eq!(self.pool.in_use(), 0, "buffers that nobody gave back");
        POOLS.lock().unwrap_or_else(PoisonError::into_inner).push(self.pool.clone());
    }
}

impl Drop for Lab {
    /// For tests that end otherwise.
    fn drop(&mut self) {
        self.end_worker();
        if let Some(mut stack) = self.stack.take() {
            stack.drain(self.now, self.queues.as_mut_slice());
            let _left = stack.shutdown();
        }
    }
}
