//! The client: `curvnet [-j] [-s SOCKET] [-v VNET] COMMAND` asks a running instance. Arguments and output have the shape of
//! FreeBSD's tools.
//!
//! | file | commands |
//! |---|---|
//! | `connection.rs` | the socket: one request, one response, pages |
//! | `arguments.rs` | what FreeBSD's commands share: `-n`, prefixes, addresses |
//! | `vnet.rs` | `vnet` |
//! | `ifconfig.rs` | `ifconfig` |
//! | `route.rs` | `route` |
//! | `arp.rs` | `arp` |
//! | `port.rs` | `port` |
//! | `netstat.rs` | `netstat` |
//! | `sysctl.rs` | `sysctl` |
//! | `ping.rs` | `ping` |
//! | `traceroute.rs` | `traceroute` |
//! | `probe.rs` | what these two share |
//! | `stats.rs` | `stats`, `stats queues`, `features` |
//! | `config.rs` | `config` |
//! | `events.rs` | `events` |
//! | `capture/` | `capture` |

mod arguments;
mod arp;
mod capture;
mod config;
mod connection;
mod events;
mod ifconfig;
mod netstat;
mod phrases;
mod ping;
mod port;
mod probe;
mod route;
mod stats;
mod sysctl;
mod traceroute;
mod vnet;
mod when;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(crate) use connection::Connection;
pub(crate) use phrases::phrase;

use crate::cli::{Failure, print};

/// Whom to ask, and how to show the answer.
#[derive(Args, Clone, Debug)]
pub(crate) struct Access {
    /// Print the answer as JSON; a failure, too, as {"error":{"code","message","cure"}} on standard output.
    #[arg(short)]
    pub(crate) json: bool,
    /// The control socket of the running instance.
    #[arg(short, value_name = "SOCKET")]
    pub(crate) socket: Option<PathBuf>,
    /// The vnet to look into; the first one, vnet0, if none is named.
    #[arg(short, value_name = "VNET")]
    pub(crate) vnet: Option<String>,
}

impl Access {
    /// Whether any of it was given, which only commands to a running instance take.
    pub(crate) fn is_given(&self) -> bool {
        self.json || self.socket.is_some() || self.vnet.is_some()
    }
}

/// Commands to a running instance.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List, show, create and destroy vnets.
    #[command(subcommand)]
    Vnet(vnet::Vnet),
    /// List, attach and detach ports.
    #[command(subcommand)]
    Port(port::Port),
    /// Show and change interfaces.
    #[command(override_usage = "curvnet ifconfig [-a | -l] [-u | -d]\n       \
                                curvnet ifconfig [epair create | IF [create port PORT [vlan N] [ether MAC] | destroy | \
                                vnet VNET | -vnet VNET | [inet] ADDRESS/LENGTH [alias] | ADDRESS delete | up | down | mtu N]]")]
    Ifconfig(ifconfig::Ifconfig),
    /// Show and change routes.
    Route(route::Route),
    /// Show and change neighbours.
    Arp(arp::Arp),
    /// Interfaces, routes or counters of a vnet.
    Netstat(netstat::Netstat),
    /// Read and change sysctls.
    Sysctl(sysctl::Sysctl),
    /// Send echo requests from inside a vnet; exit code 0 if one was answered, else 1.
    Ping(ping::Ping),
    /// Show the routers on the way from a vnet to a host; exit code 0 if it was reached, else 1.
    Traceroute(traceroute::Traceroute),
    /// Ports, workers, nodes and drops.
    Stats {
        /// The subject; ports, workers and drops unless given.
        #[command(subcommand)]
        what: Option<stats::Stats>,
    },
    /// Watch rates, live; with -j the rates of one interval.
    Top(crate::top::Top),
    /// Show the running configuration, compare it with a file, or change it to what a file says.
    #[command(subcommand)]
    Config(config::Config),
    /// Show the build and the features of the running instance.
    Features,
    /// Show what happens, a line each, until interrupted.
    Events,
    /// Show packets of a vnet, or write them to a file.
    Capture(capture::Capture),
}

/// Runs a command.
pub(crate) fn run(access: Access, command: Command) -> Result<(), Failure> {
    let client = Client { access };
    match command {
        Command::Vnet(command) => vnet::run(&client, command),
        Command::Port(command) => port::run(&client, command),
        Command::Ifconfig(command) => ifconfig::run(&client, command),
        Command::Route(command) => route::run(&client, command),
        Command::Arp(command) => arp::run(&client, command),
        Command::Netstat(command) => netstat::run(&client, command),
        Command::Sysctl(command) => sysctl::run(&client, command),
        Command::Ping(command) => ping::run(&client, command),
        Command::Traceroute(command) => traceroute::run(&client, &command),
        Command::Config(command) => config::run(&client, command),
        Command::Stats { what: None } => stats::stats(&client),
        Command::Stats { what: Some(stats::Stats::Queues) } => stats::queues(&client),
        Command::Top(arguments) => crate::top::run(&client.access, arguments),
        Command::Features => stats::features(&client),
        Command::Events => events::run(&client),
        Command::Capture(wish) => capture::run(&client, wish),
    }
}

/// Where a command asks, and how it shows.
#[derive(Debug)]
pub(crate) struct Client {
    access: Access,
}

impl Client {
    fn connect(&self) -> Result<Connection, Failure> {
        Ok(Connection::open(self.access.socket.as_deref(), self.access.vnet.clone())?)
    }

    /// Shows an answer: as it came with `-j`, or as `text`.
    fn show<T: serde::Serialize>(
        &self,
        answer: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = if self.access.json {
            let json = serde_json::to_string(answer);
            format!("{}\n", json.map_err(anyhow::Error::from)?)
        } else {
            text(answer)
        };
        Ok(print(format_args!("{text}"))?)
    }

    /// Shows that something is done, which people need not be told.
    fn done(&self, answer: &crate::protocol::Done) -> Result<(), Failure> {
        self.show(answer, |_| String::new())
    }
}

/// Wrong words: exit code 2, as for any bad usage.
fn usage(text: impl std::fmt::Display) -> Failure {
    Failure::Config(format!("curvnet: {text}"))
}
