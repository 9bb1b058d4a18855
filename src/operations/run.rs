//! One task for each operation, whoever asks for it and how often.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::state::{LEASE, Report, Step};
use super::{Error, Operations, Progress, Running, signals};
use crate::caller;
use crate::dice;
use crate::planted::{self, Bug};
use crate::storage::{self, Operation, OperationState};
use crate::stripe;
use crate::stripe::call::Answer;
use crate::stripe::error::Refusal;

/// How often an operation is looked at that another process holds: at first,
/// and after a while.
const LOOK_FIRST: Duration = Duration::from_millis(50);
const LOOK_MAX: Duration = Duration::from_millis(500);
/// How often a lease is renewed in its time.
const LEASE_PARTS: u32 = 3;
/// How often a change may meet another before it is given up. Each of them
/// brings the operation forward, so two are many.
const CONFLICTS_MAX: u32 = 16;

/// Why an operation is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Somebody asks for it, perhaps for the first time.
    Asked,
    /// It is on record.
    Recorded,
}

/// How an operation stands after it was looked at.
enum Claim {
    /// It is for this task to send.
    Ours(Operation),
    /// There is a result.
    Ended(Operation),
}

/// Takes an operation off the list of those under way, even after a panic.
struct Leaving<'a>(&'a Operations, String);

// === impl Leaving ===

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut running = self.0.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.1);
    }
}

// === impl Operations ===

impl Operations {
    /// Carries an operation out, or joins the task that does so already.
    pub(super) fn start(
        &self,
        new: Operation,
        start: Start,
    ) -> Result<watch::Receiver<Progress>, Error> {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = running.get(&new.key) {
            let same = known.fingerprint == new.fingerprint;
            return if same { Ok(known.progress.clone()) } else { Err(Error::IdReused) };
        }
        if running.len() >= self.0.config.running_max.get() {
            return Err(Error::Busy);
        }
        let (progress, seen) = watch::channel(Progress::Recording);
        let entry = Running { fingerprint: new.fingerprint.clone(), progress: seen.clone() };
        running.insert(new.key.clone(), entry);
        drop(running);
        let span = match start {
            Start::Asked => Span::current(),
            Start::Recorded => signals::resumed(&new),
        };
        let task = self.clone().run(new, start, progress).instrument(span);
        self.0.tasks.spawn(task);
        Ok(seen)
    }

    async fn run(self, new: Operation, start: Start, progress: watch::Sender<Progress>) {
        let _leaving = Leaving(&self, new.key.clone());
        let outcome = self.carry_out(new, start, &progress).await;
        progress.send_if_modified(|progress| {
            let is_news = !matches!(progress, Progress::Ended(_));
            if is_news {
                *progress = Progress::Ended(outcome);
            }
            is_news
        });
    }

    async fn carry_out(
        &self,
        new: Operation,
        start: Start,
        progress: &watch::Sender<Progress>,
    ) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.0.config.time();
        let operation = match caller::until(deadline, self.claim(new, start, deadline)).await? {
            Claim::Ours(operation) => operation,
            Claim::Ended(operation) => return told(&operation),
        };
        progress.send_replace(Progress::Sent);
        let (operation, outcome) = self.send(operation, deadline).await;
        if let (Ok(answer), 0) = (&outcome, operation.generation) {
            // The record can follow: should it be lost, the same key brings the
            // same answer. No failure is told before it is on record, since what
            // the caller believes undone may not be done later.
            progress.send_replace(Progress::Ended(Ok(answer.clone())));
        }
        if let (Err(error), true) = (&outcome, planted::is(Bug::ToldUnrecorded)) {
            let in_doubt = operation.in_doubt || error.may_have_acted();
            let state = if in_doubt { OperationState::Unknown } else { OperationState::New };
            let error = Error::Stripe { state, error: error.clone() };
            progress.send_replace(Progress::Ended(Err(error)));
        }
        let report = Report::of(&outcome, operation.write().effect());
        let settled = self.settle(operation, &report).await;
        signals::ended(settled.as_ref().map(|operation| operation.state).ok());
        match settled {
            Ok(operation) if operation.has_ended() => match outcome {
                // It says more than its record.
                Err(error) if operation.state == OperationState::Rejected => {
                    Err(Error::Stripe { state: operation.state, error })
                }
                _ => told(&operation),
            },
            Ok(operation) => Err(unsettled(operation.state, outcome)),
            Err(error) => {
                tracing::error!(%error, "An outcome is not on record, and will be found again");
                Err(Error::Pending)
            }
        }
    }

    /// Looks at the record until this task may send, or there is a result.
    async fn claim(&self, new: Operation, start: Start, deadline: Instant) -> Result<Claim, Error> {
        let mut pause = LOOK_FIRST;
        let mut is_recorded = start == Start::Recorded;
        loop {
            let found = if is_recorded {
                self.0.memory.get(&new.key).await?
            } else {
                if planted::is(Bug::SentUnrecorded) {
                    let (memory, unrecorded) = (self.0.memory.clone(), new.clone());
                    tokio::spawn(async move { memory.insert(unrecorded).await });
                    return Ok(Claim::Ours(new));
                }
                match self.0.memory.insert(new.clone()).await? {
                    None => return Ok(Claim::Ours(new)),
                    found => found,
                }
            };
            is_recorded = found.is_some();
            let Some(operation) = found else {
                if start == Start::Recorded {
                    // It was erased, so it is long over.
                    return Err(Error::Pending);
                }
                continue;
            };
            if operation.fingerprint != new.fingerprint {
                return Err(Error::IdReused);
            }
            if operation.has_ended() {
                return Ok(Claim::Ended(operation));
            }
            if start == Start::Recorded && operation.state == OperationState::New {
                // It was told as undone since it was found due, and nobody asks for it.
                return Err(Error::Pending);
            }
            let now_ms = self.0.clock.now_ms();
            let is_others = operation.holder != self.0.holder && self.0.memory.is_shared();
            if is_others && operation.is_held(now_ms) {
                if Instant::now() + pause > deadline {
                    return Err(Error::Pending);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LOOK_MAX);
                continue;
            }
            if operation.step(now_ms) != Step::Send {
                return Err(Error::Pending);
            }
            let mut taken = operation.taken(&self.0.holder, now_ms);
            if self.0.memory.put(taken.clone()).await? {
                taken.version += 1;
                return Ok(Claim::Ours(taken));
            }
        }
    }

    /// Sends it, and holds it meanwhile.
    async fn send(
        &self,
        mut operation: Operation,
        deadline: Instant,
    ) -> (Operation, Result<Answer, stripe::Error>) {
        let write = operation.write();
        // Stripe knows keys of POST only; DELETE can be repeated as it is.
        let has_key = write.effect() != stripe::Effect::Delete;
        let key = has_key.then(|| operation.idempotency_key());
        let account = operation.account.clone();
        let mut sending = std::pin::pin!(self.0.stripe.write(&account, &write, key, deadline));
        loop {
            tokio::select! {
                biased;
                outcome = &mut sending => return (operation, outcome),
                () = tokio::time::sleep(LEASE / LEASE_PARTS) => {}
            }
            if !operation.is_held_by(&self.0.holder) {
                // Another process has taken it over, and may have ended it.
                continue;
            }
            let held = operation.clone().held(self.0.clock.now_ms());
            // Without a lease the operation may be sent twice, which its key forgives.
            match self.0.memory.put(held.clone()).await {
                Ok(true) => operation = Operation { version: held.version + 1, ..held },
                Ok(false) => {
                    if let Ok(Some(changed)) = self.0.memory.get(&operation.key).await {
                        operation = changed;
                    }
                }
                Err(error) => tracing::warn!(%error, "An operation could not be held"),
            }
        }
    }

    /// Records what an attempt has brought, and gives how the operation stands.
    pub(super) async fn settle(
        &self,
        mut operation: Operation,
        report: &Report,
    ) -> Result<Operation, storage::Error> {
        for _ in 0..CONFLICTS_MAX {
            let (now_ms, keep) = (self.0.clock.now_ms(), self.0.config.keep());
            let chance = dice::between(0.0, 1.0);
            let before = operation.clone();
            let after = operation.after(report, &self.0.holder, now_ms, keep, chance);
            let Some(mut after) = after else { return Ok(before) };
            if self.0.memory.put(after.clone()).await? {
                after.version += 1;
                return Ok(after);
            }
            operation = self.0.memory.get(&before.key).await?.unwrap_or(before);
        }
        Err(storage::Error::Busy)
    }
}

/// Tells a result again.
fn told(operation: &Operation) -> Result<Answer, Error> {
    match operation.state {
        OperationState::Done => Ok(Answer {
            body: operation.answer.clone(),
            request_id: None,
            resource: operation.resource.clone(),
            replayed: true,
        }),
        OperationState::Rejected => {
            let refusal = Refusal::recalled(&operation.answer);
            let error = stripe::Error::Refused(Box::new(refusal));
            Err(Error::Stripe { state: operation.state, error })
        }
        OperationState::Lost => Err(Error::Lost),
        OperationState::New | OperationState::Sent | OperationState::Unknown => Err(Error::Pending),
    }
}

/// Tells of an operation without a result what its last attempt says.
fn unsettled(state: OperationState, outcome: Result<Answer, stripe::Error>) -> Error {
    match outcome {
        Ok(_) | Err(stripe::Error::Deadline) => Error::Pending,
        Err(error) if state == OperationState::New || error.may_have_acted() => {
            Error::Stripe { state, error }
        }
        // This attempt did nothing, but one before it may have.
        Err(error) => Error::Stripe { state, error: stripe::Error::Doubtful(Box::new(error)) },
    }
}
