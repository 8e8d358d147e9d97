//! Requests against a vnet that is being destroyed, by a real client; requests with addresses of IPv6.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use pmd::numa::Pools;
use pmd::test_support;
use serde_json::{Value, json};
use vnet::Vnets;

use super::*;
use crate::control::{Caller, Server, Socket};
use crate::testing;

/// Commands about the process. All others are about a vnet.
const OF_PROCESS: [&str; 17] = [
    "vnet.list",
    "vnet.traffic",
    "vnet.drops",
    "vnet.create",
    "port.list",
    "port.attach",
    "port.detach",
    "port.workers",
    "config.show",
    "config.diff",
    "config.apply",
    "config.put",
    "stats",
    "stats.queues",
    "features",
    "events",
    "stop",
];

/// The examples of the protocol's description, of which there is one for each command, about vnet red.
fn requests() -> Vec<Value> {
    let lines = include_str!("../../docs/protocol.md").lines();
    let examples = lines.filter_map(|line| line.strip_prefix("> "));
    let about_red = |text: &str| {
        let mut request: Value = serde_json::from_str(text).expect(text);
        let command = request["command"].as_str().unwrap_or_default().to_owned();
        if !OF_PROCESS.contains(&command.as_str()) {
            let of = if command.starts_with("vnet.") { "name" } else { "vnet" };
            request[of] = "red".into();
        }
        if command == "port.attach" {
            request["device"] = "net_null77".into();
        }
        request
    };
    examples.map(about_red).collect()
}

#[test]
fn every_command_about_a_dying_vnet_is_refused_by_name() {
    if Vnets::MAX_VNETS == 1 {
        println!("skipped: every_command_about_a_dying_vnet: the build {} has one vnet", vnet::ARM);
        return;
    }
    let eal = test_support::eal();
    let pools = Pools::create(&eal, &[], 1023, 64).expect("a pool");
    let mut stack = testing::stack(&pools);
    let config = config::parse("test.toml", "[[vnet]]\nname = 'red'\n", &one_cpu());
    let config = config.expect("good");
    let mut ports = Ports::open(&config, &eal, &pools).expect("no ports");
    let mut configurator =
        Configurator::start("test.toml".into(), config, one_cpu()).expect("a thread");
    let mut streams = Streams::default();

    // Somebody holds the vnet, so that it goes on dying.
    let held = stack.create_vnet("red").expect("a vnet");
    stack.destroy_vnet("red").expect("it dies");
    let path = std::env::temp_dir().join(format!("curvnet-dying-{}.sock", std::process::id()));
    let control =
        config::Control { socket: path.clone(), owner: None, group: None, devices: Vec::new() };
    let server = Server::start(Socket::bind(&control).expect("a socket")).expect("a server");
    let mut client = UnixStream::connect(&path).expect("a connection");
    client.set_nonblocking(true).expect("set");
    let mut answers = BufReader::new(client.try_clone().expect("a handle"));
    let mut ask = |request: &Value| {
        client.write_all(format!("{request}\n").as_bytes()).expect("written");
        let mut line = String::new();
        // Lines that a stream pushes are passed over.
        while !line.ends_with('\n') || !(line.contains("\"ok\"") || line.contains("\"error\"")) {
            if line.ends_with('\n') {
                line.clear();
            }
            let workers = &mut [];
            let (stack, ports, streams) = (&mut stack, &mut ports, &mut streams);
            let configurator = &mut configurator;
            let mut service = Service { stack, ports, workers, streams, configurator };
            server.serve(|request, caller| service.execute(request, caller));
            let _not_yet = answers.read_line(&mut line);
        }
        serde_json::from_str::<Value>(&line).expect("an answer")
    };
    for request in requests() {
        let answer = ask(&request);
        let command = request["command"].as_str().expect("a command");
        let error = &answer["error"];
        if OF_PROCESS.contains(&command) {
            assert_ne!(error["code"], "dying", "{request}: {answer}");
        } else {
            assert_eq!(error["code"], "dying", "{request}: {answer}");
            assert!(error["message"].as_str().is_some_and(|text| text.contains("vnet red")));
            assert!(error["cure"].as_str().is_some_and(|text| !text.is_empty()));
        }
    }
    drop(held);
    assert_eq!(stack.shutdown(), 0, "a vnet that could not be freed");
}

/// Works with a service without ports and workers, and its base vnet.
fn with_service(work: impl FnOnce(&mut Service<'_>, &VnetRef)) {
    let eal = test_support::eal();
    let pools = Pools::create(&eal, &[], 1023, 64).expect("a pool");
    let mut stack = testing::stack(&pools);
    let config = config::parse("test.toml", "[[vnet]]\nname = 'vnet0'\n", &one_cpu());
    let config = config.expect("good");
    let mut ports = Ports::open(&config, &eal, &pools).expect("no ports");
    let mut configurator =
        Configurator::start("test.toml".into(), config, one_cpu()).expect("a thread");
    let vnet = stack.create_vnet(stack::control::VNET0).expect("the base vnet");
    let (stack, ports, streams) = (&mut stack, &mut ports, &mut Streams::default());
    let configurator = &mut configurator;
    let mut service = Service { stack, ports, workers: &mut [], streams, configurator };
    work(&mut service, &vnet);
    drop(vnet);
    assert_eq!(service.stack.shutdown(), 0, "a vnet that could not be freed");
}

fn request(service: &mut Service<'_>, vnet: &VnetRef, command: Value) -> Answered {
    let command = serde_json::from_value(command).expect("a command");
    Caller::with(|caller| service.execute_in(vnet, command, caller))
}

#[test]
fn a_command_with_several_changes_happens_whole_or_not_at_all() {
    with_service(|service, vnet| {
        let state = |service: &mut Service<'_>| {
            let lo0 = service.stack.find(vnet, "lo0").expect("lo0");
            let names = ["net.inet.ip.ttl", "net.inet.ip.redirect", "net.vnet.maxroutes"];
            let values = names.map(|name| service.stack.read_sysctl(vnet, name).expect(name));
            (service.stack.addresses_of(vnet, lo0.slot), lo0.mtu(), lo0.is_up(), values)
        };
        let set = |change: Value| {
            let mut command = json!({"command": "interface.set", "interface": "lo0"});
            command
                .as_object_mut()
                .expect("an object")
                .extend(change.as_object().expect("an object").clone());
            command
        };
        let whole = set(json!({"add": ["192.0.2.1/32", "192.0.2.2/32"], "mtu": 1400}));
        drop(request(service, vnet, whole).expect("both and the MTU"));
        let before = state(service);
        assert_eq!((before.0.len(), before.1), (2, 1400));
        let ttl = |value: i32| json!({"name": "net.inet.ip.ttl", "value": value});
        let redirect = json!({"name": "net.inet.ip.redirect", "value": "0"});
        for refused in [
            set(json!({"add": ["192.0.2.3/32"], "mtu": 1})),
            set(json!({"add": ["192.0.2.3/32", "192.0.2.1/32"]})),
            set(json!({"up": false, "add": ["224.0.0.1/32"]})),
            set(json!({"up": false, "delete": ["192.0.2.1", "192.0.2.9"]})),
            set(json!({"delete": ["192.0.2.1"], "add": ["192.0.2.1/32", "192.0.2.2/32"]})),
            json!({"command": "sysctl.set", "values": [ttl(7), redirect, {"name": "nosuch", "value": 1}]}),
            json!({"command": "sysctl.set", "values": [ttl(7), redirect, ttl(0)]}),
            json!({"command": "sysctl.set", "values": [ttl(7), {"name": "net.vnet.maxroutes", "value": 1}]}),
            json!({"command": "sysctl.set", "name": "net.inet.ip.ttl"}),
            json!({"command": "sysctl.set"}),
        ] {
            let text = refused.to_string();
            let _refusal = request(service, vnet, refused).expect_err(&text);
            assert_eq!(state(service), before, "{text}");
        }
        let values = json!({"command": "sysctl.set", "values": [ttl(7), ttl(9), redirect]});
        let Answer::Sysctls(page) = request(service, vnet, values).expect("set") else {
            panic!("another answer")
        };
        let changes: Vec<_> = page.list.iter().map(|one| (one.old.clone(), &one.value)).collect();
        assert_eq!(changes[1], (Some(json!(7)), &json!(9)));
        // The same address with another network: the old one has to go first.
        let renumbered = set(json!({"delete": ["192.0.2.1"], "add": ["192.0.2.1/24"]}));
        drop(request(service, vnet, renumbered).expect("renumbered"));
        assert_eq!(state(service).0[1].to_string(), "192.0.2.1/24");
    });
}

#[test]
fn addresses_of_ipv6_are_refused_and_change_nothing() {
    with_service(refuses_ipv6);
}

fn refuses_ipv6(service: &mut Service<'_>, vnet: &VnetRef) {
    for command in [
        json!({"command": "address.add", "interface": "lo0", "address": "2001:db8::1/64"}),
        json!({"command": "address.delete", "interface": "lo0", "address": "2001:db8::1"}),
        json!({"command": "route.list", "after": "2001:db8::/32"}),
        json!({"command": "route.get", "address": "2001:db8::1"}),
        json!({"command": "route.add", "routes": [
            {"prefix": "10.0.0.0/8", "target": "blackhole"},
            {"prefix": "2001:db8::/32", "target": "blackhole"},
        ]}),
        json!({"command": "route.add", "routes": [
            {"prefix": "10.0.0.0/8", "target": {"via": ["2001:db8::1"]}},
        ]}),
        json!({"command": "route.delete", "prefixes": ["2001:db8::/32"]}),
        json!({"command": "arp.list", "after": [1, "2001:db8::1"]}),
        json!({"command": "arp.set", "address": "2001:db8::1", "mac": "02:00:00:00:00:01"}),
        json!({"command": "arp.delete", "address": "2001:db8::1"}),
        json!({"command": "probe.send", "address": "2001:db8::1"}),
        json!({"command": "probe.send", "address": "127.0.0.1", "source": "2001:db8::1"}),
    ] {
        let text = command.to_string();
        let refusal = request(service, vnet, command).expect_err(&text);
        assert_eq!(refusal.code, Code::BadRequest, "{text}: {refusal}");
        assert!(refusal.message.contains("no inet6 module"), "{text}: {refusal}");
        assert!(refusal.cure.contains("2001:db8"), "{text}: {refusal}");
    }
    assert!(service.stack.routes_after(vnet, None, PAGE).is_empty());
}

fn one_cpu() -> config::Host {
    let online_cpus = [config::CpuId(0)].into();
    config::Host { online_cpus, max_vnets: 2, ..config::Host::default() }
}
