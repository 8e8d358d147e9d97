//! The neighbour table in virtual time. Each test has one body, which runs with the rules of ARP and with the constants of
//! Neighbour Discovery (RFC 4861 10).

mod bounds;
mod families;
mod lab;
mod life;

/// Runs each body as a test of each family.
macro_rules! for_each_family {
    ($($module:ident: [$($body:ident),* $(,)?])*) => {
        mod arp {
            $($(#[test] fn $body() { crate::$module::$body::<crate::families::ArpLimits>(); })*)*
        }
        mod nd {
            $($(#[test] fn $body() { crate::$module::$body::<crate::families::Nd>(); })*)*
        }
    };
}

for_each_family! {
    life: [
        an_answer_releases_what_waits,
        silence_is_asked_again_and_given_up,
        a_known_neighbour_is_asked_itself,
        a_neighbour_that_ages_unanswered_goes,
        a_new_mac_address_is_reported,
        a_static_neighbour_outlives_everything,
        without_a_source_only_the_known_is_reached,
        neighbours_go_with_the_address_they_are_asked_from,
    ]
    bounds: [
        a_full_hold_queue_drops_the_oldest,
        a_full_table_gives_up_the_least_worth_first,
        a_table_in_use_is_full,
        a_use_mark_keeps_an_entry,
        eviction_looks_at_a_bounded_number_of_entries,
        packets_are_conserved_and_everything_ends,
    ]
}
