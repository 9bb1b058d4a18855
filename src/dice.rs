//! Chance that a test can repeat: random numbers from a seed of each thread's own.
//!
//! Pauses are random so that those who failed together do not come back
//! together. A simulation runs on one thread, so that one seed repeats it.

use std::cell::Cell;

thread_local! {
    static STATE: Cell<u64> = Cell::new(rand::random());
}

/// Gives a number from `low` on and below `high`.
#[must_use]
pub fn between(low: f64, high: f64) -> f64 {
    low + (high - low) * fraction()
}

/// Lets this thread throw what it threw before from the same seed.
pub fn seed(seed: u64) {
    STATE.set(seed);
}

/// A number from 0 on and below 1, with all the bits that such a number has.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a float of 64 holds")]
fn fraction() -> f64 {
    const BITS: u32 = 53;
    (next() >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64
}

/// One step of `SplitMix64`: <https://prng.di.unimi.it/splitmix64.c>.
fn next() -> u64 {
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_throws_the_same_again() {
        let throws = || {
            seed(7);
            [(); 8].map(|()| between(0.0, 1.0).to_bits())
        };
        assert_eq!(throws(), throws());
    }

    #[test]
    fn throws_stay_between_their_bounds_and_differ() {
        let throws: Vec<f64> = (0..1_000).map(|_| between(2.0, 3.0)).collect();
        assert!(throws.iter().all(|throw| (2.0..3.0).contains(throw)));
        let (low, high) = throws
            .iter()
            .fold((3.0_f64, 2.0_f64), |(low, high), throw| (low.min(*throw), high.max(*throw)));
        assert!(low < 2.1 && high > 2.9);
    }
}
