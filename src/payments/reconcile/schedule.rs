//! When to reconcile: on a schedule that outlives the process, and sooner
//! after something went wrong.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::allowance::Allowance;
use super::{Failure, Run, WINDOW_SECS, of_account};
use crate::payments::{Payments, Source, now_ms};

/// How far polls reach back before the newest event that was seen, in seconds:
/// Stripe lists events in the order of their time, and not of their coming.
const OVERLAP_SECS: i64 = 60 * 60;
/// How long to poll more often after something went wrong.
const HURRY: Duration = Duration::from_mins(15);
/// How long to wait at most, so that what another replica did is noticed.
const LOOK: Duration = Duration::from_mins(1);

/// When something was done last, in milliseconds since 1970.
const POLLED: &str = "events.polled_at_ms";
const SWEPT: &str = "sessions.swept_at_ms";
const SWEPT_FAR: &str = "sessions.swept_far_at_ms";
const LINKS_SWEPT: &str = "links.swept_at_ms";
/// The time of the newest event that was polled, in seconds since 1970.
const THROUGH: &str = "events.through_secs";

/// The schedule of one process for one Stripe account.
pub(in crate::payments) struct Schedule {
    payments: Payments,
    account: String,
    hurry_until: Option<Instant>,
    is_failing: bool,
}

// === impl Schedule ===

impl Schedule {
    pub(in crate::payments) fn new(payments: Payments, account: String) -> Self {
        Self { payments, account, hurry_until: None, is_failing: false }
    }

    /// Reconciles again and again until it is stopped.
    pub(in crate::payments) async fn run(mut self, stop: CancellationToken) {
        let desks = self.payments.desks.clone();
        let Some(desk) = desks.get(&self.account) else { return };
        loop {
            let wait = self.round().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = desk.alarm.notified() => {
                    tracing::info!("Stripe has missed events; its sessions are compared now");
                    self.hurry_until = Some(Instant::now() + HURRY);
                    self.forget(&[POLLED, SWEPT]).await;
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Does what is due, and gives the time to the next round.
    async fn round(&mut self) -> Duration {
        match self.due().await {
            Ok(wait) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("Payments are compared with Stripe again");
                }
                wait
            }
            Err(Failure::Elsewhere) => LOOK,
            Err(failure) => {
                // Told once: the next failure says nothing new.
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%failure, "Payments cannot be compared with Stripe for now");
                }
                // To read more is no help where too much was read.
                if !matches!(failure, Failure::Allowance) {
                    self.hurry_until = Some(Instant::now() + HURRY);
                }
                LOOK.min(Duration::from_millis(self.payments.config.hurry_interval_ms.get()))
            }
        }
    }

    async fn due(&self) -> Result<Duration, Failure> {
        let config = &self.payments.config;
        let allowance = Allowance::of(&self.payments, &self.account).await?;
        allowance.show(&self.account);
        let polls = self.left(POLLED, self.poll_interval_ms(allowance)).await?;
        let sweeps = self.left(SWEPT, config.sweep_interval_ms.get()).await?;
        let far = self.left(SWEPT_FAR, config.far_sweep_interval_ms.get()).await?;
        let links = self.left_of_links().await?;
        let wait = polls.min(sweeps).min(far).min(links);
        if !wait.is_zero() {
            return Ok(wait.min(LOOK));
        }
        let mut run = Run::begin(&self.payments, &self.account, true).await?;
        let outcome = async {
            if polls.is_zero() {
                self.poll(&mut run).await?;
            }
            // The far sweep sees all that the near one would.
            if far.is_zero() {
                self.sweep(&mut run, WINDOW_SECS).await?;
                run.ask_overdue().await?;
                run.ask_unexplained().await?;
                self.done(SWEPT_FAR).await?;
            } else if sweeps.is_zero() {
                self.sweep(&mut run, 2 * OVERLAP_SECS).await?;
            }
            if links.is_zero() {
                run.links().await?;
                self.done(LINKS_SWEPT).await?;
            }
            Ok::<_, Failure>(())
        };
        let outcome = outcome.await;
        let report = run.end().await?;
        if report.events_missed > 0 || report.payments_repaired > 0 {
            tracing::info!(
                events = report.events_missed,
                payments = report.payments_repaired,
                "What no webhook had told was found"
            );
        }
        outcome.map(|()| Duration::ZERO)
    }

    async fn poll(&self, run: &mut Run<'_>) -> Result<(), Failure> {
        let storage = &self.payments.storage;
        let now_secs = now_ms() / 1_000;
        let through = storage.mark(&self.mark(THROUGH)).await?;
        let since = through.map_or(now_secs - WINDOW_SECS, |through| through - OVERLAP_SECS);
        let newest = run.poll(since).await?;
        let through = newest.max(through).unwrap_or(now_secs);
        storage.put_mark(&self.mark(THROUGH), through).await?;
        self.done(POLLED).await
    }

    async fn sweep(&self, run: &mut Run<'_>, window_secs: i64) -> Result<(), Failure> {
        run.sweep(now_ms() / 1_000 - window_secs).await?;
        self.done(SWEPT).await
    }

    fn poll_interval_ms(&self, allowance: Allowance) -> u64 {
        let config = &self.payments.config;
        let is_hurried = self.hurry_until.is_some_and(|until| Instant::now() < until);
        let wanted_ms = match config.source {
            _ if is_hurried => config.hurry_interval_ms,
            Source::Webhook => config.poll_interval_ms,
            Source::Poll => config.poll_only_interval_ms,
        };
        let interval = allowance.interval(Duration::from_millis(wanted_ms.get()));
        u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)
    }

    /// How long it is until something is due again. What was never done begins
    /// with the installation where webhooks tell, and at once where they do not.
    async fn left(&self, mark: &'static str, interval_ms: u64) -> Result<Duration, Failure> {
        let done = self.payments.storage.mark(&self.mark(mark)).await?;
        let done = match (done, self.payments.config.source) {
            (Some(done), _) => done,
            (None, Source::Poll) => return Ok(Duration::ZERO),
            (None, Source::Webhook) => {
                self.done(mark).await?;
                now_ms()
            }
        };
        // A clock that was set back must not put it off for long.
        let since_ms = u64::try_from(now_ms().saturating_sub(done)).unwrap_or(interval_ms);
        Ok(Duration::from_millis(interval_ms.saturating_sub(since_ms)))
    }

    /// How long it is until links are compared again. The first time they are at
    /// once, since those that were made before paylink was here are unknown.
    async fn left_of_links(&self) -> Result<Duration, Failure> {
        let interval_ms = self.payments.config.link_sweep_interval_ms;
        if interval_ms == 0 {
            return Ok(LOOK);
        }
        match self.payments.storage.mark(&self.mark(LINKS_SWEPT)).await? {
            None => Ok(Duration::ZERO),
            Some(_) => self.left(LINKS_SWEPT, interval_ms).await,
        }
    }

    async fn done(&self, mark: &'static str) -> Result<(), Failure> {
        Ok(self.payments.storage.put_mark(&self.mark(mark), now_ms()).await?)
    }

    /// The name of a mark of this account.
    fn mark(&self, name: &str) -> String {
        of_account(name, &self.account)
    }

    /// Makes something due at once.
    async fn forget(&self, marks: &[&'static str]) {
        for mark in marks {
            if let Err(error) = self.payments.storage.put_mark(&self.mark(mark), 0).await {
                tracing::error!(%error, "A reconciliation could not be brought forward");
            }
        }
    }
}
