//! The frames of a scenario, and whether what left is right. Written without the stack's own headers and checksums, to be
//! a judge of them.

use std::net::Ipv4Addr;

use anyhow::{Result, bail, ensure};
use pmd::{Burst, Mbuf, MbufPool};

use crate::random::Random;

/// Addresses of the link: the interface that receives, the one that sends, the gateway, and whoever sent the frames.
pub(crate) const IN_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
pub(crate) const OUT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
pub(crate) const SENDER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x03];

/// The MAC address of gateway `n`, of 65,280.
pub(crate) fn gateway_mac(n: usize) -> [u8; 6] {
    let [high, low] = (n as u16 + 0x0100).to_be_bytes();
    [0x02, 0, 0, 0, high, low]
}

/// Headers, beside which a frame has its payload.
const ETHER: usize = 14;
const TAG: usize = 4;
const IP: usize = 20;
const UDP: usize = 8;
/// Distinct frames; what more a scenario has of destinations is written into them.
const FLOWS: usize = 1024;
const TTL: u8 = 64;
/// Hosts that frames are from where it matters which.
pub(crate) const SENDERS: u32 = 64;
/// Frames of a capture at most: the device that replays it keeps an mbuf for each.
const LONGEST_CAPTURE: usize = 8192;

/// The frames that are sent to one vnet after the other.
#[derive(Debug)]
pub(crate) struct Feed {
    templates: Vec<Vec<u8>>,
    destinations: Vec<u32>,
    /// VLANs that come in turn, whatever the caller says; none if the caller says which.
    vlans: Vec<u16>,
    ether: usize,
    /// On the way.
    routers: u8,
    /// The source MAC address of the interface that sends.
    leaves_from: [u8; 6],
    next: usize,
}

impl Feed {
    /// Frames of these lengths in turn to these destinations: RFC 4814 section 4, addresses and ports at random, repeatable.
    pub(crate) fn new(sizes: &[usize], tagged: bool, destinations: Vec<u32>) -> Self {
        let mut random = Random::new(0x6375_7276);
        let ether = ETHER + if tagged { TAG } else { 0 };
        let sizes = sizes.iter().cycle().take(FLOWS);
        let templates = sizes.map(|size| template(*size, tagged, &mut random)).collect();
        let (vlans, leaves_from) = (Vec::new(), OUT_MAC);
        Self { templates, destinations, vlans, ether, routers: 1, leaves_from, next: 0 }
    }

    /// The same frames, tagged with these VLANs in turn.
    pub(crate) fn interleaved(self, vlans: Vec<u16>) -> Self {
        Self { vlans, ..self }
    }

    /// The same frames, which leave by the interface that they came in on.
    pub(crate) fn hairpin(self) -> Self {
        Self { leaves_from: IN_MAC, ..self }
    }

    /// The same frames from [`SENDERS`] hosts, the first of which is `first`: the address of a network of so many.
    pub(crate) fn sent_from(mut self, first: Ipv4Addr) -> Self {
        let source = self.ether + 12;
        for template in &mut self.templates {
            let host = u32::from(template[source + 3]) % SENDERS;
            let address = u32::from(first) + host;
            template[source..source + 4].copy_from_slice(&address.to_be_bytes());
        }
        self
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
            let (ether, vlan) = (self.ether, self.vlan(self.next, vlan));
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

    /// Whether a frame that left may be one of these: IPv4 and UDP, not what the stack says of its own accord.
    pub(crate) fn made(&self, mbuf: &Mbuf) -> bool {
        let frame = mbuf.data();
        frame.get(self.ether - 2..self.ether) == Some(&[0x08, 0])
            && frame.get(self.ether + 9) == Some(&17)
    }

    /// The frames until they repeat, as many as a capture of them needs.
    pub(crate) fn period(&self) -> usize {
        FLOWS.max(self.vlans.len()).max(self.destinations.len().min(LONGEST_CAPTURE))
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
            let bytes = mbuf.data();
            if let Some(what) = self.difference(bytes, first + at, vlan, &leads_to) {
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
            let differs = |n: &usize| self.difference(bytes, *n, vlan, &leads_to);
            let Some(found) = expected.iter().rposition(|n| differs(n).is_none()) else {
                let what = expected.last().and_then(differs).unwrap_or("number of frames");
                bail!("a frame of a burst of {count} left with a wrong {what}: {bytes:02x?}");
            };
            let _found = expected.remove(found);
        }
        Ok(())
    }

    /// The same, where frames of several VLANs leave by one port: those of one VLAN in order.
    pub(crate) fn check_each_vlan_in_order<'a>(
        &self,
        frames: impl Iterator<Item = &'a Mbuf>,
        count: usize,
        leads_to: impl Fn(u32, [u8; 6]) -> bool,
    ) -> Result<()> {
        let mut expected: Vec<usize> = (self.next - count..self.next).collect();
        expected.sort_by_key(|n| self.vlan(*n, 0));
        let mut frames: Vec<&[u8]> = frames.map(Mbuf::data).collect();
        frames.sort_by_key(|frame| frame.get(ETHER..ETHER + 2).map(<[u8]>::to_vec));
        for (n, bytes) in expected.into_iter().zip(frames) {
            if let Some(what) = self.difference(bytes, n, 0, &leads_to) {
                bail!("a frame of a burst of {count} left with a wrong {what}: {bytes:02x?}");
            }
        }
        Ok(())
    }

    /// The VLAN of frame `n`: `otherwise` where the caller says which.
    fn vlan(&self, n: usize, otherwise: u16) -> u16 {
        if self.vlans.is_empty() { otherwise } else { self.vlans[n % self.vlans.len()] }
    }

    fn at(&self, n: usize) -> (&[u8], u32) {
        (&self.templates[n % self.templates.len()], self.destinations[n % self.destinations.len()])
    }

    /// The first thing that is wrong with frame `n`, which left as `frame`.
    fn difference(
        &self,
        frame: &[u8],
        n: usize,
        vlan: u16,
        leads_to: impl Fn(u32, [u8; 6]) -> bool,
    ) -> Option<&'static str> {
        let (template, dst) = self.at(n);
        let (ether, vlan) = (self.ether, self.vlan(n, vlan));
        if frame.len() != template.len() {
            return Some("length");
        }
        let gateway = frame.first_chunk().copied().unwrap_or_default();
        if !leads_to(dst, gateway) {
            return Some("destination MAC address");
        }
        if frame[6..12] != self.leaves_from {
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
