//! `curvnet route`, with the words and the output of route(8).

use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::arguments::{Numeric, address, prefix};
use super::{Client, netstat, usage};
use crate::cli::Failure;
use crate::protocol::{Done, NewRoute, RouteFound, Target, VnetCommand};

/// Arguments of route.
#[derive(Args, Debug)]
pub(crate) struct Route {
    #[command(flatten)]
    numeric: Numeric,
    #[command(subcommand)]
    action: Action,
}

/// The commands about routes.
#[derive(Subcommand, Debug)]
enum Action {
    /// All routes.
    Show,
    /// Add a route: DESTINATION GATEWAY..., or DESTINATION and -interface IF, -blackhole or -reject.
    #[command(
        override_usage = "curvnet route add DESTINATION {GATEWAY... | -interface IF | -blackhole | -reject}"
    )]
    Add {
        /// default, a prefix or an address; and where it leads.
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            required = true,
            value_name = "WORDS"
        )]
        words: Vec<String>,
    },
    /// Delete a route.
    #[command(override_usage = "curvnet route delete DESTINATION")]
    Delete {
        /// default, a prefix or an address.
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            required = true,
            value_name = "WORDS"
        )]
        words: Vec<String>,
    },
    /// Show the route that packets to an address take, or the one of a prefix.
    Get {
        /// An address, a prefix, or default.
        address: String,
    },
    /// Delete all routes but those of interfaces' addresses.
    Flush,
}

pub(super) fn run(client: &Client, Route { numeric: _, action }: Route) -> Result<(), Failure> {
    match action {
        Action::Show => netstat::routes(client),
        Action::Add { words } => {
            let routes = vec![new_route(&words)?];
            client.done(&client.connect()?.ask(VnetCommand::RouteAdd { routes })?)
        }
        Action::Delete { words } => {
            let prefixes = vec![old_route(&words)?];
            client.done(&client.connect()?.ask(VnetCommand::RouteDelete { prefixes })?)
        }
        Action::Get { address: word } => {
            // A destination with a mask is the route itself, not a host that it leads to.
            let (address, prefix_len) = match word.as_str() {
                word if word == "default" || word.contains('/') => {
                    let prefix = prefix(word)?;
                    (prefix.addr(), Some(prefix.prefix_len()))
                }
                word => (address(word)?, None),
            };
            let request = VnetCommand::RouteGet { address, prefix_len };
            let found = client.connect()?.ask(request)?;
            client.show(&found, |found| show(found, prefix_len == Some(0)))
        }
        Action::Flush => flush(client),
    }
}

fn flush(client: &Client) -> Result<(), Failure> {
    let mut instance = client.connect()?;
    let mut total = 0;
    loop {
        let Done { count, more } = instance.ask(VnetCommand::RouteFlush {})?;
        total += count.unwrap_or(0);
        if more != Some(true) {
            let all = Done { count: Some(total), more: None };
            return client.show(&all, |_| format!("{total} routes deleted\n"));
        }
    }
}

/// `[-net | -host] DESTINATION {GATEWAY... | -interface IF | -blackhole | -reject}`
fn new_route(words: &[String]) -> Result<NewRoute, Failure> {
    let (destination, ways) = destination(words)?;
    let target = match ways.as_slice() {
        ["-blackhole"] => Target::Blackhole,
        ["-reject"] => Target::Reject,
        ["-interface" | "-iface", name] => Target::Interface((*name).to_owned()),
        [] => {
            return Err(usage("route: add needs a gateway, -interface IF, -blackhole or -reject"));
        }
        gateways => {
            Target::Via(gateways.iter().map(|word| address(word)).collect::<Result<_, _>>()?)
        }
    };
    Ok(NewRoute { prefix: destination, target })
}

/// `[-net | -host] DESTINATION`
fn old_route(words: &[String]) -> Result<IpNet, Failure> {
    let (destination, more) = destination(words)?;
    if let [word, ..] = more.as_slice() {
        let text = format!("route: delete takes the destination alone, not {word:?} behind it");
        return Err(usage(text));
    }
    Ok(destination)
}

/// The destination, which FreeBSD's route wants to be told the kind of, and the words behind it.
fn destination(words: &[String]) -> Result<(IpNet, Vec<&str>), Failure> {
    let mut words = words.iter().map(String::as_str).peekable();
    let _kind = words.next_if(|word| matches!(*word, "-net" | "-host"));
    let word = words.next().ok_or_else(|| usage("route: give a destination"))?;
    Ok((prefix(word)?, words.collect()))
}

fn show(found: &RouteFound, of_default: bool) -> String {
    let RouteFound { address, route } = found;
    let mut rows = vec![
        ("route to", if of_default { "default".to_owned() } else { address.to_string() }),
        (
            "destination",
            match route.prefix.prefix_len() {
                0 => "default".to_owned(),
                _ => route.prefix.addr().to_string(),
            },
        ),
    ];
    if route.prefix.prefix_len() < route.prefix.max_prefix_len() {
        rows.push(("mask", route.prefix.netmask().to_string()));
    }
    for path in &route.paths {
        rows.extend(path.gateway.map(|gateway| ("gateway", gateway.to_string())));
        rows.push(("interface", path.interface.clone()));
    }
    let flags = route.flags.iter().map(|flag| flag.to_uppercase());
    let flags: Vec<String> = std::iter::once("UP".to_owned()).chain(flags).collect();
    rows.push(("flags", format!("<{}>", flags.join(","))));
    rows.into_iter().map(|(name, value)| format!("{name:>11}: {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_freebsd() {
        let route =
            |text: &str| new_route(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let via =
            |last: &[u8]| Target::Via(last.iter().map(|last| [10, 1, 0, *last].into()).collect());
        for (text, prefix, target) in [
            ("default 10.1.0.2", "0.0.0.0/0", via(&[2])),
            ("-net 10.2.0.0/16 10.1.0.2", "10.2.0.0/16", via(&[2])),
            ("-host 10.2.0.9 10.1.0.2 10.1.0.3", "10.2.0.9/32", via(&[2, 3])),
            ("10.2.0.0/16 -interface em0", "10.2.0.0/16", Target::Interface("em0".to_owned())),
            ("10.2.0.0/16 -blackhole", "10.2.0.0/16", Target::Blackhole),
            ("10.2.0.0/16 -reject", "10.2.0.0/16", Target::Reject),
        ] {
            let expected = NewRoute { prefix: prefix.parse().expect("a prefix"), target };
            assert_eq!(route(text).expect(text), expected, "{text}");
        }
        for text in
            ["", "default", "10.2.0.0/16", "10.2.0.0/40 10.1.0.2", "10.2.0.0/16 em0", "-reject"]
        {
            assert!(route(text).is_err(), "{text}");
        }
        let delete =
            |text: &str| old_route(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        for (text, prefix) in [
            ("default", "0.0.0.0/0"),
            ("10.2.0.0/16", "10.2.0.0/16"),
            ("-net 10.2.0.0/16", "10.2.0.0/16"),
            ("-host 10.2.0.9", "10.2.0.9/32"),
        ] {
            let prefix: IpNet = prefix.parse().expect("a prefix");
            assert_eq!(delete(text).expect(text), prefix, "{text}");
        }
        for text in ["", "-net", "default 10.1.0.2", "10.2.0.0/16 -blackhole"] {
            assert!(delete(text).is_err(), "{text}");
        }
    }
}
