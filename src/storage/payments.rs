//! The table `payments`: what is known of each payment.

use prost::Message as _;

use super::select::Select;
use super::{Error, Storage, Transaction};
use crate::pb;

/// A payment, and which event made it what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The payment.
    pub payment: pb::Payment,
    /// The id of the event that decided the payment's state.
    pub decided_by: String,
}

/// Which payments to list.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Only those of this link.
    pub payment_link: Option<String>,
    /// Only those in this state.
    pub state: Option<pb::payment::State>,
    /// Only those that come after this one.
    pub after: Option<Cursor>,
    /// How many, at most.
    pub limit: u32,
}

/// A payment's place among all payments, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// When its page was opened.
    pub created_at_ms: i64,
    /// Its id, which orders payments of the same time.
    pub id: String,
}

// === impl Cursor ===

impl Cursor {
    /// Gives the place of a payment. One whose time is not known is the oldest.
    #[must_use]
    pub fn of(payment: &pb::Payment) -> Self {
        let created_at_ms = payment.created.as_ref().map_or(0, |created| {
            let millis = i64::from(created.nanos) / 1_000_000;
            created.seconds.saturating_mul(1_000).saturating_add(millis)
        });
        Self { created_at_ms, id: payment.id.clone() }
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
        let mut query = Select::new("SELECT id, payment FROM payments WHERE true");
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
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Gives what is known of a payment, as of this transaction.
    pub async fn known(&mut self, id: &str) -> Result<Option<Known>, Error> {
        let row: Option<(Vec<u8>, String)> =
            sqlx::query_as("SELECT payment, decided_by FROM payments WHERE id = $1")
                .bind(id)
                .fetch_optional(&mut *self.0)
                .await?;
        row.map(|(bytes, decided_by)| Ok(Known { payment: decode(id, &bytes)?, decided_by }))
            .transpose()
    }

    /// Replaces what is known of a payment.
    pub async fn put_known(&mut self, known: &Known, updated_at_ms: i64) -> Result<(), Error> {
        let payment = &known.payment;
        sqlx::query(
            "INSERT INTO payments
             (id, payment_link, state, created_at_ms, updated_at_ms, decided_by, payment)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET
             payment_link = excluded.payment_link, state = excluded.state,
             created_at_ms = excluded.created_at_ms, updated_at_ms = excluded.updated_at_ms,
             decided_by = excluded.decided_by, payment = excluded.payment",
        )
        .bind(&payment.id)
        .bind(&payment.payment_link)
        .bind(payment.state)
        .bind(Cursor::of(payment).created_at_ms)
        .bind(updated_at_ms)
        .bind(&known.decided_by)
        .bind(payment.encode_to_vec())
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

fn decode(id: &str, bytes: &[u8]) -> Result<pb::Payment, Error> {
    pb::Payment::decode(bytes).map_err(|_| Error::Corrupt { what: format!("payment {id}") })
}
