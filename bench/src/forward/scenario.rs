//! The catalogue: what is forwarded, between what, in how many vnets. Names follow CSIT's: frame size, threads and cores,
//! encapsulation, what is scaled.

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// Lengths of the frames, without frame check sequence, in the order in which they come; they repeat.
    pub(super) sizes: Vec<usize>,
    /// Routes of a vnet.
    pub(super) routes: Routes,
    /// Next hops that the routes are spread over.
    pub(super) next_hops: usize,
    pub(super) vnets: usize,
    /// Whether frames carry a VLAN tag, in and out.
    pub(super) tagged: bool,
    /// How the packets of several vnets follow one another.
    pub(super) order: Order,
    /// Whether packets leave by the interface that they came in on; by another one otherwise.
    pub(super) hairpin: bool,
    /// Whether a hairpin's vnets send ICMP redirects (`net.inet.ip.redirect`).
    pub(super) redirects: bool,
    /// Whether the senders are hosts of the next hop's network, which redirects are for.
    pub(super) senders_on_link: bool,
    pub(super) wire: Wire,
}

/// The routes of a vnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routes {
    /// One prefix, through the first next hop.
    Prefix,
    /// One prefix, whose flows all next hops share (ECMP).
    Multipath,
    /// None: the next hops are hosts on the connected network, and they are the destinations.
    OnLink,
    /// So many host routes, spread over the next hops.
    Hosts(usize),
    /// So many prefixes of /24 side by side, spread over the next hops.
    Slash24(usize),
    /// So many prefixes with the lengths of the Internet's table, some inside others, spread over the next hops.
    Internet(usize),
}

/// The order of packets of several vnets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// A burst is of one vnet; bursts visit the vnets in turn.
    Blocks,
    /// Each packet of a burst is of a vnet at random, as a wire that vnets share brings them.
    Interleaved,
}

/// The devices before and behind the datapath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// Nothing: bursts are handed over in the process.
    Inside,
    /// A device that replays a file and discards what is sent.
    Pcap,
    /// A ring on either side, fed and emptied by the same thread.
    Ring,
    /// Shared memory on either side, likewise.
    Memif,
}

impl Wire {
    fn suffix(self) -> &'static str {
        match self {
            Self::Inside => "",
            Self::Pcap => "-net_pcap",
            Self::Ring => "-net_ring",
            Self::Memif => "-net_memif",
        }
    }
}

/// IMIX as CSIT and IETF drafts have it: 28 frames of 64 bytes, 16 of 570 and 4 of 1518 on the wire, mixed evenly.
fn imix() -> Vec<usize> {
    let mut sizes = Vec::new();
    for _ in 0..4 {
        sizes.extend([64, 570, 64, 64, 570, 64, 64, 570, 64, 570, 64, 1518]);
    }
    sizes
}

/// The frame check sequence, which frames in memory do not have.
const FCS: usize = 4;

fn scenario(size: &str, what: &str) -> Scenario {
    let sizes = match size {
        "imix" => imix(),
        "1518b" => vec![1518],
        _ => vec![64],
    };
    Scenario {
        name: format!("{size}-1t1c-{what}"),
        sizes: sizes.into_iter().map(|size| size - FCS).collect(),
        routes: Routes::Prefix,
        next_hops: 1,
        vnets: 1,
        tagged: false,
        order: Order::Blocks,
        hairpin: false,
        redirects: false,
        senders_on_link: false,
        wire: Wire::Inside,
    }
}

/// Numbers of vnets: the points of a curve.
const VNETS: [usize; 5] = [1, 8, 64, 512, 4096];
/// Numbers of VLANs on one port.
const MIXES: [usize; 6] = [1, 2, 8, 64, 512, 4096];
/// VLAN ids of a port (IEEE 802.1Q-2022 table 9-2): 0 is priority tagging, 4095 reserved.
const VLANS: usize = 4094;

/// All scenarios, in the order in which they run: first those whose packets come as wires bring them.
pub(super) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for wire in [Wire::Inside, Wire::Pcap] {
        let behind = |scenario: Scenario| scenario.behind(wire);
        all.extend(mixes().into_iter().map(behind));
        all.extend(next_hops().into_iter().map(behind));
        all.extend(hairpins().into_iter().map(behind));
    }
    all.extend(blocks());
    all
}

/// Vnets behind VLANs of one port, whose packets are interleaved and leave by the VLAN they came in on.
fn mixes() -> Vec<Scenario> {
    let mix = |count: usize| Scenario {
        vnets: count.min(VLANS),
        tagged: true,
        order: Order::Interleaved,
        hairpin: true,
        ..scenario("64b", &format!("dot1q-mix{count}"))
    };
    MIXES.into_iter().map(mix).collect()
}

/// Packets of one vnet that follow one another to different next hops.
fn next_hops() -> Vec<Scenario> {
    let of = |what: &str, routes: Routes, next_hops: usize| Scenario {
        routes,
        next_hops,
        ..scenario("64b", &format!("ethip4-{what}"))
    };
    vec![
        of("ip4scale1k-hops16", Routes::Hosts(1024), 16),
        of("ip4scale512-hops64", Routes::Slash24(512), 64),
        of("ip4base-ecmp8", Routes::Multipath, 8),
        of("ip4onlink1k", Routes::OnLink, 1000),
        of("ip4scale1m-hops256", Routes::Internet(1_000_000), 256),
    ]
}

/// Packets that leave by the untagged interface they came in on: without ICMP redirects; with them, from senders that get
/// none; and from senders that do.
fn hairpins() -> Vec<Scenario> {
    let of = |what: &str, redirects: bool, senders_on_link: bool| Scenario {
        hairpin: true,
        redirects,
        senders_on_link,
        ..scenario("64b", &format!("ethip4-{what}"))
    };
    vec![
        of("hairpin", false, false),
        of("hairpin-redirect", true, false),
        of("hairpin-redirect-sent", true, true),
    ]
}

/// Flattering traffic: a burst is of one vnet, and all packets go to one next hop.
fn blocks() -> Vec<Scenario> {
    let mut all = vec![scenario("64b", "ethip4-ip4base")];
    for (routes, name) in [(10_000, "10k"), (100_000, "100k"), (1_000_000, "1m")] {
        let what = format!("ethip4-ip4scale{name}");
        all.push(Scenario { routes: Routes::Hosts(routes), ..scenario("64b", &what) });
    }
    all.push(scenario("1518b", "ethip4-ip4base"));
    all.push(scenario("imix", "ethip4-ip4base"));
    for vnets in VNETS {
        all.push(Scenario { vnets, ..scenario("64b", &format!("ethip4-vnet{vnets}")) });
    }
    for vnets in VNETS {
        let what = format!("dot1q-vnet{vnets}");
        all.push(Scenario { vnets, tagged: true, ..scenario("64b", &what) });
    }
    // One device is both sides here, and two are in the scenario behind it.
    let hairpin = scenario("64b", "ethip4-ip4base").behind(Wire::Pcap);
    all.push(Scenario { hairpin: true, ..hairpin });
    all.push(scenario("64b", "ethip4-ip4base-2p").behind(Wire::Pcap));
    for wire in [Wire::Ring, Wire::Memif] {
        all.push(scenario("64b", "ethip4-ip4base").behind(wire));
    }
    all
}

impl Scenario {
    /// The same between other devices.
    fn behind(self, wire: Wire) -> Self {
        let name = format!("{}{}", self.name, wire.suffix());
        Self { name, wire, ..self }
    }

    /// The VLAN of vnet `n` on its port, where frames have tags. Vnets whose bursts come in blocks share two pairs of ports.
    pub(super) fn vlan_of(&self, n: usize) -> u16 {
        let on_port = match self.order {
            Order::Blocks => n / 2,
            Order::Interleaved => n,
        };
        1 + (on_port % VLANS) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<String> = all().into_iter().map(|scenario| scenario.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn imix_has_its_proportions() {
        let sizes = imix();
        let count = |size| sizes.iter().filter(|s| **s == size).count();
        assert_eq!((count(64), count(570), count(1518)), (28, 16, 4));
    }
}
