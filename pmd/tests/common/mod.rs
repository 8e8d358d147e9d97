//! The parts that the scenarios share. Each scenario is a binary of its own, because a process has one EAL.

#![allow(dead_code, reason = "each scenario uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pmd::{Eal, MbufPool, PortConfig, SocketId};

/// A folder of the scenario's own, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("pmd-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Folder(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes frames as a classic pcap file: magic 0xa1b2c3d4, version 2.4, link type 1 (Ethernet).
pub(crate) fn write_pcap(path: &Path, frames: &[Vec<u8>]) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        file.extend(word.to_le_bytes());
    }
    for frame in frames {
        let len = u32::try_from(frame.len()).expect("a short frame");
        for word in [0, 0, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    fs::write(path, file).expect("the pcap file");
}

/// The frames of a classic little-endian pcap file.
pub(crate) fn read_pcap(path: &Path) -> Vec<Vec<u8>> {
    let file = fs::read(path).expect("the pcap file");
    let word = |at: usize| {
        let bytes = file[at..at + 4].try_into().expect("four bytes");
        usize::try_from(u32::from_le_bytes(bytes)).expect("a small number")
    };
    assert!([0xa1b2_c3d4, 0xa1b2_3c4d].contains(&word(0)), "pcap magic");
    let (mut frames, mut at) = (Vec::new(), 24);
    while at < file.len() {
        let len = word(at + 8);
        frames.push(file[at + 16..at + 16 + len].to_vec());
        at += 16 + len;
    }
    frames
}

/// A frame of `len` bytes whose contents depend on `seed` alone.
pub(crate) fn frame(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| seed.wrapping_add(u8::try_from(i % 251).expect("less than 251"))).collect()
}

pub(crate) fn port_config(name: &str, device: String) -> PortConfig {
    PortConfig { name: name.to_owned(), device, ..PortConfig::default() }
}

pub(crate) fn pool(eal: &Eal, name: &str) -> MbufPool {
    MbufPool::create(eal, name, 8191, 128, SocketId::ANY).expect("a pool")
}

/// Repeats `done` until it is true, without sleeping long. The limit only ends a test that hangs.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Says that a scenario was not run, and why.
#[allow(clippy::print_stderr, reason = "a skipped test must be seen")]
pub(crate) fn skip(name: &str, why: &str) {
    eprintln!("skipped: {name}: {why}");
}
