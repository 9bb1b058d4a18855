//! The table `events`: what Stripe reported, as received.

use std::collections::HashSet;

use super::query::Query;
use super::together::Together;
use super::{Error, Storage, Transaction, chain};
use crate::planted::{self, Bug};

/// An event as it arrived.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Stripe's id, `evt_…`.
    pub id: String,
    /// The Stripe account that it is of.
    pub account: String,
    /// Stripe's type, such as `checkout.session.completed`.
    pub kind: String,
    /// The version of Stripe's API that the body speaks.
    pub api_version: String,
    /// Whether it tells of real money.
    pub livemode: bool,
    /// When it happened, says Stripe.
    pub created_at_ms: i64,
    /// When it arrived, and so when it is due.
    pub received_at_ms: i64,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// [`EventState::Pending`], or [`EventState::Ignored`] for what nobody will read.
    pub state: EventState,
    /// The W3C trace context in which it arrived; empty where nobody traced.
    pub traceparent: String,
}

/// What has become of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    /// It is to be added to its payment.
    Pending,
    /// Its payment knows.
    Done,
    /// It tells of nothing that is recorded here, or of a payment that is not known yet:
    /// then it is in `waiting`, and is pending again once the payment is.
    Ignored,
}

/// An event that is to be added to its payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEvent {
    /// Stripe's id, `evt_…`.
    pub id: String,
    /// The Stripe account that it is of.
    pub account: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// How often it was put off.
    pub attempts: u32,
    /// The W3C trace context in which it arrived; empty where nobody traced.
    pub traceparent: String,
}

/// What waits in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inbox {
    /// How many events are to be added to their payments.
    pub count: i64,
    /// When the oldest of them arrived.
    pub oldest_at_ms: Option<i64>,
}

// === impl NewEvent ===

impl Together for NewEvent {
    /// Whether it is new.
    type Outcome = bool;

    async fn write(
        mut transaction: Transaction<'_>,
        events: &[&NewEvent],
    ) -> Result<Vec<bool>, Error> {
        let mut new = transaction.insert_events(events).await?;
        // Of two with one id, the first is new.
        let is_new = |event: &&NewEvent| new.remove(&event.id) || planted::is(Bug::CountedAgain);
        Ok(events.iter().map(is_new).collect())
    }
}

// === impl EventState ===

impl EventState {
    fn as_str(self) -> &'static str {
        match self {
            EventState::Pending => "pending",
            EventState::Done => "done",
            EventState::Ignored => "ignored",
        }
    }
}

// === impl Storage ===

impl Storage {
    /// Keeps an event, unless it is here already. Says whether it was new, and
    /// returns once it is safe.
    pub async fn insert_event(&self, event: NewEvent) -> Result<bool, Error> {
        let storage = self.clone();
        let inserted = async move { storage.put(event).await };
        if planted::is(Bug::AcknowledgedUnsafe) {
            tokio::spawn(inserted);
            return Ok(true);
        }
        inserted.await
    }

    /// Says whether an event is here.
    pub async fn has_event(&self, id: &str) -> Result<bool, Error> {
        let found: Option<String> = sqlx::query_scalar("SELECT id FROM events WHERE id = $1")
            .bind(id)
            .fetch_optional(self.readers())
            .await?;
        Ok(found.is_some())
    }

    /// Gives events that are due, the longest due first.
    ///
    /// No event is put off by more than `put_off_max_ms`. One that seems to be
    /// was put off before the clock was set back, and is due as well.
    pub async fn due_events(
        &self,
        now_ms: i64,
        put_off_max_ms: i64,
        limit: u32,
    ) -> Result<Vec<DueEvent>, Error> {
        let rows: Vec<(String, String, Vec<u8>, i32, String)> = sqlx::query_as(
            "SELECT id, account, body, attempts, traceparent FROM events
             WHERE state = 'pending' AND (due_at_ms <= $1 OR due_at_ms > $2)
             ORDER BY due_at_ms, id LIMIT $3",
        )
        .bind(now_ms)
        .bind(now_ms.saturating_add(put_off_max_ms))
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        let event = |(id, account, body, attempts, traceparent): (_, _, _, i32, _)| DueEvent {
            id,
            account,
            body,
            attempts: attempts.unsigned_abs(),
            traceparent,
        };
        Ok(rows.into_iter().map(event).collect())
    }

    /// Counts the events that are to be added to their payments.
    pub async fn pending_events(&self) -> Result<Inbox, Error> {
        let pending = sqlx::query_as(
            "SELECT count(*), min(received_at_ms) FROM events WHERE state = 'pending'",
        );
        let (count, oldest_at_ms) = pending.fetch_one(self.readers()).await?;
        Ok(Inbox { count, oldest_at_ms })
    }

    /// Gives the time when the next event will be due that is not yet.
    pub async fn next_due_at_ms(&self, now_ms: i64) -> Result<Option<i64>, Error> {
        let due = sqlx::query_scalar(
            "SELECT min(due_at_ms) FROM events WHERE state = 'pending' AND due_at_ms > $1",
        );
        Ok(due.bind(now_ms).fetch_one(self.readers()).await?)
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Ends the wait of events. One that has ended before stays as it is.
    pub async fn settle_events(&mut self, ids: &[String], state: EventState) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut query = Query::new("UPDATE events SET state = ");
        query.bind(state.as_str().to_owned())?.push(" WHERE state = 'pending' AND id IN ");
        query.bind_all(ids)?;
        query.execute(&mut *self.0).await
    }

    /// Puts an event off, and counts it.
    pub async fn postpone_event(&mut self, id: &str, due_at_ms: i64) -> Result<(), Error> {
        sqlx::query(
            "UPDATE events SET due_at_ms = $2, attempts = attempts + 1
             WHERE id = $1 AND state = 'pending'",
        )
        .bind(id)
        .bind(due_at_ms)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Keeps events that are not here already, and gives the ids of those.
    pub(super) async fn insert_events(
        &mut self,
        events: &[&NewEvent],
    ) -> Result<HashSet<String>, Error> {
        let mut query = Query::new(
            "INSERT INTO events
             (id, type, api_version, livemode, created_at_ms, received_at_ms, due_at_ms,
              state, account, traceparent, body_hash, body) VALUES ",
        );
        for &event in events {
            let NewEvent { id, kind, api_version, livemode, .. } = event;
            let NewEvent { created_at_ms, received_at_ms, account, .. } = event;
            let row = query.row().with(id.clone())?.with(kind.clone())?;
            let row = row.with(api_version.clone())?.with(*livemode)?;
            let row = row.with(*created_at_ms)?.with(*received_at_ms)?.with(*received_at_ms)?;
            let row = row.with(event.state.as_str().to_owned())?.with(account.clone())?;
            let row = row.with(event.traceparent.clone())?;
            row.with(chain::of(&event.body).to_vec())?.with(event.body.clone())?.end();
        }
        query.push(" ON CONFLICT (id) DO NOTHING RETURNING id");
        let new: Vec<(String,)> = query.rows(&mut *self.0).await?;
        self.1.has_events |= !new.is_empty();
        Ok(new.into_iter().map(|(id,)| id).collect())
    }
}
