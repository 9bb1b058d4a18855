//! The table `refund_requests`: refunds that were asked for, and what they take.

use super::query::Query;
use super::{Error, Storage, Transaction};

/// A refund that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    /// The id under which the request is remembered.
    pub request_id: String,
    /// The payment.
    pub payment_id: String,
    /// What the money came by.
    pub payment_intent: String,
    /// How much.
    pub amount: i64,
    /// The request, encoded.
    pub request: Vec<u8>,
    /// What it takes.
    pub hold: Hold,
    /// When it was asked for last.
    pub asked_at_ms: i64,
}

/// What a refund takes that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// It may become a refund: its amount is set aside.
    SetAside,
    /// It has become the refund of this id, which counts by itself.
    Made(String),
    /// It had no effect, and will have none unless it is asked for again.
    Free,
}

/// What stands for [`Hold::Free`] in the place of a refund's id.
const FREE: &str = "none";

/// A row of the table.
type Row = (String, String, String, i64, Vec<u8>, String, i64);

// === impl Hold ===

impl Hold {
    fn read(refund_id: String) -> Self {
        match refund_id.as_str() {
            "" => Self::SetAside,
            FREE => Self::Free,
            _ => Self::Made(refund_id),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::SetAside => "",
            Self::Made(refund_id) => refund_id,
            Self::Free => FREE,
        }
    }
}

// === impl Storage ===

impl Storage {
    /// Gives what was asked for under any of these ids.
    pub async fn refund_requests(&self, ids: &[String]) -> Result<Vec<RefundRequest>, Error> {
        let mut query = Query::new(
            "SELECT request_id, payment_id, payment_intent, amount, request, refund_id, asked_at_ms
             FROM refund_requests WHERE request_id IN ",
        );
        query.bind_all(ids)?;
        let rows: Vec<Row> = query.rows(self.readers()).await?;
        Ok(rows.into_iter().map(request).collect())
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Gives what was asked for under a request's id.
    pub async fn refund_request(
        &mut self,
        request_id: &str,
    ) -> Result<Option<RefundRequest>, Error> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT request_id, payment_id, payment_intent, amount, request, refund_id, asked_at_ms
             FROM refund_requests WHERE request_id = $1",
        )
        .bind(request_id)
        .fetch_optional(&mut *self.0)
        .await?;
        Ok(row.map(request))
    }

    /// Gives the refunds of a payment that were asked for since then, and whose amounts
    /// are set aside.
    pub async fn open_refund_requests(
        &mut self,
        payment_id: &str,
        since_ms: i64,
    ) -> Result<Vec<RefundRequest>, Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT request_id, payment_id, payment_intent, amount, request, refund_id, asked_at_ms
             FROM refund_requests
             WHERE payment_id = $1 AND refund_id = '' AND asked_at_ms >= $2",
        )
        .bind(payment_id)
        .bind(since_ms)
        .fetch_all(&mut *self.0)
        .await?;
        Ok(rows.into_iter().map(request).collect())
    }

    /// Keeps that a refund is asked for, again if need be: what it asks for stays.
    pub async fn put_refund_request(&mut self, request: &RefundRequest) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO refund_requests
             (request_id, payment_id, payment_intent, amount, request, refund_id, asked_at_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (request_id) DO UPDATE SET
             refund_id = excluded.refund_id, asked_at_ms = excluded.asked_at_ms",
        )
        .bind(&request.request_id)
        .bind(&request.payment_id)
        .bind(&request.payment_intent)
        .bind(request.amount)
        .bind(&request.request)
        .bind(request.hold.as_str())
        .bind(request.asked_at_ms)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Keeps that Stripe has said yes.
    pub async fn settle_refund_request(
        &mut self,
        request_id: &str,
        refund_id: &str,
    ) -> Result<(), Error> {
        sqlx::query("UPDATE refund_requests SET refund_id = $2 WHERE request_id = $1")
            .bind(request_id)
            .bind(refund_id)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Lets go of what a refund has set aside that had no effect. Nothing is let go where
    /// somebody has asked for it again meanwhile: that may have an effect.
    pub async fn free_refund_request(&mut self, request: &RefundRequest) -> Result<(), Error> {
        sqlx::query(
            "UPDATE refund_requests SET refund_id = $3
             WHERE request_id = $1 AND asked_at_ms = $2 AND refund_id = ''",
        )
        .bind(&request.request_id)
        .bind(request.asked_at_ms)
        .bind(Hold::Free.as_str())
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

fn request(row: Row) -> RefundRequest {
    let (request_id, payment_id, payment_intent, amount, request, refund_id, asked_at_ms) = row;
    let hold = Hold::read(refund_id);
    RefundRequest { request_id, payment_id, payment_intent, amount, request, hold, asked_at_ms }
}
