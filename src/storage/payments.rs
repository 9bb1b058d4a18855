//! The table `payments`: what is known of each payment.

use prost::Message as _;

use super::query::Query;
use super::{Error, Storage, Transaction};
use crate::pb;
use crate::pb::time::millis;

/// A payment, and what only this service needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The payment.
    pub payment: pb::Payment,
    /// The last claim to ship it; empty when there was none.
    pub claim: String,
    /// From when on it can be claimed, in milliseconds since 1970; never where `None`.
    pub claimable_at_ms: Option<i64>,
    /// Since when it is to be given back, because it came too late for its order;
    /// `None` where it is not, or was.
    pub give_back_at_ms: Option<i64>,
}

/// A row: id, payment, claim, when it can be claimed and since when it is to be given
/// back.
type Row = (String, Vec<u8>, String, Option<i64>, Option<i64>);

/// Which payments to list.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Those of this Stripe account.
    pub account: String,
    /// Only those of this owner.
    pub owner: Option<String>,
    /// Only those of this link.
    pub payment_link: Option<String>,
    /// Only those in this state.
    pub state: Option<pb::payment::State>,
    /// Only those that come after this one.
    pub after: Option<Cursor>,
    /// How many, at most.
    pub limit: u32,
}

/// Which payments to claim.
#[derive(Debug, Clone, Default)]
pub struct Claimable {
    /// Those of this Stripe account.
    pub account: String,
    /// Only those of this owner.
    pub owner: Option<String>,
    /// Only those of these links; of all where there are none.
    pub payment_links: Vec<String>,
    /// Only those in these states; in any where there are none.
    pub states: Vec<i32>,
    /// Only those that carry this reference, or may carry it; any where it is empty.
    pub client_reference_id: String,
    /// Only those that come after this one.
    pub after: Option<Cursor>,
    /// How many, at most.
    pub limit: u32,
}

/// Which `client_reference_id` payments are looked for by.
enum Reference<'a> {
    Any,
    This(&'a str),
    /// What an earlier release has written: only the payment itself has it.
    Unknown,
}

/// The place of a payment or a link among all of its kind, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// When it was made.
    pub created_at_ms: i64,
    /// Its id, which orders those of the same time.
    pub id: String,
}

// === impl Cursor ===

impl Cursor {
    /// Gives the place of a payment. One whose time is not known is the oldest.
    #[must_use]
    pub fn of(payment: &pb::Payment) -> Self {
        let created_at_ms = payment.created.as_ref().map_or(0, millis);
        Self { created_at_ms, id: payment.id.clone() }
    }

    /// The place as a text, which [`Cursor::parse`] reads.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} {}", self.created_at_ms, self.id)
    }

    /// Reads a place.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (created_at_ms, id) = text.split_once(' ')?;
        Some(Self { created_at_ms: created_at_ms.parse().ok()?, id: id.to_owned() })
    }
}

// === impl Storage ===

impl Storage {
    /// Gives what is known of a payment.
    pub async fn payment(&self, id: &str) -> Result<Option<pb::Payment>, Error> {
        let row: Option<Vec<u8>> = sqlx::query_scalar("SELECT payment FROM payments WHERE id = $1")
            .bind(id)
            .fetch_optional(self.readers())
            .await?;
        row.map(|bytes| decode(id, &bytes)).transpose()
    }

    /// Lists payments, newest first.
    pub async fn payments(&self, listing: Listing) -> Result<Vec<pb::Payment>, Error> {
        // Built by parts, so that each combination can use the index made for it.
        let mut query = Query::new("SELECT id, payment FROM payments WHERE account = ");
        query.bind(listing.account)?;
        if let Some(owner) = listing.owner {
            query.push(" AND owner = ").bind(owner)?;
        }
        if let Some(payment_link) = listing.payment_link {
            query.push(" AND payment_link = ").bind(payment_link)?;
        }
        if let Some(state) = listing.state {
            query.push(" AND state = ").bind(i32::from(state))?;
        }
        if let Some(Cursor { created_at_ms, id }) = listing.after {
            query.push(" AND (created_at_ms, id) < (").bind(created_at_ms)?;
            query.push(", ").bind(id)?.push(")");
        }
        query
            .push(" ORDER BY created_at_ms DESC, id DESC LIMIT ")
            .bind(i64::from(listing.limit))?;
        let rows: Vec<(String, Vec<u8>)> = query.rows(self.readers()).await?;
        rows.iter().map(|(id, bytes)| decode(id, bytes)).collect()
    }

    /// Gives payments of an account that are pending and whose page was opened between two
    /// times, without the bounds, the oldest first.
    pub async fn pending(
        &self,
        account: &str,
        after_ms: i64,
        before_ms: i64,
        limit: u32,
    ) -> Result<Vec<pb::Payment>, Error> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "SELECT id, payment FROM payments
             WHERE account = $5 AND state = $1 AND created_at_ms > $2 AND created_at_ms < $3
             ORDER BY created_at_ms, id LIMIT $4",
        )
        .bind(i32::from(pb::payment::State::Pending))
        .bind(after_ms)
        .bind(before_ms)
        .bind(i64::from(limit))
        .bind(account)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(|(id, bytes)| decode(id, bytes)).collect()
    }

    /// Gives payments that can be claimed now, the oldest first.
    pub async fn claimable(
        &self,
        wanted: &Claimable,
        now_ms: i64,
    ) -> Result<Vec<pb::Payment>, Error> {
        // One question for each, since only that finds them by their index; in this order,
        // for an unknown one can become known in between.
        let references = match wanted.client_reference_id.as_str() {
            "" => vec![Reference::Any],
            reference => vec![Reference::Unknown, Reference::This(reference)],
        };
        let mut found = Vec::new();
        for reference in references {
            found.extend(self.claimable_by(reference, wanted, now_ms).await?);
        }
        found.sort_by_cached_key(|payment| {
            let Cursor { created_at_ms, id } = Cursor::of(payment);
            (created_at_ms, id)
        });
        found.dedup_by(|one, other| one.id == other.id);
        found.truncate(wanted.limit as usize);
        Ok(found)
    }

    async fn claimable_by(
        &self,
        reference: Reference<'_>,
        wanted: &Claimable,
        now_ms: i64,
    ) -> Result<Vec<pb::Payment>, Error> {
        let mut query = Query::new(
            "SELECT id, payment FROM payments
             WHERE claimable_at_ms IS NOT NULL AND account = ",
        );
        query.bind(wanted.account.clone())?.push(" AND claimable_at_ms <= ").bind(now_ms)?;
        if let Some(owner) = &wanted.owner {
            query.push(" AND owner = ").bind(owner.clone())?;
        }
        if !wanted.payment_links.is_empty() {
            query.push(" AND payment_link IN ").bind_all(&wanted.payment_links)?;
        }
        match reference {
            Reference::Any => {}
            Reference::Unknown => drop(query.push(" AND client_reference_id IS NULL")),
            Reference::This(reference) => {
                query.push(" AND client_reference_id = ").bind(reference.to_owned())?;
            }
        }
        if !wanted.states.is_empty() {
            // As a sum, for the index by states knows nothing of what can be claimed.
            query.push(" AND (state + 0) IN ").bind_all(&wanted.states)?;
        }
        if let Some(Cursor { created_at_ms, id }) = &wanted.after {
            query.push(" AND (created_at_ms, id) > (").bind(*created_at_ms)?;
            query.push(", ").bind(id.clone())?.push(")");
        }
        query.push(" ORDER BY created_at_ms, id LIMIT ").bind(i64::from(wanted.limit))?;
        let rows: Vec<(String, Vec<u8>)> = query.rows(self.readers()).await?;
        rows.iter().map(|(id, bytes)| decode(id, bytes)).collect()
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Gives what is known of a payment, as of this transaction.
    pub async fn known(&mut self, id: &str) -> Result<Option<Known>, Error> {
        Ok(self.known_of(&[id.to_owned()]).await?.pop())
    }

    /// Gives what is known of some payments, as of this transaction.
    pub async fn known_of(&mut self, ids: &[String]) -> Result<Vec<Known>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = Query::new(
            "SELECT id, payment, claim, claimable_at_ms, give_back_at_ms
             FROM payments WHERE id IN ",
        );
        query.bind_all(ids)?;
        let rows: Vec<Row> = query.rows(&mut *self.0).await?;
        rows.into_iter()
            .map(|(id, bytes, claim, claimable_at_ms, give_back_at_ms)| {
                let payment = decode(&id, &bytes)?;
                Ok(Known { payment, claim, claimable_at_ms, give_back_at_ms })
            })
            .collect()
    }

    /// Replaces what is known of payments. No two are the same. `decided_by` is a column of
    /// earlier releases, which nothing reads.
    pub async fn put_known(&mut self, all: &[&Known], updated_at_ms: i64) -> Result<(), Error> {
        if all.is_empty() {
            return Ok(());
        }
        let mut query = Query::new(
            "INSERT INTO payments
             (id, payment_link, state, created_at_ms, updated_at_ms, decided_by, payment, claim,
              claimable_at_ms, owner, order_ref, give_back_at_ms, account, client_reference_id)
             VALUES ",
        );
        for known in all {
            let pb::Payment { id, payment_link, state, .. } = &known.payment;
            let pb::Payment { owner, order_ref, account, client_reference_id, .. } = &known.payment;
            let row = query.row().with(id.clone())?.with(payment_link.clone())?.with(*state)?;
            let row = row.with(Cursor::of(&known.payment).created_at_ms)?.with(updated_at_ms)?;
            let row = row.with(String::new())?.with(known.payment.encode_to_vec())?;
            let row = row.with(known.claim.clone())?.with(known.claimable_at_ms)?;
            let row = row.with(owner.clone())?.with(order_ref.clone())?;
            let row = row.with(known.give_back_at_ms)?.with(account.clone())?;
            row.with(client_reference_id.clone())?.end();
        }
        query.push(
            " ON CONFLICT (id) DO UPDATE SET
             payment_link = excluded.payment_link, state = excluded.state,
             created_at_ms = excluded.created_at_ms, updated_at_ms = excluded.updated_at_ms,
             payment = excluded.payment, claim = excluded.claim,
             claimable_at_ms = excluded.claimable_at_ms,
             owner = excluded.owner, order_ref = excluded.order_ref,
             give_back_at_ms = excluded.give_back_at_ms, account = excluded.account,
             client_reference_id = excluded.client_reference_id",
        );
        query.execute(&mut *self.0).await
    }
}

#[cfg(test)]
impl Known {
    /// A payment that one event has told of, for tests.
    pub(crate) fn testing(payment: pb::Payment) -> Self {
        Self { payment, claim: String::new(), claimable_at_ms: None, give_back_at_ms: None }
    }
}

pub(super) fn decode(id: &str, bytes: &[u8]) -> Result<pb::Payment, Error> {
    pb::Payment::decode(bytes).map_err(|_| Error::Corrupt { what: format!("payment {id}") })
}
