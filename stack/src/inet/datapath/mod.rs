//! IPv4 nodes, called by workers.

mod arp_input;
mod cx;
mod flow;
mod icmp_error;
mod icmp_input;
mod ip_forward;
mod ip_fragment;
mod ip_input;
mod ip_options;
mod ip_output;
mod ip_tryforward;
mod probe_input;

pub use arp_input::arp_input;
pub use icmp_error::{IcmpError, icmp_error};
pub use icmp_input::icmp_input;
pub use ip_forward::ip_forward;
pub use ip_input::ip_input;
pub use ip_output::{IpOrigin, ip_output};
pub(crate) use ip_tryforward::{Mixed, Vector, ip_tryforward};
