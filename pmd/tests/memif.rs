//! Two processes over memif: the peer is killed in the middle of traffic and comes back. That is a
//! counter, never a crash, and no mbuf is lost.

mod common;

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, frame, port_config, wait_for};
use pmd::{Burst, MbufPool, Port, RxQueue, TxQueue, test_support};

const SOCKET: &str = "PMD_TEST_MEMIF_SOCKET";
const THIS: &str = "memif_peer_is_killed_and_comes_back";

#[test]
fn memif_peer_is_killed_and_comes_back() {
    if let Ok(socket) = std::env::var(SOCKET) {
        return echo(Path::new(&socket));
    }
    let folder = Folder::new("memif");
    let socket = folder.file("memif.sock");
    let pool = test_support::own_pool("memif", 4095);
    let mut port = open(&socket, "server", &pool);
    let (mut rx, mut tx) = port.start().expect("started");
    assert!(!port.link().up, "nobody is there yet");
    assert_eq!(port.events().link_changes, 0);

    let mut peer = Peer::start(&socket);
    wait_for("the link to come up", || port.link().up);
    assert_eq!(port.events().link_changes, 1);
    exchange(&mut rx[0], &mut tx[0], &pool);

    // Killed in the middle: packets are under way in both directions.
    send(&mut tx[0], &pool, 32);
    peer.kill();
    wait_for("the link to go down", || {
        send(&mut tx[0], &pool, 32);
        let mut burst = Burst::new();
        let _ = rx[0].rx(&mut burst, 32);
        !port.link().up
    });
    assert_eq!(port.events().link_changes, 2);
    assert!(!port.is_removed(), "a peer that is gone is not a device that is gone");
    let before = tx[0].dropped();
    send(&mut tx[0], &pool, 32);
    assert_eq!(tx[0].dropped(), before + 32, "without a peer everything is dropped, and counted");

    let _peer = Peer::start(&socket);
    wait_for("the link to come up again", || port.link().up);
    assert_eq!(port.events().link_changes, 3);
    exchange(&mut rx[0], &mut tx[0], &pool);
    port.stop(rx, tx).expect("stopped");
    port.close();
    assert_eq!(pool.in_use(), 0);
}

fn open(socket: &Path, role: &str, pool: &MbufPool) -> Port {
    let socket = socket.display();
    let device = format!("net_memif0,id=0,role={role},socket={socket},socket-abstract=no");
    let port = Port::open(&test_support::eal(), &port_config(role, device), pool);
    port.expect("a memif port")
}

fn send(tx: &mut TxQueue, pool: &MbufPool, count: u8) {
    let mut burst = Burst::new();
    for i in 0..count {
        let packet = pool.from_bytes(&frame(i, 60 + usize::from(i))).expect("a buffer");
        burst.push(packet).expect("room");
    }
    let _ = tx.tx(&mut burst);
}

/// Sends frames until all of them came back unchanged.
fn exchange(rx: &mut RxQueue, tx: &mut TxQueue, pool: &MbufPool) {
    let (mut seen, mut burst) = ([false; 32], Burst::new());
    wait_for("all frames to come back", || {
        send(tx, pool, 32);
        let _ = rx.rx(&mut burst, 256);
        for packet in burst.drain() {
            let i = packet.data()[0];
            assert_eq!(packet.data(), frame(i, 60 + usize::from(i)));
            seen[usize::from(i)] = true;
        }
        seen.iter().all(|&seen| seen)
    });
}

/// The other process: sends back what it receives until its standard input is closed.
fn echo(socket: &Path) {
    let pool = test_support::own_pool("echo", 4095);
    let mut port = open(socket, "client", &pool);
    let (mut rx, mut tx) = port.start().expect("started");
    let parent = std::thread::spawn(|| std::io::stdin().read(&mut [0]));
    let (mut burst, began) = (Burst::new(), Instant::now());
    while !parent.is_finished() && began.elapsed() < Duration::from_secs(60) {
        if rx[0].rx(&mut burst, 64) == 0 {
            std::thread::yield_now();
        }
        let _ = tx[0].tx(&mut burst);
    }
}

struct Peer(Child);

impl Peer {
    fn start(socket: &Path) -> Peer {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        let _ = command.args([THIS, "--exact", "--nocapture"]).env(SOCKET, socket);
        let _ = command.stdin(Stdio::piped()).stdout(Stdio::null());
        Peer(command.spawn().expect("a second process"))
    }

    fn kill(&mut self) {
        self.0.kill().expect("killed");
        let _ = self.0.wait().expect("reaped");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
