//! How many further attempts may be made: few beside the calls that succeed, so
//! that retries cannot keep down whom they wait for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Further attempts that a quiet service may make at once; as many come back in
/// each [`MEMORY`].
const RESERVE: f64 = 10.0;
/// What each call that succeeds adds.
const EARNED: f64 = 0.1;
/// After this time, of what was earned and spent a good third still counts
/// (1/e), and so on.
const MEMORY: Duration = Duration::from_secs(10);

/// A budget.
#[derive(Debug)]
pub(super) struct Budget(Mutex<Balance>);

#[derive(Debug)]
struct Balance {
    /// Earned less spent, as it was at that time; beside the reserve.
    earned: f64,
    at: Instant,
}

// === impl Budget ===

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(Balance { earned: 0.0, at: Instant::now() }))
    }
}

impl Budget {
    /// How many further attempts may be made now.
    pub(super) fn left(&self) -> f64 {
        self.change(|_| {})
    }

    /// Takes note of a success.
    pub(super) fn earn(&self) {
        self.change(|earned| *earned += EARNED);
    }

    /// Takes a further attempt out, if there is one.
    pub(super) fn spend(&self) -> bool {
        let mut is_spent = false;
        self.change(|earned| {
            is_spent = RESERVE + *earned >= 1.0;
            *earned -= if is_spent { 1.0 } else { 0.0 };
        });
        is_spent
    }

    /// Lets the past fade, makes a change, and gives what is left.
    fn change(&self, change: impl FnOnce(&mut f64)) -> f64 {
        let mut balance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let gone = now.saturating_duration_since(balance.at).div_duration_f64(MEMORY);
        balance.earned *= (-gone).exp();
        balance.at = now;
        change(&mut balance.earned);
        RESERVE + balance.earned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a thousand attempts are allowed, made over some time beside a
    /// number of successes.
    async fn check(seconds: u32, successes: u32) -> usize {
        let budget = Budget::default();
        let mut allowed = 0;
        for nth in 0..1_000 {
            for _ in 0..successes * (nth + 1) / 1_000 - successes * nth / 1_000 {
                budget.earn();
            }
            allowed += usize::from(budget.spend());
            tokio::time::advance(Duration::from_secs(1) * seconds / 1_000).await;
        }
        allowed
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_service_may_make_a_few_at_once_and_one_a_second() {
        assert_eq!(check(0, 0).await, 10);
        let in_a_minute = check(60, 0).await;
        assert!((10 + 50..=10 + 60).contains(&in_a_minute), "{in_a_minute}");
    }

    #[tokio::test(start_paused = true)]
    async fn successes_allow_a_tenth_of_their_number() {
        let in_a_minute = check(60, 6_000).await;
        assert!((600..=680).contains(&in_a_minute), "{in_a_minute}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_earned_long_ago_cannot_be_spent_now() {
        let budget = Budget::default();
        for _ in 0..10_000 {
            budget.earn();
        }
        assert!(budget.left() > 1_000.0);
        tokio::time::advance(Duration::from_mins(3)).await;
        assert!(budget.left() < RESERVE + 0.001);
    }
}
