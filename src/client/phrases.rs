//! `netstat -s`: what netstat(1) calls the counters (FreeBSD: usr.bin/netstat/inet.c). `packet{s}` is one packet or
//! several.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Protocol, counter, phrase; in FreeBSD's order. A counter that is not here is shown by its name.
const PHRASES: &[(&str, &str, &str)] = &[
    ("ip", "ips_total", "total packet{s} received"),
    ("ip", "ips_badsum", "bad header checksum{s}"),
    ("ip", "ips_toosmall", "with size smaller than minimum"),
    ("ip", "ips_tooshort", "with data size < data length"),
    ("ip", "ips_badhlen", "with header length < data size"),
    ("ip", "ips_badlen", "with data length < header length"),
    ("ip", "ips_badoptions", "with bad options"),
    ("ip", "ips_badvers", "with incorrect version number"),
    ("ip", "ips_fragments", "fragment{s} received"),
    ("ip", "ips_fragdropped", "fragment{s} dropped (dup or out of space)"),
    ("ip", "ips_delivered", "packet{s} for this host"),
    ("ip", "ips_noproto", "packet{s} for unknown/unsupported protocol"),
    ("ip", "ips_forward", "packet{s} forwarded"),
    ("ip", "ips_fastforward", "packet{s} fast forwarded"),
    ("ip", "ips_cantforward", "packet{s} not forwardable"),
    ("ip", "ips_notmember", "packet{s} received for unknown multicast group"),
    ("ip", "ips_redirectsent", "redirect{s} sent"),
    ("ip", "ips_localout", "packet{s} sent from this host"),
    ("ip", "ips_noroute", "output packet{s} discarded due to no route"),
    ("ip", "ips_fragmented", "output datagram{s} fragmented"),
    ("ip", "ips_ofragments", "fragment{s} created"),
    ("ip", "ips_cantfrag", "datagram{s} that can't be fragmented"),
    ("ip", "ips_badaddr", "datagram{s} with bad address in header"),
    ("icmp", "icps_error", "call{s} to icmp_error"),
    ("icmp", "icps_oldicmp", "error{s} not generated in response to an icmp message"),
    ("icmp", "icps_ratelimit", "message{s} not sent because of the rate limit"),
    ("icmp", "icps_badcode", "message{s} with bad code fields"),
    ("icmp", "icps_noroute", "no return route{s}"),
    ("icmp", "icps_tooshort", "message{s} less than the minimum length"),
    ("icmp", "icps_checksum", "message{s} with bad checksum"),
    ("icmp", "icps_bmcastecho", "multicast echo request{s} ignored"),
    ("icmp", "icps_bmcasttstamp", "multicast timestamp request{s} ignored"),
    ("icmp", "icps_in_echo", "echo request{s} received"),
    ("icmp", "icps_in_tstamp", "timestamp request{s} received"),
    ("icmp", "icps_in_other", "message{s} received that nobody waits for"),
    ("icmp", "icps_reflect", "message response{s} generated"),
    ("icmp", "icps_out_echoreply", "echo reply message{s} sent"),
    ("icmp", "icps_out_tstampreply", "timestamp reply message{s} sent"),
    ("icmp", "icps_out_unreach", "destination unreachable message{s} sent"),
    ("icmp", "icps_out_redirect", "redirect message{s} sent"),
    ("icmp", "icps_out_timxceed", "time exceeded message{s} sent"),
    ("icmp", "icps_out_paramprob", "parameter problem message{s} sent"),
    ("arp", "txrequests", "ARP request{s} sent"),
    ("arp", "txerrors", "ARP request{s} failed to send"),
    ("arp", "txreplies", "ARP replie{s} sent"),
    ("arp", "rxrequests", "ARP request{s} received"),
    ("arp", "rxreplies", "ARP replie{s} received"),
    ("arp", "received", "ARP packet{s} received"),
    ("arp", "dropped", "total packet{s} dropped due to no ARP entry"),
    ("arp", "timeouts", "ARP entry{s} timed out"),
    ("arp", "dupips", "Duplicate IP{s} seen"),
];

/// The counters as text, by protocol.
pub(super) fn text(counters: &BTreeMap<String, u64>) -> String {
    let mut text = String::new();
    let mut last = "";
    for (protocol, counter, phrase) in PHRASES {
        let Some(value) = counters.get(*counter) else { continue };
        if *protocol != last {
            let _infallible = writeln!(text, "{protocol}:");
            last = protocol;
        }
        let _infallible = writeln!(text, "\t{value} {}", counted(phrase, *value));
    }
    let known = |name: &str| PHRASES.iter().any(|(_, counter, _)| *counter == name);
    let others: Vec<_> = counters.iter().filter(|(name, _)| !known(name)).collect();
    if !others.is_empty() {
        text.push_str("others:\n");
    }
    for (name, value) in others {
        let _infallible = writeln!(text, "\t{value} {name}");
    }
    text
}

/// Protocol and phrase of a counter, as of many; none if netstat does not know it.
pub(crate) fn phrase(counter: &str) -> Option<(&'static str, String)> {
    let (protocol, _, phrase) = PHRASES.iter().find(|(_, known, _)| *known == counter)?;
    Some((protocol, counted(phrase, 0)))
}

/// One packet, two packets; one reply, two replies; one entry, two entries.
fn counted(phrase: &str, value: u64) -> String {
    let one = value == 1;
    for (form, singular, plural) in
        [("replie{s}", "reply", "replies"), ("entry{s}", "entry", "entries")]
    {
        if phrase.contains(form) {
            return phrase.replace(form, if one { singular } else { plural });
        }
    }
    phrase.replace("{s}", if one { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack::inet::{ArpStat, IcmpStat, IpStat};

    #[test]
    fn every_counter_has_a_phrase() {
        let all = IpStat::NAMES.iter().chain(&IcmpStat::NAMES).chain(&ArpStat::NAMES);
        let missing: Vec<_> =
            all.filter(|name| !PHRASES.iter().any(|(_, counter, _)| counter == *name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn one_and_several() {
        let counters = [("ips_total", 1), ("ips_forward", 2), ("txreplies", 1), ("news", 3)];
        let counters = counters.map(|(name, value)| (name.to_owned(), value)).into();
        assert_eq!(
            text(&counters),
            "ip:\n\t1 total packet received\n\t2 packets forwarded\narp:\n\t1 ARP reply sent\nothers:\n\t3 news\n"
        );
    }
}
