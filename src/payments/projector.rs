//! Adds arriving events to their payments.
//!
//! Events that are due are read in rounds. What an event lacks is asked of
//! Stripe beside the rounds, so that only the events which need an answer wait
//! for one. All that is ready is written in one transaction. A crash at any
//! point loses nothing: an event is due until the transaction that knows of it
//! is committed, and the ledger does not mind to hear it twice.

mod lacking;
mod settle;

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

pub(super) use self::lacking::{Details, Unread};
use self::settle::Outcome;
use super::ledger::{self, Told};
use super::links::{self, Shown};
use super::{Config, Payments, now_ms, signals};
use crate::pb;
use crate::storage::{self, DueEvent, Fact, Lease, SeenLink};
use crate::stripe::webhook;

/// How often to look for due events, in case no arrival was noticed.
const POLL: Duration = Duration::from_secs(1);
/// How long to leave storage alone after it failed.
const STORAGE_PAUSE: Duration = Duration::from_secs(1);
/// How long after the crash of the replica that does this another takes over.
const LEASE: Duration = Duration::from_secs(5);

/// How long the event of a change of our own waits for the index, in milliseconds.
const OWN_CHANGE_MS: i64 = 1_000;

/// The one reader of due events.
pub(super) struct Projector<D> {
    payments: Payments,
    details: D,
    lease: Lease,
    /// The questions that are with Stripe, and the events that they are for.
    reads: FuturesUnordered<BoxFuture<'static, Read>>,
    reading: HashSet<String>,
    /// What the next transaction writes beside what the next round finds.
    ready: Vec<Outcome>,
}

/// A question that was answered.
struct Read {
    event_id: String,
    account: String,
    attempts: u32,
    span: Span,
    answer: Answer,
}

/// What was answered.
enum Answer {
    Facts { told: Told, facts: Result<Vec<Fact>, Unread> },
    Link { created_at_ms: i64, asked_at_ms: i64, link: Result<Box<pb::PaymentLink>, Unread> },
}

// === impl Projector ===

impl<D: Details> Projector<D> {
    pub(super) fn new(payments: &Payments, details: D) -> Self {
        Self {
            payments: payments.clone(),
            details,
            lease: Lease::new(payments.storage.clone(), "projector", LEASE),
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
                () = self.payments.arrival.notified() => {}
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
        let batch_max = self.payments.config.project_batch_max.get();
        // Events that are being asked about are still due, and are passed over.
        let limit = u32::try_from(self.reading.len()).unwrap_or(u32::MAX).saturating_add(batch_max);
        let now_ms = now_ms();
        let retry_max_ms = self.payments.config.retry_max_ms.get().into();
        let due = self.payments.storage.due_events(now_ms, retry_max_ms, limit).await?;
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
        let next_ms = self.payments.storage.next_due_at_ms(now_ms).await?.unwrap_or(i64::MAX);
        let wait_ms = u64::try_from(next_ms.saturating_sub(now_ms)).unwrap_or_default();
        Ok(POLL.min(Duration::from_millis(wait_ms)))
    }

    /// Makes an event ready, or asks for what it lacks. An event for which
    /// there is no room to ask stays due.
    async fn begin(&mut self, event: DueEvent) -> Result<(), storage::Error> {
        let span = signals::processed(&event);
        if let Some(shown) = links::shown(&event) {
            return self.begin_link(event, shown, span).await;
        }
        let Some(told) = read(&event, &span) else {
            self.ready.push(Outcome::Ignored { event_id: event.id });
            return Ok(());
        };
        let Some(lack) = lacking::lacking(&self.payments.storage, &told).await? else {
            let account = event.account;
            self.ready.push(Outcome::Told { event_id: event.id, account, told, span });
            return Ok(());
        };
        let (details, event_id) = (self.details.clone(), event.id.clone());
        let account = event.account.clone();
        self.ask(event, span, async move {
            let facts = details.read(&account, &lack, &event_id).await;
            Answer::Facts { told, facts }
        });
        Ok(())
    }

    /// Makes an event about a link ready, or asks for the link, where the index
    /// shows another. A change of our own is in the index soon, by its answer.
    async fn begin_link(
        &mut self,
        event: DueEvent,
        shown: Shown,
        span: Span,
    ) -> Result<(), storage::Error> {
        let known = self.payments.storage.link(&shown.link.id).await?;
        let is_new = known.is_none();
        if known.is_some_and(|known| shown.is_known(&known)) {
            self.ready.push(Outcome::Ignored { event_id: event.id });
        } else if shown.is_own && event.attempts == 0 {
            let due_at_ms = now_ms().saturating_add(OWN_CHANGE_MS);
            self.ready.push(Outcome::PutOff { event_id: event.id, due_at_ms });
        } else {
            let (details, Shown { link, created_at_ms, .. }) = (self.details.clone(), shown);
            let account = event.account.clone();
            self.ask(event, span, async move {
                let asked_at_ms = now_ms();
                let link = details.link(&account, &link.id, is_new).await.map(Box::new);
                Answer::Link { created_at_ms, asked_at_ms, link }
            });
        }
        Ok(())
    }

    /// Asks Stripe for what an event lacks, if there is room for it.
    fn ask(
        &mut self,
        event: DueEvent,
        span: Span,
        asking: impl Future<Output = Answer> + Send + 'static,
    ) {
        if self.reading.len() < self.payments.config.detail_reads_max.get() as usize {
            let DueEvent { id: event_id, account, attempts, .. } = event;
            self.reading.insert(event_id.clone());
            self.reads.push(Box::pin(async move {
                let answer = asking.instrument(span.clone()).await;
                Read { event_id, account, attempts, span, answer }
            }));
        }
    }

    /// Decides what an answer means for its event.
    fn conclude(&mut self, read: Read) {
        let Read { event_id, account, attempts, span, answer } = read;
        let outcome = match answer {
            Answer::Facts { mut told, facts } => match facts {
                Ok(facts) => {
                    told.facts.extend(facts);
                    Outcome::Told { event_id, account, told, span }
                }
                Err(unread) if unread.is_temporary => {
                    self.put_off(event_id, attempts, &unread, &span)
                }
                Err(unread) => {
                    tracing::warn!(
                        parent: &span,
                        event.id = event_id,
                        payment.id = told.payment,
                        cause = unread.cause,
                        "What an event lacks cannot be read; it is told as it is"
                    );
                    Outcome::Told { event_id, account, told, span }
                }
            },
            Answer::Link { created_at_ms, asked_at_ms, link } => match link {
                Ok(link) => {
                    let seen =
                        SeenLink { account, link: *link, created_at_ms, seen_at_ms: asked_at_ms };
                    Outcome::Seen { event_id, seen: Box::new(seen) }
                }
                Err(unread) if unread.is_temporary => {
                    self.put_off(event_id, attempts, &unread, &span)
                }
                Err(unread) => {
                    tracing::warn!(
                        parent: &span,
                        event.id = event_id,
                        cause = unread.cause,
                        "A link cannot be read"
                    );
                    Outcome::Ignored { event_id }
                }
            },
        };
        self.ready.push(outcome);
    }

    fn put_off(&self, event_id: String, attempts: u32, unread: &Unread, span: &Span) -> Outcome {
        signals::failed(span, "unread");
        let wait_ms = backoff_ms(&self.payments.config, attempts, rand::random());
        let due_at_ms = now_ms().saturating_add(wait_ms);
        let (id, cause) = (&event_id, &unread.cause);
        tracing::info!(
            parent: span,
            event.id = id,
            cause,
            "What an event lacks could not be read for now"
        );
        Outcome::PutOff { event_id, due_at_ms }
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
        let added = settle::settle(&self.payments.storage, ready, &self.payments.config).await?;
        self.payments.announce(added);
        Ok(true)
    }
}

/// Reads what an event tells of a payment, if anything.
fn read(event: &DueEvent, span: &Span) -> Option<Told> {
    let parsed = webhook::Event::parse(&event.body).ok()?;
    span.record("stripe.event.type", &*parsed.kind);
    ledger::read(&parsed)
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
