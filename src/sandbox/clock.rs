//! The sandbox's time: the machine's, and what it has been moved by.

use jiff::Timestamp;

/// A clock that runs with the machine's, ahead of it by a fixed span.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Clock {
    ahead_s: i64,
}

// === impl Clock ===

impl Clock {
    /// The time in Unix seconds.
    pub(super) fn now(self) -> i64 {
        Timestamp::now().as_second().saturating_add(self.ahead_s)
    }

    /// Moves the clock forward. It never goes back: what has expired stays so.
    pub(super) fn advance(&mut self, seconds: u32) {
        self.ahead_s = self.ahead_s.saturating_add(i64::from(seconds));
    }
}
