//! The table `feed`: every change of a payment, in order.

use futures_util::TryStreamExt as _;
use prost::Message as _;
use prost_types::Timestamp;

use super::{Error, Storage, Transaction};
use crate::pb;

/// How much of the feed to read at once.
#[derive(Debug, Clone, Copy)]
pub struct PageLimit {
    /// How many changes, at most.
    pub changes: u32,
    /// After how many bytes of payments to stop. At least one change is read.
    pub bytes: usize,
}

/// A part of the feed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The changes that were asked for.
    pub changes: Vec<pb::PaymentEvent>,
    /// The sequence up to which there is no further change that was asked for.
    pub through: i64,
}

/// A row of the table.
type Row = (i64, Vec<u8>, i32, i64, String);

// === impl Storage ===

impl Storage {
    /// Gives the sequence of the newest change; 0 when there was none.
    pub async fn feed_head(&self) -> Result<i64, Error> {
        let head = sqlx::query_scalar("SELECT coalesce(max(sequence), 0) FROM feed");
        Ok(head.fetch_one(self.readers()).await?)
    }

    /// Reads the changes after a sequence; with a link, only those of its payments.
    pub async fn feed_after(
        &self,
        sequence: i64,
        payment_link: Option<&str>,
        limit: PageLimit,
    ) -> Result<Page, Error> {
        // The head is read first: what is committed later than that comes with
        // the next page, so `through` never passes over it.
        let head = self.feed_head().await?;
        let rows = match payment_link {
            None => sqlx::query_as::<_, Row>(
                "SELECT sequence, payment, previous_state, recorded_at_ms, event_id FROM feed
                 WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence LIMIT $3",
            ),
            Some(_) => sqlx::query_as::<_, Row>(
                "SELECT sequence, payment, previous_state, recorded_at_ms, event_id FROM feed
                 WHERE sequence > $1 AND sequence <= $2 AND payment_link = $4
                 ORDER BY sequence LIMIT $3",
            ),
        };
        let mut rows = rows.bind(sequence).bind(head).bind(i64::from(limit.changes));
        if let Some(payment_link) = payment_link {
            rows = rows.bind(payment_link.to_owned());
        }

        let mut page = Page { changes: Vec::new(), through: head.max(sequence) };
        let mut bytes = 0;
        let mut rows = rows.fetch(self.readers());
        while let Some(row) = rows.try_next().await? {
            bytes += row.1.len();
            page.changes.push(change(row)?);
            if bytes >= limit.bytes || page.changes.len() >= limit.changes as usize {
                page.through = page.changes.last().map_or(sequence, |change| change.sequence);
                break;
            }
        }
        Ok(page)
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Appends the change that an event made to a payment, and gives its sequence.
    pub async fn append_change(
        &mut self,
        payment: &pb::Payment,
        previous_state: pb::payment::State,
        event_id: &str,
        recorded_at_ms: i64,
    ) -> Result<i64, Error> {
        // Counting on from the newest row cannot leave a gap: there is one
        // writer, and what it rolls back was never counted.
        let sequence = sqlx::query_scalar(
            "INSERT INTO feed
             (sequence, payment_id, payment_link, previous_state, event_id, recorded_at_ms, payment)
             SELECT coalesce(max(sequence), 0) + 1, $1, $2, $3, $4, $5, $6 FROM feed
             RETURNING sequence",
        )
        .bind(&payment.id)
        .bind(&payment.payment_link)
        .bind(i32::from(previous_state))
        .bind(event_id)
        .bind(recorded_at_ms)
        .bind(payment.encode_to_vec())
        .fetch_one(&mut *self.0)
        .await?;
        Ok(sequence)
    }
}

fn change(row: Row) -> Result<pb::PaymentEvent, Error> {
    let (sequence, bytes, previous_state, recorded_at_ms, stripe_event) = row;
    let payment = pb::Payment::decode(bytes.as_slice())
        .map_err(|_| Error::Corrupt { what: format!("feed {sequence}") })?;
    Ok(pb::PaymentEvent {
        sequence,
        payment: Some(payment),
        previous_state,
        record_time: Some(time(recorded_at_ms)),
        stripe_event,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "less than a second has 30 bits of nanoseconds"
)]
fn time(millis: i64) -> Timestamp {
    let nanos = millis.rem_euclid(1_000) * 1_000_000;
    Timestamp { seconds: millis.div_euclid(1_000), nanos: nanos as i32 }
}
