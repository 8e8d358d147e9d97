//! That no drop reason is without a test.

use std::collections::BTreeSet;

use stack::drops::DropReason as D;

/// Reasons that no single packet leads to, and the tests that do.
const ELSEWHERE: &[(D, &str)] = &[
    (D::InterfaceDown, "link::an_interface_that_is_down_takes_nothing"),
    (D::IcmpRateLimit, "icmp::answers_are_limited"),
    (D::ArpRateLimit, "arp::a_host_that_floods_is_answered_as_often_as_may_be"),
    (D::ArpUnresolved, "arp::packets_without_an_answer_are_refused"),
    (D::InterfaceGone, "forward::a_port_without_a_queue"),
    (D::MbufLayout, "forward::no_headroom_for_a_tag"),
    (D::PuntLimit, "scarce::one_vnet_cannot_occupy_the_control_thread"),
    (D::MbufLimit, "limits::the_mbufs_that_are_free_are_shared"),
    (D::PuntQueueFull, "scarce::the_queue_to_the_control_thread_is_full"),
    (D::InjectQueueFull, "scarce::the_queue_from_the_control_thread_is_full"),
    (D::ArpHoldFull, "scarce::one_vnet_cannot_occupy_the_control_thread"),
    (D::ArpTableFull, "scarce::the_neighbour_table_is_full"),
    (D::NoMbuf, "scarce::no_buffers_are_left"),
    (D::Shutdown, "scarce::what_waits_at_the_end"),
    (D::EpairFull, "epair::more_than_an_end_has_room_for"),
    (D::CpuShare, "limits::a_vnet_has_no_more_than_its_share_of_a_worker"),
    (D::InterfaceMoving, "moves::what_is_polled_while_an_interface_moves"),
    (D::HandoverFull, "scarce::another_worker_is_sending"),
    // A worker takes at most 64 packets from the control thread in an iteration, and only those come home.
    (D::LoopbackFull, "beyond what an iteration can hold"),
];

#[test]
fn every_drop_reason_is_tested() {
    let tables = [
        crate::link::cases(),
        crate::header::cases(),
        crate::address::cases(),
        crate::forward::cases(),
        crate::options::cases(),
        crate::icmp::cases(),
        crate::arp::cases(),
    ];
    let in_tables = tables.iter().flatten().flat_map(|case| case.reasons().iter().copied());
    let tested: BTreeSet<D> =
        in_tables.chain(ELSEWHERE.iter().map(|(reason, _)| *reason)).collect();
    let all: BTreeSet<D> = D::ALL.iter().copied().collect();
    assert_eq!(all.difference(&tested).collect::<Vec<_>>(), Vec::<&D>::new());
}
