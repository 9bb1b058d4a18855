//! The comparison with Stripe: what no webhook has told is found, and added by
//! the same ledger.
//!
//! Events are polled, since a webhook can fail to come. Sessions are swept,
//! since Stripe can fail to make the event. Payments that are overdue are asked
//! for one by one. All on a schedule, by one replica at a time, and within what
//! Stripe allows to be read.

mod allowance;
mod links;
mod overdue;
mod schedule;
mod sweep;

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use tokio::sync::OwnedMutexGuard;
use tonic::Status;
use tracing::Instrument as _;

use self::allowance::Allowance;
pub(super) use self::schedule::Schedule;
use super::ledger::{self, Told};
use super::{Payments, Source, links as link_events, now_ms, signals};
use crate::caller::{Caller, DEFAULT_ACCOUNT};
use crate::error::PaymentError;
use crate::pb::ReconcilePaymentsResponse as Report;
use crate::pb::reconcile_payments_response::Unexplained;
use crate::storage::{self, Lease};
use crate::stripe;

/// How long one question may take, its retries included.
const READ_TIME: Duration = Duration::from_secs(30);
/// How long a replica that has died keeps others from reconciling.
const LEASE: Duration = Duration::from_mins(2);
/// How far back to look where nothing says, in seconds.
const WINDOW_SECS: i64 = 72 * 60 * 60;
/// How far back Stripe lists events, in seconds.
const HORIZON_SECS: i64 = 30 * 24 * 60 * 60;
/// How many kinds of events Stripe lists in answer to one question.
const KINDS_MAX: usize = 20;
/// How many differences a report names, and how many are looked at again at once.
const UNEXPLAINED_MAX: u32 = 100;

/// How old an event is that a webhook should have brought, in seconds: a younger one may be
/// on its way.
const ON_ITS_WAY_SECS: i64 = 60;

const LEASE_NAME: &str = "reconciliation";
/// Where it was found what no webhook had told, as signals name it.
const EVENT: &str = "event";
const SESSION: &str = "session";

static MISSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.payments.missed")
        .with_unit("{event}")
        .with_description("What webhooks should have told and a reconciliation has found.")
        .build()
});

/// Counts from zero what somebody waits for.
pub(super) fn count_from_zero() {
    for found in [EVENT, SESSION] {
        MISSED.add(0, &[KeyValue::new("found", found)]);
    }
}

/// Why a reconciliation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Stripe(#[from] stripe::Error),
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// What may be read in a month has been read.
    #[error("the month's allowance of background reads is used up")]
    Allowance,
    /// Another replica reconciles.
    #[error("another reconciliation is under way")]
    Elsewhere,
}

/// One reconciliation.
pub(super) struct Run<'a> {
    payments: &'a Payments,
    /// The Stripe account whose payments are compared.
    account: String,
    lease: Lease,
    _alone: OwnedMutexGuard<()>,
    /// Whether what is read must stay within the month's allowance.
    is_bounded: bool,
    report: Report,
}

// === impl Payments ===

impl Payments {
    /// Reconciles an account at once, for a caller.
    pub(super) async fn reconcile(
        &self,
        account: &str,
        since_secs: Option<i64>,
    ) -> Result<Report, Status> {
        let now_secs = now_ms() / 1_000;
        let since_secs = since_secs.unwrap_or(now_secs - WINDOW_SECS);
        let since_secs = since_secs.clamp(now_secs - HORIZON_SECS, now_secs);
        let mut run = Run::begin(self, account, false).await?;
        let outcome = async {
            run.poll(since_secs).await?;
            run.sweep(since_secs).await?;
            run.ask_overdue().await?;
            run.ask_unexplained().await?;
            run.links().await
        };
        let outcome = outcome.await;
        let report = run.end().await?;
        Ok(outcome.map(|()| report)?)
    }
}

// === impl Failure ===

impl From<Failure> for Status {
    fn from(failure: Failure) -> Status {
        match failure {
            Failure::Stripe(error) => error.into(),
            Failure::Storage(error) => error.into(),
            Failure::Elsewhere | Failure::Allowance => PaymentError::Reconciling.into(),
        }
    }
}

// === impl Run ===

impl<'a> Run<'a> {
    /// Begins, where no other replica does.
    pub(super) async fn begin(
        payments: &'a Payments,
        account: &str,
        is_bounded: bool,
    ) -> Result<Self, Failure> {
        // The lease is of the process, so within it there is a lock besides.
        let desk = payments.desks.get(account).ok_or(Failure::Elsewhere)?;
        let alone = desk.reconciling.clone().try_lock_owned();
        let alone = alone.map_err(|_| Failure::Elsewhere)?;
        let name = of_account(LEASE_NAME, account);
        let lease = Lease::new(payments.storage.clone(), name, LEASE);
        let account = account.to_owned();
        let report = Report::default();
        let mut run = Self { payments, account, lease, _alone: alone, is_bounded, report };
        run.hold().await?;
        Ok(run)
    }

    /// Ends, so that others can begin, and gives what was seen.
    pub(super) async fn end(mut self) -> Result<Report, storage::Error> {
        self.lease.release(now_ms()).await?;
        signals::unexplained(self.payments.storage.unexplained().await?);
        Ok(self.report)
    }

    /// Reads Stripe's events since then, and takes in those that never came.
    /// Gives the time of the newest.
    pub(super) async fn poll(&mut self, since_secs: i64) -> Result<Option<i64>, Failure> {
        let kinds = [ledger::KINDS.as_slice(), link_events::KINDS.as_slice()].concat();
        let mut newest = None;
        for kinds in kinds.chunks(KINDS_MAX) {
            newest = newest.max(self.poll_kinds(kinds, since_secs).await?);
        }
        Ok(newest)
    }

    async fn poll_kinds(
        &mut self,
        kinds: &[&str],
        since_secs: i64,
    ) -> Result<Option<i64>, Failure> {
        let (mut after, mut newest) = (None, None);
        loop {
            // Where nothing else tells of payments, a poll is made whatever is left.
            self.before_reading(self.payments.config.source == Source::Poll).await?;
            let caller = self.caller();
            let stripe = &self.payments.stripe;
            let page = stripe.events(kinds, since_secs, after.as_deref(), &caller).await?;
            for (event, body) in page.items {
                newest = newest.max(Some(event.created));
                let of_payment = i32::from(ledger::is_told_by(&event));
                self.report.events_seen = self.report.events_seen.saturating_add(of_payment);
                if self.payments.storage.has_event(&event.id).await? {
                    continue;
                }
                tracing::debug!(event.id, "An event was found that no webhook has brought");
                let is_late = event.created <= now_ms() / 1_000 - ON_ITS_WAY_SECS;
                let receiving = self.payments.receive(&self.account, event, body);
                if receiving.instrument(signals::polled()).await? {
                    if of_payment > 0 && is_late {
                        self.count_missed(EVENT);
                    }
                    self.report.events_missed =
                        self.report.events_missed.saturating_add(of_payment);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(newest),
            }
        }
    }

    /// The service itself, asking the account.
    fn caller(&self) -> Caller {
        Caller::itself(READ_TIME).at(&self.account)
    }

    /// Keeps the lease and counts what is about to be read. What is vital is read though
    /// the month's allowance has no room for it.
    async fn before_reading(&mut self, is_vital: bool) -> Result<(), Failure> {
        self.hold().await?;
        let allowance = Allowance::of(self.payments, &self.account).await?;
        if self.is_bounded && !is_vital && allowance.spare() <= 0 {
            return Err(Failure::Allowance);
        }
        Ok(allowance.spend(self.payments, &self.account).await?)
    }

    async fn hold(&mut self) -> Result<(), Failure> {
        if self.lease.hold(now_ms()).await? { Ok(()) } else { Err(Failure::Elsewhere) }
    }

    /// Adds what no event has told of a payment.
    async fn repair(&mut self, id: String, told: Told) -> Result<(), Failure> {
        if self.payments.add(&self.account, id, told).await?.changed {
            self.report.payments_repaired = self.report.payments_repaired.saturating_add(1);
            self.count_missed(SESSION);
        }
        Ok(())
    }

    fn count_missed(&self, found: &'static str) {
        // Where nothing else tells of payments, nothing was missed.
        if self.payments.config.source == Source::Webhook {
            MISSED.add(1, &[KeyValue::new("found", found)]);
        }
    }

    /// Keeps what Stripe tells differently of a payment, or that nothing is.
    async fn note(&mut self, id: String, what: Option<&'static str>) -> Result<(), Failure> {
        if let Some(difference) = what {
            let payment = &*id;
            tracing::warn!(
                payment.id = payment,
                difference,
                "Stripe tells something else of a payment"
            );
            if self.report.unexplained.len() < UNEXPLAINED_MAX as usize {
                let (payment, difference) = (id.clone(), difference.to_owned());
                self.report.unexplained.push(Unexplained { payment, difference });
            }
        }
        let account = self.account.clone();
        let noted = self.payments.storage.write(move |mut transaction| {
            Box::pin(
                async move { transaction.put_unexplained(&account, &id, what, now_ms()).await },
            )
        });
        Ok(noted.await?)
    }
}

/// The name by which something of an account is kept.
fn of_account(name: &str, account: &str) -> String {
    if account == DEFAULT_ACCOUNT { name.to_owned() } else { format!("{name}@{account}") }
}

#[cfg(test)]
mod tests;
