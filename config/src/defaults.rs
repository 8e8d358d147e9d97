//! Defaults and bounds of the keys.

/// The most packets that one poll takes from a queue, unless `workers.burst` says otherwise.
pub const BURST_DEFAULT: u16 = 256;

/// Microseconds that a worker sleeps after a run of empty polls: it does not, by default.
pub const IDLE_SLEEP_US_DEFAULT: u32 = 0;

/// The control socket, unless `control.socket` says otherwise.
pub const SOCKET_DEFAULT: &str = "/run/curvnet.sock";

/// The log's level, unless `log.level` says otherwise.
pub(crate) const LOG_LEVEL_DEFAULT: &str = "info";

/// An address for `metrics.listen`, which has no default: nobody listens unless asked to.
pub(crate) const METRICS_EXAMPLE: &str = "127.0.0.1:9590";

/// Bytes of an IP packet on a port (RFC 894: 1500 on Ethernet).
pub const MTU_DEFAULT: u16 = 1500;

/// Bytes of an IP packet on `lo0`, as FreeBSD's `LOMTU` (`sys/net/if_loop.c`).
pub(crate) const LOOPBACK_MTU_DEFAULT: u16 = 16384;

/// Descriptors of an rx or tx queue: several bursts, so that a worker that is late loses nothing.
pub const DESCRIPTORS_DEFAULT: u16 = 1024;

/// Next hops of one route (ECMP).
pub const NEXT_HOPS_MAX: usize = 64;

/// One iteration of a worker in this many is measured, unless `histograms.sample` says otherwise: often enough for a
/// distribution in a second, rare enough to cost less than 1 %.
pub const SAMPLE_DEFAULT: u32 = 64;

/// A limit of a vnet: its key in `[vnet.limits]`, the sysctl that it sets, its bounds and its unit.
pub type VnetLimit = (&'static str, &'static str, std::ops::RangeInclusive<i64>, &'static str);

/// The keys of `[vnet.limits]`. Names and bounds of the sysctls are those of the program, which tests that they are.
pub const VNET_LIMITS: [VnetLimit; 8] = [
    ("interfaces", "net.vnet.maxinterfaces", 1..=65_535, "interfaces"),
    ("routes", "net.vnet.maxroutes", 0..=4_194_304, "routes"),
    ("neighbors", "net.link.ether.inet.maxneighbors", 1..=65_536, "neighbours"),
    ("held_packets", "net.vnet.maxheld", 1..=524_288, "packets"),
    ("memory", "net.vnet.maxmemory", 4096..=1_099_511_627_776, "bytes"),
    ("mbufs", "net.vnet.maxmbufs", 2..=1_048_576, "mbufs"),
    ("pcpu", "net.vnet.maxpcpu", 1..=100, "percent of a worker"),
    ("cpu_weight", "net.vnet.cpuweight", 1..=10_000, "parts"),
];

/// `limits.interfaces` of a vnet, unless it says otherwise.
pub const VNET_INTERFACES_DEFAULT: i64 = 4096;

/// `limits.routes` of a vnet, likewise.
pub const VNET_ROUTES_DEFAULT: i64 = 4_194_304;

/// `limits.neighbors` of a vnet, likewise.
pub const VNET_NEIGHBORS_DEFAULT: i64 = 1024;

/// `limits.mbufs` of a vnet, unless it says otherwise.
pub(crate) const VNET_MBUFS_DEFAULT: i64 = 512;

/// Bounds of the numeric keys, inclusive.
pub mod limits {
    use std::ops::RangeInclusive;

    /// `dpdk.mbufs`, per NUMA node. The upper end is 16 Mi mbufs, about 37 GiB of hugepages.
    pub const MBUFS: RangeInclusive<i64> = 256..=16_777_216;

    /// `workers.burst`, in packets; the upper end is the fixed capacity of a vector.
    pub const BURST: RangeInclusive<i64> = 1..=256;

    /// `workers.idle_sleep_us`. A worker that slept longer than a second would look dead.
    pub const IDLE_SLEEP_US: RangeInclusive<i64> = 0..=1_000_000;

    /// `histograms.sample`: one iteration in this many.
    pub const SAMPLE: RangeInclusive<i64> = 1..=1_000_000;

    /// `mtu` of ports and their interfaces, in bytes of IP packet.
    ///
    /// Every IPv4 host must forward 68 bytes unfragmented (RFC 791 section 3.2, and DPDK's
    /// `RTE_ETHER_MIN_MTU`). Drivers of common NICs (ixgbe, i40e) take frames of 9728 bytes; 9600
    /// leaves 128 of them for the link header, tags and the checksum.
    pub const MTU: RangeInclusive<i64> = 68..=9600;

    /// `mtu` of `lo0` and of epairs: whatever fits into IPv4's 16-bit total length (RFC 791 section 3.1).
    pub const LOOPBACK_MTU: RangeInclusive<i64> = 68..=65535;

    /// `rx_descriptors` and `tx_descriptors`. Drivers round to what they can do.
    pub const DESCRIPTORS: RangeInclusive<i64> = 32..=32768;

    /// `vlan`: 0 means "no VLAN" and 4095 is reserved (IEEE 802.1Q-2018, table 9-2).
    pub const VLAN: RangeInclusive<i64> = 1..=4094;

    /// Bytes of `control.socket`: `sun_path` holds 108 with the final NUL (`sys/un.h`).
    pub const SOCKET_PATH_BYTES: usize = 107;

    /// Bytes of an interface's name: `IFNAMSIZ` is 16 with the final NUL (`net/if.h`).
    pub const INTERFACE_NAME_BYTES: usize = 15;

    /// Bytes of the name of a port or a vnet.
    pub const NAME_BYTES: usize = 63;
}
