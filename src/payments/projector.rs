//! Adds arriving events to their payments.
//!
//! Events that are due are read in rounds. What an event lacks is asked of
//! Stripe beside the rounds, so that only the events which need an answer wait
//! for one. All that is ready is written in one transaction. A crash at any
//! point loses nothing: an event is due until the transaction that knows of it
//! is committed, and the ledger does not mind to hear it twice.

mod settle;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::settle::Outcome;
use super::{Config, Payments, ledger, now_ms};
use crate::caller::Caller;
use crate::pb;
use crate::storage::{self, DueEvent, Known, Lease, Storage};
use crate::stripe::{self, webhook};

/// How often to look for due events, in case no arrival was noticed.
const POLL: Duration = Duration::from_secs(1);
/// How long to leave storage alone after it failed.
const STORAGE_PAUSE: Duration = Duration::from_secs(1);
/// How long after the crash of the replica that does this another takes over.
const LEASE: Duration = Duration::from_secs(5);
/// How long one question may take, its retries included.
const READ_TIME: Duration = Duration::from_secs(30);

/// Where line items are asked for: Stripe, or a test's own idea of it.
pub(super) trait LineItems: Clone + Send + Sync + 'static {
    /// Gives the line items of a payment.
    fn read(&self, payment: &str)
    -> impl Future<Output = Result<Vec<pb::LineItem>, Unread>> + Send;
}

/// Line items could not be read.
#[derive(Debug)]
pub(super) struct Unread {
    /// Whether asking again later can help.
    pub(super) is_temporary: bool,
    /// What is logged.
    pub(super) cause: String,
}

/// The one reader of due events.
pub(super) struct Projector<L> {
    config: Config,
    storage: Storage,
    lease: Lease,
    line_items: L,
    arrival: Arc<Notify>,
    changed: Arc<watch::Sender<()>>,
    /// The questions that are with Stripe, and the events that they are for.
    reads: FuturesUnordered<BoxFuture<'static, Read>>,
    reading: HashSet<String>,
    /// What the next transaction writes beside what the next round finds.
    ready: Vec<Outcome>,
}

/// A question that was answered.
struct Read {
    fact: Known,
    attempts: u32,
    items: Result<Vec<pb::LineItem>, Unread>,
}

// === impl stripe::Client ===

impl LineItems for stripe::Client {
    async fn read(&self, payment: &str) -> Result<Vec<pb::LineItem>, Unread> {
        let read = self.payment_line_items(payment, &Caller::itself(READ_TIME)).await;
        read.map_err(|error| Unread {
            is_temporary: error.is_temporary(),
            cause: error.to_string(),
        })
    }
}

// === impl Projector ===

impl<L: LineItems> Projector<L> {
    pub(super) fn new(payments: &Payments, line_items: L) -> Self {
        Self {
            config: payments.config.clone(),
            storage: payments.storage.clone(),
            lease: Lease::new(payments.storage.clone(), "projector", LEASE),
            line_items,
            arrival: payments.arrival.clone(),
            changed: payments.changed.clone(),
            reads: FuturesUnordered::new(),
            reading: HashSet::new(),
            ready: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.turn().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "Payments could not be updated, which is tried again");
                    // What was ready is still due, and will be found again.
                    for outcome in self.ready.drain(..) {
                        self.reading.remove(outcome.event_id());
                    }
                    STORAGE_PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.arrival.notified() => {}
                () = tokio::time::sleep(pause) => {}
                Some(read) = self.reads.next() => self.conclude(read),
            }
        }
        // Whoever cannot let it go leaves it to run out.
        let _ = self.lease.release(now_ms()).await;
    }

    /// Does a round, where it is this replica that does them. Two would write
    /// the same, but ask Stripe twice.
    async fn turn(&mut self) -> Result<Duration, storage::Error> {
        if self.lease.hold(now_ms()).await? { self.round().await } else { Ok(POLL) }
    }

    /// Brings all that is due one step on; gives the time to the next round.
    async fn round(&mut self) -> Result<Duration, storage::Error> {
        let batch_max = self.config.project_batch_max.get();
        // Events that are being asked about are still due, and are passed over.
        let limit = u32::try_from(self.reading.len()).unwrap_or(u32::MAX).saturating_add(batch_max);
        let now_ms = now_ms();
        let retry_max_ms = self.config.retry_max_ms.get().into();
        let due = self.storage.due_events(now_ms, retry_max_ms, limit).await?;
        let is_full = u32::try_from(due.len()) == Ok(limit);

        for event in due {
            if !self.reading.contains(&event.id) {
                self.begin(event).await?;
            }
        }
        let settled = self.settle().await?;
        if is_full && settled {
            return Ok(Duration::ZERO);
        }
        let next_ms = self.storage.next_due_at_ms(now_ms).await?.unwrap_or(i64::MAX);
        let wait_ms = u64::try_from(next_ms.saturating_sub(now_ms)).unwrap_or_default();
        Ok(POLL.min(Duration::from_millis(wait_ms)))
    }

    /// Makes an event ready, or asks for what it lacks. An event for which
    /// there is no room to ask stays due.
    async fn begin(&mut self, event: DueEvent) -> Result<(), storage::Error> {
        let Some(fact) = read(&event) else {
            self.ready.push(Outcome::Ignored { event_id: event.id });
            return Ok(());
        };
        if !ledger::is_submitted(fact.payment.state()) || has_items(&self.storage, &fact).await? {
            self.ready.push(Outcome::Told(Box::new(fact)));
        } else if self.reading.len() < self.config.line_item_reads_max.get() as usize {
            self.reading.insert(event.id);
            let line_items = self.line_items.clone();
            self.reads.push(Box::pin(async move {
                let items = line_items.read(&fact.payment.id).await;
                Read { fact, attempts: event.attempts, items }
            }));
        }
        Ok(())
    }

    /// Decides what an answer means for its event.
    fn conclude(&mut self, read: Read) {
        let Read { mut fact, attempts, items } = read;
        let outcome = match items {
            Ok(items) => {
                fact.payment.line_items = items;
                Outcome::Told(Box::new(fact))
            }
            Err(unread) if unread.is_temporary => {
                let wait_ms = backoff_ms(&self.config, attempts, rand::random());
                let due_at_ms = now_ms().saturating_add(wait_ms);
                tracing::info!(
                    event.id = fact.decided_by,
                    payment.id = fact.payment.id,
                    cause = unread.cause,
                    "Line items could not be read for now"
                );
                Outcome::PutOff { event_id: fact.decided_by, due_at_ms }
            }
            Err(unread) => {
                tracing::warn!(
                    event.id = fact.decided_by,
                    payment.id = fact.payment.id,
                    cause = unread.cause,
                    "Line items cannot be read; the payment is told without them"
                );
                Outcome::Told(Box::new(fact))
            }
        };
        self.ready.push(outcome);
    }

    /// Writes all that is ready; says whether that was anything.
    async fn settle(&mut self) -> Result<bool, storage::Error> {
        let ready = std::mem::take(&mut self.ready);
        if ready.is_empty() {
            return Ok(false);
        }
        for outcome in &ready {
            self.reading.remove(outcome.event_id());
        }
        if settle::settle(&self.storage, ready, &self.config).await? {
            self.changed.send_replace(());
        }
        Ok(true)
    }
}

/// Reads what an event tells of a payment, if anything.
fn read(event: &DueEvent) -> Option<Known> {
    let parsed = webhook::Event::parse(&event.body).ok()?;
    let Some(session) = parsed.session() else {
        // Only events about sessions become due, so this is Stripe's or our mistake.
        tracing::warn!(event.id, "An event about a checkout session has none; it is kept unread");
        return None;
    };
    ledger::fact(&parsed.id, &parsed.kind, session)
}

/// Whether the line items of a fact are known, from itself or from an earlier one.
async fn has_items(storage: &Storage, fact: &Known) -> Result<bool, storage::Error> {
    if !fact.payment.line_items.is_empty() {
        return Ok(true);
    }
    match storage.payment(&fact.payment.id).await {
        // The transaction will meet the same row, and puts the event off.
        Err(storage::Error::Corrupt { .. }) => Ok(true),
        payment => Ok(payment?.is_some_and(|payment| !payment.line_items.is_empty())),
    }
}

/// How long an event waits after failure number `attempts`, counted from 0:
/// twice as long each time up to the longest wait, less up to half by chance,
/// so that events which failed together come back apart.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the longest wait has 32 bits, and floats are cut off at the bounds"
)]
fn backoff_ms(config: &Config, attempts: u32, chance: f64) -> i64 {
    let doubled =
        f64::from(config.retry_first_ms.get()) * 2_f64.powi(attempts.min(32).cast_signed());
    let longest = doubled.min(f64::from(config.retry_max_ms.get()));
    (longest * (1.0 - chance / 2.0)) as i64
}

#[cfg(test)]
mod tests;
