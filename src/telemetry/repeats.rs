//! Keeps one place in the source from filling the log: of what it says again and
//! again, so many lines are written in each stretch of time, and the first line
//! of the next one tells how many were left out.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The stretch of time for which lines are counted.
const STRETCH: Duration = Duration::from_secs(10);

/// What each place has said lately. There are as many as places in the source.
#[derive(Debug)]
pub(super) struct Repeats<K> {
    lines_max: u32,
    places: Mutex<HashMap<K, Place>>,
}

#[derive(Debug)]
struct Place {
    since: Instant,
    written: u32,
    left_out: u64,
}

// === impl Repeats ===

impl<K: Eq + Hash> Repeats<K> {
    pub(super) fn new(lines_max: u32) -> Self {
        Self { lines_max, places: Mutex::default() }
    }

    /// Says whether a line of a place is to be written, and how many of it were
    /// not since the last one that was.
    pub(super) fn admit(&self, place: K, now: Instant) -> Option<u64> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Place { since: now, written: 0, left_out: 0 };
        let place = places.entry(place).or_insert_with(fresh);
        if now.duration_since(place.since) >= STRETCH {
            (place.since, place.written) = (now, 0);
        }
        if place.written >= self.lines_max {
            place.left_out += 1;
            return None;
        }
        place.written += 1;
        Some(std::mem::take(&mut place.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_beyond_a_number_are_left_out_and_counted() {
        let (repeats, start) = (Repeats::new(2), Instant::now());
        let admit = |secs| repeats.admit("here", start + Duration::from_secs(secs));
        assert_eq!([0, 1, 2, 9].map(admit), [Some(0), Some(0), None, None]);
        assert_eq!(repeats.admit("elsewhere", start), Some(0), "others are not meant");
        assert_eq!([10, 11, 12].map(admit), [Some(2), Some(0), None]);
        assert_eq!(admit(20), Some(1));
    }
}
