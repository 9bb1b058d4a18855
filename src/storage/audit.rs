//! The table `audit`: who has changed what, or tried to, in order and in a chain.
//!
//! The hash of a record covers, after its place, the time in milliseconds since 1970 in
//! 8 bytes, whether it only validated in one, and each text of [`texts`] behind its
//! length in 4, all with the highest byte first.

use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use super::chain::Place;
use super::query::{Query, Values};
use super::together::Together;
use super::{Error, Storage, Transaction};
use crate::pb;
use crate::pb::time::timestamp;

/// Which records to list.
#[derive(Debug, Clone, Default)]
pub struct AuditListing {
    /// Those of this Stripe account.
    pub account: String,
    /// Only those of this owner.
    pub owner: Option<String>,
    /// Only those of this caller.
    pub caller: Option<String>,
    /// Only those of this method.
    pub method: Option<String>,
    /// Only those that are about this object, or have made it.
    pub object: Option<String>,
    /// Only those of this time or later.
    pub from_ms: Option<i64>,
    /// Only those from before this time.
    pub before_ms: Option<i64>,
    /// Whether to begin with the oldest.
    pub oldest_first: bool,
    /// Only those that come after the record of this sequence.
    pub after: Option<i64>,
    /// How many, at most.
    pub limit: u32,
}

/// A part of the records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditPage {
    /// Those that were asked for.
    pub records: Vec<pb::AuditRecord>,
    /// The sequence up to which was looked; `None` where nothing is left.
    pub through: Option<i64>,
}

/// A record that is to be appended.
struct Entry {
    record: pb::AuditRecord,
    recorded_at_ms: i64,
    is_again: bool,
}

/// How many records one page looks at, which bounds what a filter costs that fits few.
const SCAN_MAX: i64 = 10_000;

// === impl Storage ===

impl Storage {
    /// Appends the record of a call, which gets its time and place here. `is_again` says
    /// that the same may be there already, after a commit whose outcome is not known.
    pub async fn append_audit(
        &self,
        record: pb::AuditRecord,
        recorded_at_ms: i64,
        is_again: bool,
    ) -> Result<(), Error> {
        self.put(Entry { record, recorded_at_ms, is_again }).await
    }

    /// Lists records.
    pub async fn audit(&self, listing: AuditListing) -> Result<AuditPage, Error> {
        let Some((oldest, newest)) = self.audit_ends().await? else {
            return Ok(AuditPage::default());
        };
        let (low, high) = if listing.oldest_first {
            let low = listing.after.map_or(oldest, |after| after.saturating_add(1)).max(oldest);
            (low, low.saturating_add(SCAN_MAX - 1))
        } else {
            let high = listing.after.map_or(newest, |after| after.saturating_sub(1)).min(newest);
            (high.saturating_sub(SCAN_MAX - 1), high)
        };
        let (oldest_first, limit) = (listing.oldest_first, listing.limit as usize);
        let select = select(listing, low, high)?;
        let records: Vec<pb::AuditRecord> = select.rows(self.readers()).await?;
        let last = records.last().filter(|_| records.len() >= limit);
        let end = if oldest_first { high } else { low };
        let through = last.map_or(end, |last| last.sequence);
        let is_more = if oldest_first { through < newest } else { through > oldest };
        Ok(AuditPage { records, through: is_more.then_some(through) })
    }

    /// The sequences of the oldest and the newest record; `None` where there is none.
    async fn audit_ends(&self) -> Result<Option<(i64, i64)>, Error> {
        let ends = sqlx::query_as(
            "SELECT (SELECT sequence FROM audit ORDER BY sequence LIMIT 1),
             (SELECT sequence FROM audit ORDER BY sequence DESC LIMIT 1)",
        );
        let (oldest, newest): (Option<i64>, Option<i64>) = ends.fetch_one(self.readers()).await?;
        Ok(oldest.zip(newest))
    }
}

// === impl Entry ===

impl Together for Entry {
    type Outcome = ();

    async fn write(mut transaction: Transaction<'_>, all: &[&Entry]) -> Result<Vec<()>, Error> {
        let mut insert = Query::new(
            "INSERT INTO audit
             (sequence, recorded_at_ms, validate_only, previous_hash, hash, caller, owner,
              account, method, object, made, code, reason, request_id, stripe_request_id,
              traceparent) VALUES ",
        );
        let mut last = transaction.last_audit().await?;
        for entry in all {
            if entry.is_again && transaction.has_audit(entry).await? {
                continue;
            }
            let place = entry.place(&last);
            let row = insert.row().with(place.sequence)?.with(entry.recorded_at_ms)?;
            let row = row.with(i64::from(entry.record.validate_only))?;
            let row = row.with(last.hash.to_vec())?.with(place.hash.to_vec())?;
            let texts = texts(&entry.record).into_iter();
            texts.map(str::to_owned).try_fold(row, Values::with)?.end();
            last = place;
        }
        if insert.has_rows() {
            insert.execute(&mut *transaction.0).await?;
        }
        transaction.1.audited = Some(last);
        Ok(vec![(); all.len()])
    }
}

impl Entry {
    /// The place after another.
    fn place(&self, previous: &Place) -> Place {
        previous.next(|mut hash| {
            use sha2::Digest as _;
            hash.update(self.recorded_at_ms.to_be_bytes());
            hash.update([u8::from(self.record.validate_only)]);
            for text in texts(&self.record) {
                hash.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
                hash.update(text);
            }
            hash
        })
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// The newest record as of this write. It is read once in a batch, whose writes
    /// are the only ones under way.
    async fn last_audit(&mut self) -> Result<Place, Error> {
        if let Some(last) = self.1.audited {
            return Ok(last);
        }
        let last =
            sqlx::query_as("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1");
        let last: Option<(i64, Vec<u8>)> = last.fetch_optional(&mut *self.0).await?;
        if let Some((sequence, hash)) = last {
            return Place::read(sequence, &hash);
        }
        let epoch = sqlx::query_scalar("SELECT epoch FROM installation");
        let epoch: String = epoch.fetch_one(&mut *self.0).await?;
        Ok(Place::start(&epoch))
    }

    /// Whether one of the newest records is of the same call.
    async fn has_audit(&mut self, entry: &Entry) -> Result<bool, Error> {
        let Entry { record, recorded_at_ms, .. } = entry;
        let last = self.last_audit().await?;
        let same = sqlx::query_scalar(
            "SELECT count(*) FROM audit WHERE sequence > $1 AND request_id = $2
             AND recorded_at_ms = $3 AND method = $4",
        );
        let same: i64 = same
            .bind(last.sequence.saturating_sub(SCAN_MAX))
            .bind(&record.request_id)
            .bind(recorded_at_ms)
            .bind(&record.method)
            .fetch_one(&mut *self.0)
            .await?;
        Ok(same > 0)
    }

    /// Forgets a batch of the oldest records, and gives how many. The first that is left
    /// carries the hash of the last that is gone, so the chain can be followed from there.
    pub(super) async fn forget_audit(
        &mut self,
        before_ms: i64,
        batch_max: i64,
    ) -> Result<u64, Error> {
        let last = sqlx::query_scalar(
            "SELECT sequence FROM (
                SELECT sequence, recorded_at_ms FROM audit ORDER BY sequence LIMIT $2)
             AS oldest WHERE recorded_at_ms < $1 ORDER BY sequence DESC LIMIT 1",
        );
        let last: Option<i64> =
            last.bind(before_ms).bind(batch_max).fetch_optional(&mut *self.0).await?;
        let Some(last) = last else { return Ok(0) };
        let forget = sqlx::query(
            "DELETE FROM audit WHERE sequence <= $1 AND sequence < (
                SELECT sequence FROM audit ORDER BY sequence DESC LIMIT 1)",
        );
        Ok(forget.bind(last).execute(&mut *self.0).await?.rows_affected())
    }
}

// === impl AuditRecord ===

impl FromRow<'_, AnyRow> for pb::AuditRecord {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            sequence: row.try_get(0)?,
            record_time: Some(timestamp(row.try_get(1)?)),
            validate_only: row.try_get::<i64, _>(2)? != 0,
            previous_hash: hex::encode(row.try_get::<Vec<u8>, _>(3)?),
            hash: hex::encode(row.try_get::<Vec<u8>, _>(4)?),
            caller: row.try_get(5)?,
            owner: row.try_get(6)?,
            account: row.try_get(7)?,
            method: row.try_get(8)?,
            object: row.try_get(9)?,
            made: row.try_get(10)?,
            code: row.try_get(11)?,
            reason: row.try_get(12)?,
            request_id: row.try_get(13)?,
            stripe_request_id: row.try_get(14)?,
            traceparent: row.try_get(15)?,
        })
    }
}

/// The texts of a record, in the order in which its hash covers them.
fn texts(record: &pb::AuditRecord) -> [&str; 11] {
    [
        &record.caller,
        &record.owner,
        &record.account,
        &record.method,
        &record.object,
        &record.made,
        &record.code,
        &record.reason,
        &record.request_id,
        &record.stripe_request_id,
        &record.traceparent,
    ]
}

fn select(listing: AuditListing, low: i64, high: i64) -> Result<Query, Error> {
    let mut query = Query::new(
        "SELECT sequence, recorded_at_ms, validate_only, previous_hash, hash, caller, owner,
         account, method, object, made, code, reason, request_id, stripe_request_id, traceparent
         FROM audit WHERE sequence >= ",
    );
    query.bind(low)?.push(" AND sequence <= ").bind(high)?;
    query.push(" AND account = ").bind(listing.account)?;
    let is = [
        (" AND owner = ", listing.owner),
        (" AND caller = ", listing.caller),
        (" AND method = ", listing.method),
    ];
    for (column, wanted) in is {
        if let Some(wanted) = wanted {
            query.push(column).bind(wanted)?;
        }
    }
    if let Some(object) = listing.object {
        query.push(" AND (object = ").bind(object.clone())?;
        query.push(" OR made = ").bind(object)?.push(")");
    }
    if let Some(from_ms) = listing.from_ms {
        query.push(" AND recorded_at_ms >= ").bind(from_ms)?;
    }
    if let Some(before_ms) = listing.before_ms {
        query.push(" AND recorded_at_ms < ").bind(before_ms)?;
    }
    let order = if listing.oldest_first { "" } else { "DESC" };
    query.push(" ORDER BY sequence ").push(order);
    query.push(" LIMIT ").bind(i64::from(listing.limit))?;
    Ok(query)
}
