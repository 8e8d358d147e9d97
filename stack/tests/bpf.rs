//! Our filter machine and libpcap's, on programs that libpcap compiles from random expressions, and random packets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use stack::net::bpf::{Filter, Instruction};

/// Numbers that are computed from the packet: the language's arithmetic covers all instructions but the scratch memory's,
/// which its compiler uses for what is left of a long one.
fn number() -> impl Strategy<Value = String> {
    let size = prop_oneof![Just(1), Just(2), Just(4)];
    let constant = prop_oneof![0..70u32, any::<u32>()].prop_map(|number| number.to_string());
    let load = (prop_oneof![Just("ether"), Just("ip"), Just("tcp"), Just("icmp")], 0..60u32, size);
    let leaf = prop_oneof![
        constant,
        Just("len".to_owned()),
        load.prop_map(|(of, at, size)| format!("{of}[{at}:{size}]")),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "&", "|", "^", "/", "%"]);
        let shift = prop::sample::select(vec!["<<", ">>"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), shift, 0..32u32).prop_map(|(a, op, by)| format!("({a} {op} {by})")),
            inner.clone().prop_map(|at| format!("ether[({at}) & 63:2]")),
            inner.prop_map(|a| format!("(-({a}))")),
        ]
    })
}

fn expression() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "ip",
        "arp",
        "icmp",
        "tcp",
        "udp",
        "ip6",
        "broadcast",
        "multicast",
        "host 10.0.0.1",
        "src net 10.0.0.0/8",
        "dst port 53",
        "portrange 0-1000",
        "tcp[tcpflags] & tcp-syn != 0",
        "less 60",
        "greater 100",
        "vlan",
        "ether proto 0x806",
        "ip proto 17",
        "ether host 2:0:0:0:0:1",
        "icmp[icmptype] = icmp-echo",
        "net 192.168.0.0/16",
    ]);
    let relation = prop::sample::select(vec!["=", "!=", "<", ">", "<=", ">="]);
    let leaf = prop_oneof![
        known.prop_map(str::to_owned),
        (number(), relation, number()).prop_map(|(a, relation, b)| format!("{a} {relation} {b}")),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

/// Frames that many expressions hold for, cut anywhere.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let small = prop_oneof![Just(0u8), Just(1), Just(6), Just(17), Just(10), any::<u8>()];
    let ether_type = prop_oneof![Just([8, 0]), Just([8, 6]), Just([0x81, 0]), any::<[u8; 2]>()];
    let first = prop_oneof![Just(0x45), Just(0x46), Just(0x4f), any::<u8>()];
    (prop::collection::vec(small, 0..120), ether_type, first).prop_map(
        |(mut bytes, kind, first)| {
            if let Some(field) = bytes.get_mut(12..14) {
                field.copy_from_slice(&kind);
            }
            if let Some(field) = bytes.get_mut(14) {
                *field = first;
            }
            bytes
        },
    )
}

/// The crate shows an instruction's numbers and keeps them to itself.
fn instruction(text: &str) -> Instruction {
    let numbers: Vec<u32> = text.split(' ').map(|number| number.parse().unwrap()).collect();
    let [code, jt, jf, k] = numbers[..] else { panic!("{text}") };
    let byte = |number| u8::try_from(number).unwrap();
    Instruction { code: code.try_into().unwrap(), jt: byte(jt), jf: byte(jf), k }
}

/// Whether the scratch memory is read where not every way that leads there has written the word. The optimizer leaves out
/// stores that it should not now and then; the word is zero for us, as in a kernel, and libpcap takes what its stack holds.
fn reads_what_nobody_wrote(program: &[Instruction]) -> bool {
    const WORDS: u32 = 16;
    // Per instruction the words that are written on every way to it; all jumps go forward.
    let mut written = vec![u16::MAX; program.len()];
    written[0] = 0;
    for (at, one) in program.iter().enumerate() {
        let mut now = written[at];
        let word = 1 << (one.k % WORDS);
        let next = match one.code {
            0x60 | 0x61 if now & word == 0 => return true,
            0x02 | 0x03 => {
                now |= word;
                vec![0]
            }
            0x05 => vec![one.k],
            code if code & 7 == 5 => vec![one.jt.into(), one.jf.into()],
            code if code & 7 == 6 => vec![],
            _ => vec![0],
        };
        for skipped in next {
            written[at + 1 + skipped as usize] &= now;
        }
    }
    false
}

fn programs(expression: &str) -> Vec<(pcap::BpfProgram, Filter)> {
    let dead = pcap::Capture::dead(pcap::Linktype::ETHERNET).unwrap();
    let both = [true, false].into_iter().filter_map(|optimize| {
        // Some say what cannot be, such as a division by zero.
        let program = dead.compile(expression, optimize).ok()?;
        let ours = program.get_instructions().iter().map(|one| instruction(&one.to_string()));
        let ours: Vec<_> = ours.collect();
        if reads_what_nobody_wrote(&ours) {
            return None;
        }
        Some((program, Filter::new(&ours).unwrap_or_else(|error| panic!("{expression}: {error}"))))
    });
    both.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn both_take_the_same_packets(
        expression in expression(),
        packets in prop::collection::vec(packet(), 1..20),
    ) {
        for (theirs, ours) in programs(&expression) {
            for packet in &packets {
                let taken = ours.run(&packet[..]) > 0;
                prop_assert_eq!(taken, theirs.filter(packet), "{}: {:02x?}", expression, packet);
            }
        }
    }

    #[test]
    fn whatever_is_accepted_comes_to_an_end(
        program in prop::collection::vec((0u16..0x100, 0u8..4, 0u8..4, prop_oneof![0..20u32, any::<u32>()]), 1..40),
        packet in packet(),
    ) {
        let mut program: Vec<_> =
            program.into_iter().map(|(code, jt, jf, k)| Instruction { code, jt, jf, k }).collect();
        // The few that are no instructions would refuse nearly all.
        program.retain(|one| Filter::new(&[*one, *one, *one, *one, *one, RETURN, RETURN, RETURN, RETURN]).is_ok());
        program.extend([RETURN; 5]);
        if let Ok(filter) = Filter::new(&program) {
            let _wanted = filter.run(&packet[..]);
        }
    }
}

const RETURN: Instruction = Instruction { code: 0x16, jt: 0, jf: 0, k: 0 };

#[test]
fn a_word_that_nobody_wrote_is_noticed() {
    let of = |codes: &[(u16, u8, u8, u32)]| {
        let all: Vec<_> =
            codes.iter().map(|&(code, jt, jf, k)| Instruction { code, jt, jf, k }).collect();
        reads_what_nobody_wrote(&all)
    };
    let ret = (0x16, 0, 0, 0);
    assert!(of(&[(0x60, 0, 0, 3), ret]));
    assert!(!of(&[(0x02, 0, 0, 3), (0x60, 0, 0, 3), ret]));
    // One way goes round the store.
    assert!(of(&[(0x15, 1, 0, 0), (0x02, 0, 0, 3), (0x61, 0, 0, 3), ret]));
    assert!(!of(&[(0x02, 0, 0, 3), (0x15, 1, 0, 0), (0x87, 0, 0, 0), (0x61, 0, 0, 3), ret]));
}

#[test]
fn the_expressions_reach_both_ends() {
    let mut runner = TestRunner::deterministic();
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..500 {
        let expression = expression().new_tree(&mut runner).unwrap().current();
        let packet = packet().new_tree(&mut runner).unwrap().current();
        for (_, ours) in programs(&expression) {
            let end = if ours.run(&packet[..]) > 0 { &mut taken } else { &mut refused };
            *end += 1;
        }
    }
    assert!(taken > 100 && refused > 100, "{taken} {refused}");
}
