//! What is forgotten, and when: in batches so small that no write waits long.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::metrics::Gauge;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{Error, Lease, Place, Storage, Transaction};
use crate::clock::Clock;

/// How many rows one transaction forgets.
const BATCH_MAX: i64 = 500;
/// How long to rest when nothing is left to forget.
const REST: Duration = Duration::from_mins(1);
/// For how many days a request is remembered, so that it gets the same answer.
const REQUEST_DAYS: u32 = 30;
/// What holds bodies of events, or waits for one, and by which time it is as old.
const BESIDE_BODIES: [&str; 2] = [
    "DELETE FROM waiting WHERE (key, event_id) IN (
        SELECT key, event_id FROM waiting WHERE since_ms < $1 ORDER BY since_ms LIMIT $2)",
    "DELETE FROM quarantine WHERE id IN (
        SELECT id FROM quarantine WHERE received_at_ms < $1 ORDER BY received_at_ms LIMIT $2)",
];
/// What remembers requests.
const REQUESTS: [&str; 2] = [
    "DELETE FROM answers WHERE request_id IN (
        SELECT request_id FROM answers WHERE answered_at_ms < $1
        ORDER BY answered_at_ms LIMIT $2)",
    "DELETE FROM refund_requests WHERE request_id IN (
        SELECT request_id FROM refund_requests WHERE asked_at_ms < $1
        ORDER BY asked_at_ms LIMIT $2)",
];
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

static OLDEST: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.feed.oldest")
        .with_unit("{event}")
        .with_description("The sequence of the oldest event that WatchPayments can give.")
        .build()
});

/// For how many days what is kept; 0 is for ever. Payments are kept for ever.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The bodies of Stripe's events that have done their work. They name buyers.
    pub event_body_days: u32,
    /// Stripe's events themselves, without which a late delivery looks new. They
    /// stay at least as long as their bodies.
    pub event_days: u32,
    /// The feed. A consumer who was away for longer must begin again.
    pub feed_days: u32,
    /// Consumers of the feed that are not used. One that comes back is a new one.
    pub consumer_days: u32,
    /// Records of calls. The newest stays whatever its age, so that the chain goes on.
    pub audit_days: u32,
}

// === impl Storage ===

impl Storage {
    /// Forgets what is too old, until it is stopped.
    pub async fn forget_by(self, config: Config, clock: Clock, stop: CancellationToken) {
        let mut lease = Lease::new(self.clone(), "retention", 2 * REST);
        while !stop.is_cancelled() {
            if let Err(error) = self.forget_in_turn(&mut lease, config, clock.now_ms(), &stop).await
            {
                tracing::warn!(%error, "What is too old could not be forgotten for now");
            }
            let _ = stop.run_until_cancelled(tokio::time::sleep(REST)).await;
        }
        // Whoever cannot let it go leaves it to run out.
        let _ = lease.release(clock.now_ms()).await;
    }

    async fn forget_in_turn(
        &self,
        lease: &mut Lease,
        config: Config,
        now_ms: i64,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        if lease.hold(now_ms).await? {
            while !stop.is_cancelled() && self.forget(config, now_ms).await? {}
        }
        let ends = self.feed_ends().await?;
        OLDEST.record(ends.forgotten.sequence + 1, &[]);
        Ok(())
    }

    /// Forgets a batch of each kind, and says whether there can be more.
    pub async fn forget(&self, config: Config, now_ms: i64) -> Result<bool, Error> {
        let before = |days: u32| {
            let age_ms = i64::from(days).saturating_mul(DAY_MS);
            (days > 0).then(|| now_ms.saturating_sub(age_ms))
        };
        let (bodies, events) = (before(config.event_body_days), before(config.event_days));
        let (feed, requests) = (before(config.feed_days), before(REQUEST_DAYS));
        let (consumers, audit) = (before(config.consumer_days), before(config.audit_days));
        self.write(move |mut transaction| {
            Box::pin(async move {
                let mut rows = 0;
                if let Some(before_ms) = bodies {
                    rows = rows.max(transaction.erase_bodies(before_ms).await?);
                    rows = rows.max(transaction.forget_by(BESIDE_BODIES, before_ms).await?);
                }
                if let Some(before_ms) = requests {
                    rows = rows.max(transaction.forget_by(REQUESTS, before_ms).await?);
                }
                if let Some(before_ms) = events {
                    rows = rows.max(transaction.forget_events(before_ms).await?);
                }
                if let Some(before_ms) = feed {
                    rows = rows.max(transaction.forget_feed(before_ms).await?);
                }
                if let Some(before_ms) = consumers {
                    let forgotten = transaction.forget_consumers(before_ms, now_ms, BATCH_MAX);
                    rows = rows.max(forgotten.await?);
                }
                if let Some(before_ms) = audit {
                    rows = rows.max(transaction.forget_audit(before_ms, BATCH_MAX).await?);
                }
                Ok(rows >= BATCH_MAX.unsigned_abs())
            })
        })
        .await
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    async fn erase_bodies(&mut self, before_ms: i64) -> Result<u64, Error> {
        let erase = sqlx::query(
            "UPDATE events SET body = NULL WHERE id IN (
                SELECT id FROM events
                WHERE body IS NOT NULL AND received_at_ms < $1 AND state <> 'pending'
                ORDER BY received_at_ms LIMIT $2)",
        );
        let erase = erase.bind(before_ms).bind(BATCH_MAX);
        Ok(erase.execute(&mut *self.0).await?.rows_affected())
    }

    /// Deletes a batch by each statement, and gives the larger number of rows.
    async fn forget_by(
        &mut self,
        statements: [&'static str; 2],
        before_ms: i64,
    ) -> Result<u64, Error> {
        let mut rows = 0;
        for statement in statements {
            let forget = sqlx::query(statement).bind(before_ms).bind(BATCH_MAX);
            rows = rows.max(forget.execute(&mut *self.0).await?.rows_affected());
        }
        Ok(rows)
    }

    async fn forget_events(&mut self, before_ms: i64) -> Result<u64, Error> {
        let forget = sqlx::query(
            "DELETE FROM events WHERE id IN (
                SELECT id FROM events WHERE body IS NULL AND received_at_ms < $1
                ORDER BY received_at_ms LIMIT $2)",
        );
        let forget = forget.bind(before_ms).bind(BATCH_MAX);
        Ok(forget.execute(&mut *self.0).await?.rows_affected())
    }

    /// Forgets the oldest part of the feed. The hash of the last change that is
    /// forgotten is kept, so that the chain can be followed from there on.
    async fn forget_feed(&mut self, before_ms: i64) -> Result<u64, Error> {
        let last = sqlx::query_as(
            "SELECT sequence, hash FROM (
                SELECT sequence, recorded_at_ms, hash FROM feed ORDER BY sequence LIMIT $2)
             AS oldest WHERE recorded_at_ms < $1 ORDER BY sequence DESC LIMIT 1",
        );
        let last: Option<(i64, Vec<u8>)> =
            last.bind(before_ms).bind(BATCH_MAX).fetch_optional(&mut *self.0).await?;
        let Some((sequence, hash)) = last else { return Ok(0) };
        let place = Place::read(sequence, &hash)?;
        sqlx::query("UPDATE installation SET forgotten = $1, forgotten_hash = $2")
            .bind(place.sequence)
            .bind(place.hash.to_vec())
            .execute(&mut *self.0)
            .await?;
        let forget = sqlx::query("DELETE FROM feed WHERE sequence <= $1").bind(sequence);
        Ok(forget.execute(&mut *self.0).await?.rows_affected())
    }
}
