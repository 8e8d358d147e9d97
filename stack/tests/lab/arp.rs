//! ARP through worker and control thread: RFC 826, RFC 1122 2.3.2, RFC 5227. The rules themselves are in `tests/arp.rs`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use stack::drops::DropReason as D;
use stack::net::route::RouteTarget;

use crate::cases::{Case, anonymous, raw, run};
use crate::common::crossroads::{
    EM, FAR, OWN, PEER, PEER_MAC, RED, TAG, crossroads, host, through, to,
};
use crate::common::frame::{Arp, BROADCAST, ethernet, mac};
use crate::common::{Packet, Sent};

const NEWCOMER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 50);
const NEWCOMER_MAC: [u8; 6] = mac(50);

pub(crate) fn cases() -> Vec<Case> {
    let ask = |target| Arp::request(NEWCOMER_MAC, NEWCOMER, target);
    let odd = |name, at: usize, byte: u8| {
        let mut frame = ask(OWN[0]).frame(BROADCAST, None);
        frame[14 + at] = byte;
        raw(name, frame).drops(D::ArpMalformed)
    };
    vec![
        raw("27 bytes of ARP", ask(OWN[0]).frame(BROADCAST, None)[..41].to_vec())
            .drops(D::ArpMalformed),
        odd("another link", 1, 6),
        odd("another protocol", 3, 1),
        odd("a longer link address", 4, 8),
        odd("a longer protocol address", 5, 16),
        odd("an unknown operation", 7, 9),
        odd("a group as the sender's address", 8, 1),
        odd("a loopback as the sender", 14, 127),
        odd("a multicast as the sender", 14, 225),
        odd("the network's broadcast as the sender", 17, 255),
        odd("the network as the sender", 17, 0),
        raw("for another host", ask(PEER).frame(BROADCAST, None)).drops(D::ArpNotForUs),
        raw("for another interface of ours", ask(OWN[1]).frame(BROADCAST, None))
            .drops(D::ArpNotForUs),
        raw("to another station", ask(OWN[0]).frame(mac(0x77), None)).drops(D::EtherNotForUs),
        raw(
            "an answer to somebody else",
            Arp::reply(NEWCOMER_MAC, NEWCOMER, mac(9), PEER).frame(BROADCAST, None),
        )
        .drops(D::ArpNotForUs),
    ]
}

#[test]
fn arp_that_ends_at_the_worker() {
    run(&cases());
}

fn arps(sent: &[Sent]) -> Vec<(u16, [u8; 6], Arp)> {
    let read = |sent: &Sent| Arp::read(&sent.frame).map(|(to, arp)| (sent.port, to, arp));
    sent.iter().filter_map(read).collect()
}

#[test]
fn a_question_is_answered_and_the_asker_is_known() {
    let mut lab = crossroads();
    let sent = lab.send(0, &[Arp::request(NEWCOMER_MAC, NEWCOMER, OWN[0]).frame(BROADCAST, None)]);
    let answer = Arp::reply(EM[0], OWN[0], NEWCOMER_MAC, NEWCOMER);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].frame, answer.frame(NEWCOMER_MAC, None));
    // RFC 826: who asks will be spoken to.
    let sent = lab.send(1, &[to_newcomer().frame()]);
    assert_eq!(anonymous(&sent), [(0, to_newcomer().forwarded(EM[0], NEWCOMER_MAC, None).frame())]);
    assert_eq!(lab.stat(RED, "rxrequests"), 1);
    assert_eq!(lab.stat(RED, "txreplies"), 1);
    lab.end();
}

/// An entry is shown with the time at which it ends, not with that at which it is asked for again.
#[test]
fn an_entry_lives_as_long_as_it_is_shown_to() {
    let mut lab = crossroads();
    lab.sysctl(RED, "net.link.ether.inet.max_age", 60);
    let _answer =
        lab.send(0, &[Arp::request(NEWCOMER_MAC, NEWCOMER, OWN[0]).frame(BROADCAST, None)]);
    let vnet = lab.vnet(RED);
    let expiry = |lab: &crate::common::Lab| {
        let all = lab.stack().neighbors_after(&vnet, None, 100);
        all.iter().find(|view| view.key.addr == NEWCOMER).map(|view| view.expiry)
    };
    let end = lab.now + Duration::from_secs(60);
    assert_eq!(expiry(&lab), Some(Some(end)));
    let probes = lab.pass(Duration::from_secs(58));
    assert_eq!(probes.len(), 4, "it is asked again");
    assert_eq!(expiry(&lab), Some(Some(end)), "which does not move its end");
    let _probes = lab.pass(Duration::from_secs(3));
    assert_eq!(expiry(&lab), None);
    drop(vnet);
    lab.end();
}

#[test]
fn an_interface_that_goes_down_forgets_its_neighbours() {
    let mut lab = crossroads();
    let _answer =
        lab.send(0, &[Arp::request(NEWCOMER_MAC, NEWCOMER, OWN[0]).frame(BROADCAST, None)]);
    let vnet = lab.vnet(RED);
    let known = |lab: &crate::common::Lab| lab.stack().neighbors_after(&vnet, None, 100).len();
    let before = known(&lab);
    lab.set_up(RED, "em1", false);
    assert_eq!(known(&lab), before, "another interface's stay");
    lab.set_up(RED, "em0", false);
    assert_eq!(known(&lab), before - 1, "static ones stay");
    lab.set_up(RED, "em0", true);
    lab.set_up(RED, "em1", true);
    let sent = lab.send(1, &[to_newcomer().frame()]);
    assert_eq!(arps(&sent)[0].2, Arp::request(EM[0], OWN[0], NEWCOMER), "it is asked for anew");
    drop(vnet);
    lab.end();
}

/// `net.link.ether.inet.proxyall`: for what is behind another interface, and nothing else.
#[test]
fn a_proxy_answers_for_what_is_elsewhere() {
    let mut lab = crossroads();
    let ask = |sender: &str, target: &str| {
        let (sender, target) = (sender.parse().unwrap(), target.parse().unwrap());
        Arp::request(NEWCOMER_MAC, sender, target).frame(BROADCAST, None)
    };
    let elsewhere = ["10.0.1.77", "198.18.5.7", "10.0.1.1", "10.0.2.2"];
    assert_eq!(
        lab.send(0, &elsewhere.map(|target| ask("10.0.0.50", target))),
        [],
        "not by default"
    );
    lab.sysctl(RED, "net.link.ether.inet.proxyall", 1);
    for target in elsewhere {
        let sent = lab.send(0, &[ask("10.0.0.50", target)]);
        let reply = Arp::reply(EM[0], target.parse().unwrap(), NEWCOMER_MAC, NEWCOMER);
        assert_eq!(arps(&sent), [(0, NEWCOMER_MAC, reply)], "{target}");
    }
    for (sender, target, why) in [
        ("10.0.0.50", "10.0.0.77", "its own link answers"),
        ("10.0.0.50", "192.88.99.1", "the gateway is on this link"),
        ("10.0.0.50", "9.9.9.9", "there is no route"),
        ("10.0.0.50", "203.0.113.1", "it is discarded"),
        ("10.0.1.50", "10.0.2.2", "the sender is on the wrong wire"),
        ("0.0.0.0", "10.0.2.2", "nobody asks"),
    ] {
        assert_eq!(lab.send(0, &[ask(sender, target)]), [], "{target}: {why}");
    }
    let vnet = lab.vnet(RED);
    let all = lab.stack().neighbors_after(&vnet, None, 100);
    assert!(
        all.iter().all(|view| view.key.addr != NEWCOMER),
        "who asks for others is no neighbour"
    );
    drop(vnet);
    lab.end();
}

/// Its neighbours get their answers meanwhile.
#[test]
fn a_host_that_floods_is_answered_as_often_as_may_be() {
    let mut lab = crossroads();
    lab.sysctl(RED, "net.link.ether.inet.max_replies_per_second", 10);
    let ask = |mac, addr| Arp::request(mac, addr, OWN[0]).frame(BROADCAST, None);
    assert_eq!(lab.send(0, &vec![ask(NEWCOMER_MAC, NEWCOMER); 64]).len(), 10);
    assert_eq!(lab.drops(RED), [("arp_rate_limit", 54)].into());
    assert_eq!(lab.send(0, &[ask(mac(51), Ipv4Addr::new(10, 0, 0, 51))]).len(), 1);
    let _nothing = lab.pass(Duration::from_secs(1));
    assert_eq!(lab.send(0, &[ask(NEWCOMER_MAC, NEWCOMER)]).len(), 1);
    lab.end();
}

fn to_newcomer() -> Packet {
    Packet::udp(Ipv4Addr::new(198, 18, 1, 1), NEWCOMER, 10).link(host(1, 2), EM[1])
}

#[test]
fn a_question_in_a_vlan_is_answered_there() {
    let mut lab = crossroads();
    let asker = Ipv4Addr::new(10, 0, 2, 77);
    let question = Arp::request(mac(77), asker, OWN[2]);
    let sent = lab.send(2, &[question.frame(BROADCAST, TAG[2])]);
    let answer = Arp::reply(EM[2], OWN[2], mac(77), asker);
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].port, &sent[0].frame), (2, &answer.frame(mac(77), TAG[2])));
    assert_eq!(lab.send(2, &[question.frame(BROADCAST, TAG[3])]), [], "another VLAN");
    // Bytes are those of the untagged frame, in and out: two announcements, and an answer as long as the question.
    let counters: BTreeMap<_, _> = lab.ifnet(RED, "em2").total().into_iter().collect();
    assert_eq!((counters["ibytes"], counters["obytes"]), (56, 3 * 56));
    lab.end();
}

/// A host without a known address: its packets wait in order, one question a second is asked, and the answer lets them
/// go.
#[test]
fn packets_wait_for_an_answer() {
    let mut lab = crossroads();
    let waiting: Vec<Packet> = (0..5).map(|n| Packet { id: n, ..to_newcomer() }).collect();
    let frames: Vec<Vec<u8>> = waiting.iter().map(Packet::frame).collect();
    let sent = lab.send(1, &frames);
    let question = Arp::request(EM[0], OWN[0], NEWCOMER);
    assert_eq!(arps(&sent), [(0, BROADCAST, question.clone())]);
    assert_eq!(sent.len(), 1);
    lab.check();
    let sent = lab.pass(Duration::from_millis(2500));
    assert_eq!(arps(&sent), [(0, BROADCAST, question.clone()), (0, BROADCAST, question)]);

    let answer = Arp::reply(NEWCOMER_MAC, NEWCOMER, EM[0], OWN[0]);
    let sent = lab.send(0, &[answer.frame(EM[0], None)]);
    let released: Vec<Vec<u8>> = sent.into_iter().map(|sent| sent.frame).collect();
    let expected: Vec<Vec<u8>> =
        waiting.iter().map(|packet| packet.forwarded(EM[0], NEWCOMER_MAC, None).frame()).collect();
    assert_eq!(released, expected, "all of them, in order, each one hop older");
    assert_eq!(lab.stat(RED, "ips_forward"), 5, "each is forwarded once");
    lab.end();
}

/// Nobody answers: the senders hear of it, and for a while at once.
#[test]
fn packets_without_an_answer_are_refused() {
    let mut lab = crossroads();
    let packet = to("10.0.1.9", 10);
    let _question = lab.send(0, &[packet.frame()]);
    let sent = lab.pass(Duration::from_secs(6));
    let errors: Vec<&Sent> = sent.iter().filter(|sent| Arp::read(&sent.frame).is_none()).collect();
    assert_eq!(errors.len(), 1);
    let error = Packet { ttl: 63, ..packet.clone() }.error(OWN[0], 3, 1, 0);
    assert_eq!(anonymous(&[errors[0].clone()]), [(0, error.frame())]);
    assert_eq!(lab.drops(RED), [("arp_unresolved", 1)].into());
    assert_eq!(lab.stat(RED, "timeouts"), 1);

    let sent = lab.send(0, &[packet.frame()]);
    assert_eq!(anonymous(&sent), [(0, error.frame())], "no new question for a while");
    let _wait = lab.pass(Duration::from_secs(25));
    assert_eq!(arps(&lab.send(0, &[packet.frame()])).len(), 1, "asked again");
    lab.end();
}

/// A gateway that is not known holds packets for many destinations, and each goes where it belongs once it is.
#[test]
fn packets_wait_for_a_gateway() {
    let mut lab = crossroads();
    let packets: Vec<Packet> = (0..10).map(|n| to(&format!("172.16.{n}.1"), 20)).collect();
    let frames: Vec<Vec<u8>> = packets.iter().map(Packet::frame).collect();
    let sent = lab.send(0, &frames);
    let gateway = Ipv4Addr::new(10, 0, 1, 9);
    assert_eq!(arps(&sent), [(1, BROADCAST, Arp::request(EM[1], OWN[1], gateway))]);
    let answer = Arp::reply(host(1, 9), gateway, EM[1], OWN[1]);
    let sent = lab.send(1, &[answer.frame(EM[1], None)]);
    assert_eq!(sent.len(), 10);
    for (sent, packet) in sent.iter().zip(&packets) {
        assert_eq!(sent.frame, packet.forwarded(EM[1], host(1, 9), None).frame());
    }
    lab.end();
}

/// A packet waits while its destination becomes our own: it comes home through the loopback.
#[test]
fn a_waiting_packet_comes_home() {
    let mut lab = crossroads();
    let (src, dst) = (Ipv4Addr::new(198, 18, 9, 9), Ipv4Addr::new(172, 16, 0, 77));
    let echo = Packet::echo(src, dst, 16).link(PEER_MAC, EM[0]);
    let _question = lab.send(0, &[echo.frame()]);
    let lo0 = lab.ifnet(RED, "lo0").slot;
    lab.control(|stack| stack.add_address(lo0, "172.16.0.77/32".parse().unwrap())).unwrap();
    let answer = Arp::reply(host(1, 9), Ipv4Addr::new(10, 0, 1, 9), EM[1], OWN[1]);
    let sent = lab.send(1, &[answer.frame(EM[1], None)]);
    let reply = echo.echo_reply().link(EM[1], host(1, 2));
    let sent: Vec<Vec<u8>> = sent.into_iter().map(|sent| sent.frame).collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(Packet { id: 0, ..Packet::read(&sent[0]) }, reply);
    lab.end();
}

#[test]
fn a_known_neighbour_is_asked_again_and_forgotten() {
    let mut lab = crossroads();
    lab.sysctl(RED, "net.link.ether.inet.max_age", 60);
    let question = Arp::request(NEWCOMER_MAC, NEWCOMER, OWN[0]).frame(BROADCAST, None);
    let _answer = lab.send(0, std::slice::from_ref(&question));
    let sent = lab.pass(Duration::from_secs(56));
    let probe = Arp::request(EM[0], OWN[0], NEWCOMER);
    assert_eq!(arps(&sent)[0], (0, NEWCOMER_MAC, probe), "unicast: RFC 1122 2.3.2.1 (2)");
    assert_eq!(lab.send(1, &[to_newcomer().frame()]).len(), 1, "it still serves");
    let _silence = lab.pass(Duration::from_secs(10));
    let sent = lab.send(1, &[to_newcomer().frame()]);
    assert_eq!(arps(&sent)[0].1, BROADCAST, "forgotten, so asked for anew");
    lab.end();
}

#[test]
fn our_address_in_other_hands_is_defended() {
    let mut lab = crossroads();
    let claim = Arp::request(NEWCOMER_MAC, OWN[0], OWN[0]);
    let sent = lab.send(0, &[claim.frame(BROADCAST, None)]);
    let ours = Arp::request(EM[0], OWN[0], OWN[0]);
    assert!(arps(&sent).contains(&(0, BROADCAST, ours)), "RFC 5227 2.4 (c): {sent:02x?}");
    assert_eq!(lab.stat(RED, "dupips"), 1);
    let log = lab.control(stack::control::Stack::take_log);
    assert!(log[0].contains("10.0.0.1"), "{log:?}");
    lab.end();
}

/// RFC 5227 2.3 is for addresses that we have: its next owner's neighbours believe who spoke last.
#[test]
fn an_address_that_is_gone_is_not_announced() {
    let mut lab = crossroads();
    let slot = lab.ifnet(RED, "em0").slot;
    let address = Ipv4Addr::new(10, 50, 0, 1);
    for announced in [0, 1] {
        lab.control(|stack| stack.add_address(slot, "10.50.0.1/24".parse().unwrap())).unwrap();
        let sent = lab.pass(Duration::from_secs(announced));
        assert_eq!(sent.len(), announced as usize, "the first of two");
        lab.control(|stack| stack.remove_address(slot, address)).unwrap();
        assert_eq!(lab.pass(Duration::from_secs(5)), []);
    }
    lab.end();
}

/// A host of another network on the link is asked from an address of ours, never from its own, also when it is asked
/// again; and no more from one that is gone.
#[test]
fn a_host_of_another_network_is_asked_from_an_address_of_ours() {
    let mut lab = crossroads();
    lab.sysctl(RED, "net.link.ether.inet.max_age", 60);
    let slot = lab.ifnet(RED, "em0").slot;
    lab.route(RED, "192.168.7.0/24", RouteTarget::Interface(slot));
    let stranger = Ipv4Addr::new(192, 168, 7, 5);
    let packet = Packet::udp(FAR, stranger, 8).link(host(1, 2), EM[1]).frame();
    let question = Arp::request(EM[0], OWN[0], stranger);
    let sent = lab.send(1, std::slice::from_ref(&packet));
    assert_eq!(arps(&sent), [(0, BROADCAST, question.clone())]);
    let answer = Arp::reply(NEWCOMER_MAC, stranger, EM[0], OWN[0]).frame(EM[0], None);
    assert_eq!(lab.send(0, std::slice::from_ref(&answer)).len(), 1);
    let sent = lab.pass(Duration::from_secs(56));
    assert_eq!(arps(&sent)[0], (0, NEWCOMER_MAC, question));
    let _known = lab.send(0, &[answer]);
    lab.control(|stack| {
        stack.add_address(slot, "10.50.0.1/24".parse().unwrap()).unwrap();
        stack.remove_address(slot, OWN[0]).unwrap();
    });
    let _announced = lab.pass(Duration::from_secs(5));
    let question = Arp::request(EM[0], Ipv4Addr::new(10, 50, 0, 1), stranger);
    assert_eq!(arps(&lab.send(1, &[packet])), [(0, BROADCAST, question)], "asked anew");
    lab.end();
}

/// A neighbour may send its question in any number of pieces.
#[test]
fn arp_in_pieces() {
    let mut lab = crossroads();
    let arp = Arp::request(NEWCOMER_MAC, NEWCOMER, OWN[0]);
    let frame = ethernet(BROADCAST, NEWCOMER_MAC, None, 0x0806, &arp.bytes());
    for split in 0..frame.len() {
        let sent = lab.send_mbufs(0, vec![lab.segmented(&frame, &[split])]);
        assert_eq!(arps(&sent).len(), 1, "split at {split}");
    }
    assert_eq!(lab.send(0, &[through(5).frame()]).len(), 1);
    lab.end();
}
