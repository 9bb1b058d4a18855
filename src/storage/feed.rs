//! The table `feed`: every change of a payment, in order and in a chain.
//!
//! The hash of a change covers, after its place, `record_time ‖ previous_state ‖
//! payment_hash ‖ stripe_event`, where numbers are big-endian, 8 bytes for
//! `record_time` in milliseconds since 1970, 4 for `previous_state`, `payment_hash`
//! is the SHA-256 of the stored payment, and `stripe_event` is UTF-8.

use prost::Message as _;
use sha2::Digest as _;
use sqlx::AnyConnection;

use super::chain::{self, Hash, Place};
use super::query::Query;
use super::{Error, Storage, Transaction};
use crate::pb;
use crate::pb::time::timestamp;

/// How much of the feed to read at once.
#[derive(Debug, Clone, Copy)]
pub struct PageLimit {
    /// How many changes, at most.
    pub changes: u32,
    /// After how many bytes of payments to stop. At least one change is read.
    pub bytes: usize,
}

/// A part of the feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The changes that were asked for.
    pub changes: Vec<pb::PaymentEvent>,
    /// The place up to which there is no further change that was asked for.
    pub through: Place,
}

/// What the feed holds at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The newest change.
    pub head: Place,
    /// The newest change that is no longer kept; the feed begins after it.
    pub forgotten: Place,
}

/// A change that has its place in the feed, and is to be put there before the
/// transaction ends.
#[derive(Debug)]
#[must_use = "the feed has a gap without it"]
pub struct Change {
    place: Place,
    previous_hash: Hash,
    payment_id: String,
    payment_link: String,
    payment: Vec<u8>,
    previous_state: i32,
    event_id: String,
    recorded_at_ms: i64,
}

/// The newest end and how much is forgotten, and a change where there is one.
type Row = (
    i64,
    Vec<u8>,
    i64,
    Option<i64>,
    Option<Vec<u8>>,
    Option<i32>,
    Option<i64>,
    Option<String>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
);

// === impl Place ===

impl Place {
    /// The place after a change that was read.
    pub fn after(event: &pb::PaymentEvent) -> Result<Self, Error> {
        let mut hash = Hash::default();
        let corrupt = |_| Error::Corrupt { what: format!("the hash of feed {}", event.sequence) };
        hex::decode_to_slice(&event.hash, &mut hash).map_err(corrupt)?;
        Ok(Self { sequence: event.sequence, hash })
    }
}

// === impl Storage ===

impl Storage {
    /// Gives what the feed holds.
    pub async fn feed_ends(&self) -> Result<Ends, Error> {
        let ends =
            sqlx::query_as("SELECT head, head_hash, forgotten, forgotten_hash FROM installation");
        let (head, head_hash, forgotten, forgotten_hash): (i64, Vec<u8>, i64, Vec<u8>) =
            ends.fetch_one(self.readers()).await?;
        Ok(Ends {
            head: Place::read(head, &head_hash)?,
            forgotten: Place::read(forgotten, &forgotten_hash)?,
        })
    }

    /// Gives the place after a change that is kept.
    pub async fn feed_place(&self, sequence: i64) -> Result<Option<Place>, Error> {
        let hash = sqlx::query_scalar("SELECT hash FROM feed WHERE sequence = $1");
        let hash: Option<Vec<u8>> = hash.bind(sequence).fetch_optional(self.readers()).await?;
        hash.map(|hash| Place::read(sequence, &hash)).transpose()
    }

    /// Reads the changes after a place; with a link, only those of its payments.
    ///
    /// Refuses with [`Error::Forgotten`] where changes after the place are no
    /// longer kept.
    pub async fn feed_after(
        &self,
        place: Place,
        payment_link: Option<&str>,
        limit: PageLimit,
    ) -> Result<Page, Error> {
        // One statement sees one state of the database, so that the head it
        // gives is the head of the very feed that it has read, and nothing was
        // forgotten in between.
        let mut query = Query::new(
            "SELECT head, head_hash, forgotten, sequence, payment, previous_state,
             recorded_at_ms, event_id, previous_hash, hash
             FROM installation LEFT JOIN (SELECT * FROM feed WHERE sequence > ",
        );
        query.bind(place.sequence)?;
        if let Some(payment_link) = payment_link {
            query.push(" AND payment_link = ").bind(payment_link.to_owned())?;
        }
        query.push(" ORDER BY sequence LIMIT ").bind(i64::from(limit.changes))?;
        query.push(") AS page ON true ORDER BY sequence");
        let rows: Vec<Row> = query.rows(self.readers()).await?;
        page(rows, place, limit)
    }
}

// === impl Change ===

impl Change {
    /// Its place in the feed.
    #[must_use]
    pub fn sequence(&self) -> i64 {
        self.place.sequence
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Gives the change that an event made to a payment the next place in the feed.
    pub async fn next_change(
        &mut self,
        payment: &pb::Payment,
        previous_state: pb::payment::State,
        event_id: &str,
        recorded_at_ms: i64,
    ) -> Result<Change, Error> {
        let previous = self.head().await?;
        let bytes = payment.encode_to_vec();
        let previous_state = i32::from(previous_state);
        let place = previous.next(|hash| {
            hash.chain_update(recorded_at_ms.to_be_bytes())
                .chain_update(previous_state.to_be_bytes())
                .chain_update(chain::of(&bytes))
                .chain_update(event_id)
        });
        self.1.head = Some(place);
        Ok(Change {
            place,
            previous_hash: previous.hash,
            payment_id: payment.id.clone(),
            payment_link: payment.payment_link.clone(),
            payment: bytes,
            previous_state,
            event_id: event_id.to_owned(),
            recorded_at_ms,
        })
    }

    /// Puts changes into the feed, each at its place.
    pub async fn put_changes(&mut self, changes: Vec<Change>) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut query = Query::new(
            "INSERT INTO feed
             (sequence, payment_id, payment_link, previous_state, event_id, recorded_at_ms,
              payment, previous_hash, hash) VALUES ",
        );
        for change in changes {
            let Change { place, payment_id, payment_link, previous_state, .. } = change;
            let row = query.row().with(place.sequence)?.with(payment_id)?.with(payment_link)?;
            let row = row.with(previous_state)?.with(change.event_id)?;
            let row = row.with(change.recorded_at_ms)?.with(change.payment)?;
            row.with(change.previous_hash.to_vec())?.with(place.hash.to_vec())?.end();
        }
        query.execute(&mut *self.0).await
    }

    /// The newest change as of this write. It is read once in a batch, whose
    /// writes are the only ones under way, and stored once at its end.
    async fn head(&mut self) -> Result<Place, Error> {
        if let Some(head) = self.1.head {
            return Ok(head);
        }
        let head = sqlx::query_as("SELECT head, head_hash FROM installation");
        let (sequence, hash): (i64, Vec<u8>) = head.fetch_one(&mut *self.0).await?;
        Place::read(sequence, &hash)
    }
}

/// Stores the newest change of a batch.
pub(super) async fn put_head(connection: &mut AnyConnection, head: Place) -> Result<(), Error> {
    sqlx::query("UPDATE installation SET head = $1, head_hash = $2")
        .bind(head.sequence)
        .bind(head.hash.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

fn page(rows: Vec<Row>, place: Place, limit: PageLimit) -> Result<Page, Error> {
    let mut page = Page { changes: Vec::with_capacity(rows.len()), through: place };
    let mut bytes = 0;
    for row in rows {
        let (head, head_hash, forgotten) = (row.0, &row.1, row.2);
        if place.sequence < forgotten {
            return Err(Error::Forgotten { oldest: forgotten + 1 });
        }
        // Where the head comes before the place, the memory was restored since.
        if head > place.sequence {
            page.through = Place::read(head, head_hash)?;
        }
        let Some((change, hash, size)) = change(row)? else { break };
        bytes += size;
        page.changes.push(change);
        if bytes >= limit.bytes || page.changes.len() >= limit.changes as usize {
            page.through = hash;
            break;
        }
    }
    Ok(page)
}

/// Reads a change, the place after it and the size of its payment.
fn change(row: Row) -> Result<Option<(pb::PaymentEvent, Place, usize)>, Error> {
    let (
        ..,
        Some(sequence),
        Some(bytes),
        Some(previous_state),
        Some(recorded_at_ms),
        Some(stripe_event),
        Some(previous_hash),
        Some(hash),
    ) = row
    else {
        return Ok(None);
    };
    let payment = pb::Payment::decode(bytes.as_slice())
        .map_err(|_| Error::Corrupt { what: format!("feed {sequence}") })?;
    let place = Place::read(sequence, &hash)?;
    let event = pb::PaymentEvent {
        sequence,
        payment: Some(payment),
        previous_state,
        record_time: Some(timestamp(recorded_at_ms)),
        stripe_event,
        hash: hex::encode(place.hash),
        previous_hash: hex::encode(previous_hash),
        payment_hash: hex::encode(chain::of(&bytes)),
    };
    Ok(Some((event, place, bytes.len())))
}
