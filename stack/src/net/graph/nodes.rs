//! The nodes' counters: calls, packets, and cycles of a sample.

use vnet::Counter;

use super::histogram::CycleHistogram;

macro_rules! nodes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// The processing steps, each in the file of its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Node { $($(#[$doc])* $variant),* }

        impl Node {
            /// All nodes, in the order a packet meets them.
            pub const ALL: &'static [Node] = &[$(Node::$variant),*];

            /// The node's name: its file's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Node::$variant => $name),* }
            }
        }
    };
}

nodes! {
    /// Polling the receive queues.
    Rx = "rx",
    /// VLAN and interface of each frame.
    Demux = "demux",
    /// Receiving what was sent to the other end of an epair.
    Epair = "epair",
    /// Forwarding of whole vectors without exceptions.
    IpTryForward = "ip_tryforward",
    /// MAC filter and EtherType of what the fast path left.
    EtherInput = "ether_input",
    /// All checks of RFC 1812 5.2.2.
    IpInput = "ip_input",
    /// Forwarding with exceptions.
    IpForward = "ip_forward",
    /// ICMP for ourselves.
    IcmpInput = "icmp_input",
    /// Packets from the control thread.
    Inject = "inject",
    /// Transmission.
    Tx = "tx",
}

/// One node's counters.
#[derive(Debug, Default)]
pub struct NodeCounters {
    /// Calls with at least one packet.
    pub calls: Counter,
    /// Packets over all calls.
    pub packets: Counter,
    /// Cycles of the sampled calls, nodes called from within included.
    pub sampled_cycles: Counter,
    /// Packets of the sampled calls.
    pub sampled_packets: Counter,
}

/// One iteration in this many is timed node by node, unless the operator wants another sample.
pub const SAMPLE_EVERY: u32 = 64;

/// Accesses of one probe; see [`Histograms::probe`].
pub const PROBE_ACCESSES: u32 = 16;

/// The distributions that a worker keeps of the sampled iterations when the operator wants them.
#[derive(Debug, Default)]
pub struct Histograms {
    /// Cycles of an iteration that received packets.
    pub burst: CycleHistogram,
    /// Cycles of [`PROBE_ACCESSES`] reads of a variable of the vnet through curvnet, module and variable.
    pub probe: CycleHistogram,
    nodes: [CycleHistogram; Node::ALL.len()],
}

impl Histograms {
    /// Cycles of a call of `node`.
    #[must_use]
    pub fn node(&self, node: Node) -> &CycleHistogram {
        &self.nodes[node as usize]
    }
}

/// One worker's node counters.
#[derive(Debug)]
pub struct NodeStats {
    nodes: [NodeCounters; Node::ALL.len()],
    histograms: Option<Box<Histograms>>,
}

impl NodeStats {
    /// Counters at zero; with distributions if the operator wants them.
    #[must_use]
    pub fn new(with_histograms: bool) -> Self {
        Self {
            nodes: std::array::from_fn(|_| NodeCounters::default()),
            histograms: with_histograms.then(Box::default),
        }
    }

    /// The counters of `node`.
    #[must_use]
    pub fn get(&self, node: Node) -> &NodeCounters {
        &self.nodes[node as usize]
    }

    /// The distributions, if they are kept.
    #[must_use]
    pub fn histograms(&self) -> Option<&Histograms> {
        self.histograms.as_deref()
    }

    /// Adds a timed call.
    #[inline]
    pub fn sample(&self, node: Node, packets: u64, cycles: u64) {
        let counters = self.get(node);
        counters.sampled_cycles.add(cycles);
        counters.sampled_packets.add(packets);
        if let Some(histograms) = &self.histograms {
            histograms.node(node).record(cycles);
        }
    }

    /// Runs `work` as `node` over `packets` packets; `timed` says whether this iteration is in the sample.
    #[inline(always)]
    pub fn run<R>(&self, node: Node, packets: usize, timed: bool, work: impl FnOnce() -> R) -> R {
        let start = if timed { pmd::tsc::now() } else { 0 };
        let result = work();
        let counters = self.get(node);
        counters.calls.inc();
        counters.packets.add(packets as u64);
        if timed {
            self.sample(node, packets as u64, pmd::tsc::now().saturating_sub(start));
        }
        result
    }
}
