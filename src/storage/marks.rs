//! The tables `leases`, `marks` and `unexplained`: what reconciliation keeps
//! between its rounds, and between replicas.

use super::{Error, Storage, Transaction};

// === impl Storage ===

impl Storage {
    /// Gives a number that was kept by a name.
    pub async fn mark(&self, name: &str) -> Result<Option<i64>, Error> {
        let value = sqlx::query_scalar("SELECT value FROM marks WHERE name = $1");
        Ok(value.bind(name).fetch_optional(self.readers()).await?)
    }

    /// Keeps a number by a name.
    pub async fn put_mark(&self, name: &'static str, value: i64) -> Result<(), Error> {
        self.write(move |mut transaction| {
            Box::pin(async move { transaction.put_mark(name, value).await })
        })
        .await
    }

    /// Takes or keeps a lease until then, unless another owner has it. Says
    /// whether it is the owner's now.
    pub async fn lease(
        &self,
        name: &'static str,
        owner: String,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, Error> {
        self.write(move |mut transaction| {
            Box::pin(async move { transaction.lease(name, &owner, now_ms, until_ms).await })
        })
        .await
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

    async fn lease(
        &mut self,
        name: &str,
        owner: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, Error> {
        let taken = sqlx::query(
            "INSERT INTO leases (name, owner, until_ms) VALUES ($1, $2, $4)
             ON CONFLICT (name) DO UPDATE SET
             owner = excluded.owner, until_ms = excluded.until_ms
             WHERE leases.owner = excluded.owner OR leases.until_ms < $3",
        )
        .bind(name)
        .bind(owner)
        .bind(now_ms)
        .bind(until_ms)
        .execute(&mut *self.0)
        .await?;
        Ok(taken.rows_affected() > 0)
    }

    /// Keeps what differs of a payment, or that nothing does any more.
    pub async fn put_unexplained(
        &mut self,
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
            "INSERT INTO unexplained (payment_id, difference, found_at_ms) VALUES ($1, $2, $3)
             ON CONFLICT (payment_id) DO UPDATE SET difference = excluded.difference",
        )
        .bind(payment_id)
        .bind(difference)
        .bind(now_ms)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}
