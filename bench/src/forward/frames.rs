//! The frames of a scenario, and whether what left is right. Written without the stack's own headers and checksums, to be
//! a judge of them.

use std::net::Ipv4Addr;

use anyhow::{Result, bail, ensure};
use pmd::{Burst, Mbuf, MbufPool};

use crate::random::Random;

/// Addresses of the link: the interface that receives, the one that sends, the gateway, and whoever sent the frames.
pub(crate) const IN_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
pub(crate) const OUT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
const SENDER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x03];

/// The MAC address of gateway `n`.
pub(crate) fn gateway_mac(n: usize) -> [u8; 6] {
    [0x02, 0, 0, 0, 0x01, n as u8]
}

/// Headers, beside which a frame has its payload.
const ETHER: usize = 14;
const TAG: usize = 4;
const IP: usize = 20;
const UDP: usize = 8;
/// Distinct frames; what more a scenario has of destinations is written into them.
const FLOWS: usize = 1024;
const TTL: u8 = 64;

/// What is sent to one vnet after the other.
#[derive(Debug)]
pub(crate) struct Feed {
    templates: Vec<Vec<u8>>,
    destinations: Vec<u32>,
    ether: usize,
    /// On the way.
    routers: u8,
    next: usize,
}

impl Feed {
    /// Frames of these lengths in turn to these destinations: RFC 4814 section 4, addresses and ports at random, repeatable.
    pub(crate) fn new(sizes: &[usize], tagged: bool, destinations: Vec<u32>) -> Self {
        let mut random = Random::new(0x6375_7276);
        let ether = ETHER + if tagged { TAG } else { 0 };
        let sizes = sizes.iter().cycle().take(FLOWS);
        let templates = sizes.map(|size| template(*size, tagged, &mut random)).collect();
        Self { templates, destinations, ether, routers: 1, next: 0 }
    }

    /// The same frames on a way through so many routers, each of which lowers the TTL.
    pub(crate) fn through(self, routers: u8) -> Self {
        Self { routers, ..self }
    }

    /// As many frames as a burst has, all different, from the pool.
    pub(crate) fn burst(&self, pool: &MbufPool, len: usize, burst: &mut Burst) -> Result<()> {
        let longest = self.templates.iter().map(Vec::len).max().unwrap_or(0);
        while burst.len() < len {
            let Some(mbuf) = pool.from_bytes(&vec![0; longest]) else {
                bail!("the mbuf pool is empty: some frames did not come back");
            };
            if burst.push(mbuf).is_err() {
                bail!("a burst takes no more than {} frames", burst.len());
            }
        }
        Ok(())
    }

    /// Writes the next frames over those of `burst`, with VLAN tag `vlan` if frames have one.
    pub(crate) fn write(&mut self, burst: &mut Burst, vlan: u16) -> Result<()> {
        for mbuf in burst.iter_mut() {
            let (template, dst) = self.at(self.next);
            let ether = self.ether;
            ensure!(
                resize(mbuf, template.len()),
                "a frame lost its room for {} bytes",
                template.len()
            );
            let bytes = mbuf.data_mut();
            bytes.copy_from_slice(template);
            let ip = ether + 16;
            bytes[ip..ip + 4].copy_from_slice(&dst.to_be_bytes());
            if ether > ETHER {
                bytes[ETHER..ETHER + 2].copy_from_slice(&vlan.to_be_bytes());
            }
            let sum = header_sum(&bytes[ether..ether + IP]);
            // The template's checksum field is zero, so the sum is what is missing.
            bytes[ether + 10..ether + 12].copy_from_slice(&(!sum).to_be_bytes());
            self.next += 1;
        }
        Ok(())
    }

    /// Checks frames that left: `count` of them, the last that [`Self::write`] wrote, in order. `leads_to` tells
    /// whether a destination's next hop may have a MAC address.
    pub(crate) fn check<'a>(
        &self,
        frames: impl Iterator<Item = &'a Mbuf>,
        count: usize,
        vlan: u16,
        leads_to: impl Fn(u32, [u8; 6]) -> bool,
    ) -> Result<()> {
        let first = self.next - count;
        for (at, mbuf) in frames.enumerate() {
            let (template, dst) = self.at(first + at);
            let bytes = mbuf.data();
            let what = self.difference(bytes, template, dst, vlan, &leads_to);
            if let Some(what) = what {
                bail!("frame {at} of a burst of {count} left with a wrong {what}: {bytes:02x?}");
            }
        }
        Ok(())
    }

    /// The same in any order: a few frames of a burst may have taken the way of exceptions, behind the others.
    pub(crate) fn check_in_any_order<'a>(
        &self,
        frames: impl Iterator<Item = &'a Mbuf>,
        count: usize,
        vlan: u16,
        leads_to: impl Fn(u32, [u8; 6]) -> bool,
    ) -> Result<()> {
        let mut expected: Vec<usize> = (self.next - count..self.next).rev().collect();
        for mbuf in frames {
            let bytes = mbuf.data();
            let differs = |n: &usize| {
                let (template, dst) = self.at(*n);
                self.difference(bytes, template, dst, vlan, &leads_to)
            };
            let Some(found) = expected.iter().rposition(|n| differs(n).is_none()) else {
                let what = expected.last().and_then(differs).unwrap_or("number of frames");
                bail!("a frame of a burst of {count} left with a wrong {what}: {bytes:02x?}");
            };
            let _found = expected.remove(found);
        }
        Ok(())
    }

    fn at(&self, n: usize) -> (&[u8], u32) {
        (&self.templates[n % self.templates.len()], self.destinations[n % self.destinations.len()])
    }

    /// What of a frame that left is not what it should be.
    fn difference(
        &self,
        frame: &[u8],
        template: &[u8],
        dst: u32,
        vlan: u16,
        leads_to: impl Fn(u32, [u8; 6]) -> bool,
    ) -> Option<&'static str> {
        let ether = self.ether;
        if frame.len() != template.len() {
            return Some("length");
        }
        let gateway = frame.first_chunk().copied().unwrap_or_default();
        if !leads_to(dst, gateway) {
            return Some("destination MAC address");
        }
        if frame[6..12] != OUT_MAC {
            return Some("source MAC address");
        }
        let tag = [0x81, 0, (vlan >> 8) as u8, vlan as u8];
        if !tag[..ether - ETHER].eq(&frame[12..ether - 2]) || frame[ether - 2..ether] != [0x08, 0] {
            return Some("VLAN tag or EtherType");
        }
        let (ip, before) = (&frame[ether..ether + IP], &template[ether..ether + IP]);
        if ip[16..20] != dst.to_be_bytes() || ip[12..16] != before[12..16] {
            return Some("IPv4 address");
        }
        if ip[8] != TTL - self.routers {
            return Some("TTL");
        }
        if header_sum(ip) != 0xffff {
            return Some("IPv4 header checksum");
        }
        (ip[..8] != before[..8]
            || ip[9] != before[9]
            || frame[ether + IP..] != template[ether + IP..])
            .then_some("byte that no router changes")
    }
}

/// Sets a frame's length: by its end, where it has room.
fn resize(mbuf: &mut Mbuf, len: usize) -> bool {
    let now = mbuf.data().len();
    if len < now {
        return u16::try_from(now - len).is_ok_and(|less| mbuf.trim(less));
    }
    len == now || u16::try_from(len - now).is_ok_and(|more| mbuf.append(more).is_some())
}

/// Ones' complement sum of a header, 0xffff when its checksum is right (RFC 1071).
fn header_sum(header: &[u8]) -> u16 {
    let words =
        header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// A frame without destination and checksum.
fn template(len: usize, tagged: bool, random: &mut Random) -> Vec<u8> {
    let mut frame = Vec::with_capacity(len);
    frame.extend(IN_MAC);
    frame.extend(SENDER_MAC);
    if tagged {
        frame.extend([0x81, 0, 0, 0]);
    }
    frame.extend([0x08, 0]);
    let total = (len - frame.len()) as u16;
    let [a, b] = total.to_be_bytes();
    let [c, d, ..] = random.next().to_be_bytes();
    frame.extend([0x45, 0, a, b, c, d, 0, 0, TTL, 17, 0, 0]);
    let source = u32::from(Ipv4Addr::new(10, 0, 0, 0)) | (random.next() as u32 & 0x00ff_ffff);
    frame.extend(source.to_be_bytes());
    frame.extend([0; 4]);
    // RFC 4814 4.5: source ports from 1024 up, all destination ports.
    let ports = random.next();
    frame.extend((1024 + (ports >> 32) as u16 % 64512).to_be_bytes());
    frame.extend((1 + ports as u16 % 49151).to_be_bytes());
    frame.extend((total - IP as u16).to_be_bytes());
    frame.extend([0, 0]);
    debug_assert_eq!(frame.len(), ETHER + if tagged { TAG } else { 0 } + IP + UDP);
    frame.extend((frame.len()..len).map(|at| at as u8));
    frame
}
