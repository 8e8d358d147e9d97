//! The catalogue: what is forwarded, between what, in how many vnets. Names follow CSIT's: frame size, threads and cores,
//! encapsulation, what is scaled.

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// Lengths of the frames, without frame check sequence, in the order in which they come; they repeat.
    pub(super) sizes: Vec<usize>,
    /// Routes of a vnet: one prefix, or so many host routes.
    pub(super) routes: usize,
    /// Next hops that the routes are spread over.
    pub(super) next_hops: usize,
    /// Vnets, which the bursts visit in turn.
    pub(super) vnets: usize,
    /// Whether frames carry a VLAN tag, in and out.
    pub(super) tagged: bool,
    pub(super) wire: Wire,
}

/// What is before and behind the datapath.
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
        routes: 1,
        next_hops: 1,
        vnets: 1,
        tagged: false,
        wire: Wire::Inside,
    }
}

/// Numbers of vnets: the points of a curve.
const VNETS: [usize; 5] = [1, 8, 64, 512, 4096];

/// All scenarios, in the order in which they run.
pub(super) fn all() -> Vec<Scenario> {
    let mut all = vec![scenario("64b", "ethip4-ip4base")];
    all.push(Scenario {
        next_hops: 16,
        routes: 1024,
        ..scenario("64b", "ethip4-ip4scale1k-hops16")
    });
    for (routes, name) in [(10_000, "10k"), (100_000, "100k"), (1_000_000, "1m")] {
        let what = format!("ethip4-ip4scale{name}");
        all.push(Scenario { routes, ..scenario("64b", &what) });
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
    for wire in [Wire::Pcap, Wire::Ring, Wire::Memif] {
        let what = format!("ethip4-ip4base{}", wire.suffix());
        all.push(Scenario { wire, ..scenario("64b", &what) });
    }
    all
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
