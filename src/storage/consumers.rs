//! The table `consumers`: how far each consumer has handled the feed.

use super::{Error, Storage, Transaction};

// === impl Storage ===

impl Storage {
    /// Gives the position that a consumer has acknowledged last.
    pub async fn acknowledged(&self, consumer: &str) -> Result<Option<String>, Error> {
        let position = sqlx::query_scalar("SELECT position FROM consumers WHERE name = $1");
        Ok(position.bind(consumer).fetch_optional(self.readers()).await?)
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Keeps the later of a position and the one that was acknowledged before,
    /// and gives it. `None` where there are `consumers_max` others already.
    pub async fn acknowledge(
        &mut self,
        consumer: &str,
        sequence: i64,
        position: &str,
        consumers_max: i64,
    ) -> Result<Option<String>, Error> {
        sqlx::query(
            "INSERT INTO consumers (name, sequence, position)
             SELECT $1, $2, $3 WHERE (SELECT count(*) FROM consumers WHERE name <> $1) < $4
             ON CONFLICT (name) DO UPDATE SET
             sequence = excluded.sequence, position = excluded.position
             WHERE consumers.sequence < excluded.sequence",
        )
        .bind(consumer)
        .bind(sequence)
        .bind(position)
        .bind(consumers_max)
        .execute(&mut *self.0)
        .await?;
        let kept = sqlx::query_scalar("SELECT position FROM consumers WHERE name = $1");
        Ok(kept.bind(consumer).fetch_optional(&mut *self.0).await?)
    }
}
