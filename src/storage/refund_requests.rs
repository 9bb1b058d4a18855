//! The table `refund_requests`: refunds that were asked for, and what they take.

use super::{Error, Transaction};

/// A refund that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    /// The caller's id of the request.
    pub request_id: String,
    /// The payment.
    pub payment_id: String,
    /// What the money came by.
    pub payment_intent: String,
    /// How much.
    pub amount: i64,
    /// The request, encoded.
    pub request: Vec<u8>,
    /// Stripe's id of the refund; empty until Stripe has said yes.
    pub refund_id: String,
    /// When it was asked for.
    pub asked_at_ms: i64,
}

/// A row of the table.
type Row = (String, String, String, i64, Vec<u8>, String, i64);

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

    /// Gives the refunds of a payment that were asked for since then, and to
    /// which Stripe has not said yes.
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

    /// Keeps that a refund is asked for.
    pub async fn put_refund_request(&mut self, request: &RefundRequest) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO refund_requests
             (request_id, payment_id, payment_intent, amount, request, refund_id, asked_at_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&request.request_id)
        .bind(&request.payment_id)
        .bind(&request.payment_intent)
        .bind(request.amount)
        .bind(&request.request)
        .bind(&request.refund_id)
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

    /// Forgets a refund to which Stripe has said no.
    pub async fn drop_refund_request(&mut self, request_id: &str) -> Result<(), Error> {
        sqlx::query("DELETE FROM refund_requests WHERE request_id = $1")
            .bind(request_id)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}

fn request(row: Row) -> RefundRequest {
    let (request_id, payment_id, payment_intent, amount, request, refund_id, asked_at_ms) = row;
    RefundRequest {
        request_id,
        payment_id,
        payment_intent,
        amount,
        request,
        refund_id,
        asked_at_ms,
    }
}
