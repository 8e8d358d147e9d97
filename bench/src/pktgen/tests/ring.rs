//! Generator and sink on a real device that gives back what it is given.

use std::sync::Arc;

use pmd::test_support::{self, Counting};
use pmd::{Port, PortConfig};
use wire::MacAddr;

use super::super::arp::Responder;
use super::super::field::{self, Prefix};
use super::super::generator::{self, Generator, Step, Variation, Work};
use super::super::pacer::Pacer;
use super::super::sequence;
use super::super::sink::{self, Sink};
use super::super::sizes::Sizes;
use super::super::template::{Headers, Protocol};

/// Counts what the threads of this test binary take from the heap.
#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const STREAM: u16 = 7;
const COUNT: u64 = 12 * 400;

fn work() -> Work {
    let prefix = |text| Prefix::parse(text).expect("a prefix");
    let (src, dst) = (prefix("198.18.0.0/16"), prefix("198.19.0.0/16"));
    Work {
        headers: Headers {
            src_mac: MacAddr([2; 6]),
            dst_mac: MacAddr([4; 6]),
            vlans: Vec::new(),
            v6: false,
            protocol: Protocol::Udp,
            ttl: 9,
            stream: STREAM,
        },
        sizes: Sizes::parse("imix").expect("known"),
        variation: Variation::new([&src, &dst], [&(1..=9), &(5..=5)], field::Order::Random, 1),
        burst_size: 64,
        limit: COUNT,
        patience: u64::MAX,
    }
}

#[test]
fn a_ring_gives_back_what_it_takes_and_the_books_balance() {
    let pool = test_support::own_pool("pktgen", 4095);
    let config = PortConfig {
        name: "loop".to_owned(),
        device: "net_ring5".to_owned(),
        ..PortConfig::default()
    };
    let mut port = Port::open(&test_support::eal(), &config, &pool).expect("a ring port");
    let (mut rx, mut tx) = port.start().expect("started");
    let (sent, seen) = (Arc::new(generator::Gauge::default()), Arc::new(sink::Gauge::default()));
    let pacer = Pacer::new(None, 1, 1.0, 0);
    let mut generator = Generator::new(work(), pool.clone(), pacer, Arc::clone(&sent));
    generator.begin(0, u64::MAX);
    let mut sink = Sink::new(STREAM, true, Responder::default(), Arc::clone(&seen), 1_000_000_000)
        .expect("a histogram");

    // Until the ring is full, then both by turns; nothing of it takes memory from the heap.
    let before = Counting::allocations_of_this_thread();
    let mut now = 0;
    while sent.queue_full.get() == 0 {
        now += 1;
        assert_eq!(generator.step(now, &mut tx[0]), Step::Sending);
    }
    let mut done = false;
    while !done || seen.unique.get() < COUNT {
        now += 1;
        done = done || generator.step(now, &mut tx[0]) == Step::Done;
        let _frames = sink.poll(&mut rx[0], &mut tx[0], &pool);
    }
    assert_eq!(Counting::allocations_of_this_thread(), before);
    let received = sink.finish();
    let expected = sequence::Counts { unique: COUNT, ..sequence::Counts::default() };
    assert_eq!(received.sequence, expected);
    assert_eq!((sent.packets.get(), received.packets, received.frames), (COUNT, COUNT, COUNT));
    // The mix: 400 times 7 x 60, 4 x 590 and 1 x 1514 bytes.
    assert_eq!(sent.bytes.get(), 400 * (7 * 60 + 4 * 590 + 1514));
    assert_eq!((received.bytes, seen.bytes.get()), (sent.bytes.get(), sent.bytes.get()));
    assert_eq!((received.ttl, received.latency.len()), ((9, 9), COUNT));
    assert_eq!(received.others, [0; super::super::received::Kind::ALL.len()]);
    drop(generator);
    port.stop(rx, tx).expect("stopped");
    assert_eq!(pool.in_use(), 0);
}
