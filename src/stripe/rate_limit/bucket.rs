//! One rate: evenly spaced turns, with a few ahead of their time, that slow down
//! by half and come back by little.

use std::time::Duration;

use tokio::time::Instant;

/// How far ahead of their time turns are given. A quarter of a second's turns at
/// once, and a second's after them, are exactly Stripe's limits where the rates
/// are four fifths of those.
const AHEAD: Duration = Duration::from_millis(250);
/// How long a slower rate is kept.
const HOLD: Duration = Duration::from_secs(10);
/// What part of the full rate comes back each second after that.
const RECOVERY_PER_SECOND: f64 = 0.05;
/// The slowest rate, in parts of the full one.
const SHARE_MIN: f64 = 0.05;
/// Limits that Stripe tells of within this time have one cause.
const ONE_CAUSE: Duration = Duration::from_secs(1);

/// A rate, and when its next turn is.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    next: Option<Instant>,
    slowed: Option<Slowed>,
}

#[derive(Debug, Clone, Copy)]
struct Slowed {
    since: Instant,
    share: f64,
}

// === impl Bucket ===

impl Bucket {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second.max(1)), next: None, slowed: None }
    }

    /// How long it is until the next turn.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let next = self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now));
        next.saturating_sub(AHEAD.mul_f64(self.share(now)))
    }

    /// Takes the next turn.
    pub(super) fn take(&mut self, now: Instant) {
        let rate = self.rate(now);
        let next = self.next.map_or(now, |next| next.max(now));
        self.next = Some(next + Duration::from_secs_f64(rate.recip()));
    }

    /// Halves the rate; gives it unless it was halved for the same cause.
    pub(super) fn slow_down(&mut self, now: Instant) -> Option<f64> {
        if self.slowed.is_some_and(|slowed| now < slowed.since + ONE_CAUSE) {
            return None;
        }
        let share = (self.share(now) / 2.0).max(SHARE_MIN);
        self.slowed = Some(Slowed { since: now, share });
        Some(self.per_second * share)
    }

    /// How many turns there are in a second now.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        self.per_second * self.share(now)
    }

    /// Whether the rate was ever less than the full one.
    pub(super) fn was_slowed(&self) -> bool {
        self.slowed.is_some()
    }

    fn share(&self, now: Instant) -> f64 {
        let Some(slowed) = self.slowed else { return 1.0 };
        let recovering = now.saturating_duration_since(slowed.since + HOLD);
        (slowed.share + RECOVERY_PER_SECOND * recovering.as_secs_f64()).min(1.0)
    }
}
