//! How far each open stream has come, for whoever watches over them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The streams of this process. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    sequences: HashMap<u64, i64>,
}

/// One stream's, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    number: u64,
}

// === impl Seats ===

impl Seats {
    /// Takes a seat for a stream that has come as far as `sequence`.
    pub(super) fn take(&self, sequence: i64) -> Seat {
        let mut taken = self.lock();
        taken.next += 1;
        let number = taken.next;
        taken.sequences.insert(number, sequence);
        drop(taken);
        Seat { seats: self.clone(), number }
    }

    /// Says how many streams there are, and how far the slowest has come.
    pub(super) fn told(&self) -> (i64, Option<i64>) {
        let taken = self.lock();
        let count = i64::try_from(taken.sequences.len()).unwrap_or(i64::MAX);
        (count, taken.sequences.values().min().copied())
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Seat ===

impl Seat {
    /// Says that the stream has come as far as `sequence`.
    pub(super) fn reach(&self, sequence: i64) {
        self.seats.lock().sequences.insert(self.number, sequence);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().sequences.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_stream_is_told_until_it_ends() {
        let seats = Seats::default();
        assert_eq!(seats.told(), (0, None));
        let (slow, fast) = (seats.take(3), seats.take(3));
        fast.reach(9);
        assert_eq!(seats.told(), (2, Some(3)));
        drop(slow);
        assert_eq!(seats.told(), (1, Some(9)));
    }
}
