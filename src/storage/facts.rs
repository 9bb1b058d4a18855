//! The tables `facts`, `payment_keys` and `waiting`: what Stripe said of each
//! payment, and how what names no payment finds its own.

use sqlx::AnyConnection;

use super::query::Query;
use super::{Error, Storage, Transaction};

/// The strongest thing that was said about one subject of a payment. Of two
/// facts about a subject the greater is the stronger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// What it is about, such as the session or one refund.
    pub subject: String,
    /// How strong it is.
    pub rank: i64,
    /// The id of the event that told of it; empty where none did.
    pub told_by: String,
    /// What was said: a message of the contract, encoded.
    pub body: Vec<u8>,
}

// === impl Storage ===

impl Storage {
    /// Gives the payment that was paid with the first of these of which one is known.
    pub async fn payment_of(&self, keys: &[String]) -> Result<Option<String>, Error> {
        payment_of(&mut *self.readers().acquire().await?, keys).await
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Gives all that is known of some payments, each fact with the id of its own.
    pub async fn facts(&mut self, payments: &[String]) -> Result<Vec<(String, Fact)>, Error> {
        if payments.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = Query::new(
            "SELECT payment_id, subject, rank, told_by, body FROM facts WHERE payment_id IN ",
        );
        query.bind_all(payments)?;
        let rows: Vec<(String, String, i64, String, Vec<u8>)> = query.rows(&mut *self.0).await?;
        let fact = |(id, subject, rank, told_by, body)| (id, Fact { subject, rank, told_by, body });
        Ok(rows.into_iter().map(fact).collect())
    }

    /// Keeps facts of payments, each in the place of what was known about its
    /// subject. No two are about the same subject of the same payment.
    pub async fn put_facts(&mut self, facts: Vec<(String, Fact)>) -> Result<(), Error> {
        if facts.is_empty() {
            return Ok(());
        }
        let mut query =
            Query::new("INSERT INTO facts (payment_id, subject, rank, told_by, body) VALUES ");
        for (payment_id, Fact { subject, rank, told_by, body }) in facts {
            let row = query.row().with(payment_id)?.with(subject)?.with(rank)?;
            row.with(told_by)?.with(body)?.end();
        }
        query.push(
            " ON CONFLICT (payment_id, subject) DO UPDATE SET
             rank = excluded.rank, told_by = excluded.told_by, body = excluded.body",
        );
        query.execute(&mut *self.0).await
    }

    /// Gives the payment that was paid with the first of these of which one is known, as of
    /// this transaction.
    pub async fn payment_of(&mut self, keys: &[String]) -> Result<Option<String>, Error> {
        payment_of(&mut *self.0, keys).await
    }

    /// Keeps what a payment was paid with, and makes the events due that waited
    /// for it. Says whether there were any.
    pub async fn put_key(
        &mut self,
        key: &str,
        payment_id: &str,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let kept = sqlx::query(
            "INSERT INTO payment_keys (key, payment_id) VALUES ($1, $2)
             ON CONFLICT (key) DO NOTHING",
        )
        .bind(key)
        .bind(payment_id)
        .execute(&mut *self.0)
        .await?;
        if kept.rows_affected() == 0 {
            return Ok(false);
        }
        let woken = sqlx::query(
            "UPDATE events SET state = 'pending', due_at_ms = $2
             WHERE id IN (SELECT event_id FROM waiting WHERE key = $1) AND body IS NOT NULL",
        )
        .bind(key)
        .bind(now_ms)
        .execute(&mut *self.0)
        .await?
        .rows_affected();
        if woken > 0 {
            sqlx::query("DELETE FROM waiting WHERE key = $1")
                .bind(key)
                .execute(&mut *self.0)
                .await?;
        }
        Ok(woken > 0)
    }

    /// Lets an event wait until a payment is known that was paid with this.
    pub async fn wait_for(
        &mut self,
        key: &str,
        event_id: &str,
        since_ms: i64,
    ) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO waiting (key, event_id, since_ms) VALUES ($1, $2, $3)
             ON CONFLICT (key, event_id) DO NOTHING",
        )
        .bind(key)
        .bind(event_id)
        .bind(since_ms)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

async fn payment_of(
    connection: &mut AnyConnection,
    keys: &[String],
) -> Result<Option<String>, Error> {
    for key in keys {
        let found = sqlx::query_scalar("SELECT payment_id FROM payment_keys WHERE key = $1");
        let found = found.bind(key).fetch_optional(&mut *connection).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
