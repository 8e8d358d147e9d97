//! Packets of one and of several segments, and the pool's books about them.

use pmd::pool::{DATA_ROOM, HEADROOM};
use pmd::{Mbuf, MbufPool, PoolError, SocketId, test_support};
use proptest::collection::vec;
use proptest::prelude::*;

fn contents(packet: &Mbuf) -> Vec<u8> {
    packet.segments().flatten().copied().collect()
}

#[test]
fn one_segment() {
    let pool = test_support::own_pool("one_segment", 15);
    let mut packet = pool.from_bytes(b"0123456789").expect("a buffer");
    assert_eq!((packet.data(), packet.nb_segs(), packet.pkt_len()), (&b"0123456789"[..], 1, 10));
    assert_eq!((packet.headroom(), packet.tailroom()), (HEADROOM, DATA_ROOM - 10));
    assert!(pool.owns(&packet));

    assert!(packet.adj(2) && packet.trim(3));
    assert_eq!(packet.data(), b"23456");
    assert!(!packet.adj(6) && !packet.trim(6), "more than there is");
    packet.prepend(2).expect("headroom").copy_from_slice(b"ab");
    packet.append(2).expect("tailroom").copy_from_slice(b"yz");
    assert_eq!((packet.data(), packet.pkt_len()), (&b"ab23456yz"[..], 9));
    packet.data_mut()[0] = b'A';
    assert_eq!(contents(&packet), b"Ab23456yz");

    let headroom = packet.headroom();
    assert!(packet.prepend(headroom + 1).is_none());
    assert_eq!(packet.prepend(headroom).expect("all of it").len(), usize::from(headroom));
    let tailroom = packet.tailroom();
    assert!(packet.append(tailroom + 1).is_none());
    assert_eq!(packet.append(tailroom).expect("all of it").len(), usize::from(tailroom));
    assert_eq!(packet.data().len(), usize::from(HEADROOM + DATA_ROOM));
    assert_eq!(&packet.data()[usize::from(headroom)..][..9], b"Ab23456yz");
    drop(packet);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn several_segments() {
    let pool = test_support::own_pool("several_segments", 15);
    let mut packet = pool.from_segments(&[b"head", b"", b"body", b"tail"]).expect("four buffers");
    assert_eq!((packet.nb_segs(), packet.pkt_len(), pool.in_use()), (4, 12, 4));
    assert_eq!(packet.data(), b"head", "data is the first segment only");
    assert_eq!(packet.segments().map(<[u8]>::len).collect::<Vec<_>>(), [4, 0, 4, 4]);
    assert!(!packet.adj(5) && !packet.trim(5), "never beyond the first or last segment");
    assert!(packet.adj(1) && packet.trim(1));
    packet.append(2).expect("tailroom of the last").copy_from_slice(b"!?");
    assert_eq!(contents(&packet), b"eadbodytai!?");
    packet.chain(pool.from_bytes(b" more").expect("a fifth")).expect("a short chain");
    assert_eq!((packet.nb_segs(), packet.pkt_len(), pool.in_use()), (5, 17, 5));

    assert!(packet.linearize());
    assert_eq!((packet.data(), packet.nb_segs(), pool.in_use()), (&b"eadbodytai!? more"[..], 1, 1));
    drop(packet);
    assert_eq!(pool.in_use(), 0);

    let large = vec![7; usize::from(DATA_ROOM)];
    let mut packet = pool.from_segments(&[&large, b"x"]).expect("two buffers");
    assert!(!packet.linearize(), "does not fit into the first");
    assert_eq!((packet.nb_segs(), packet.pkt_len()), (2, 2049));
}

#[test]
fn an_empty_pool_gives_nothing_and_loses_nothing() {
    let pool = test_support::own_pool("empty_pool", 7);
    let all: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!((all.len(), pool.available(), pool.in_use()), (7, 0, 7));
    let mut burst = pmd::Burst::new();
    assert!(!pool.alloc_bulk(&mut burst, 1) && burst.is_empty());
    drop(all);
    assert!(pool.from_bytes(&[0; 8 * 2048]).is_none(), "eight buffers are not there");
    assert!(pool.from_segments(&[b"1".as_slice(); 8]).is_none());
    assert!(pool.from_segments(&[&[0; 2049]]).is_none(), "larger than a buffer");
    assert!(pool.from_segments(&[]).is_none());
    assert_eq!(pool.in_use(), 0, "half-made packets were freed");
    assert_eq!(pool.from_bytes(&[1; 7 * 2048]).expect("all of them").nb_segs(), 7);
}

/// A packet that claimed to lie in somebody else's memory would not be freed, or free what is not there.
#[test]
fn no_flag_changes_whose_memory_it_is() {
    let pool = test_support::own_pool("flags", 7);
    let mut packet = pool.from_bytes(b"ours").expect("a buffer");
    packet.set_ol_flags(u64::MAX);
    // RTE_MBUF_F_EXTERNAL and RTE_MBUF_F_INDIRECT.
    assert_eq!(packet.ol_flags(), !(1u64 << 61 | 1 << 62));
    drop(packet);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_packet_may_outlive_the_pools_handle() {
    let pool = test_support::own_pool("outlived", 7);
    let packet = pool.from_bytes(b"still here").expect("a buffer");
    drop(pool);
    assert_eq!(packet.data(), b"still here");
}

#[test]
fn pools_that_cannot_be() {
    let eal = test_support::eal();
    let create = |name, mbufs, cache| MbufPool::create(&eal, name, mbufs, cache, SocketId::ANY);
    for name in ["", "with space", "a_name_that_is_too_long_by1", "nul\0"] {
        assert!(matches!(create(name, 63, 0), Err(PoolError::Name(_))), "{name:?}");
    }
    assert!(matches!(create("cache", 63, 43), Err(PoolError::Cache { max: 42, .. })));
    let text = MbufPool::create(&eal, "nowhere", 4095, 0, SocketId(7));
    let text = text.expect_err("EAL has no memory of node 7").to_string();
    assert!(text.contains("4095 mbufs on NUMA node 7") && text.contains("10 MiB"), "{text}");
    let _first = create("twice", 63, 42).expect("a pool with the largest cache");
    let text = create("twice", 63, 0).expect_err("the name is taken").to_string();
    assert!(text.contains("exists"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

    /// The bytes of a packet are those of its segments, whatever is cut off or put on.
    #[test]
    fn packets_behave_like_bytes(
        segments in vec(vec(any::<u8>(), 0..300), 1..6),
        cuts in vec((any::<bool>(), any::<bool>(), 0_u16..200), 0..8),
    ) {
        let slices: Vec<&[u8]> = segments.iter().map(Vec::as_slice).collect();
        let mut packet = test_support::packet_of_segments(&slices);
        let mut model: Vec<u8> = segments.concat();
        for (front, shrink, n) in cuts {
            let len = usize::from(n);
            let end = packet.segments().last().expect("a segment").len();
            match (front, shrink) {
                (true, true) => {
                    prop_assert_eq!(packet.data().len() >= len, packet.adj(n));
                    if model.len() - packet.pkt_len() as usize == len {
                        let _ = model.drain(..len);
                    }
                }
                (false, true) => {
                    prop_assert_eq!(end >= len, packet.trim(n));
                    model.truncate(packet.pkt_len() as usize);
                }
                (true, false) => {
                    if let Some(new) = packet.prepend(n) {
                        new.fill(1);
                        let _ = model.splice(..0, vec![1; len]);
                    }
                }
                (false, false) => {
                    if let Some(new) = packet.append(n) {
                        new.fill(2);
                        model.extend(vec![2; len]);
                    }
                }
            }
            prop_assert_eq!(packet.pkt_len() as usize, model.len());
            prop_assert_eq!(contents(&packet), &model[..]);
        }
        prop_assert!(packet.linearize());
        prop_assert_eq!(packet.data(), &model[..]);
    }
}
