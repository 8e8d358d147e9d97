//! Every scenario forwards right, and what is wrong is found.

use pmd::{Burst, CpuId, test_support};

use super::*;
use crate::forward::frames::gateway_mac;
use crate::forward::scenario::Routes;

fn lab() -> Lab {
    let (eal, pool) = (test_support::eal(), test_support::own_pool("forward", MBUFS));
    let cpu: CpuId = *pmd::affinity::current().last().expect("a CPU");
    Lab { cpu, pool, time: Duration::from_millis(20), eal }
}

/// Whether a scenario is set up soon without optimization; `curvnet-bench forward` checks the others the same way.
fn is_small(scenario: &Scenario) -> bool {
    let (Routes::Hosts(routes) | Routes::Internet(routes)) = scenario.routes else {
        return scenario.vnets <= 64;
    };
    routes <= 100_000
}

#[test]
fn every_scenario_forwards_right() {
    let lab = lab();
    for scenario in scenario::all().into_iter().filter(is_small) {
        if scenario.vnets > vnet::Vnets::MAX_VNETS {
            continue;
        }
        let measured = lab.run(&scenario).unwrap_or_else(|e| panic!("{}: {e:#}", scenario.name));
        assert!(measured.packets > 0, "{}", scenario.name);
        assert_eq!(measured.lost, 0, "{}", scenario.name);
        let forwards = measured.nodes.iter().any(|node| node.name == "ip_tryforward");
        assert!(forwards, "{}", scenario.name);
    }
}

/// A router that does everything right, and then one thing wrong.
#[test]
fn what_is_wrong_is_found() {
    let all = scenario::all();
    let scenario = all.iter().find(|s| s.name == "64b-1t1c-ethip4-ip4base").expect("the base case");
    let pool = test_support::own_pool("judge", 1023);
    let mut feed = measure::feed(scenario, &Table::new(scenario));
    let mut burst = Burst::new();
    feed.burst(&pool, 8, &mut burst).expect("enough mbufs");
    feed.write(&mut burst, 0).expect("frames");
    for mbuf in burst.iter_mut() {
        let h = mbuf.data_mut();
        h[..6].copy_from_slice(&gateway_mac(0));
        h[6..12].copy_from_slice(&frames::OUT_MAC);
        h[22] -= 1;
        // RFC 1624: one less in the TTL is 0x0100 more in the checksum.
        let sum = u32::from(u16::from_be_bytes([h[24], h[25]])) + 0x0100;
        let sum = (sum & 0xffff) + (sum >> 16);
        h[24..26].copy_from_slice(&(sum as u16).to_be_bytes());
    }
    let judge = |burst: &Burst| feed.check(burst.iter(), 8, 0, |_, mac| mac == gateway_mac(0));
    let judge_unordered =
        |burst: &Burst| feed.check_in_any_order(burst.iter(), 8, 0, |_, mac| mac == gateway_mac(0));
    judge(&burst).expect("all is right");
    let mut turned: Vec<_> = burst.drain().collect();
    turned.rotate_left(3);
    turned.into_iter().for_each(|mbuf| burst.push(mbuf).expect("room"));
    let _error = judge(&burst).expect_err("another order");
    judge_unordered(&burst).expect("all are there");
    let mut turned: Vec<_> = burst.drain().collect();
    turned.rotate_right(3);
    turned.into_iter().for_each(|mbuf| burst.push(mbuf).expect("room"));
    for at in 0..60 {
        burst[3].data_mut()[at] ^= 1;
        let error = judge(&burst).expect_err("a byte is wrong");
        assert!(error.to_string().starts_with("frame 3 of a burst"), "{error}");
        let _error = judge_unordered(&burst).expect_err("a byte is wrong");
        burst[3].data_mut()[at] ^= 1;
    }
}
