//! curvnet's configuration: one TOML file in, one checked [`Config`] out.
//!
//! A file passes through three shapes, each in its own module:
//!
//! 1. `raw`: what the file says, key by key, every value with its byte span. Unknown keys, wrong
//!    types and missing keys are found here.
//! 2. `validate`: one file per subject, holding the rules. A rule that fails leaves a
//!    [`Diagnostic`] and lets the others run, so that one run reports everything that is wrong.
//! 3. [`Config`]: what the program works with. Whoever holds one needs no further checks: names
//!    resolve, addresses can be used, every next hop is reached by a named interface.
//!
//! ```
//! use config::{CpuId, Host, Rule};
//!
//! let host = Host { online_cpus: [CpuId(0), CpuId(1)].into(), max_vnets: 64, ..Host::default() };
//! let text = "[[vnet]]\nname = 'red'\n[workers]\ncpus = [1]\nburts = 32\n";
//! let errors = config::parse("curvnet.toml", text, &host).unwrap_err();
//! assert_eq!(errors.report().diagnostics()[0].rule, Rule::UnknownKey);
//! assert_eq!(errors.render(false), "\
//! error: unknown key `burts` in [workers]
//!  --> curvnet.toml:5:1
//!   |
//! 5 | burts = 32
//!   | ^^^^^ nothing reads this key
//!   |
//! help: did you mean `burst`? [workers] has: cpus, burst, idle_sleep_us
//! ");
//! ```
//!
//! The way back is [`Config::to_toml`], and [`difference()`] says what it takes to come from one configuration to another.
//!
//! Measuring programs have TOML files of their own and the same errors: [`tables!`] for files with tables, [`Flat`] for
//! those without.
//!
//! The crate asks the machine nothing except whether files exist that the configuration names;
//! what else it must know (CPUs, sysctls, how many vnets the build holds) comes in as a [`Host`].
#![forbid(unsafe_code)]

mod change;
pub mod decode;
mod defaults;
mod diagnostic;
mod difference;
mod error;
mod flat;
mod host;
mod inet;
mod load;
mod model;
mod nearest;
mod prefix;
mod raw;
mod render;
mod tables;
mod validate;
mod write;

pub use change::{Action, Change, Described, EpairEnd, VnetChange};
pub use defaults::{
    BURST_DEFAULT, DESCRIPTORS_DEFAULT, IDLE_SLEEP_US_DEFAULT, MTU_DEFAULT, NEXT_HOPS_MAX,
    SAMPLE_DEFAULT, SOCKET_DEFAULT, VNET_INTERFACES_DEFAULT, VNET_LIMITS, VNET_NEIGHBORS_DEFAULT,
    VNET_ROUTES_DEFAULT, VnetLimit, limits,
};
pub use diagnostic::{Diagnostic, Label, Rule, Severity, Span};
pub use difference::difference;
pub use error::{ConfigErrors, Report};
pub use flat::Flat;
pub use host::{Host, SysctlInfo, SysctlKind, SysctlScope};
pub use inet::{IntoInet, NoInet6};
pub use load::{load, parse, port, read, toml};
pub use model::{
    Attachment, BadDeviceRule, BadName, Config, Control, CpuId, Device, DeviceAccess,
    DevicePermission, DeviceRule, Dpdk, Gateway, Histograms, Hugepages, IfName, Interface, Log,
    LogFormat, LogTarget, Metrics, Neighbor, PciAddress, Port, PortName, PortWish, Route,
    RouteTarget, Sysctl, SysctlValue, VlanId, Vnet, VnetName, Workers,
};
pub use prefix::parse_prefix;
pub use validate::wrong_log_directive;
