//! Each bug is planted, and caught: a simulation that never failed proves nothing.

use paylink::planted::{self, Bug};

use crate::{day, world};

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
    let _planted = plant(Bug::LateRetry);
    let broken = day::lost_for_a_day().unwrap_err();
    println!("{:?} is caught: {broken}", Bug::LateRetry);
    assert!(broken.contains("links were made"), "{broken}");
}

#[test]
fn a_sweep_that_is_left_out_is_caught() {
    let _planted = plant(Bug::NoSweep);
    let broken = day::made_twice().unwrap_err();
    println!("{:?} is caught: {broken}", Bug::NoSweep);
    assert!(broken.contains("links are published"), "{broken}");
}
