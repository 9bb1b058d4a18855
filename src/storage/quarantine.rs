//! The table `quarantine`: events that are not for this installation.

use super::{Error, NewEvent, Storage, Transaction};

// === impl Storage ===

impl Storage {
    /// Sets an event aside for people to look at, unless it is there already.
    /// Says whether it was new, and returns once it is safe.
    pub async fn quarantine(&self, event: NewEvent, reason: &'static str) -> Result<bool, Error> {
        self.write(move |mut transaction| {
            Box::pin(async move { transaction.quarantine(event, reason).await })
        })
        .await
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    async fn quarantine(&mut self, event: NewEvent, reason: &str) -> Result<bool, Error> {
        let inserted = sqlx::query(
            "INSERT INTO quarantine (id, type, reason, received_at_ms, body, account)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
        )
        .bind(event.id)
        .bind(event.kind)
        .bind(reason)
        .bind(event.received_at_ms)
        .bind(event.body)
        .bind(event.account)
        .execute(&mut *self.0)
        .await?;
        Ok(inserted.rows_affected() > 0)
    }
}
