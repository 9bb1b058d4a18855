//! What is to be delivered to whom, by the time at which it is next due, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// How long a delivery that lets the next one pass waits for it, in milliseconds.
const HELD_MS_MAX: i64 = 10_000;

/// Events on their way to their receivers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::sandbox) struct Outbox {
    /// Belongs to this process, and not to the state that it may have taken over from another.
    #[serde(skip)]
    configured: Option<String>,
    deliveries: BTreeMap<u64, Delivery>,
    /// The waiting ones, by when they are due in milliseconds.
    waiting: BTreeSet<(i64, u64)>,
    /// The ones that let a later one to the same receiver pass first.
    held: BTreeSet<u64>,
    /// The ones that are being sent. What was under way in a saved state is sent again.
    #[serde(skip)]
    in_flight: BTreeSet<u64>,
    next: u64,
    waiting_max: usize,
    #[serde(skip)]
    signals: Signals,
    /// Which of the states that this process had, so that an answer is noted in its own.
    #[serde(skip)]
    generation: u64,
}

/// An event for a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Delivery {
    /// The event, by its identifier.
    pub(in crate::sandbox) event: String,
    /// Its type.
    pub(in crate::sandbox) kind: String,
    /// The registered endpoint that it is for, by its identifier; none for the configured receiver.
    pub(in crate::sandbox) endpoint: Option<String>,
    /// When the event was handed over, in Unix milliseconds.
    pub(in crate::sandbox) created_ms: i64,
    /// How often it was sent.
    pub(in crate::sandbox) attempts: u32,
    /// When it was last sent, in Unix milliseconds.
    pub(in crate::sandbox) attempted_ms: Option<i64>,
    /// What the receiver answered last.
    pub(in crate::sandbox) status: Option<u16>,
    /// Why there was no such answer.
    pub(in crate::sandbox) error: String,
    /// What has become of it.
    pub(in crate::sandbox) outcome: Outcome,
}

/// What has become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) enum Outcome {
    /// It is, or will be, sent.
    Pending,
    /// The receiver said yes.
    Delivered,
    /// It was sent as often as it may be, or there was no room for it.
    GivenUp,
    /// A fault swallowed it.
    Dropped,
}

/// When a delivery is sent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Departure {
    /// At that moment, in Unix milliseconds.
    At(i64),
    /// After the next delivery to the same receiver.
    AfterTheNext,
    /// Never.
    Never,
}

/// A delivery that is being sent. The numbers of another state mean nothing in this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Ticket {
    number: u64,
    generation: u64,
}

/// What tells tasks that there may be something for them.
#[derive(Debug, Default, Clone)]
pub(in crate::sandbox) struct Signals {
    /// Something may be due.
    pub(in crate::sandbox) wake: Arc<Notify>,
    /// A delivery has been answered.
    pub(in crate::sandbox) settled: Arc<Notify>,
}

// === impl Outbox ===

impl Outbox {
    /// An outbox in which so many deliveries wait at most.
    pub(in crate::sandbox) fn new(configured: Option<String>, waiting_max: usize) -> Self {
        Self {
            configured,
            deliveries: BTreeMap::new(),
            waiting: BTreeSet::new(),
            held: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            next: 0,
            waiting_max,
            signals: Signals::default(),
            generation: 0,
        }
    }

    /// Takes over from the outbox of an earlier state what belongs to the process.
    pub(in crate::sandbox) fn succeed(&mut self, earlier: &Self) {
        self.configured.clone_from(&earlier.configured);
        self.waiting_max = earlier.waiting_max;
        self.signals = earlier.signals.clone();
        self.generation = earlier.generation + 1;
        let pending = |delivery: &Delivery| delivery.outcome == Outcome::Pending;
        let waiting: BTreeSet<u64> = self.waiting.iter().map(|(_, number)| *number).collect();
        let sent = self.deliveries.iter().filter(|(_, delivery)| pending(delivery));
        let sent: Vec<u64> =
            sent.map(|(number, _)| *number).filter(|number| !waiting.contains(number)).collect();
        self.waiting.extend(sent.into_iter().map(|number| (i64::MIN, number)));
        self.signals.wake.notify_one();
    }

    /// Which of the states that this process had it is of, so that what was begun in another one is
    /// not ended in this.
    pub(in crate::sandbox) fn generation(&self) -> u64 {
        self.generation
    }

    /// Sends all events there from now on, those that wait for the configured receiver too.
    pub(in crate::sandbox) fn configure(&mut self, url: String) {
        self.configured = Some(url);
        self.signals.wake.notify_one();
    }

    /// Where the configured receiver is.
    pub(in crate::sandbox) fn configured(&self) -> Option<&str> {
        self.configured.as_deref()
    }

    /// What is notified when there may be something to do.
    pub(in crate::sandbox) fn signals(&self) -> Signals {
        self.signals.clone()
    }

    /// Adds an event for a receiver. When too many wait, the one that is due first is given up.
    pub(in crate::sandbox) fn push(
        &mut self,
        event: &str,
        kind: &str,
        endpoint: Option<&str>,
        departure: Departure,
        now_ms: i64,
    ) {
        let number = self.next;
        self.next += 1;
        let outcome =
            if departure == Departure::Never { Outcome::Dropped } else { Outcome::Pending };
        let delivery = Delivery {
            event: event.to_owned(),
            kind: kind.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            created_ms: now_ms,
            attempts: 0,
            attempted_ms: None,
            status: None,
            error: String::new(),
            outcome,
        };
        self.deliveries.insert(number, delivery);
        match departure {
            Departure::At(due_ms) => _ = self.waiting.insert((due_ms, number)),
            Departure::AfterTheNext => {
                self.held.insert(number);
                self.waiting.insert((now_ms.saturating_add(HELD_MS_MAX), number));
            }
            Departure::Never => {}
        }
        self.keep_bounds();
        self.signals.wake.notify_one();
    }

    /// Takes the delivery that is due longest.
    pub(in crate::sandbox) fn take_due(&mut self, now_ms: i64) -> Option<(Ticket, Delivery)> {
        loop {
            let (due_ms, number) = *self.waiting.first()?;
            if due_ms > now_ms {
                return None;
            }
            self.waiting.pop_first();
            self.held.remove(&number);
            if let Some(delivery) = self.deliveries.get(&number).cloned() {
                self.in_flight.insert(number);
                return Some((Ticket { number, generation: self.generation }, delivery));
            }
        }
    }

    /// Notes what came of sending a delivery. One that failed is due again at `retry_ms`, unless
    /// it was the last attempt. The answer is the delivery, if it is of this state.
    pub(in crate::sandbox) fn settle(
        &mut self,
        ticket: Ticket,
        answered: Result<u16, String>,
        now_ms: i64,
        retry_ms: Option<i64>,
    ) -> Option<&Delivery> {
        self.signals.settled.notify_waiters();
        let Ticket { number, generation } = ticket;
        if generation != self.generation || !self.in_flight.remove(&number) {
            return None;
        }
        let delivery = self.deliveries.get_mut(&number)?;
        delivery.attempts = delivery.attempts.saturating_add(1);
        delivery.attempted_ms = Some(now_ms);
        delivery.error = answered.as_ref().err().cloned().unwrap_or_default();
        delivery.status = answered.ok();
        let taken = delivery.status.is_some_and(|status| (200..300).contains(&status));
        match retry_ms {
            _ if taken => delivery.outcome = Outcome::Delivered,
            Some(due_ms) => _ = self.waiting.insert((due_ms, number)),
            None => delivery.outcome = Outcome::GivenUp,
        }
        let endpoint = delivery.endpoint.clone();
        self.release_before(number, endpoint.as_deref(), now_ms);
        self.deliveries.get(&number)
    }

    /// How often a delivery has been sent before.
    pub(in crate::sandbox) fn attempts(&self, ticket: Ticket) -> u32 {
        self.deliveries.get(&ticket.number).map_or(0, |delivery| delivery.attempts)
    }

    /// When the next delivery is due, in Unix milliseconds.
    pub(in crate::sandbox) fn next_due(&self) -> Option<i64> {
        self.waiting.first().map(|(due_ms, _)| *due_ms)
    }

    /// Whether nothing is being sent, nor due by now.
    pub(in crate::sandbox) fn is_quiet(&self, now_ms: i64) -> bool {
        self.in_flight.is_empty() && self.next_due().is_none_or(|due_ms| due_ms > now_ms)
    }

    /// Every delivery that is remembered, with its number, oldest first, from that number on.
    pub(in crate::sandbox) fn deliveries(
        &self,
        from: u64,
    ) -> impl Iterator<Item = (u64, &Delivery)> {
        self.deliveries.range(from..).map(|(number, delivery)| (*number, delivery))
    }

    /// Lets the deliveries go that waited for this one to pass.
    fn release_before(&mut self, number: u64, endpoint: Option<&str>, now_ms: i64) {
        let same = |held: &&u64| {
            self.deliveries
                .get(held)
                .is_some_and(|delivery| delivery.endpoint.as_deref() == endpoint)
        };
        let free: Vec<u64> = self.held.range(..number).filter(same).copied().collect();
        for number in free {
            self.held.remove(&number);
            self.waiting.retain(|(_, waiting)| *waiting != number);
            self.waiting.insert((now_ms, number));
            self.signals.wake.notify_one();
        }
    }

    fn keep_bounds(&mut self) {
        if self.waiting.len() > self.waiting_max
            && let Some((_, number)) = self.waiting.pop_first()
        {
            tracing::warn!("a webhook was given up: too many are waiting");
            self.give_up(number);
        }
        // What has been settled is remembered for as long as there is room.
        if self.deliveries.len() > self.waiting_max.saturating_mul(2) {
            self.deliveries.pop_first();
        }
    }

    fn give_up(&mut self, number: u64) {
        self.held.remove(&number);
        if let Some(delivery) = self.deliveries.get_mut(&number) {
            delivery.outcome = Outcome::GivenUp;
        }
    }
}

#[cfg(test)]
mod tests;
