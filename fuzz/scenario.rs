//! The whole input path under any bytes: frames with any content, in any segmentation, in bursts of any size, with time
//! passing between them, into a vnet with four interfaces and a route of every kind.
//!
//! After each input the books balance, every buffer is back, and nothing has panicked; debug assertions and overflow
//! checks are on. The fuzzer and a test that replays the corpus share this file.

use std::time::Duration;

use pmd::{MAX_BURST, Mbuf};

use crate::common::frame::checksum;
use crate::common::lab::{Lab, PORTS};
use crate::common::{Packet, crossroads};

/// The longest frame that is built.
const FRAME_MAX: usize = 2000;
/// Packets of one input: more would only make it slower.
const PACKETS_MAX: usize = 2000;

/// Reads an input from its front; beyond its end everything is zero.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Plays one input.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut lab = crossroads();
    let mut packets = 0;
    while !input.0.is_empty() && packets < PACKETS_MAX {
        match input.byte() % 4 {
            0 => {
                let _sent = lab.pass(Duration::from_millis(100 * input.byte() as u64));
            }
            1 => {
                // As it would be without the fast path: another way through the same packets.
                lab.datapath().without_fast_path();
            }
            _ => packets += burst(&mut lab, &mut input),
        }
    }
    lab.settle();
    let _sent = lab.take();
    lab.check();
    lab.end();
}

/// One burst on one port: a few different frames, in turn, as often as it takes.
fn burst(lab: &mut Lab, input: &mut Input<'_>) -> usize {
    let port = (input.byte() % usize::from(PORTS)) as u16;
    let count = input.byte() % (MAX_BURST + 1);
    let different = 1 + input.byte() % 4;
    let frames: Vec<(Vec<u8>, Vec<usize>)> = (0..different).map(|_| frame(input)).collect();
    let packets: Vec<Mbuf> = (0..count)
        .map(|n| &frames[n % different])
        .map(|(frame, cuts)| lab.segmented(frame, cuts))
        .collect();
    lab.iterate(port, packets);
    lab.settle();
    let _sent = lab.take();
    count
}

/// A frame and the lengths of its first segments.
fn frame(input: &mut Input<'_>) -> (Vec<u8>, Vec<usize>) {
    let mut frame = template(input);
    for _ in 0..input.byte() % 8 {
        let at = input.byte();
        let value = input.byte() as u8;
        if let Some(byte) = frame.get_mut(at) {
            *byte = value;
        }
    }
    let flags = input.byte();
    if flags & 1 == 1 {
        mend_checksum(&mut frame);
    }
    if flags & 2 == 2 {
        let len = frame.len().min(input.byte());
        frame.truncate(len);
    }
    frame.truncate(FRAME_MAX);
    let cuts = (0..(flags >> 2) % 4).map(|_| input.byte()).collect();
    (frame, cuts)
}

/// Something near to what the stack takes, or anything at all.
fn template(input: &mut Input<'_>) -> Vec<u8> {
    use crossroads::{EM, OWN, PEER, PEER_MAC, TAG};
    let kind = input.byte();
    let em = (kind >> 4) % EM.len();
    let tagged = |packet: Packet| Packet { tag: TAG[em], ..packet.link(PEER_MAC, EM[em]) };
    match kind % 8 {
        0 => {
            let len = input.byte() * 8;
            input.bytes(len).to_vec()
        }
        1 => tagged(crossroads::through(input.byte() * 8)).frame(),
        2 => tagged(Packet::echo(PEER, OWN[em], input.byte() * 6)).frame(),
        3 => arp(input, em),
        4 => {
            let target = [
                "198.51.100.7",
                "172.16.9.9",
                "203.0.113.1",
                "192.0.2.1",
                "10.0.1.200",
                "100.64.0.9",
            ];
            tagged(crossroads::to(target[input.byte() % target.len()], input.byte() * 8)).frame()
        }
        5 => {
            let len = input.byte() % 41;
            let options = input.bytes(len).to_vec();
            tagged(Packet { options, ..crossroads::through(30) }).frame()
        }
        6 => {
            let len = input.byte();
            let payload = input.bytes(len).to_vec();
            tagged(Packet::new(input.byte() as u8, PEER, OWN[em], payload)).frame()
        }
        _ => {
            let fragment = (input.byte() << 8 | input.byte()) as u16;
            tagged(Packet { fragment, ..crossroads::through(input.byte() * 8) }).frame()
        }
    }
}

/// An ARP packet: operation and last bytes of the addresses are the input's.
fn arp(input: &mut Input<'_>, em: usize) -> Vec<u8> {
    let [operation, sender, target, mac] = [(); 4].map(|()| input.byte() as u8);
    let to = if mac & 1 == 0 { crossroads::EM[em] } else { [0xff; 6] };
    let from = [2, 0, 0, 0, 0, mac];
    let net = em as u8;
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation];
    packet.extend(from);
    packet.extend([10, 0, net, sender]);
    packet.extend([0; 6]);
    packet.extend([10, 0, net, target]);
    crate::common::frame::ethernet(to, from, crossroads::TAG[em], 0x0806, &packet)
}

/// Writes the right checksum into an IPv4 header at the usual place, with or without a tag, so that what comes after
/// that check is reached.
fn mend_checksum(frame: &mut [u8]) {
    let at = if frame.get(12..14) == Some(&[0x81, 0x00]) { 18 } else { 14 };
    let Some(ip) = frame.get_mut(at..) else { return };
    let header_len = ip.first().map_or(0, |first| usize::from(first & 15) * 4);
    let Some(header) = ip.get_mut(..header_len).filter(|header| header.len() >= 20) else { return };
    header[10..12].fill(0);
    let sum = checksum(header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
}
