//! IPv4 options of received packets: RFC 791 3.1, RFC 1812 5.2.4 and 4.2.2.6 (FreeBSD: netinet/ip_options.c).
//!
//! Record route and time stamp are filled in, and returned in the reply to an echo request (RFC 1122 3.2.2.6). Source
//! routes are refused, as FreeBSD does by default (`net.inet.ip.sourceroute`) and every operator asks for today, so that
//! there is none to be reversed in a reply.

use std::net::Ipv4Addr;

use super::datagram::Datagram;
use super::icmp_error::IcmpError;
use crate::drops::DropReason;
use crate::net::graph::Cx;
use crate::net::route::NextHopKind;
use crate::wire::{IP_HDR_LEN, IpOption, checksum, icmp_type, unreach_code};

/// The fate of a packet by its options.
pub(super) enum OptionsVerdict {
    /// Go on; recorded options and the header checksum were written.
    Pass,
    /// Drop silently.
    Drop(DropReason),
    /// Drop with an ICMP error.
    Refuse(DropReason, IcmpError),
}

/// Our addresses, host byte order, as options ask for them.
struct Ours<'a> {
    /// Where the packet goes, or, when it is for us, the address that it was sent to. RFC 791: "as known in the
    /// environment into which this datagram is being forwarded".
    ahead: u32,
    /// Where it was received.
    here: u32,
    /// Whether an address is one of ours.
    holds: &'a dyn Fn(u32) -> bool,
}

/// Looks at the options of a datagram, and records addresses and time where they ask for it.
#[cold]
pub(super) fn ip_options(cx: &Cx<'_>, datagram: &mut Datagram<'_>) -> OptionsVerdict {
    match cx.inet().ip_doopts().get() {
        0 => return OptionsVerdict::Pass,
        1 => {}
        _ => return OptionsVerdict::Drop(DropReason::IpBadOptions),
    }
    let kind = |addr| cx.forwarding().map(|table| table.resolve(addr, || 0).kind);
    let holds = |addr| kind(addr) == Some(NextHopKind::Local);
    let (ahead, here) = (address_ahead(cx, datagram), address_here(cx, datagram));
    let ours = Ours { ahead, here, holds: &holds };
    let header = datagram.header_bytes_mut();
    match process(header, &ours, cx.timestamp()) {
        Ok(()) => {
            header[10..12].fill(0);
            let sum = checksum(header);
            header[10..12].copy_from_slice(&sum.to_ne_bytes());
            OptionsVerdict::Pass
        }
        Err(Refusal::SourceRoute) => OptionsVerdict::Refuse(
            DropReason::IpSourceRoute,
            IcmpError::unreach(unreach_code::SOURCE_ROUTE),
        ),
        Err(Refusal::Malformed { at }) => OptionsVerdict::Refuse(
            DropReason::IpBadOptions,
            IcmpError { kind: icmp_type::PARAMETER_PROBLEM, code: 0, rest: u32::from(at) << 24 },
        ),
    }
}

/// FreeBSD: `ip_rtaddr`, netinet/ip_options.c.
fn address_ahead(cx: &Cx<'_>, datagram: &Datagram<'_>) -> u32 {
    if datagram.route().kind == NextHopKind::Local {
        return datagram.dst();
    }
    let forwarding = cx.forwarding();
    let ahead = forwarding.and_then(|table| table.source_along(&datagram.route(), datagram.dst()));
    ahead.unwrap_or_else(|| address_here(cx, datagram))
}

/// The receiving interface's address, as the sender knows it; 0 if the vnet has none.
fn address_here(cx: &Cx<'_>, datagram: &Datagram<'_>) -> u32 {
    let sender = Ipv4Addr::from_bits(datagram.src());
    let here = cx.forwarding().and_then(|table| table.sources().towards(cx.ingress.slot, sender));
    here.map_or(0, Ipv4Addr::to_bits)
}

/// Why options are refused.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    SourceRoute,
    /// The offending byte's offset in the header, for the parameter problem's pointer.
    Malformed {
        at: u8,
    },
}

/// Walks the options of `header`. Each step takes at least one byte, so the walk ends within 40 steps.
fn process(header: &mut [u8], ours: &Ours<'_>, stamp: u32) -> Result<(), Refusal> {
    let mut at = IP_HDR_LEN;
    while let Some(&kind) = header.get(at) {
        let malformed = |offset: usize| Refusal::Malformed { at: (at + offset).min(255) as u8 };
        match IpOption(kind) {
            IpOption::EOL => return Ok(()),
            IpOption::NOP => {
                at += 1;
                continue;
            }
            _ => {}
        }
        let len = usize::from(*header.get(at + 1).ok_or(malformed(1))?);
        let option =
            header.get_mut(at..at + len).filter(|option| option.len() >= 2).ok_or(malformed(1))?;
        match IpOption(kind) {
            IpOption::LSRR | IpOption::SSRR => return Err(Refusal::SourceRoute),
            IpOption::RR => record_route(option, ours).map_err(malformed)?,
            IpOption::TS => time_stamp(option, ours, stamp).map_err(malformed)?,
            // RFC 1812 4.2.2.6: unknown options pass.
            _ => {}
        }
        at += len;
    }
    Ok(())
}

/// RFC 791 "Record Route": pointer from 1, at least 4; a full list passes unchanged. The error is the offset of the
/// byte that is wrong.
fn record_route(option: &mut [u8], ours: &Ours<'_>) -> Result<(), usize> {
    let pointer = usize::from(*option.get(2).ok_or(1usize)?);
    if pointer < 4 {
        return Err(2);
    }
    if pointer > option.len() {
        return Ok(());
    }
    let entry = option.get_mut(pointer - 1..pointer + 3).ok_or(2usize)?;
    entry.copy_from_slice(&ours.ahead.to_be_bytes());
    option[2] += 4;
    Ok(())
}

/// RFC 791 "Internet Timestamp": flags 0 (time), 1 (address and time), 3 (time where the address is ours); a full
/// list counts the overflow.
fn time_stamp(option: &mut [u8], ours: &Ours<'_>, stamp: u32) -> Result<(), usize> {
    let [_, _, pointer, overflow_and_flag, ..] = *option else { return Err(1) };
    let (pointer, flag) = (usize::from(pointer), overflow_and_flag & 0x0f);
    if pointer < 5 {
        return Err(2);
    }
    if pointer > option.len() {
        // More hops than fifteen that found no room: the counter may not wrap.
        option[3] = overflow_and_flag.checked_add(0x10).ok_or(3usize)?;
        return Ok(());
    }
    let at = pointer - 1;
    let entry_len = if flag == 0 { 4 } else { 8 };
    let entry = option.get_mut(at..at + entry_len).ok_or(2usize)?;
    match flag {
        0 => entry.copy_from_slice(&stamp.to_be_bytes()),
        1 => {
            entry[..4].copy_from_slice(&ours.here.to_be_bytes());
            entry[4..].copy_from_slice(&stamp.to_be_bytes());
        }
        3 => {
            let asked = u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]);
            if !(ours.holds)(asked) {
                return Ok(());
            }
            entry[4..].copy_from_slice(&stamp.to_be_bytes());
        }
        _ => return Err(3),
    }
    option[2] += entry_len as u8;
    Ok(())
}

/// The most bytes of options: the header's length counts 15 words.
const OPTIONS_MAX: usize = 40;

/// The options of a reply: whole words.
pub(super) struct ReplyOptions {
    bytes: [u8; OPTIONS_MAX],
    len: usize,
}

impl ReplyOptions {
    /// The options that the reply to an echo request with this header carries: its record routes and time stamps, as they were filled
    /// in here, and nothing else, padded with ends of list (RFC 1122 3.2.2.6; FreeBSD: `icmp_reflect`,
    /// netinet/ip_icmp.c). Where `net.inet.ip.process_options` ignores options, no node has looked at them yet: at the
    /// first one that is malformed this ends.
    #[cold]
    pub(super) fn of(request: &[u8]) -> Self {
        let mut reply = Self { bytes: [0; OPTIONS_MAX], len: 0 };
        let mut rest = request.get(IP_HDR_LEN..).unwrap_or_default();
        while let Some(&kind) = rest.first() {
            let len = match IpOption(kind) {
                IpOption::EOL => break,
                IpOption::NOP => 1,
                _ => rest.get(1).map_or(0, |len| usize::from(*len)),
            };
            let Some((option, behind)) = rest.split_at_checked(len) else { break };
            match (IpOption(kind), option.len()) {
                (IpOption::NOP, _) => {}
                (_, 0 | 1) => break,
                (IpOption::RR | IpOption::TS, _) => reply.push(option),
                _ => {}
            }
            rest = behind;
        }
        reply.len = reply.len.next_multiple_of(4);
        reply
    }

    fn push(&mut self, option: &[u8]) {
        // There is room: all of them come from one header.
        if let Some(room) = self.bytes.get_mut(self.len..self.len + option.len()) {
            room.copy_from_slice(option);
            self.len += option.len();
        }
    }

    /// How long they are, in bytes: a multiple of 4.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts them behind a finished header without options, at the front of `header`, which is as long as both.
    pub(super) fn write(&self, header: &mut [u8]) {
        let Some((fixed, options)) = header.split_at_mut_checked(IP_HDR_LEN) else { return };
        if options.len() != self.len || self.len == 0 {
            return;
        }
        options.copy_from_slice(&self.bytes[..self.len]);
        fixed[0] = 0x40 | ((IP_HDR_LEN + self.len) / 4) as u8;
        fixed[10..12].fill(0);
        let sum = checksum(header).to_ne_bytes();
        header[10..12].copy_from_slice(&sum);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: u32 = 0x0a00_0001;
    const OURS: Ours<'_> = Ours { ahead: OWN, here: OWN, holds: &|addr| addr == OWN };

    fn header(options: &[u8]) -> Vec<u8> {
        let mut header = vec![0u8; IP_HDR_LEN];
        header.extend_from_slice(options);
        header
    }

    #[test]
    fn record_route_fills_the_next_entry() {
        let mut h = header(&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(process(&mut h, &OURS, 0), Ok(()));
        assert_eq!(h[20..], [7, 11, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0]);
        assert_eq!(process(&mut h, &OURS, 0), Ok(()));
        assert_eq!(h[20..], [7, 11, 12, 10, 0, 0, 1, 10, 0, 0, 1, 0]);
        let full = h.clone();
        assert_eq!(process(&mut h, &OURS, 0), Ok(()), "a full list passes");
        assert_eq!(h, full);
    }

    #[test]
    fn time_stamp_with_address_and_overflow() {
        let mut h = header(&[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(process(&mut h, &OURS, 0x8000_0005), Ok(()));
        assert_eq!(h[20..], [68, 12, 13, 1, 10, 0, 0, 1, 0x80, 0, 0, 5]);
        assert_eq!(process(&mut h, &OURS, 1), Ok(()));
        assert_eq!(h[23], 0x11, "one hop found no room");
        h[23] = 0xf1;
        assert_eq!(process(&mut h, &OURS, 1), Err(Refusal::Malformed { at: 23 }));
    }

    #[test]
    fn refusals() {
        assert_eq!(
            process(&mut header(&[131, 7, 4, 1, 2, 3, 4, 0]), &OURS, 0),
            Err(Refusal::SourceRoute)
        );
        assert_eq!(
            process(&mut header(&[1, 137, 7, 4, 1, 2, 3, 4]), &OURS, 0),
            Err(Refusal::SourceRoute)
        );
        assert_eq!(
            process(&mut header(&[7, 1, 0, 0]), &OURS, 0),
            Err(Refusal::Malformed { at: 21 })
        );
        assert_eq!(
            process(&mut header(&[7, 200, 4, 0]), &OURS, 0),
            Err(Refusal::Malformed { at: 21 })
        );
        assert_eq!(
            process(&mut header(&[7, 7, 3, 0, 0, 0, 0, 0]), &OURS, 0),
            Err(Refusal::Malformed { at: 22 })
        );
        assert_eq!(
            process(&mut header(&[1, 1, 1, 7]), &OURS, 0),
            Err(Refusal::Malformed { at: 24 })
        );
        assert_eq!(
            process(&mut header(&[0, 255, 255, 255]), &OURS, 0),
            Ok(()),
            "nothing counts after the end"
        );
        assert_eq!(
            process(&mut header(&[200, 4, 9, 9]), &OURS, 0),
            Ok(()),
            "an unknown option passes"
        );
    }

    /// Options one by one, and whether a reply carries them.
    fn one_option() -> impl Strategy<Value = (bool, Vec<u8>)> {
        let with_body = |kind: u8, body: Vec<u8>| {
            let mut option = vec![kind, body.len() as u8 + 2];
            option.extend(body);
            (kind == 7 || kind == 68, option)
        };
        let kinds = prop_oneof![Just(7u8), Just(68), Just(131), Just(137), Just(148), Just(200)];
        prop_oneof![
            Just((false, vec![1])),
            (kinds, proptest::collection::vec(any::<u8>(), 0..12))
                .prop_map(move |(kind, body)| with_body(kind, body)),
        ]
    }

    proptest! {
        /// Against the list that the bytes are made of.
        #[test]
        fn a_reply_carries_records_and_nothing_else(
            list in proptest::collection::vec(one_option(), 0..8),
            rubbish in proptest::collection::vec(any::<u8>(), 0..4),
        ) {
            let fits = |options: &[u8]| options.len() <= OPTIONS_MAX;
            let mut request: Vec<u8> = list.iter().flat_map(|(_, option)| option.clone()).collect();
            prop_assume!(fits(&request));
            if !rubbish.is_empty() && request.len() + 1 + rubbish.len() <= OPTIONS_MAX {
                request.push(0);
                request.extend(rubbish);
            }
            let returned = list.iter().filter(|(returned, _)| *returned);
            let mut expected: Vec<u8> = returned.flat_map(|(_, option)| option.clone()).collect();
            while !expected.len().is_multiple_of(4) {
                expected.push(0);
            }
            let reply = ReplyOptions::of(&header(&request));
            prop_assert_eq!(&reply.bytes[..reply.len()], expected);
        }

        #[test]
        fn a_reply_to_any_options_is_whole_words(
            options in proptest::collection::vec(any::<u8>(), 0..=40),
        ) {
            let reply = ReplyOptions::of(&header(&options));
            prop_assert!(reply.len() <= OPTIONS_MAX && reply.len().is_multiple_of(4));
        }
    }

    proptest! {
        #[test]
        fn any_options_are_bounded_work(options in proptest::collection::vec(any::<u8>(), 0..=40)) {
            let mut h = header(&options);
            let _verdict = process(&mut h, &OURS, 1);
            prop_assert_eq!(&h[..IP_HDR_LEN], &[0u8; IP_HDR_LEN]);
        }
    }
}
