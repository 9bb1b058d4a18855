//! Writes under every fault that can be thought of, simulated: two replicas,
//! their callers and Stripe on one thread, in a time of their own.
//!
//! `world` has a network that loses, delays and parts, processes that crash, and
//! a disk that forgets what was not yet safe. A seed decides all of it, and
//! repeats it: `PAYLINK_SEED=7 cargo test --test simulation one_seed`. `day` lets
//! days pass instead, in which Stripe forgets its keys. `memory` lets the true
//! memory of events crash and fail; `orders` has two links of one order paid, and
//! `replacing` stops a replacement at every step. `planted` shows that all of them
//! catch what they are there to catch.

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
mod process;
mod replacing;
mod stripe;
mod world;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{iter, thread};

/// Which seeds are simulated.
const SEEDS: RangeInclusive<u64> = 1..=1_000;

/// The seed that is simulated alone, if one is named.
#[expect(clippy::disallowed_methods, reason = "it is how a seed is run again by hand")]
fn named_seed() -> Option<u64> {
    std::env::var("PAYLINK_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"))
}

#[test]
fn no_seed_makes_a_write_happen_twice_or_be_told_wrong() {
    let start = Instant::now();
    let mut all = world::Totals::default();
    for totals in on_every_core(SEEDS, run_or_say) {
        all.add(&totals);
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

/// Gives what `run` makes of each of `seeds`, whichever thread it falls to.
fn on_every_core<T: Send>(seeds: RangeInclusive<u64>, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(*seeds.start());
    let mine = || {
        let taken = || Some(next.fetch_add(1, Ordering::Relaxed));
        iter::from_fn(taken).take_while(|seed| seeds.contains(seed)).map(&run).collect::<Vec<T>>()
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(mine)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
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
