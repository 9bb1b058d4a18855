//! Writes under every fault that can be thought of, simulated: two replicas,
//! their callers and Stripe on one thread, in a time of their own.
//!
//! `world` has a network that loses, delays and parts, processes that crash, and
//! a disk that forgets what was not yet safe. A seed decides all of it, and
//! repeats it: `PAYLINK_SEED=7 cargo test --test simulation one_seed`. `day` lets
//! days pass instead, in which Stripe forgets its keys. `memory` lets the true
//! memory of events crash and fail. `planted` shows that all of them catch what
//! they are there to catch.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a simulation that breaks a promise ends by panicking"
)]

mod asking;
mod day;
mod disk;
mod faults;
mod frame;
mod history;
mod memory;
mod orders;
mod planted;
mod stripe;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Which seeds are simulated.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=1_000;

/// The seed that is simulated alone, if one is named.
#[expect(clippy::disallowed_methods, reason = "it is how a seed is run again by hand")]
fn named_seed() -> Option<u64> {
    std::env::var("PAYLINK_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"))
}

#[test]
fn no_seed_makes_a_write_happen_twice_or_be_told_wrong() {
    let start = Instant::now();
    let next = AtomicU64::new(*SEEDS.start());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let totals: Vec<world::Totals> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut totals = world::Totals::default();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed > *SEEDS.end() {
                            return totals;
                        }
                        totals.add(&run_or_say(seed));
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all = world::Totals::default();
    for each in &totals {
        all.add(each);
    }
    println!("{} seeds in {:.1?}: {all}", SEEDS.count(), start.elapsed());
    assert!(all.has_seen_everything(), "the seeds leave out a fault: {all}");
}

#[test]
fn one_seed_repeats_itself() {
    let seed = named_seed().unwrap_or(7);
    let first = run_or_say(seed);
    println!("seed {seed}: {first}");
    assert_eq!(first, run_or_say(seed));
}

/// Runs a seed, and says how to run it again where it breaks a promise.
fn run_or_say(seed: u64) -> world::Totals {
    world::run(seed).unwrap_or_else(|broken| {
        panic!(
            "seed {seed}: {broken}\n\
             again: PAYLINK_SEED={seed} cargo test --test simulation one_seed -- --nocapture"
        )
    })
}
