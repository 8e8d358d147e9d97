//! Link-layer nodes, called by workers.

mod demux;
mod ether_input;
mod ether_output;

pub use demux::{pop_vlan_tag, vlan_id, vlan_tag};
pub(crate) use ether_input::ether_input;
pub use ether_output::ether_output;
