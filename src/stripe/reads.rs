//! Reads that need not be asked, because the answer is here or on its way.
//!
//! Who asks what another is asking waits for the same answer. What a read was
//! answered of the most read resources is kept for a short time. Neither shows a
//! caller less than this process has changed: a read joins only a read that began
//! after the last change was answered, and a change puts its own answer in the
//! place of what was kept.
//!
//! Callers share answers whoever they are: Stripe answers the account's key, and
//! what a caller may see is decided after this, in [`super::Client::get_seen`].

mod kept;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use tokio::time::Instant;

use self::kept::Kept;
use super::call::{Answer, Call, Place};
use super::error::Error;
use super::stack::Stack;
use super::way::Way as _;

/// The reads of one client. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Reads(Arc<State>);

#[derive(Debug)]
struct State {
    kept: Kept,
    flights: Mutex<Flights>,
    flown: AtomicU64,
    /// How many changes were answered.
    changes: AtomicU64,
}

/// What is asked: the path, the query, and after how many changes.
type Question = (String, Bytes, u64);
/// The reads under way.
type Flights = HashMap<Question, Aloft>;
/// A read under way.
type Flight = BoxFuture<'static, Result<Answer, Error>>;

/// A read that others may join.
#[derive(Debug)]
struct Aloft {
    number: u64,
    /// How long whoever began it waits.
    deadline: Instant,
    flight: WeakShared<Flight>,
}

/// A change under way, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Change {
    reads: Reads,
    path: String,
    version: u64,
    is_answered: bool,
}

/// Takes a flight off the list when it ends, and when nobody waits for it any more.
struct Landing {
    reads: Reads,
    question: Question,
    number: u64,
}

static READS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.stripe.reads")
        .with_unit("{read}")
        .with_description("Reads of callers, by whether Stripe was asked for each.")
        .build()
});

// === impl Reads ===

impl Reads {
    /// Keeps up to `items_max` answers for `age` each; none with zero for either.
    pub(super) fn new(age: Duration, items_max: usize) -> Self {
        Self(Arc::new(State {
            kept: Kept::new(age, items_max),
            flights: Mutex::default(),
            flown: AtomicU64::new(0),
            changes: AtomicU64::new(0),
        }))
    }

    /// Answers a read. One that must be `fresh` is sent, whatever is known.
    pub(super) async fn answer(
        &self,
        call: Call,
        fresh: bool,
        stack: &Stack,
    ) -> Result<Answer, Error> {
        if !fresh && let Some(answer) = self.kept(&call.place) {
            return Ok(answer);
        }
        self.asked(call, fresh, stack).await
    }

    /// Gives what is kept of a place.
    pub(super) fn kept(&self, place: &Place) -> Option<Answer> {
        self.0.kept.get(place).inspect(|_| count("kept"))
    }

    /// Answers a read by asking Stripe, or waits for who is asking already.
    pub(super) async fn asked(
        &self,
        call: Call,
        fresh: bool,
        stack: &Stack,
    ) -> Result<Answer, Error> {
        if fresh {
            count("fresh");
            return self.clone().fly(call, stack.clone()).await;
        }
        loop {
            let (flight, joined) = self.flight(&call, stack);
            count(if joined.is_none() { "sent" } else { "shared" });
            // Whoever began it may have had less time than we, and given up for that.
            let is_hurried = joined.is_some_and(|deadline| deadline < call.deadline);
            match tokio::time::timeout_at(call.deadline, flight).await {
                Err(_) => return Err(Error::Deadline),
                Ok(Err(error)) if is_hurried && error.is_temporary() => {}
                Ok(outcome) => return outcome,
            }
        }
    }

    /// Begins a change of what is at a path. What is read of it meanwhile is not kept.
    pub(super) fn change(&self, path: String) -> Change {
        let version = self.0.kept.change(&path);
        Change { reads: self.clone(), path, version, is_answered: false }
    }

    /// Forgets what is at a path, because it has changed elsewhere.
    pub(super) fn forget(&self, path: &str) {
        self.0.kept.change(path);
        self.0.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Joins the flight that answers a call, or begins one. Gives the deadline of one that
    /// was joined.
    fn flight(&self, call: &Call, stack: &Stack) -> (Shared<Flight>, Option<Instant>) {
        let question =
            (call.place.path.clone(), call.form.clone(), self.0.changes.load(Ordering::Acquire));
        let mut flights = self.flights();
        if let Some(aloft) = flights.get(&question)
            && let Some(flight) = aloft.flight.upgrade()
        {
            return (flight, Some(aloft.deadline));
        }
        let number = self.0.flown.fetch_add(1, Ordering::Relaxed);
        let landing = Landing { reads: self.clone(), question: question.clone(), number };
        let deadline = call.deadline;
        let (reads, call, stack) = (self.clone(), call.clone(), stack.clone());
        let flight = async move {
            let _landing = landing;
            reads.fly(call, stack).await
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(question, Aloft { number, deadline, flight: weak });
        }
        (flight, None)
    }

    async fn fly(self, call: Call, stack: Stack) -> Result<Answer, Error> {
        let version = self.0.kept.version(&call.place);
        let answer = stack.carry(&call).await?;
        if let Some(version) = version {
            self.0.kept.keep(call.place.path, version, answer.clone());
        }
        Ok(answer)
    }

    /// Nothing under the lock can leave half a list behind.
    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.0.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Change ===

impl Change {
    /// Ends the change with the resource as it is now, if the answer says it.
    pub(super) fn answered(mut self, resource: Option<Answer>) {
        self.is_answered = true;
        self.end(resource);
    }

    fn end(&mut self, resource: Option<Answer>) {
        let path = std::mem::take(&mut self.path);
        self.reads.0.kept.changed(path, self.version, resource);
        // Reads that began before may tell of the time before.
        self.reads.0.changes.fetch_add(1, Ordering::AcqRel);
    }
}

impl Drop for Change {
    /// A change that nobody knows the outcome of may have happened.
    fn drop(&mut self) {
        if !self.is_answered {
            self.end(None);
        }
    }
}

// === impl Landing ===

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = self.reads.flights();
        if flights.get(&self.question).is_some_and(|aloft| aloft.number == self.number) {
            flights.remove(&self.question);
        }
    }
}

fn count(outcome: &'static str) {
    READS.add(1, &[KeyValue::new("outcome", outcome)]);
}

#[cfg(test)]
mod tests;
