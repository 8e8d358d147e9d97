//! Datagrams that are cut on their way, and put together again by the tests: RFC 791 3.2, RFC 1812 5.2.6, RFC 815.

use proptest::prelude::*;
use stack::drops::DropReason;

use crate::common::crossroads::{EM, RED, TAG, crossroads, host, to};
use crate::common::frame::{DF, MF};
use crate::common::{Lab, Packet, Random, Sent};

/// The MTU of em3.
const MTU: usize = 576;

/// To a host behind em3.
fn narrow(len: usize) -> Packet {
    to("100.64.7.7", len)
}

/// Puts fragments together; checks what each must be.
fn reassemble(sent: &[Sent], original: &Packet) -> Packet {
    let mut whole = original.forwarded(EM[3], host(3, 2), TAG[3]);
    let data_len = whole.payload.len();
    let mut data = vec![None; data_len];
    let first_unit = original.fragment & 0x1fff;
    for (at, sent) in sent.iter().enumerate() {
        let piece = Packet::read(&sent.frame);
        assert_eq!(sent.port, 2);
        assert!(sent.frame.len() - 18 <= MTU, "a fragment of {} bytes", sent.frame.len() - 18);
        assert_eq!(piece.trailer, [], "padding is no data");
        let offset = usize::from((piece.fragment & 0x1fff) - first_unit) * 8;
        let is_last = offset + piece.payload.len() == data_len;
        let more = piece.fragment & MF != 0;
        assert_eq!(more, !is_last || original.fragment & MF != 0, "more fragments");
        assert!(is_last || piece.payload.len().is_multiple_of(8), "RFC 791: units of eight bytes");
        let longest = original.header_len() + piece.payload.len();
        assert!(is_last || longest + 8 > MTU, "RFC 1812 5.2.6: as few fragments as possible");
        for (slot, byte) in data[offset..].iter_mut().zip(&piece.payload) {
            assert_eq!(slot.replace(*byte), None, "fragments overlap");
        }
        let options = if at == 0 { original.options.clone() } else { copied(&original.options) };
        let expected = Packet {
            options,
            fragment: piece.fragment,
            payload: piece.payload.clone(),
            trailer: vec![],
            ..whole.clone()
        };
        assert_eq!(piece, expected);
    }
    whole.payload = data.into_iter().map(|byte| byte.expect("a gap")).collect();
    whole
}

/// The options that go into every fragment: those with the copied flag (RFC 791 3.1).
fn copied(options: &[u8]) -> Vec<u8> {
    let (mut copied, mut at) = (Vec::new(), 0);
    while at < options.len() && options[at] != 0 {
        let len = if options[at] == 1 { 1 } else { usize::from(options[at + 1]) };
        if options[at] >= 128 {
            copied.extend(&options[at..at + len]);
        }
        at += len;
    }
    copied.resize(copied.len().next_multiple_of(4), 0);
    copied
}

fn cut(lab: &mut Lab, original: &Packet) {
    let sent = lab.send(0, &[original.frame()]);
    let whole = reassemble(&sent, original);
    assert_eq!(whole.payload, original.payload);
}

#[test]
fn every_length_around_the_borders() {
    let mut lab = crossroads();
    for len in (540..570).chain(1085..1120).chain(1460..=1472) {
        cut(&mut lab, &narrow(len));
    }
    assert!(lab.stat(RED, "ips_fragmented") > 0);
    lab.end();
}

#[test]
fn counters_of_fragments() {
    let mut lab = crossroads();
    assert_eq!(lab.send(0, &[narrow(1472).frame()]).len(), 3);
    assert_eq!(lab.stat(RED, "ips_fragmented"), 1);
    assert_eq!(lab.stat(RED, "ips_ofragments"), 3);
    assert_eq!(lab.stat(RED, "ips_forward"), 1);
    lab.check();
    lab.end();
}

#[test]
fn options_go_where_their_copied_flag_says() {
    let mut lab = crossroads();
    let options = [
        vec![148, 4, 0, 0],
        vec![222, 4, 1, 2],
        vec![1, 1, 148, 4, 0, 0, 222, 6, 1, 2, 3, 4],
        vec![94, 4, 1, 2, 148, 4, 0, 0],
        vec![94, 8, 1, 2, 3, 4, 5, 6, 1, 1, 1, 0],
        vec![94; 1].into_iter().chain([40]).chain([7; 38]).collect(),
    ];
    for options in options {
        cut(&mut lab, &Packet { options, ..narrow(1300) });
    }
    lab.end();
}

#[test]
fn a_fragment_is_cut_again() {
    let mut lab = crossroads();
    for fragment in [MF, MF | 185, 370, 8000] {
        cut(&mut lab, &Packet { fragment, ..narrow(1472) });
    }
    lab.end();
}

/// The reserved bit and DF do not get into fragments; padding does not, either.
#[test]
fn a_padded_datagram() {
    let mut lab = crossroads();
    cut(&mut lab, &Packet { trailer: vec![0xee; 10], ..narrow(1400) });
    assert_eq!(lab.send(0, &[Packet { fragment: DF, ..narrow(1400) }.frame()]).len(), 1);
    assert_eq!(lab.drops(RED), [("ip_needs_fragmentation", 1)].into());
    lab.end();
}

/// A neighbour that is not known holds fragments like other packets.
#[test]
fn fragments_wait_for_an_address() {
    let mut lab = crossroads();
    lab.via(RED, "100.100.0.0/16", &["10.0.3.9"]);
    let original = to("100.100.0.1", 1472);
    assert_eq!(lab.send(0, &[original.frame()]).len(), 1, "a question");
    lab.check();
    lab.neighbor(RED, "em3", "10.0.3.9", host(3, 2));
    lab.settle();
    let sent = lab.take();
    assert_eq!(sent.len(), 3);
    assert_eq!(reassemble(&sent, &original).payload, original.payload);
    lab.end();
}

/// In so many pieces that the first segment holds no whole header.
#[test]
fn datagrams_in_pieces_are_cut() {
    let mut lab = crossroads();
    let mut random = Random(9);
    for _ in 0..200 {
        let original = narrow(549 + random.below(900));
        let lengths: Vec<usize> = (0..random.below(5)).map(|_| random.below(600)).collect();
        let mbuf = lab.segmented(&original.frame(), &lengths);
        let sent = lab.send_mbufs(0, vec![mbuf]);
        assert_eq!(reassemble(&sent, &original).payload, original.payload, "{lengths:?}");
    }
    lab.end();
}

/// Larger than any buffer: dropped by name until the datapath can copy from many segments into many.
#[test]
fn jumbo_frames_are_cut_or_dropped_by_name() {
    let mut lab = crossroads();
    lab.set_mtu(RED, "em0", 9000);
    for len in [1800, 1990, 2500, 8900] {
        let sent = lab.send(0, &[narrow(len).frame()]);
        let drops: u64 = lab.drops(RED).values().sum();
        assert!(!sent.is_empty() || drops > 0);
        if !sent.is_empty() {
            assert_eq!(reassemble(&sent, &narrow(len)).payload, narrow(len).payload);
        }
        lab.check();
    }
    assert_eq!(lab.port_drops(DropReason::MbufLayout), 0);
    lab.end();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_cut_can_be_put_together(
        packets in proptest::collection::vec((0usize..1432, 0usize..10, any::<u16>(), any::<u8>()), 1..8),
    ) {
        let mut lab = crossroads();
        for (len, words, id, tos) in packets {
            let options = [222, (words * 4) as u8].into_iter().chain(std::iter::repeat(9));
            let options = options.take(words * 4).collect();
            cut(&mut lab, &Packet { id, tos, options, ..narrow(len) });
        }
        lab.end();
    }
}
