//! IPv4 nodes, called by workers.

mod arp_input;
mod cx;
mod datagram;
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
mod reply_source;

pub use arp_input::arp_input;
pub use datagram::Datagram;
pub use icmp_error::{IcmpError, icmp_error};
pub use ip_input::ip_input;
pub use ip_output::ip_output;
pub(crate) use ip_tryforward::{Mixed, Vector, ip_tryforward};
