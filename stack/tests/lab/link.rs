//! Ethernet and 802.1Q: whose frame it is.

use stack::control::InterfaceError;
use stack::drops::DropReason as D;
use stack::net::IfSlot;

use crate::cases::{Case, case, raw, run};
use crate::common::crossroads::{EM, OWN, PEER, PEER_MAC, crossroads, host, through, to};
use crate::common::frame::{BROADCAST, ICMP, ethernet, mac};
use crate::common::{Lab, Packet, crossroads::RED};

pub(crate) fn cases() -> Vec<Case> {
    let good = through(30);
    let from_vlan = |tag| Packet { tag: Some(tag), ..good.clone() }.link(host(2, 2), EM[2]);
    let far = |packet: &Packet| packet.forwarded(EM[1], host(1, 2), None);
    let to_mac = |to| Packet { to, ..good.clone() };
    let short = good.frame();
    vec![
        case("an ordinary packet", &good).leaves(1, &far(&good)).counts("ips_forward"),
        raw("nothing", vec![]).drops(D::EtherRunt),
        raw("13 bytes", short[..13].to_vec()).drops(D::EtherRunt),
        raw("a bare link header", short[..14].to_vec()).drops(D::IpTooShort),
        case("another station's", &to_mac(mac(0x77))).drops(D::EtherNotForUs),
        case("another interface's", &to_mac(EM[1])).drops(D::EtherNotForUs),
        case("from a group", &Packet { from: [3, 0, 0, 0, 0, 2], ..good.clone() })
            .drops(D::EtherBadSource),
        case("from everybody", &Packet { from: BROADCAST, ..good.clone() })
            .drops(D::EtherBadSource),
        case("IPv6", &Packet { ether_type: 0x86dd, ..good.clone() }).drops(D::EtherUnknownType),
        case("802.3 with a length", &Packet { ether_type: 58, ..good.clone() })
            .drops(D::EtherUnknownType),
        case("as long as the MTU", &through(1472)).leaves(1, &far(&through(1472))),
        case("a port of nobody's", &good).on_port(3).drops(D::NoInterface),
        case("untagged where all are tagged", &good).on_port(2).drops(D::NoInterface),
        case("a VLAN", &from_vlan(100)).on_port(2).leaves(1, &far(&from_vlan(100))),
        case("a VLAN with a priority", &from_vlan(0xe064))
            .on_port(2)
            .leaves(1, &far(&from_vlan(100))),
        case("another VLAN of the port", &from_vlan(200)).on_port(2).drops(D::EtherNotForUs),
        case("a VLAN of nobody's", &from_vlan(300)).on_port(2).drops(D::VlanUnknown),
        case("a VLAN on a port without any", &Packet { tag: Some(100), ..good.clone() })
            .drops(D::VlanUnknown),
        // IEEE 802.1Q 6.9.1: VLAN 0 is no VLAN, just a priority.
        case("a priority on a port without VLANs", &Packet { tag: Some(0x6000), ..good.clone() })
            .leaves(1, &far(&good)),
        case("a priority where all are tagged", &from_vlan(0)).on_port(2).drops(D::NoInterface),
        raw("two tags", {
            let inner = [&100u16.to_be_bytes()[..], &[0x08, 0x00], &good.ip()].concat();
            ethernet(EM[2], host(2, 2), Some(100), 0x8100, &inner)
        })
        .on_port(2)
        .drops(D::EtherUnknownType),
        raw("a tag and nothing behind", {
            let bare = ethernet(EM[2], host(2, 2), Some(100), 0x0800, &[]);
            bare[..16].to_vec()
        })
        .on_port(2)
        .drops(D::NoInterface),
        case("out through a VLAN", &to("10.0.2.2", 30))
            .leaves(2, &to("10.0.2.2", 30).forwarded(EM[2], host(2, 2), Some(100))),
        case("from VLAN to VLAN of a port", &vlan_to_vlan())
            .on_port(2)
            .leaves(3, &vlan_to_vlan().forwarded(EM[3], host(3, 2), Some(200))),
    ]
}

fn vlan_to_vlan() -> Packet {
    let packet = to("10.0.3.2", 30);
    Packet { tag: Some(100), ..packet }.link(host(2, 2), EM[2])
}

#[test]
fn whose_frame_it_is() {
    run(&cases());
}

/// A burst of all kinds is split into runs, and each frame finds its interface.
#[test]
fn a_mixed_burst_of_a_port_with_vlans() {
    let mut lab = crossroads();
    let tagged =
        |tag, em: usize| Packet { tag, ..through(30) }.link(host(em as u8, 2), EM[em]).frame();
    let kinds = [
        tagged(Some(100), 2),
        tagged(Some(100), 2),
        tagged(Some(200), 3),
        tagged(Some(4000), 2),
        tagged(None, 2),
        tagged(Some(200), 2),
        tagged(Some(100), 3),
    ];
    let burst: Vec<Vec<u8>> = kinds.iter().cycle().take(7 * 36).cloned().collect();
    let sent = lab.send(2, &burst);
    assert_eq!(sent.len(), 3 * 36);
    assert_eq!(lab.drops(RED), [("ether_not_for_us", 2 * 36)].into());
    assert_eq!(lab.port_drops(D::VlanUnknown), 36);
    assert_eq!(lab.port_drops(D::NoInterface), 36);
    lab.end();
}

/// The port took the outer tag off, a priority: the tag that the frame still has is not taken for it.
#[test]
fn a_tag_inside_of_one_that_the_port_took_off() {
    /// RTE_MBUF_F_RX_VLAN and RTE_MBUF_F_RX_VLAN_STRIPPED (rte_mbuf_core.h).
    const STRIPPED: u64 = 1 << 0 | 1 << 6;
    let mut lab = crossroads();
    let plain = through(30);
    for tag in [Some(0), Some(100), None] {
        let mut mbuf = lab.mbuf(&Packet { tag, ..plain.clone() }.frame());
        mbuf.set_ol_flags(STRIPPED);
        assert_eq!(mbuf.rx_vlan_stripped(), Some(0));
        let sent = lab.send_mbufs(0, vec![mbuf]);
        assert_eq!(sent.len(), usize::from(tag.is_none()), "inner tag {tag:?}");
    }
    assert_eq!(lab.drops(RED), [("ether_unknown_type", 2)].into());
    lab.end();
}

#[test]
fn an_interface_that_is_down_takes_nothing() {
    let mut lab = crossroads();
    lab.set_up(RED, "em0", false);
    assert_eq!(lab.send(0, &[through(30).frame(), vec![1, 2, 3]]), []);
    assert_eq!(lab.drops(RED), [("interface_down", 2)].into());
    lab.set_up(RED, "em0", true);
    assert_eq!(lab.send(0, &[through(30).frame()]).len(), 1);
    assert_eq!(PEER_MAC, host(0, 2));
    lab.end();
}

/// The forwarding table says it, too: the fast path does not ask the interface.
#[test]
fn nothing_leaves_through_an_interface_that_is_down() {
    let mut lab = crossroads();
    assert_eq!(lab.send(0, &[through(30).frame()])[0].port, 1);
    lab.set_up(RED, "em1", false);
    let sent = lab.send(0, &[through(30).frame()]);
    assert_eq!((sent.len(), sent[0].port), (1, 0), "host unreachable");
    assert_eq!(Packet::read(&sent[0].frame).protocol, ICMP);
    assert_eq!(lab.drops(RED), [("interface_down", 1)].into());
    lab.set_up(RED, "em1", true);
    assert_eq!(lab.send(0, &[through(30).frame()])[0].port, 1);
    lab.end();
}

/// A frame that arrives whole is taken (a host with another MTU sent it), and packets that are sent for it keep to the MTU.
#[test]
fn the_mtu_limits_only_what_is_sent() {
    for fast_path in [true, false] {
        let mut lab = crossroads();
        if !fast_path {
            lab.datapath().without_fast_path();
        }
        lab.set_mtu(RED, "em0", 1280);
        let whole = through(1472);
        let sent = lab.send(0, &[whole.frame()]);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].frame, whole.forwarded(EM[1], host(1, 2), None).frame());
        assert_eq!(lab.send(0, &[through(1473).frame()]).len(), 2, "fragments for em1");
        let echo = Packet::echo(PEER, OWN[0], 1472).link(PEER_MAC, EM[0]);
        assert_eq!(lab.send(0, &[echo.frame()]).len(), 2, "fragments of the reply");
        assert_eq!(lab.drops(RED), [].into());
        lab.end();
    }
}

#[test]
fn packets_are_cut_to_the_mtu_as_it_is_now() {
    let mut lab = crossroads();
    let fragments = |lab: &mut Lab| lab.send(0, &[through(1000).frame()]).len();
    assert_eq!(fragments(&mut lab), 1);
    lab.set_mtu(RED, "em1", 576);
    assert_eq!(fragments(&mut lab), 2);
    lab.set_mtu(RED, "em1", 1500);
    assert_eq!(fragments(&mut lab), 1);
    let nowhere = IfSlot(0xffff);
    let refused = lab.control(|stack| stack.set_interface_mtu(nowhere, 1500));
    assert!(matches!(refused, Err(InterfaceError::Missing(_))), "{refused:?}");
    lab.end();
}
