//! What a module is: an id, what it depends on, its variables, and its hooks.

use std::any::type_name;
use std::error::Error;
use std::fmt;

use crate::sysctl::SysctlDef;
use crate::{Control, Field, VnetRef};

/// Names a module, with FreeBSD's numbers (`VNET_MOD_*`, sys/net/vnet.h of 2009). Below [`ModuleId::LIMIT`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(u8);

macro_rules! module_ids {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        impl ModuleId {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            fn constant_name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

module_ids! {
    /// Interfaces, and what all protocol families share.
    NET = 0;
    /// Netgraph.
    NETGRAPH = 1;
    /// IPv4.
    INET = 2;
    /// IPv6.
    INET6 = 3;
    /// IPsec.
    IPSEC = 4;
    /// The firewall.
    IPFW = 5;
    /// Traffic shaping.
    DUMMYNET = 6;
    /// Packet filter.
    PF = 7;
    /// ALTQ.
    ALTQ = 8;
    /// IPX.
    IPX = 9;
    /// AppleTalk.
    ATALK = 10;
    /// Accept filters.
    ACCF_HTTP = 11;
    /// IGMP.
    IGMP = 12;
    /// Multicast listener discovery.
    MLD = 13;
    /// Routing sockets.
    RTABLE = 14;
    /// Loopback interfaces.
    LOIF = 20;
    /// Address resolution.
    ARP = 21;
    /// Ethernet.
    ETHER = 22;
    /// Paired Ethernet interfaces.
    EPAIR = 23;
    /// Virtual LANs.
    VLAN = 24;
    /// Packet capture.
    BPF = 25;
    /// Sockets.
    SOCKET = 26;
    /// TCP.
    TCP = 27;
    /// UDP.
    UDP = 28;
}

impl ModuleId {
    /// Ids are below this.
    pub const LIMIT: usize = 64;

    /// The module id `number`, for modules that FreeBSD does not have. Whether it is too high is said when a module
    /// that uses it is registered.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The id as an index.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn in_range(self) -> bool {
        self.index() < Self::LIMIT
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.constant_name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a module could not be attached to a vnet; the text names cause and cure.
#[derive(Debug)]
pub struct AttachError(Box<dyn Error + Send + Sync>);

impl AttachError {
    /// An attach error with a cause: an error or a text.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for AttachError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Called with the vnet as curvnet, after the modules that this one depends on are attached.
pub type Attach = fn(&VnetRef, &mut Control) -> Result<(), AttachError>;
/// Called with the vnet as curvnet, before the modules that this one depends on.
pub type Hook = fn(&VnetRef, &mut Control);

/// A module, as [`module!`](crate::module!) declares it.
pub struct ModuleDef {
    parts: ModuleParts,
}

/// What [`module!`](crate::module!) states about a module.
#[doc(hidden)]
#[derive(Debug)]
pub struct ModuleParts {
    pub id: ModuleId,
    pub name: &'static str,
    pub doc: &'static str,
    pub depends: &'static [ModuleId],
    pub attach: Option<Attach>,
    pub unpublish: Option<Hook>,
    pub drain: Option<Hook>,
    pub detach: Option<Hook>,
    pub vars: &'static [VarDef],
    pub globals: &'static [VarDef],
    /// Size and alignment of the container; 0 and 1 in the arms that have none.
    pub container: (usize, usize),
}

impl ModuleDef {
    /// # Safety
    ///
    /// For [`module!`](crate::module!) alone: the variables lie where this arm looks for them, within the container.
    #[doc(hidden)]
    #[must_use]
    pub const unsafe fn new(parts: ModuleParts) -> Self {
        Self { parts }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> ModuleId {
        self.parts.id
    }

    /// The name of the Rust module that declares it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.parts.name
    }

    /// The documentation of the declaration.
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.parts.doc
    }

    /// What has to be attached before.
    #[must_use]
    pub fn depends(&self) -> &'static [ModuleId] {
        self.parts.depends
    }

    /// The variables that each vnet has.
    #[must_use]
    pub fn vars(&self) -> &'static [VarDef] {
        self.parts.vars
    }

    /// The variables that the process has once.
    #[must_use]
    pub fn globals(&self) -> &'static [VarDef] {
        self.parts.globals
    }

    pub(crate) fn parts(&self) -> &ModuleParts {
        &self.parts
    }
}

impl fmt::Debug for ModuleDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleDef")
            .field("id", &self.id())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// A variable, as the macro sees it.
///
/// # Safety
///
/// For [`module!`](crate::module!) alone: `location` says where this arm finds a variable of this type, and the sysctls
/// are declared for this type.
#[doc(hidden)]
pub unsafe trait Variable {
    type Type: Field;
    const NAME: &'static str;

    const DOC: &'static str;
    const INITIAL: Self::Type;
    const SYSCTLS: &'static [SysctlDef];
    fn location() -> *const u8;
}

/// A variable of a module, with its type erased.
pub struct VarDef {
    name: &'static str,
    type_name: fn() -> &'static str,
    doc: &'static str,
    size: usize,
    sysctls: &'static [SysctlDef],
    pub(crate) location: fn() -> *const u8,
    #[allow(dead_code, reason = "for the arms that build variables")]
    pub(crate) init: unsafe fn(*mut u8),
    #[allow(dead_code, reason = "for the arms that free variables")]
    pub(crate) drop: unsafe fn(*mut u8),
    pub(crate) restart: unsafe fn(*const u8),
}

impl VarDef {
    #[doc(hidden)]
    #[must_use]
    pub const fn of<V: Variable>() -> Self {
        const {
            assert!(
                align_of::<V::Type>() <= 128,
                "a per-vnet variable is aligned to 128 bytes at most"
            );
        };
        Self {
            name: V::NAME,
            type_name: type_name::<V::Type>,
            doc: V::DOC,
            size: size_of::<V::Type>(),
            sysctls: V::SYSCTLS,
            location: V::location,
            init: init::<V>,
            drop: drop_in_place::<V>,
            restart: restart::<V>,
        }
    }

    /// The variable's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The variable's type, as the compiler calls it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        (self.type_name)()
    }

    /// The documentation of the declaration.
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    /// Size in bytes, without what it points to.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The sysctls that read and write it.
    #[must_use]
    pub fn sysctls(&self) -> &'static [SysctlDef] {
        self.sysctls
    }
}

/// # Safety
///
/// `place` is memory for a `V::Type`, without a value.
unsafe fn init<V: Variable>(place: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        place.cast::<V::Type>().write(V::INITIAL);
    }
}

/// # Safety
///
/// `place` holds a `V::Type` that nobody uses again.
unsafe fn drop_in_place<V: Variable>(place: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        place.cast::<V::Type>().drop_in_place();
    }
}

/// # Safety
///
/// `place` holds a `V::Type`.
unsafe fn restart<V: Variable>(place: *const u8) {
    // SAFETY: the caller's promise.
    let variable = unsafe { &*place.cast::<V::Type>() };
    variable.restart(&V::INITIAL);
}

impl fmt::Debug for VarDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VarDef")
            .field("name", &self.name)
            .field("type", &self.type_name())
            .finish_non_exhaustive()
    }
}
