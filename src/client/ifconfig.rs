//! `curvnet ifconfig`, with the words and the output of ifconfig(8).

use std::fmt::Write as _;

use clap::Args;
use ipnet::IpNet;
use wire::MacAddr;

use super::arguments::{address, interface_address, number};
use super::connection::key;
use super::{Client, usage};
use crate::cli::Failure;
use crate::protocol::{EpairMade, InterfaceChanges, InterfaceShown, Page, PeerShown, VnetCommand};

/// Arguments of ifconfig.
#[derive(Args, Debug)]
pub(crate) struct Ifconfig {
    /// Show all interfaces, as without arguments.
    #[arg(short, conflicts_with = "interface")]
    all: bool,
    /// Show their names only.
    #[arg(short, conflicts_with_all = ["interface", "all"])]
    list: bool,
    /// Show those that are up.
    #[arg(short, conflicts_with_all = ["interface", "down"])]
    up: bool,
    /// Show those that are down.
    #[arg(short, conflicts_with = "interface")]
    down: bool,
    /// The interface; all are shown without one.
    interface: Option<String>,
    /// The changes.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
    words: Vec<String>,
}

pub(super) fn run(client: &Client, command: Ifconfig) -> Result<(), Failure> {
    let Ifconfig { all: _, list: names, up, down, interface, words } = command;
    if let Some(epair) = interface.as_deref().and_then(epair_name).filter(|_| words == ["create"]) {
        let made: EpairMade = client.connect()?.ask(VnetCommand::EpairCreate { epair })?;
        return client.show(&made, |made| format!("{}\n", made.a));
    }
    if let (Some(interface), [_, ..]) = (&interface, words.as_slice()) {
        let command = change(interface, &words)?;
        return client.done(&client.connect()?.ask(command)?);
    }
    let command =
        |after| Ok(VnetCommand::InterfaceList { interface: interface.clone(), after: key(after)? });
    let mut page: Page<InterfaceShown> = client.connect()?.pages(command)?;
    page.list.retain(|interface| if interface.up { !down } else { !up });
    client.show(&page, |page| match names {
        true => line_of_names(page),
        false => page.list.iter().map(show).collect(),
    })
}

fn line_of_names(page: &Page<InterfaceShown>) -> String {
    let names: Vec<&str> = page.list.iter().map(|interface| interface.name.as_str()).collect();
    format!("{}\n", names.join(" "))
}

/// The name that `epair create` or `epair7 create` asks for: none in particular, or that; outside it is no epair at all.
#[expect(clippy::option_option, reason = "no epair, any epair, this epair")]
fn epair_name(name: &str) -> Option<Option<String>> {
    let unit = name.strip_prefix("epair")?;
    let is_number = unit.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (!unit.is_empty()).then(|| name.to_owned()))
}

/// The request that the words amount to: one, so that all of them happen or none.
fn change(interface: &str, words: &[String]) -> Result<VnetCommand, Failure> {
    let interface = interface.to_owned();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["create", options @ ..] = words.as_slice() {
        return create(interface, options);
    }
    if words == ["destroy"] {
        return Ok(VnetCommand::InterfaceDestroy { interface });
    }
    if let [word @ ("vnet" | "-vnet"), vnet] = words.as_slice() {
        let vnet = Some((*vnet).to_owned());
        let (to, from) = if *word == "vnet" { (vnet, None) } else { (None, vnet) };
        return Ok(VnetCommand::InterfaceMove { interface, to, from });
    }
    let mut changes = InterfaceChanges { interface, ..InterfaceChanges::default() };
    let mut words = words.as_slice();
    while !words.is_empty() {
        words = take_change(&mut changes, words)?;
    }
    Ok(VnetCommand::InterfaceSet(changes))
}

/// Takes what the first words want changed; the words behind them.
fn take_change<'w, 'a>(
    changes: &mut InterfaceChanges,
    words: &'w [&'a str],
) -> Result<&'w [&'a str], Failure> {
    let rest = match words {
        ["inet", rest @ ..] if !rest.is_empty() => rest,
        ["up", rest @ ..] => {
            changes.up = Some(true);
            rest
        }
        ["down", rest @ ..] => {
            changes.up = Some(false);
            rest
        }
        ["mtu", mtu, rest @ ..] => {
            changes.mtu = Some(number("mtu", mtu)?);
            rest
        }
        [word, "delete" | "-alias", rest @ ..] | ["delete" | "-alias", word, rest @ ..] => {
            changes.delete.push(address(word.split('/').next().unwrap_or_default())?);
            rest
        }
        [word, "alias" | "add", rest @ ..] | ["alias" | "add", word, rest @ ..] => {
            changes.add.push(interface_address(word)?);
            rest
        }
        [word, rest @ ..] if word.starts_with(|first: char| first.is_ascii_digit()) => {
            changes.add.push(interface_address(word)?);
            rest
        }
        [] => words,
        [word, ..] => {
            return Err(usage(format!(
                "ifconfig: {word:?} is not understood: create, destroy, vnet V, -vnet V, ADDR/LEN [alias], ADDR \
                 delete, up, down and mtu N are"
            )));
        }
    };
    Ok(rest)
}

fn create(interface: String, options: &[&str]) -> Result<VnetCommand, Failure> {
    let (mut port, mut vlan, mut mac) = (None, None, None);
    for pair in options.chunks(2) {
        match pair {
            ["port", name] => port = Some((*name).to_owned()),
            ["vlan", id] => vlan = Some(number("vlan", id)?),
            ["ether", text] => mac = Some(text.parse::<MacAddr>().map_err(usage)?),
            _ => {
                return Err(usage(format!(
                    "ifconfig: create takes port PORT, vlan N and ether MAC, not {:?}",
                    pair.join(" ")
                )));
            }
        }
    }
    let port = port.ok_or_else(|| usage("ifconfig: create needs port PORT"))?;
    Ok(VnetCommand::InterfaceCreate { interface, port, vlan, mac })
}

/// FreeBSD's IFF_*: value and name (net/if.h).
const UP: (u32, &str) = (0x1, "UP");
const BROADCAST: (u32, &str) = (0x2, "BROADCAST");
const LOOPBACK: (u32, &str) = (0x8, "LOOPBACK");
const RUNNING: (u32, &str) = (0x40, "RUNNING");
const SIMPLEX: (u32, &str) = (0x800, "SIMPLEX");

fn show(interface: &InterfaceShown) -> String {
    let mut flags = vec![RUNNING];
    match interface.mac {
        Some(_) => flags.extend([BROADCAST, SIMPLEX]),
        None => flags.push(LOOPBACK),
    }
    if interface.up {
        flags.push(UP);
    }
    flags.sort_unstable();
    let value: u32 = flags.iter().map(|(value, _)| value).sum();
    let names: Vec<&str> = flags.iter().map(|(_, name)| *name).collect();
    let InterfaceShown { name, mtu, .. } = interface;
    let mut text = format!("{name}: flags={value:x}<{}> metric 0 mtu {mtu}\n", names.join(","));
    if let Some(mac) = &interface.mac {
        let _infallible = writeln!(text, "\tether {mac}");
    }
    for net in &interface.addresses {
        text.push_str(&inet(net, interface.mac.is_some()));
    }
    match (&interface.port, interface.vlan) {
        (Some(port), Some(vlan)) => {
            let _infallible =
                writeln!(text, "\tvlan: {vlan} vlanproto: 802.1q parent interface: {port}");
        }
        (Some(port), None) => {
            let _infallible = writeln!(text, "\tport: {port}");
        }
        (None, _) => {}
    }
    if let Some(PeerShown { vnet, interface }) = &interface.peer {
        let _infallible = writeln!(text, "\tgroups: epair\n\tpeer: {interface} vnet: {vnet}");
    }
    if let Some(home) = &interface.home {
        let _infallible = writeln!(text, "\thome vnet: {home}");
    }
    if let Some(link) = interface.link {
        let status = if link { "active" } else { "no carrier" };
        let _infallible = writeln!(text, "\tstatus: {status}");
    }
    text
}

/// The line of an address, as FreeBSD has it for its family.
fn inet(net: &IpNet, has_broadcasts: bool) -> String {
    let net = match net {
        IpNet::V4(net) => net,
        IpNet::V6(net) => {
            return format!("\tinet6 {} prefixlen {}\n", net.addr(), net.prefix_len());
        }
    };
    let mask = net.netmask().to_bits();
    let mut text = format!("\tinet {} netmask 0x{mask:08x}", net.addr());
    if has_broadcasts && net.prefix_len() < 31 {
        let _infallible = write!(text, " broadcast {}", net.broadcast());
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn words_of_freebsd() {
        let none = || InterfaceChanges { interface: "em0".to_owned(), ..Default::default() };
        let set = |up, mtu| InterfaceChanges { up, mtu, ..none() };
        let add = |address: &str| InterfaceChanges {
            add: vec![address.parse().expect("an address")],
            ..none()
        };
        let delete = || InterfaceChanges { delete: vec![[10, 1, 0, 1].into()], ..none() };
        for (text, expected) in [
            ("up", set(Some(true), None)),
            ("mtu 1400 down", set(Some(false), Some(1400))),
            ("10.1.0.1/24", add("10.1.0.1/24")),
            (
                "inet 10.1.0.1/24 alias up mtu 9000",
                InterfaceChanges { up: Some(true), mtu: Some(9000), ..add("10.1.0.1/24") },
            ),
            ("alias 10.1.0.1", add("10.1.0.1/32")),
            ("10.1.0.1 delete", delete()),
            ("inet 10.1.0.1/24 -alias", delete()),
            (
                "10.1.0.1 delete 10.2.0.1/24 alias",
                InterfaceChanges { delete: delete().delete, ..add("10.2.0.1/24") },
            ),
        ] {
            let command = change("em0", &words(text)).expect(text);
            assert_eq!(command, VnetCommand::InterfaceSet(expected), "{text}");
        }
        let moved = |to: Option<&str>, from: Option<&str>| VnetCommand::InterfaceMove {
            interface: "em0".to_owned(),
            to: to.map(str::to_owned),
            from: from.map(str::to_owned),
        };
        for (text, expected) in
            [("vnet blue", moved(Some("blue"), None)), ("-vnet blue", moved(None, Some("blue")))]
        {
            assert_eq!(change("em0", &words(text)).expect(text), expected, "{text}");
        }
        for (name, expected) in [
            ("epair", Some(None)),
            ("epair7", Some(Some("epair7".to_owned()))),
            ("epair7a", None),
            ("em0", None),
        ] {
            assert_eq!(epair_name(name), expected, "{name}");
        }
        for text in [
            "vnet",
            "-vnet",
            "walk",
            "mtu",
            "mtu many",
            "10.1.0.1/33",
            "up walk",
            "create",
            "create vlan 7",
            "create port",
        ] {
            assert!(change("em0", &words(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn output_of_freebsd() {
        let interface = InterfaceShown {
            name: "em0".to_owned(),
            index: 2,
            up: true,
            mtu: 1500,
            port: Some("p0".to_owned()),
            vlan: Some(7),
            peer: None,
            home: None,
            mac: Some("02:00:00:00:10:01".to_owned()),
            link: Some(true),
            addresses: vec!["10.1.0.1/24".parse().expect("an address")],
            counters: std::collections::BTreeMap::new(),
        };
        assert_eq!(
            show(&interface),
            "em0: flags=843<UP,BROADCAST,RUNNING,SIMPLEX> metric 0 mtu 1500\n\
             \tether 02:00:00:00:10:01\n\
             \tinet 10.1.0.1 netmask 0xffffff00 broadcast 10.1.0.255\n\
             \tvlan: 7 vlanproto: 802.1q parent interface: p0\n\
             \tstatus: active\n"
        );
        let end = InterfaceShown {
            name: "epair0b".to_owned(),
            port: None,
            vlan: None,
            link: None,
            peer: Some(PeerShown { vnet: "red".to_owned(), interface: "epair0a".to_owned() }),
            home: Some("red".to_owned()),
            ..interface
        };
        assert_eq!(
            show(&end),
            "epair0b: flags=843<UP,BROADCAST,RUNNING,SIMPLEX> metric 0 mtu 1500\n\
             \tether 02:00:00:00:10:01\n\
             \tinet 10.1.0.1 netmask 0xffffff00 broadcast 10.1.0.255\n\
             \tgroups: epair\n\
             \tpeer: epair0a vnet: red\n\
             \thome vnet: red\n"
        );
        let six = "2001:db8::1/64".parse().expect("an address");
        assert_eq!(inet(&six, true), "\tinet6 2001:db8::1 prefixlen 64\n");
    }
}
