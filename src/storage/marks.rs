//! The tables `marks` and `unexplained`: what reconciliation keeps between its
//! rounds.

use super::{Error, Storage, Transaction};

// === impl Storage ===

impl Storage {
    /// Gives a number that was kept by a name.
    pub async fn mark(&self, name: &str) -> Result<Option<i64>, Error> {
        let value = sqlx::query_scalar("SELECT value FROM marks WHERE name = $1");
        Ok(value.bind(name).fetch_optional(self.readers()).await?)
    }

    /// Keeps a number by a name.
    pub async fn put_mark(&self, name: &str, value: i64) -> Result<(), Error> {
        let name = name.to_owned();
        self.write(move |mut transaction| {
            Box::pin(async move { transaction.put_mark(&name, value).await })
        })
        .await
    }

    /// Keeps a number by a name for good, and gives the one that was kept first.
    pub async fn first_mark(&self, name: &'static str, value: i64) -> Result<i64, Error> {
        self.write(move |transaction| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO marks (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
                )
                .bind(name)
                .bind(value)
                .execute(&mut *transaction.0)
                .await?;
                let kept = sqlx::query_scalar("SELECT value FROM marks WHERE name = $1");
                Ok(kept.bind(name).fetch_one(&mut *transaction.0).await?)
            })
        })
        .await
    }

    /// Gives payments of an account that Stripe tells something else of, those first that
    /// were looked at longest ago.
    pub async fn unexplained_of(&self, account: &str, limit: u32) -> Result<Vec<String>, Error> {
        // Of what an earlier release has noted, only the payment says whose it is.
        let ids = sqlx::query_scalar(
            "SELECT payment_id FROM unexplained LEFT JOIN payments ON id = payment_id
             WHERE coalesce(payments.account, unexplained.account) = $1
             ORDER BY found_at_ms, payment_id LIMIT $2",
        );
        Ok(ids.bind(account).bind(i64::from(limit)).fetch_all(self.readers()).await?)
    }

    /// Counts the payments that Stripe tells something else of.
    pub async fn unexplained(&self) -> Result<i64, Error> {
        let count = sqlx::query_scalar("SELECT count(*) FROM unexplained");
        Ok(count.fetch_one(self.readers()).await?)
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    async fn put_mark(&mut self, name: &str, value: i64) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO marks (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Keeps what differs of a payment of an account, or that nothing does any more.
    pub async fn put_unexplained(
        &mut self,
        account: &str,
        payment_id: &str,
        difference: Option<&str>,
        now_ms: i64,
    ) -> Result<(), Error> {
        let Some(difference) = difference else {
            sqlx::query("DELETE FROM unexplained WHERE payment_id = $1")
                .bind(payment_id)
                .execute(&mut *self.0)
                .await?;
            return Ok(());
        };
        sqlx::query(
            "INSERT INTO unexplained (payment_id, difference, found_at_ms, account)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (payment_id) DO UPDATE SET
             difference = excluded.difference, found_at_ms = excluded.found_at_ms",
        )
        .bind(payment_id)
        .bind(difference)
        .bind(now_ms)
        .bind(account)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}
