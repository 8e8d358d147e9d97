//! `curvnet events`: one line for each thing that happens (FreeBSD: `route monitor`).

use std::fmt::Write as _;

use super::Client;
use crate::cli::{Failure, print};
use crate::client::when::clock_time;
use crate::protocol::{Done, EventShown, ProcessCommand};

/// Prints events until the user or the instance ends it.
pub(super) fn run(client: &Client) -> Result<(), Failure> {
    let mut connection = client.connect()?;
    let _begun: Done = connection.ask(ProcessCommand::Events {})?;
    loop {
        let (line, text) = connection.next_line()?;
        if client.access.json {
            print(format_args!("{text}"))?;
        } else if let Some(event) = &line.event {
            print(format_args!("{}\n", show(event)))?;
        }
        if let Some(end) = line.end {
            return Err(anyhow::anyhow!("{}", end.message).into());
        }
    }
}

fn show(event: &EventShown) -> String {
    let EventShown {
        sequence,
        time_ns,
        kind,
        vnet,
        interface,
        port,
        from,
        address,
        mac,
        count,
        prefixes,
    } = event;
    let mut text = format!("{} #{sequence} {}", clock_time(*time_ns), kind.replace('_', " "));
    let count = count.map(|count| count.to_string());
    let fields = [
        ("vnet", vnet),
        ("interface", interface),
        ("port", port),
        ("from vnet", from),
        ("address", address),
        ("ether", mac),
        ("count", &count),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            let _infallible = write!(text, " {name} {value}");
        }
    }
    for prefix in prefixes {
        let _infallible = write!(text, " {prefix}");
    }
    if prefixes.len() as u64 != event.count.unwrap_or(0) && !prefixes.is_empty() {
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_happened_to_what() {
        let line = r#"{"sequence":7,"time_ns":86399000000500,"kind":"routes_added","vnet":"red",
            "count":20,"prefixes":["10.0.0.0/8","10.1.0.0/16"]}"#;
        let event: EventShown = serde_json::from_str(line).expect("an event");
        let text = "23:59:59.000000 #7 routes added vnet red count 20 10.0.0.0/8 10.1.0.0/16 ...";
        assert_eq!(show(&event), text);
    }
}
