//! `curvnet vnet`

use std::fmt::Write as _;

use clap::Subcommand;

use super::Client;
use super::connection::key;
use crate::cli::Failure;
use crate::protocol::{LimitShown, Page, ProcessCommand, VnetLine, VnetShown};

/// The commands about vnets.
#[derive(Subcommand, Debug)]
pub(crate) enum Vnet {
    /// All vnets.
    List,
    /// One vnet and what became of its packets.
    Show {
        /// Its name.
        name: String,
    },
    /// Make a vnet.
    Create {
        /// Its name.
        name: String,
    },
    /// Destroy a vnet with all that is in it.
    Destroy {
        /// Its name.
        name: String,
    },
}

pub(super) fn run(client: &Client, command: Vnet) -> Result<(), Failure> {
    let mut instance = client.connect()?;
    match command {
        Vnet::List => {
            let vnets =
                instance.pages(|after| Ok(ProcessCommand::VnetList { after: key(after)? }))?;
            client.show(&vnets, list)
        }
        Vnet::Show { name } => client.show(&instance.ask(ProcessCommand::VnetShow { name })?, show),
        Vnet::Create { name } => client.done(&instance.ask(ProcessCommand::VnetCreate { name })?),
        Vnet::Destroy { name } => client.done(&instance.ask(ProcessCommand::VnetDestroy { name })?),
    }
}

/// In the manner of jls(8).
fn list(vnets: &Page<VnetLine>) -> String {
    let mut text = format!("{:>6}  {:<30} {:>10} {:>10}\n", "ID", "Name", "Interfaces", "Routes");
    for VnetLine { index, name, interfaces, routes } in &vnets.list {
        let _infallible = writeln!(text, "{index:>6}  {name:<30} {interfaces:>10} {routes:>10}");
    }
    text
}

fn show(vnet: &VnetShown) -> String {
    let VnetShown { line, neighbors, container_bytes, route_bytes, limits, books } = vnet;
    let mut text = format!("{}: id {}\n", line.name, line.index);
    let mut row = |name: &str, value: u64| {
        let _infallible = writeln!(text, "\t{value:>14} {name}");
    };
    row("interfaces", line.interfaces);
    row("routes", line.routes);
    row("neighbours", *neighbors);
    row("bytes of variables", *container_bytes);
    row("bytes of routes with the control thread", route_bytes.0);
    row("bytes of routes for the workers", route_bytes.1);
    row("packets received", books.received);
    row("packets originated", books.originated);
    row("packets sent", books.sent);
    row("packets delivered", books.delivered);
    row("packets in flight", books.in_flight);
    for (reason, packets) in &books.drops {
        row(&format!("packets dropped: {reason}"), *packets);
    }
    for (name, LimitShown { used, limit, refused, sysctl }) in limits {
        let refused = match refused {
            0 => String::new(),
            refused => format!(", {refused} refused"),
        };
        let share = format!("{used}/{limit}");
        let _infallible = writeln!(text, "\t{share:>22} {name}{refused} ({sysctl})");
    }
    text
}
