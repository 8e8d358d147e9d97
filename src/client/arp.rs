//! `curvnet arp`, with the words and the output of arp(8). Names are not looked up.

use std::fmt::Write as _;
use std::net::IpAddr;

use clap::{ArgGroup, Args};
use wire::MacAddr;

use super::arguments::{Numeric, address, host};
use super::connection::key;
use super::{Client, usage};
use crate::cli::Failure;
use crate::protocol::{Code, NeighborShown, Page, Refusal, VnetCommand};

/// Arguments of arp.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").required(true))]
pub(crate) struct Arp {
    #[command(flatten)]
    numeric: Numeric,
    /// Show all neighbours.
    #[arg(short = 'a', group = "what")]
    all: bool,
    /// Set a neighbour that is never asked for.
    #[arg(short = 's', group = "what", num_args = 2, value_names = ["ADDRESS", "MAC"])]
    set: Option<Vec<String>>,
    /// Delete a neighbour.
    #[arg(short = 'd', group = "what", value_name = "ADDRESS")]
    delete: Option<String>,
    /// Show the neighbours of that address.
    #[arg(group = "what", value_parser = host)]
    address: Option<IpAddr>,
}

pub(super) fn run(client: &Client, command: Arp) -> Result<(), Failure> {
    let Arp { numeric: _, all: _, set, delete, address: wanted } = command;
    if let Some([word, mac]) = set.as_deref() {
        let mac = mac.parse::<MacAddr>().map_err(usage)?;
        let address = address(word)?;
        return client.done(&client.connect()?.ask(VnetCommand::ArpSet { address, mac })?);
    }
    if let Some(word) = delete {
        let address = address(&word)?;
        return client.done(&client.connect()?.ask(VnetCommand::ArpDelete { address })?);
    }
    let command = |after| Ok(VnetCommand::ArpList { after: key(after)? });
    let mut page: Page<NeighborShown> = client.connect()?.pages(command)?;
    if let Some(wanted) = wanted {
        page.list.retain(|neighbor| neighbor.address == wanted);
        if page.list.is_empty() {
            let text = format!("{wanted} is no neighbour that is known");
            let cure = "`arp -a` shows those that there are; a ping makes one known";
            return Err(anyhow::Error::from(Refusal::new(Code::NotFound, text, cure)).into());
        }
    }
    client.show(&page, |page| page.list.iter().map(show).collect())
}

fn show(neighbor: &NeighborShown) -> String {
    let NeighborShown { address, interface, state, mac, expires_s, .. } = neighbor;
    let mac = mac.as_deref().unwrap_or("(incomplete)");
    let mut text = format!("? ({address}) at {mac} on {interface}");
    let _infallible = match (state.as_str(), expires_s) {
        ("static", _) => write!(text, " permanent"),
        ("failed", Some(seconds)) => write!(text, " rejected for {seconds} seconds"),
        ("incomplete", _) | (_, None) => Ok(()),
        (_, Some(seconds)) => write!(text, " expires in {seconds} seconds"),
    };
    text.push_str(" [ethernet]\n");
    text
}
