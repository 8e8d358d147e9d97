//! One thing that is wrong with a configuration: which rule, where, why, and what would be right.

use std::ops::Range;

/// Bytes of the file that a diagnostic points at.
pub type Span = Range<usize>;

/// Whether the configuration can be used in spite of the diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing may be started.
    Error,
    /// The configuration is used; part of it has no effect.
    Warning,
}

/// A place that explains the diagnostic further, for example `first used here`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Byte range in the file.
    pub span: Range<usize>,
    /// A remark about the text there.
    pub text: String,
}

/// One error or warning about a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The rule that is violated; it also decides between error and warning.
    pub rule: Rule,
    /// One sentence that names the cause, without the place.
    pub message: String,
    /// The place and what is wrong with it; `None` if there is no text to point at.
    pub label: Option<Label>,
    /// Other places that matter, in the order in which they were found.
    pub related: Vec<Label>,
    /// The cure: a value, a line to add, or a command. Never empty.
    pub cure: String,
}

impl Diagnostic {
    /// A diagnostic without a place, for a file that cannot be read at all.
    pub fn general(rule: Rule, message: impl Into<String>, cure: impl Into<String>) -> Self {
        let (message, cure) = (message.into(), cure.into());
        Self { rule, message, label: None, related: Vec::new(), cure }
    }

    /// A diagnostic that points at `span`, where `label` says what is wrong.
    pub fn at(
        rule: Rule,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        let place = Label { span, text: label.into() };
        Self { label: Some(place), ..Self::general(rule, message, cure) }
    }

    /// Adds a second place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push(Label { span, text: text.into() });
        self
    }

    /// Error or warning.
    pub fn severity(&self) -> Severity {
        self.rule.severity()
    }

    /// Where in the file it is; the start of the file if there is no place.
    pub(crate) fn position(&self) -> usize {
        self.label.as_ref().map_or(0, |label| label.span.start)
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Every rule that a configuration can violate.
        ///
        /// Messages are for people and may change; a rule's name is what tests and programs match.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Rule {
            /// All rules, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

rules! {
    /// The file does not exist, cannot be read, is no UTF-8 text, or is too large.
    Unreadable,
    /// The text is not TOML.
    Syntax,
    /// There is neither a port nor a vnet.
    Empty,
    /// A key that no table of this name has, or that means nothing beside another one.
    UnknownKey,
    /// A value of another type than the key takes.
    WrongType,
    /// A key without which the table means nothing.
    MissingKey,
    /// A word that is none of the key's choices.
    UnknownChoice,
    /// A number outside of its key's range.
    OutOfRange,
    /// A text that is empty or holds control characters.
    BadText,
    /// A name with characters that names may not have, or a name that is too long.
    BadName,
    /// Two things of one kind with one name, or in one role.
    DuplicateName,
    /// `cpus` of `[workers]`, or `workers` of a port, is empty.
    NoWorker,
    /// A CPU that is not online.
    UnknownCpu,
    /// A CPU that already runs a worker.
    CpuTwice,
    /// The control socket's path does not fit into a `sockaddr_un`.
    SocketPathTooLong,
    /// A user or a group that is neither a name nor a number.
    BadAccount,
    /// An address to listen on that is no IP address with a port.
    BadListenAddress,
    /// An address to listen on that other machines could reach.
    ListenNotLoopback,
    /// A level of the log that there is not.
    BadLogLevel,
    /// A form of lines for the journal, which has its own (warning).
    LogFormatUnused,
    /// A device that is neither a PCI address nor a vdev string.
    BadDevice,
    /// A virtual device of a driver that DPDK does not have.
    UnknownDriver,
    /// More ports than DPDK has room for.
    TooManyPorts,
    /// Two ports on one interface of the host.
    InterfaceShared,
    /// An entry of `[control] devices` that allows nothing.
    BadDeviceRule,
    /// A device that the user of the control socket may not name.
    DeviceDenied,
    /// Two ports on one device.
    DeviceTwice,
    /// A file that a device string reads does not exist.
    FileMissing,
    /// More queues than workers that could poll them.
    TooManyQueues,
    /// A worker that there is not.
    UnknownWorker,
    /// A worker that polls a port already.
    WorkerTwice,
    /// A MAC address that does not parse.
    BadMac,
    /// A multicast or zero MAC address where one station's is needed.
    MacNotUnicast,
    /// More vnets than this build holds.
    TooManyVnets,
    /// An interface on a port that does not exist.
    UnknownPort,
    /// A port that no interface uses (warning).
    UnusedPort,
    /// Two interfaces that would both take a port's untagged packets.
    PortSharedUntagged,
    /// Two interfaces on one VLAN of one port.
    VlanTwice,
    /// `lo0` on a port, another loopback than `lo0`, or a key that a loopback does not have.
    Loopback,
    /// An epair that has not exactly two ends.
    EpairEnds,
    /// A key that an end of an epair does not have.
    EpairKey,
    /// An interface whose packets its port cannot carry.
    MtuAbovePort,
    /// An address or prefix that does not parse.
    BadAddress,
    /// An address that no host can have.
    AddressNotHost,
    /// An address that the vnet already has.
    AddressTwice,
    /// Two interfaces of a vnet in overlapping prefixes.
    PrefixOverlap,
    /// An interface that the vnet does not have.
    UnknownInterface,
    /// A neighbor outside of its interface's prefixes.
    NeighborOffLink,
    /// A neighbor that has an address of the vnet itself.
    NeighborIsOwn,
    /// A neighbor that the interface already has.
    NeighborTwice,
    /// A route's prefix with bits set behind the prefix length.
    PrefixHostBits,
    /// Two routes to one prefix, or a route to a prefix that is connected.
    RouteTwice,
    /// A route with both `via` and `type`, or with no next hop in `via`.
    RouteTarget,
    /// A next hop that is neither an address nor an interface.
    BadNextHop,
    /// A next hop that no interface of the vnet reaches.
    NextHopUnreachable,
    /// A next hop that is an address of the vnet itself.
    NextHopIsOwn,
    /// The same next hop twice in one route.
    NextHopTwice,
    /// An interface beside other next hops of a route.
    InterfaceNotAlone,
    /// More next hops than one route can have.
    TooManyNextHops,
    /// An IPv4 route through an IPv6 next hop, or the reverse.
    FamilyMixed,
    /// A sysctl that does not exist.
    UnknownSysctl,
    /// A sysctl that cannot be set.
    SysctlReadOnly,
    /// A number for a text or a text for a number.
    SysctlType,
    /// A number outside of the sysctl's range.
    SysctlRange,
    /// A sysctl that is already set in the same vnet.
    SysctlTwice,
    /// More interfaces, routes or neighbors than the vnet's limit.
    LimitExceeded,
    /// A sysctl of the whole process in a vnet other than `vnet0`.
    SysctlGlobal,
    /// IPv6 in a build without the inet6 module (warning).
    NoInet6,
}

impl Rule {
    /// Whether a violation stops the program.
    pub fn severity(self) -> Severity {
        let warning = matches!(self, Self::UnusedPort | Self::LogFormatUnused | Self::NoInet6);
        if warning { Severity::Warning } else { Severity::Error }
    }
}
