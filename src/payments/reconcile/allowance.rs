//! How much may still be read in the background this month. Stripe allows some hundred
//! reads for each payment, and ten thousand a month to those who have few:
//! <https://docs.stripe.com/rate-limits>.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use opentelemetry::global;
use opentelemetry::metrics::Gauge;

use super::of_account;
use crate::payments::{Payments, Source};
use crate::storage;
use crate::stripe::stack::told_of;

const MONTH: &str = "reads.month";
const COUNT: &str = "reads.count";

/// How long it is at most from poll to poll because little is left, where nothing else
/// tells of payments.
const POLL_LONGEST: Duration = Duration::from_hours(1);

static LEFT: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.payments.reads.left")
        .with_unit("{read}")
        .with_description(
            "Background reads that are left this month, less the polls that come first.",
        )
        .build()
});

/// What an account may still read this month.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// The month, counted from the year 0.
    month: i64,
    /// How long it still lasts.
    rest: Duration,
    /// How many reads there were in it.
    spent: i64,
    /// How many there may be.
    max: i64,
    /// How often to poll where nothing else tells of payments: these reads come first.
    polls: Option<Duration>,
}

// === impl Allowance ===

impl Allowance {
    pub(super) async fn of(payments: &Payments, account: &str) -> Result<Self, storage::Error> {
        let (month, rest) = month(Timestamp::now());
        let storage = &payments.storage;
        let spent = match storage.mark(&of_account(MONTH, account)).await? {
            Some(counted) if counted == month => storage.mark(&of_account(COUNT, account)).await?,
            _ => None,
        };
        let config = &payments.config;
        let polls = Duration::from_millis(config.poll_only_interval_ms.get());
        Ok(Self {
            month,
            rest,
            spent: spent.unwrap_or_default(),
            max: config.reads_per_month_max.into(),
            polls: (config.source == Source::Poll).then_some(polls),
        })
    }

    /// Counts a read.
    pub(super) async fn spend(
        self,
        payments: &Payments,
        account: &str,
    ) -> Result<(), storage::Error> {
        let storage = &payments.storage;
        storage.put_mark(&of_account(MONTH, account), self.month).await?;
        storage.put_mark(&of_account(COUNT, account), self.spent.saturating_add(1)).await
    }

    /// How many reads are left for what can wait until the next month.
    pub(super) fn spare(self) -> i64 {
        let polls = self.polls.map_or(0, |interval| {
            let polls = self.rest.as_millis().div_ceil(interval.as_millis().max(1));
            i64::try_from(polls).unwrap_or(i64::MAX)
        });
        self.left().saturating_sub(polls)
    }

    /// How often to poll: as often as is wanted, while there is enough. Else what is left is
    /// spread over the rest of the month; there is no bound of ours at which nobody learns
    /// of payments any more.
    pub(super) fn interval(self, wanted: Duration) -> Duration {
        let Some(usual) = self.polls.filter(|_| self.spare() <= 0) else { return wanted };
        let left = u32::try_from(self.left()).unwrap_or_default();
        let spread = self.rest.checked_div(left).unwrap_or(POLL_LONGEST);
        usual.max(spread.min(POLL_LONGEST))
    }

    /// Shows what is left.
    pub(super) fn show(self, account: &str) {
        LEFT.record(self.spare(), &[told_of(account)]);
    }

    fn left(self) -> i64 {
        self.max.saturating_sub(self.spent)
    }
}

/// The month of a time, counted from the year 0, and how long it still lasts.
fn month(now: Timestamp) -> (i64, Duration) {
    let now = now.to_zoned(TimeZone::UTC);
    let month = i64::from(now.year()) * 12 + i64::from(now.month());
    let next = now.last_of_month().and_then(|last| last.start_of_day()?.checked_add(1.day()));
    let rest = next.map(|next| now.duration_until(&next).unsigned_abs()).unwrap_or_default();
    (month, rest)
}

#[cfg(test)]
mod tests;
