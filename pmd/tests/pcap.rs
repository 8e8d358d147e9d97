//! A worker replays a pcap file from memory and writes to another one; nothing is lost or leaked.

mod common;

use common::{Folder, frame, pool, port_config, read_pcap, write_pcap};
use pmd::{Burst, Eal, EalError, Port, PortConfig, test_support, worker};

const PACKETS: usize = 1000;

#[test]
fn replay_to_a_file_and_stop_with_full_pools() {
    let folder = Folder::new("pcap");
    let frames: Vec<Vec<u8>> = (0..10).map(|i| frame(i, 60 + usize::from(i) * 100)).collect();
    write_pcap(&folder.file("in.pcap"), &frames);

    let eal = test_support::eal();
    assert!(!eal.hugepages_in_use());
    assert!(matches!(Eal::init(pmd::EalConfig::default()), Err(EalError::AlreadyInitialised)));

    let pool = pool(&eal, "pcap");
    let source = format!("net_pcap0,rx_pcap={},infinite_rx=1", folder.file("in.pcap").display());
    let sink = format!("net_pcap1,tx_pcap={}", folder.file("out.pcap").display());
    let mut from = Port::open(&eal, &port_config("from", source), &pool).expect("the source");
    let mut to = Port::open(&eal, &port_config("to", sink), &pool).expect("the sink");
    assert_eq!(from.driver_name(), "net_pcap");
    let (mut from_rx, from_tx) = from.start().expect("source started");
    let (to_rx, mut to_tx) = to.start().expect("sink started");
    assert!(from.link().up);

    let (mut rx, mut tx) = (from_rx.remove(0), to_tx.remove(0));
    let cpu = *pmd::affinity::current().last().expect("a CPU");
    let worker = worker::spawn(cpu, "worker0", move |context| {
        assert_eq!(context.cpu, cpu);
        assert_eq!(pmd::affinity::current(), [cpu]);
        let (mut burst, mut total) = (Burst::new(), 0);
        while total < PACKETS {
            let received = rx.rx(&mut burst, 32);
            assert_eq!(received, burst.len());
            assert_eq!(tx.tx(&mut burst), received);
            assert!(burst.is_empty());
            total += received;
        }
        (rx, tx, total)
    })
    .expect("a worker");
    let (rx, tx, total) = worker.join().expect("no panic");
    assert!(total >= PACKETS);
    assert_eq!(tx.dropped(), 0);

    let stats = to.stats();
    assert_eq!(stats.tx_packets, total as u64);
    assert!(from.stats().rx_packets >= stats.tx_packets);
    from.stop(vec![rx], from_tx).expect("source stopped");
    to.stop(to_rx, vec![tx]).expect("sink stopped");
    from.close();
    to.close();
    assert_eq!(pool.in_use(), 0, "packets leaked");

    let written = read_pcap(&folder.file("out.pcap"));
    assert_eq!(written.len(), total);
    for (i, frame) in written.iter().enumerate() {
        assert_eq!(frame, &frames[i % frames.len()], "frame {i}");
    }
}

#[test]
fn jumbo_frames_are_several_segments_and_go_out_whole() {
    let folder = Folder::new("jumbo");
    let frames: Vec<Vec<u8>> = [60, 2048, 2049, 5000, 9000].map(|len| frame(7, len)).to_vec();
    write_pcap(&folder.file("in.pcap"), &frames);
    let eal = test_support::eal();
    let pool = pool(&eal, "jumbo");
    let source = format!("net_pcap2,rx_pcap={}", folder.file("in.pcap").display());
    let sink = format!("net_pcap3,tx_pcap={}", folder.file("out.pcap").display());
    let jumbo = |name, device| PortConfig { mtu: 9000, ..port_config(name, device) };
    let mut from = Port::open(&eal, &jumbo("from", source), &pool).expect("the source");
    let mut to = Port::open(&eal, &jumbo("to", sink), &pool).expect("the sink");
    assert_eq!(from.mtu(), 9000);
    let (mut from_rx, from_tx) = from.start().expect("source started");
    let (to_rx, mut to_tx) = to.start().expect("sink started");
    let mut burst = Burst::new();
    while from_rx[0].rx(&mut burst, 32) != 0 {}
    let segments: Vec<u16> = burst.iter().map(pmd::Mbuf::nb_segs).collect();
    assert_eq!(segments, [1, 1, 2, 3, 5]);
    for (packet, frame) in burst.iter().zip(&frames) {
        assert_eq!(packet.segments().flatten().copied().collect::<Vec<u8>>(), *frame);
        assert_eq!(packet.pkt_len() as usize, frame.len());
    }
    assert_eq!(to_tx[0].tx(&mut burst), frames.len());
    from.stop(from_rx, from_tx).expect("source stopped");
    to.stop(to_rx, to_tx).expect("sink stopped");
    drop((from, to));
    assert_eq!(read_pcap(&folder.file("out.pcap")), frames);
    assert_eq!(pool.in_use(), 0);
}
