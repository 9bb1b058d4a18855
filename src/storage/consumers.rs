//! The table `consumers`: how far each consumer has handled the feed.

use super::{Error, Storage, Transaction};

/// How old the note of a consumer's last use may become before it is made again, in
/// milliseconds: small beside the days for which an unused one is kept.
const USE_NOTED_MS: i64 = 60 * 60 * 1_000;

/// A consumer of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its name, unlike that of any other owner's or account's.
    pub name: String,
    /// The Stripe account at which it has chosen the name.
    pub account: String,
    /// Whose it is; nobody's where it is empty.
    pub owner: String,
}

// === impl Storage ===

impl Storage {
    /// Gives the position that a consumer has acknowledged last, and notes that it is in use.
    pub async fn acknowledged(&self, name: &str, now_ms: i64) -> Result<Option<String>, Error> {
        let row = sqlx::query_as("SELECT position, used_at_ms FROM consumers WHERE name = $1");
        let row: Option<(String, Option<i64>)> =
            row.bind(name).fetch_optional(self.readers()).await?;
        let Some((position, used_at_ms)) = row else { return Ok(None) };
        if used_at_ms.is_none_or(|used| used < now_ms.saturating_sub(USE_NOTED_MS)) {
            let name = name.to_owned();
            let noted = self.write(move |transaction| {
                Box::pin(async move {
                    sqlx::query("UPDATE consumers SET used_at_ms = $2 WHERE name = $1")
                        .bind(name)
                        .bind(now_ms)
                        .execute(&mut *transaction.0)
                        .await?;
                    Ok(())
                })
            });
            // Where nothing can be written, what is known can still be told.
            if let Err(error) = noted.await {
                tracing::debug!(%error, "The use of a consumer could not be noted for now");
            }
        }
        Ok(Some(position))
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Keeps the later of a position and the one that was acknowledged before,
    /// and gives it. `None` where its owner has `consumers_max` others already.
    pub async fn acknowledge(
        &mut self,
        consumer: &Consumer,
        (sequence, position): (i64, &str),
        consumers_max: i64,
        now_ms: i64,
    ) -> Result<Option<String>, Error> {
        let Consumer { name, account, owner } = consumer;
        sqlx::query(
            "INSERT INTO consumers (name, account, owner, sequence, position, used_at_ms)
             SELECT $1, $2, $3, $4, $5, $6 WHERE (
                SELECT count(*) FROM consumers WHERE account = $2 AND owner = $3 AND name <> $1
             ) < $7
             ON CONFLICT (name) DO UPDATE SET
             account = excluded.account, owner = excluded.owner, used_at_ms = excluded.used_at_ms,
             sequence = CASE WHEN consumers.sequence < excluded.sequence
                THEN excluded.sequence ELSE consumers.sequence END,
             position = CASE WHEN consumers.sequence < excluded.sequence
                THEN excluded.position ELSE consumers.position END",
        )
        .bind(name)
        .bind(account)
        .bind(owner)
        .bind(sequence)
        .bind(position)
        .bind(now_ms)
        .bind(consumers_max)
        .execute(&mut *self.0)
        .await?;
        let kept = sqlx::query_scalar("SELECT position FROM consumers WHERE name = $1");
        Ok(kept.bind(name).fetch_optional(&mut *self.0).await?)
    }

    /// Forgets consumers that were not used since then, a batch at a time, and gives how many.
    /// What an earlier release has written counts as used now.
    pub(super) async fn forget_consumers(
        &mut self,
        before_ms: i64,
        now_ms: i64,
        batch_max: i64,
    ) -> Result<u64, Error> {
        sqlx::query("UPDATE consumers SET used_at_ms = $1 WHERE used_at_ms IS NULL")
            .bind(now_ms)
            .execute(&mut *self.0)
            .await?;
        let forget = sqlx::query(
            "DELETE FROM consumers WHERE name IN (
                SELECT name FROM consumers WHERE used_at_ms < $1 ORDER BY used_at_ms LIMIT $2)",
        );
        let forget = forget.bind(before_ms).bind(batch_max);
        Ok(forget.execute(&mut *self.0).await?.rows_affected())
    }
}
