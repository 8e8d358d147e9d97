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
const OF_PROCESS: [&str; 16] = [
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

#[test]
fn addresses_of_ipv6_are_refused_and_change_nothing() {
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
        let command = serde_json::from_value(command).expect("a command");
        let answered = Caller::with(|caller| service.execute_in(&vnet, command, caller));
        let refusal = answered.expect_err(&text);
        assert_eq!(refusal.code, Code::BadRequest, "{text}: {refusal}");
        assert!(refusal.message.contains("no inet6 module"), "{text}: {refusal}");
        assert!(refusal.cure.contains("2001:db8"), "{text}: {refusal}");
    }
    assert!(service.stack.routes_after(&vnet, None, PAGE).is_empty());
    drop(vnet);
    assert_eq!(service.stack.shutdown(), 0, "a vnet that could not be freed");
}

fn one_cpu() -> config::Host {
    let online_cpus = [config::CpuId(0)].into();
    config::Host { online_cpus, max_vnets: 2, ..config::Host::default() }
}
