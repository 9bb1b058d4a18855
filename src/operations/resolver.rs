//! Finds out what became of operations whose outcome is not known.
//!
//! While Stripe knows the key, the same bytes go out again under it, and bring
//! the answer that was lost. After that, or where Stripe keeps a failure of its
//! own for an answer, the traces decide: every event names the key of the
//! request that caused it, and every link its operation. What has left no trace
//! in two searches gets a new key, once. Should it then have been made twice all
//! the same, the sweep leaves one link published.

mod sweep;

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::origin::name_of;
use super::run::Start;
use super::state::{NOT_FOUND, Report, SEARCH_PAUSE, Step};
use super::{Operations, signals};
use crate::planted::{self, Bug};
use crate::storage::{self, Operation, OperationState};
use crate::stripe::call::Answer;
use crate::stripe::{self, Made};

/// How often to look for what is due.
const ROUND: Duration = Duration::from_secs(1);
/// How much is done in one round.
const BATCH_MAX: u32 = 64;
/// How many questions for what was found are with Stripe at the same time.
const FETCHES_MAX: usize = 4;
/// How long to leave an operation alone that could not be brought forward.
const PAUSE: Duration = Duration::from_secs(30);
/// How long one question may take, retries included. A search has one a page.
const QUESTION_TIME: Duration = Duration::from_mins(1);
/// How long others leave it to the process that searches.
const SEARCH_TIME: Duration = Duration::from_mins(5);
/// Stripe's clock and ours may differ by this much.
const SKEW_SECS: i64 = 300;
/// How often the results that are old enough are erased, and the open counted.
const HOUSEKEEPING: Duration = Duration::from_secs(15);

/// The states that have a result, or need none.
const AT_REST: [OperationState; 4] =
    [OperationState::New, OperationState::Done, OperationState::Rejected, OperationState::Lost];

/// When what is done now and then is next to be done.
struct Agenda {
    housekeeping: Instant,
    sweep: Instant,
}

// === impl Operations ===

impl Operations {
    /// Finds out what is not known, until it is stopped. Runs once in a process.
    pub async fn resolve(self, stop: CancellationToken) {
        let taken = self.0.heard.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut heard) = taken else { return };
        let mut agenda = Agenda { housekeeping: Instant::now(), sweep: Instant::now() };
        while !stop.is_cancelled() {
            // What is cut off is done again by whoever finds it due.
            let round = stop.run_until_cancelled(self.round(&mut heard, &mut agenda));
            if let Some(Err(error)) = round.await {
                tracing::error!(%error, "Unknown writes are not resolved, which is tried again");
            }
            let _ = stop.run_until_cancelled(tokio::time::sleep(ROUND)).await;
        }
    }

    async fn round(
        &self,
        heard: &mut mpsc::Receiver<Made>,
        agenda: &mut Agenda,
    ) -> Result<(), storage::Error> {
        while let Ok(made) = heard.try_recv() {
            self.learn(made).await?;
        }
        let now_ms = self.0.clock.now_ms();
        let mut due = Vec::new();
        for state in [OperationState::Sent, OperationState::Unknown] {
            due.extend(self.0.memory.due(state, now_ms, BATCH_MAX).await?);
        }
        let (mut fetches, mut searches) = (Vec::new(), Vec::new());
        for operation in due {
            match operation.step(now_ms) {
                // Its own task does it, or one that is at it already.
                Step::Send => drop(self.start(operation, Start::Recorded)),
                Step::Fetch => fetches.push(operation),
                Step::Search => searches.push(operation),
                Step::Renew => {
                    tracing::warn!(
                        operation = operation.key,
                        "A write that left no trace is made again"
                    );
                    agenda.sweep = agenda.sweep.min(Instant::now() + PAUSE);
                    self.0.memory.put(operation.renewed(now_ms)).await?;
                }
                Step::GiveUp => {
                    tracing::error!(
                        operation = operation.key,
                        "What became of a write could not be found out"
                    );
                    self.0.memory.put(operation.lost(now_ms, self.0.config.keep())).await?;
                }
            }
        }
        let fetching = fetches.into_iter().map(|operation| self.fetch(operation));
        let outcomes: Vec<_> =
            futures_util::stream::iter(fetching).buffer_unordered(FETCHES_MAX).collect().await;
        outcomes.into_iter().collect::<Result<Vec<()>, _>>()?;
        for (account, operations) in by_account(searches) {
            self.search(&account, operations).await?;
        }
        self.keep_house(agenda).await
    }

    /// Notes what an event says of an operation.
    async fn learn(&self, made: Made) -> Result<(), storage::Error> {
        let Some(operation) = self.0.memory.get(name_of(&made.key)).await? else { return Ok(()) };
        let is_open = matches!(operation.state, OperationState::Sent | OperationState::Unknown);
        if is_open && operation.resource.is_empty() && operation.has_made(&made) {
            let found = operation.found(made.resource, self.0.clock.now_ms());
            self.0.memory.put(found).await?;
        }
        Ok(())
    }

    /// Reads what an operation has made, and ends it with that.
    async fn fetch(&self, operation: Operation) -> Result<(), storage::Error> {
        let span = signals::resumed(&operation);
        self.fetch_in_trace(operation).instrument(span).await
    }

    async fn fetch_in_trace(&self, operation: Operation) -> Result<(), storage::Error> {
        let deadline = Instant::now() + QUESTION_TIME;
        let Operation { account, path, resource, .. } = &operation;
        let answer = self.0.stripe.answer_of(account, path, resource, deadline).await;
        let (operation, report) = match answer {
            Ok(Answer { resource, body, .. }) => {
                (operation, Report::Done { resource, answer: body })
            }
            Err(error) => {
                tracing::warn!(%error, operation = operation.key, "What was found cannot be read");
                let (now_ms, keep) = (self.0.clock.now_ms(), self.0.config.keep());
                let is_gone = error.verdict().is_some_and(|refusal| refusal.status == NOT_FOUND);
                let next = if is_gone { operation.gone(now_ms, keep) } else { operation };
                let next = if next.has_ended() { next } else { next.put_off(PAUSE, now_ms) };
                self.0.memory.put(next).await?;
                return Ok(());
            }
        };
        self.settle(operation, &report).await.map(drop)
    }

    /// Looks for the traces of several operations of an account at once, as far as no other
    /// process is looking for them.
    async fn search(&self, account: &str, due: Vec<Operation>) -> Result<(), storage::Error> {
        let mut operations = Vec::new();
        for operation in due {
            let mut taken = operation.put_off(SEARCH_TIME, self.0.clock.now_ms());
            if self.0.memory.put(taken.clone()).await? {
                taken.version += 1;
                operations.push(taken);
            }
        }
        if operations.is_empty() {
            return Ok(());
        }
        let searching = self.traces_of(account, &operations);
        let found = match searching.instrument(signals::searched(&operations)).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "The traces of writes could not be looked for");
                let now_ms = self.0.clock.now_ms();
                for operation in operations {
                    self.0.memory.put(operation.put_off(PAUSE, now_ms)).await?;
                }
                return Ok(());
            }
        };
        let now_ms = self.0.clock.now_ms();
        for operation in operations {
            let made = found.made.iter().find(|made| operation.has_made(made));
            let next = match made {
                Some(made) => operation.found(made.resource.clone(), now_ms),
                None if found.is_whole => operation.missed(now_ms),
                None => operation.put_off(SEARCH_PAUSE, now_ms),
            };
            self.0.memory.put(next).await?;
        }
        Ok(())
    }

    async fn traces_of(
        &self,
        account: &str,
        operations: &[Operation],
    ) -> Result<Traces, stripe::Error> {
        let mut kinds: Vec<String> = operations
            .iter()
            .filter_map(|operation| stripe::event_kind(&operation.write()))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        let oldest_ms = operations.iter().map(Operation::traces_since_ms).min();
        let since = oldest_ms.unwrap_or_default() / 1_000 - SKEW_SECS;
        let scan = self.0.stripe.made_since(account, &kinds, since, QUESTION_TIME).await?;
        let mut traces = Traces { made: scan.found, is_whole: scan.is_whole };
        let is_missing = |operation: &&Operation| {
            sweep::makes_a_link(operation)
                && !traces.made.iter().any(|made| operation.has_made(made))
        };
        if operations.iter().any(|operation| is_missing(&operation)) {
            // Stripe can fail to make an event, but a link says who made it.
            let marked = self.0.stripe.marked_links(account, QUESTION_TIME).await?;
            traces.made.extend(marked.into_iter().map(Made::from));
        }
        Ok(traces)
    }

    async fn keep_house(&self, agenda: &mut Agenda) -> Result<(), storage::Error> {
        let now = Instant::now();
        if now >= agenda.housekeeping {
            agenda.housekeeping = now + HOUSEKEEPING;
            let now_ms = self.0.clock.now_ms();
            signals::open(&self.0.memory.count_open().await?, now_ms);
            for state in AT_REST {
                self.0.memory.erase(state, now_ms, BATCH_MAX).await?;
            }
        }
        if now >= agenda.sweep && !planted::is(Bug::NoSweep) {
            agenda.sweep = now + sweep::EVERY;
            self.sweep().await?;
        }
        Ok(())
    }
}

/// What a search has found.
struct Traces {
    made: Vec<Made>,
    is_whole: bool,
}

/// Sorts operations by the account that they are of.
fn by_account(operations: Vec<Operation>) -> BTreeMap<String, Vec<Operation>> {
    let mut sorted: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for operation in operations {
        sorted.entry(operation.account.clone()).or_default().push(operation);
    }
    sorted
}
