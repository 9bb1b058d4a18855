//! The sandbox's time: the machine's and what it has been moved by, or one that stands still.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A clock that only ever goes forward: what has expired stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Clock {
    /// Runs with the machine's, ahead of it by so many milliseconds.
    Running {
        /// How far it has been moved.
        ahead_ms: i64,
    },
    /// Stands at that moment until it is moved, so that every run sees the same times.
    Standing {
        /// Unix milliseconds.
        at_ms: i64,
    },
}

// === impl Clock ===

impl Default for Clock {
    fn default() -> Self {
        Self::Running { ahead_ms: 0 }
    }
}

impl Clock {
    /// A clock that stands at that second until it is moved.
    pub(super) fn standing(unix_s: i64) -> Self {
        Self::Standing { at_ms: unix_s.saturating_mul(1000) }
    }

    /// The time in Unix seconds.
    pub(super) fn now(self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// The time in Unix milliseconds.
    pub(super) fn now_ms(self) -> i64 {
        match self {
            Self::Running { ahead_ms } => machine_ms().saturating_add(ahead_ms),
            Self::Standing { at_ms } => at_ms,
        }
    }

    /// Moves the clock to that moment, unless it is past it already.
    pub(super) fn move_to(&mut self, unix_ms: i64) {
        let missing_ms = unix_ms.saturating_sub(self.now_ms()).max(0);
        match self {
            Self::Running { ahead_ms: at_ms } | Self::Standing { at_ms } => {
                *at_ms = at_ms.saturating_add(missing_ms);
            }
        }
    }

    /// Moves the clock forward by so many seconds.
    pub(super) fn advance(&mut self, seconds: u32) {
        self.move_to(self.now_ms().saturating_add(i64::from(seconds) * 1000));
    }

    /// Whether it reaches a moment by itself.
    pub(super) fn runs(self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

fn machine_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_clock_moves_only_when_it_is_moved_and_never_back() {
        let mut clock = Clock::standing(100);
        assert_eq!(clock.now(), 100);
        clock.move_to(160_500);
        assert_eq!((clock.now(), clock.now_ms()), (160, 160_500));
        clock.move_to(0);
        assert_eq!(clock.now(), 160);
    }

    #[test]
    fn a_running_clock_keeps_what_it_was_moved_by() {
        let mut clock = Clock::default();
        let target_ms = clock.now_ms() + 86_400_000;
        clock.move_to(target_ms);
        assert!(clock.runs() && clock.now_ms() >= target_ms);
    }
}
