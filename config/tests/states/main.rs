//! A configuration as text, and the way from one to another: the text gives the same again, and the changes, done one by
//! one by something that knows nothing but what they say, lead from the first to the second, and back.

#[path = "../common/mod.rs"]
mod common;
mod naive;
mod random;

use config::{Change, Config, VnetChange, difference, parse};
use naive::State;
use proptest::prelude::*;

/// All of a configuration but its warnings.
fn parts(config: &Config) -> impl PartialEq + std::fmt::Debug {
    let Config { dpdk, workers, control, log, histograms, metrics, ports, vnets, warnings: _ } =
        config.clone();
    (dpdk, workers, control, log, histograms, metrics, ports, vnets)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(1024),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_text_gives_the_same_again(config in random::config()) {
        let text = config.to_toml();
        let again = parse("again.toml", &text, &common::host());
        let again = again.map_err(|errors| TestCaseError::fail(format!("{errors}\n{text}")))?;
        prop_assert_eq!(parts(&again), parts(&config), "{}", text);
        prop_assert_eq!(again.to_toml(), text);
    }

    #[test]
    fn the_changes_lead_from_one_to_the_other(old in random::config(), new in random::config()) {
        let mut state = State::of(&old);
        for change in difference(&old, &new) {
            state.change(&change);
        }
        let wish = State::of(&new);
        state.forget_made_up(&wish);
        prop_assert_eq!(state, wish);
    }

    #[test]
    fn what_is_done_so_far_can_be_undone(
        old in random::config(),
        new in random::config(),
        done in any::<prop::sample::Index>(),
    ) {
        let changes = difference(&old, &new);
        let done = &changes[..done.index(changes.len() + 1)];
        let before = State::of(&old);
        let mut state = before.clone();
        done.iter().for_each(|change| state.change(change));
        for change in done.iter().rev().flat_map(|change| change.clone().inverse()) {
            state.change(&change);
        }
        prop_assert_eq!(state, before);
    }

    #[test]
    fn what_is_only_in_another_vnet_moves(
        old in random::config(),
        which in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let Some((name, from, new)) = random::moved(&old, which, to) else { return Ok(()) };
        let changes = difference(&old, &new);
        let moves = changes.iter().filter_map(|change| match change {
            Change::InterfaceMove { interface, from, .. } => Some((interface, from)),
            _ => None,
        });
        prop_assert_eq!(moves.collect::<Vec<_>>(), [(&name, &from)]);
        let anew = |change: &&Change| match change {
            Change::EpairCreate(_) | Change::EpairDestroy(_) => true,
            Change::Vnet { change, .. } => {
                matches!(change, VnetChange::InterfaceCreate(_) | VnetChange::InterfaceDestroy(_))
            }
            _ => false,
        };
        prop_assert_eq!(changes.iter().find(anew), None);
    }

    #[test]
    fn order_means_nothing(config in random::config(), seed in any::<prop::sample::Index>()) {
        let mut other = config.clone();
        other.vnets.reverse();
        other.ports.reverse();
        for vnet in &mut other.vnets {
            vnet.interfaces.reverse();
            vnet.neighbors.reverse();
            vnet.routes.reverse();
            vnet.sysctls.reverse();
            for route in &mut vnet.routes {
                if let config::RouteTarget::Via(hops) = &mut route.target {
                    let at = seed.index(hops.len());
                    hops.rotate_left(at);
                }
            }
        }
        prop_assert_eq!(difference(&config, &other), []);
        prop_assert_eq!(difference(&other, &config), []);
    }
}

#[test]
fn shipped_files_are_written_in_their_own_style() {
    let host = common::host();
    for text in [
        include_str!("../../demo.toml"),
        include_str!("../../router.toml"),
        include_str!("../../tap-lab.toml"),
    ] {
        let config = parse("shipped.toml", text, &host).expect("a shipped file");
        let again = parse("again.toml", &config.to_toml(), &host).expect("written");
        assert_eq!(parts(&again), parts(&config));
    }
}
