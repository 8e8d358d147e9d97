//! A veth pair of the kernel under af_packet, deleted while traffic flows: the port counts its removal,
//! nothing crashes, nothing hangs, nothing leaks.

mod common;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use common::{frame, port_config, wait_for};
use pmd::{Burst, Events, Port, test_support, worker};

/// Rounds that a worker goes on polling after the interface is gone.
const ROUNDS_AFTER: usize = 20_000;

#[test]
fn veth_is_deleted_under_load() {
    let (left, right) = match veth() {
        Ok(pair) => pair,
        Err(why) => return common::skip("veth_is_deleted_under_load", &why),
    };
    let (left_name, right_name) = (left.0.clone(), right);
    let eal = test_support::eal();
    let pool = test_support::own_pool("af_packet", 4095);
    let open = |number: u8, interface: &str| {
        let device = format!("net_af_packet{number},iface={interface}");
        Port::open(&eal, &port_config(interface, device), &pool).expect("an af_packet port")
    };
    let (mut from, mut to) = (open(0, &left_name), open(1, &right_name));
    let (from_rx, mut from_tx) = from.start().expect("started");
    let (mut to_rx, to_tx) = to.start().expect("started");
    assert!(!from.is_removed());

    let gone = Arc::new(AtomicBool::new(false));
    let worker = {
        let (gone, pool) = (Arc::clone(&gone), pool.clone());
        let cpu = *pmd::affinity::current().last().expect("a CPU");
        worker::spawn(cpu, "veth", move |_| {
            let (mut burst, mut received, mut after) = (Burst::new(), 0_u64, 0);
            while after < ROUNDS_AFTER {
                for i in 0..8 {
                    let frame = frame(i, 200);
                    // af_packet does not offer several segments: tx makes them one.
                    let (head, tail) = frame.split_at(if i < 4 { 200 } else { 50 });
                    let packet = pool.from_segments(&[head, tail]).expect("two buffers");
                    burst.push(packet).expect("room");
                }
                let _ = from_tx[0].tx(&mut burst);
                let _ = to_rx[0].rx(&mut burst, 32);
                let expected = |packet: &pmd::Mbuf| packet.data() == frame(packet.data()[0], 200);
                // The kernel sends a few packets of its own (IPv6).
                received += burst.iter().filter(|packet| expected(packet)).count() as u64;
                burst.clear();
                after += usize::from(gone.load(Relaxed));
            }
            (from_tx, to_rx, received)
        })
        .expect("a worker")
    };
    wait_for("traffic", || to.stats().rx_packets > 1000);
    assert_eq!(from.events(), Events::default());
    assert_eq!(to.events(), Events::default());

    // Down and up again: a link change of both ends, and traffic goes on.
    ip(&["link", "set", &left_name, "down"]).expect("down");
    wait_for("the links to go down", || !from.link().up && !to.link().up);
    assert_eq!((from.events().link_changes, to.events().link_changes), (1, 1));
    ip(&["link", "set", &left_name, "up"]).expect("up");
    wait_for("the links to come up", || from.link().up && to.link().up);
    assert_eq!((from.events().link_changes, to.events().link_changes), (2, 2));
    let before = to.stats().rx_packets;
    wait_for("traffic again", || to.stats().rx_packets > before + 1000);

    drop(left);
    wait_for("the removal to be noticed", || from.is_removed() && to.is_removed());
    gone.store(true, Relaxed);
    let (from_tx, to_rx, received) = worker.join().expect("the worker did not panic");
    assert!(received > 1000, "{received}");
    assert_eq!((from.events().removals, to.events().removals), (1, 1), "counted once");

    from.stop(from_rx, from_tx).expect("stopped");
    to.stop(to_rx, to_tx).expect("stopped");
    drop((from, to));
    assert_eq!(pool.in_use(), 0);
}

/// Deletes the pair when dropped.
struct Veth(String);

impl Drop for Veth {
    fn drop(&mut self) {
        let _ = ip(&["link", "del", &self.0]);
    }
}

/// Makes a veth pair and brings it up.
fn veth() -> Result<(Veth, String), String> {
    let id = std::process::id();
    let (left, right) = (format!("cvl{id}"), format!("cvr{id}"));
    ip(&["link", "add", &left, "type", "veth", "peer", "name", &right])?;
    let pair = Veth(left.clone());
    for interface in [&left, &right] {
        ip(&["link", "set", interface, "up"])?;
    }
    Ok((pair, right))
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| format!("ip cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
