//! What each node did: calls, packets, and cycles of a sample.

use vnet::Counter;

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

/// One iteration in this many is timed node by node.
pub const SAMPLE_EVERY: u64 = 64;

/// One worker's node counters.
#[derive(Debug)]
pub struct NodeStats([NodeCounters; Node::ALL.len()]);

impl Default for NodeStats {
    fn default() -> Self {
        Self(std::array::from_fn(|_| NodeCounters::default()))
    }
}

impl NodeStats {
    /// The counters of `node`.
    #[must_use]
    pub fn get(&self, node: Node) -> &NodeCounters {
        &self.0[node as usize]
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
            counters.sampled_cycles.add(pmd::tsc::now().saturating_sub(start));
            counters.sampled_packets.add(packets as u64);
        }
        result
    }
}
