//! What time it is, where a time is written down.
//!
//! Deadlines and pauses are tokio's own affair. This clock gives times that
//! outlive the process: milliseconds since 1970. A test steers it along with
//! tokio's time, so that a day passes in it when one passes there.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

/// A clock. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<Steered>>);

#[derive(Debug)]
struct Steered {
    start_ms: i64,
    start: Instant,
    jumped_ms: AtomicI64,
}

// === impl Clock ===

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn of_machine() -> Self {
        Self(None)
    }

    /// A clock that shows `start_ms` now, and from there on goes with tokio's time.
    #[must_use]
    pub fn from(start_ms: i64) -> Self {
        let jumped_ms = AtomicI64::new(0);
        Self(Some(Arc::new(Steered { start_ms, start: Instant::now(), jumped_ms })))
    }

    /// Sets a steered clock forward, or back, as somebody does whose clock was wrong.
    pub fn jump(&self, by_ms: i64) {
        if let Some(steered) = &self.0 {
            steered.jumped_ms.fetch_add(by_ms, Ordering::Relaxed);
        }
    }

    /// The time in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            None => jiff::Timestamp::now().as_millisecond(),
            Some(steered) => {
                let gone = i64::try_from(steered.start.elapsed().as_millis()).unwrap_or(i64::MAX);
                let jumped_ms = steered.jumped_ms.load(Ordering::Relaxed);
                steered.start_ms.saturating_add(gone).saturating_add(jumped_ms)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_steered_clock_goes_with_tokios_time() {
        let clock = Clock::from(1_000);
        tokio::time::advance(Duration::from_hours(24)).await;
        assert_eq!(clock.clone().now_ms(), 86_401_000);
        clock.clone().jump(-1_000);
        assert_eq!(clock.now_ms(), 86_400_000);
    }
}
