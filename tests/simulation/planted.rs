//! Each bug is planted, and caught: a simulation that never failed proves nothing.

use paylink::planted::{self, Bug};

use crate::{day, memory, orders, replacing, world};

/// How many seeds may miss a bug before one catches it.
const SEEDS_MAX: u64 = 200;

/// Takes the bug out again, however the test ends.
struct Planted;

impl Drop for Planted {
    fn drop(&mut self) {
        planted::plant(None);
    }
}

fn plant(bug: Bug) -> Planted {
    planted::plant(Some(bug));
    Planted
}

/// Simulates seeds until one catches the bug with these words.
fn check(bug: Bug, words: &str) {
    let _planted = plant(bug);
    for seed in 1..=SEEDS_MAX {
        if let Err(broken) = world::run(seed) {
            println!("{bug:?} is caught by seed {seed}: {broken}");
            assert!(broken.contains(words), "{broken}");
            return;
        }
    }
    panic!("{bug:?} is not caught by {SEEDS_MAX} seeds");
}

/// Simulates orders until a seed catches the bug with these words.
fn caught_by_orders(bug: Bug, words: &str) {
    let _planted = plant(bug);
    let broken = (1..=SEEDS_MAX).find_map(|seed| orders::run(seed).err());
    let broken = broken.unwrap_or_else(|| panic!("{bug:?} is not caught"));
    println!("{bug:?} is caught: {broken}");
    assert!(broken.contains(words), "{broken}");
}

/// Lives through what the bug breaks, which must say so with these words.
fn caught<T: std::fmt::Debug>(bug: Bug, lived: fn() -> Result<T, String>, words: &str) {
    let _planted = plant(bug);
    let broken = lived().unwrap_err();
    println!("{bug:?} is caught: {broken}");
    assert!(broken.contains(words), "{broken}");
}

#[test]
fn a_fresh_key_for_each_retry_is_caught() {
    check(Bug::FreshKey, "links are published");
}

#[test]
fn a_write_that_is_sent_before_it_is_on_record_is_caught() {
    check(Bug::SentUnrecorded, "on record");
}

#[test]
fn a_failure_that_is_told_before_it_is_on_record_is_caught() {
    check(Bug::ToldUnrecorded, "it was told as undone");
}

#[test]
fn a_doubt_that_is_forgotten_is_caught() {
    check(Bug::ForgottenDoubt, "a link was made");
}

#[test]
fn a_retry_under_a_key_that_stripe_has_forgotten_is_caught() {
    caught(Bug::LateRetry, day::lost_for_a_day, "links were made");
}

#[test]
fn a_sweep_that_is_left_out_is_caught() {
    caught(Bug::NoSweep, day::made_twice, "links are published");
}

#[test]
fn an_event_that_is_acknowledged_before_it_is_on_disk_is_caught() {
    caught(Bug::AcknowledgedUnsafe, memory::acknowledged_and_crashed, "is lost");
}

#[test]
fn an_event_that_counts_as_often_as_it_is_delivered_is_caught() {
    caught(Bug::CountedAgain, memory::delivered_twice, "counts twice");
}

#[test]
fn a_place_in_the_feed_that_is_not_taken_back_is_caught() {
    caught(Bug::PlaceKept, memory::appended_and_undone, "has a gap");
}

#[test]
fn an_event_that_is_done_before_its_payment_knows_is_caught() {
    caught(Bug::SettledApart, memory::stopped_half_way, "knows nothing");
}

#[test]
fn an_order_that_is_taken_twice_is_caught() {
    caught_by_orders(Bug::OrderTakenTwice, "is First");
}

#[test]
fn an_order_whose_links_are_left_open_is_caught() {
    caught_by_orders(Bug::OrderLeftOpen, "still payable");
}

#[test]
fn a_replacement_that_is_left_half_done_is_caught() {
    caught(Bug::HalfReplaced, replacing::killed_after_each_call, "2 can be paid");
}
