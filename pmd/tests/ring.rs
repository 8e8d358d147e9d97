//! A ring that is full: what tx cannot send is counted and freed, and what waits in the ring when the
//! port is stopped comes back too.

mod common;

use common::port_config;
use pmd::{Burst, Port, PortConfig, PortError, test_support, worker};
use wire::MacAddr;

/// `net_ring` makes rings of 1024, of which one place stays free.
const RING: usize = 1023;

#[test]
fn a_full_ring_drops_by_count_and_leaks_nothing() {
    let eal = test_support::eal();
    let pool = test_support::own_pool("ring", 4095);
    // The port receives what it sends.
    let config = port_config("loop", "net_ring0".to_owned());
    let mut port = Port::open(&eal, &config, &pool).expect("a ring port");
    assert!(matches!(Port::open(&eal, &config, &pool), Err(PortError::AlreadyOpen { .. })));
    let (mut rx, mut tx) = port.start().expect("started");
    assert!(matches!(port.start(), Err(PortError::Started { .. })));

    let mut burst = Burst::new();
    let (mut offered, mut sent) = (0, 0);
    for _ in 0..40 {
        assert!(pool.alloc_bulk(&mut burst, 32));
        for (i, packet) in burst.iter_mut().enumerate() {
            let number = u32::try_from(offered + i).expect("a small number");
            packet.append(60).expect("room")[..4].copy_from_slice(&number.to_be_bytes());
        }
        offered += burst.len();
        sent += tx[0].tx(&mut burst);
        assert!(burst.is_empty());
    }
    assert_eq!((offered, sent), (1280, RING));
    assert_eq!(tx[0].dropped(), (offered - sent) as u64);
    assert_eq!(pool.in_use() as usize, sent, "the ring owns what was sent, nobody owns the rest");
    assert_eq!(port.stats().tx_dropped, tx[0].dropped());

    // rx appends, as far as asked and as far as there is room.
    assert_eq!(rx[0].rx(&mut burst, 5), 5);
    assert_eq!(rx[0].rx(&mut burst, 3), 3);
    assert_eq!(rx[0].rx(&mut burst, u16::MAX), pmd::MAX_BURST - 8);
    assert_eq!(rx[0].rx(&mut burst, 1), 0, "no room");
    for (i, packet) in burst.iter().enumerate() {
        assert_eq!(packet.data()[..4], u32::try_from(i).expect("small").to_be_bytes());
        assert_eq!(packet.data().len(), 60);
    }
    burst.clear();
    assert_eq!(pool.in_use() as usize, RING - pmd::MAX_BURST);

    // A port with a queue somewhere else cannot be stopped, and that queue goes on working.
    let kept = rx.remove(0);
    match port.stop(rx, Vec::new()) {
        Err(PortError::QueuesInUse { missing: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    let mut kept = kept;
    assert_eq!(kept.rx(&mut burst, 10), 10);
    burst.clear();

    port.stop(vec![kept], tx).expect("all queues are back");
    assert_eq!(pool.in_use(), 0, "stop drains the ring");
    let (rx, tx) = port.start().expect("started again");
    port.stop(rx, tx).expect("stopped again");
    port.close();

    // The device is free again.
    let again = Port::open(&eal, &config, &pool).expect("opened again");
    drop(again);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_port_is_closed_by_its_last_queue() {
    let eal = test_support::eal();
    let pool = test_support::own_pool("last_queue", 511);
    let mut port = Port::open(&eal, &port_config("null", "net_null0,size=100".to_owned()), &pool)
        .expect("a null port");
    let (mut rx, tx) = port.start().expect("started");
    drop(tx);
    port.close();
    let mut burst = Burst::new();
    assert_eq!(rx[0].rx(&mut burst, 32), 32);
    assert!(burst.iter().all(|packet| packet.data().len() == 100));
    drop(rx);
    drop(burst);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn wishes_are_granted_or_named() {
    let eal = test_support::eal();
    let pool = test_support::own_pool("wishes", 1023);
    let config = PortConfig {
        queues: 2,
        mac: Some(MacAddr([2, 0, 0, 0, 0, 9])),
        promiscuous: true,
        allmulticast: true,
        mtu: 1400,
        vlan_strip: true,
        ..port_config("p0", "net_null1".to_owned())
    };
    let mut port = Port::open(&eal, &config, &pool).expect("opens whatever is lacking");
    assert_eq!(
        (port.queues(), port.mac(), port.mtu()),
        ((2, 2), MacAddr([2, 0, 0, 0, 0, 9]), 1400)
    );
    assert!(
        port.offloads().rss && !port.offloads().rx_vlan_strip && !port.offloads().rx_ip_checksum
    );
    assert!(port.notes().iter().any(|note| note.contains("802.1Q")), "{:?}", port.notes());
    assert!(port.is_promiscuous() || port.notes().iter().any(|note| note.contains("promiscuous")));

    let (mut rx, tx) = port.start().expect("started");
    assert_eq!((rx.len(), tx.len()), (2, 2));
    assert_eq!((rx[1].queue(), rx[1].port()), (pmd::QueueId(1), port.id()));
    let mut burst = Burst::new();
    assert_eq!(rx[1].rx(&mut burst, 7), 7);
    assert_eq!(port.stats().rx_packets, 7);
    let xstats = port.xstats().expect("names and values");
    let good = xstats.iter().find(|(name, _)| name == "rx_good_packets");
    assert_eq!(good, Some(&("rx_good_packets".to_owned(), 7)));
    port.stop(rx, tx).expect("stopped");
}

#[test]
fn devices_and_workers_that_cannot_be() {
    let eal = test_support::eal();
    let pool = test_support::own_pool("cannot_be", 63);
    let open = |device: &str| {
        let result = Port::open(&eal, &port_config("p0", device.to_owned()), &pool);
        result.expect_err("cannot be opened").to_string()
    };
    for (device, words) in [
        ("net_nonsense0", "net_nonsense0 could not be created"),
        ("net_pcap7,rx_pcap=/nowhere.pcap", "No such file"),
        ("net_pcap7,no_such_argument=1", "the driver refuses it"),
        ("0000:ff:1f.7", "no driver took PCI device 0000:ff:1f.7"),
        ("", "could not be created"),
        ("nul\0", "NUL"),
    ] {
        let text = open(device);
        assert!(text.contains("port p0") && text.contains(words), "{device:?}: {text}");
    }
    assert_eq!(pool.in_use(), 0);

    let error = worker::spawn(pmd::CpuId(1023), "w", |_| ()).expect_err("no such CPU");
    assert!(error.to_string().contains("CPU 1023"), "{error}");
}
