//! `curvnet arp`, with the words and the output of arp(8). Names are not looked up.

use std::fmt::Write as _;

use clap::Args;

use super::arguments::address;
use super::connection::key;
use super::{Client, usage};
use crate::cli::Failure;
use crate::protocol::{Command, MacText, NeighborShown, Page};

/// Arguments of arp.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Arp {
    /// Show all neighbours.
    #[arg(short = 'a')]
    all: bool,
    /// Set a neighbour that is never asked for.
    #[arg(short = 's', num_args = 2, value_names = ["ADDRESS", "MAC"])]
    set: Option<Vec<String>>,
    /// Delete a neighbour.
    #[arg(short = 'd', value_name = "ADDRESS")]
    delete: Option<String>,
}

pub(super) fn run(client: &Client, Arp { all: _, set, delete }: Arp) -> Result<(), Failure> {
    if let Some([word, mac]) = set.as_deref() {
        let mac = MacText::try_from(mac.clone()).map_err(usage)?;
        let address = address(word)?;
        return client.done(&client.connect()?.ask(Command::ArpSet { address, mac })?);
    }
    if let Some(word) = delete {
        let address = address(&word)?;
        return client.done(&client.connect()?.ask(Command::ArpDelete { address })?);
    }
    let command = |after| Ok(Command::ArpList { after: key(after)? });
    let list: Page<NeighborShown> = client.connect()?.pages(command)?;
    client.show(&list, |list| list.list.iter().map(show).collect())
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
