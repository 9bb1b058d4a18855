//! The table `leases`: what one replica does for all.

use std::time::Duration;

use tokio::time::Instant;

use super::{Error, Storage, Transaction};

/// A piece of work that one replica at a time does.
///
/// Times come from the replicas' own clocks. Where these are apart by more than
/// a lease is long, two may hold it at once; so what is done under a lease must
/// bear to be done twice, and the lease only saves that.
#[derive(Debug)]
pub struct Lease {
    storage: Storage,
    name: String,
    length: Duration,
    is_held: bool,
    ask_at: Option<Instant>,
}

// === impl Lease ===

impl Lease {
    /// Names the work, and how long after a crash another replica takes it over.
    #[must_use]
    pub fn new(storage: Storage, name: impl Into<String>, length: Duration) -> Self {
        Self { storage, name: name.into(), length, is_held: false, ask_at: None }
    }

    /// Takes or keeps the lease, and says whether this replica has it. A memory
    /// that is not shared has nobody to ask.
    pub async fn hold(&mut self, now_ms: i64) -> Result<bool, Error> {
        if !self.storage.is_shared() {
            return Ok(true);
        }
        if self.ask_at.is_some_and(|at| Instant::now() < at) {
            return Ok(self.is_held);
        }
        let length_ms = i64::try_from(self.length.as_millis()).unwrap_or(i64::MAX);
        let until_ms = now_ms.saturating_add(length_ms);
        // Often enough to keep it, and to notice soon that it is free.
        let ask_at = Instant::now() + self.length / 4;
        self.is_held = self.put(now_ms, until_ms).await?;
        self.ask_at = Some(ask_at);
        Ok(self.is_held)
    }

    /// Lets another replica have it at once.
    pub async fn release(&mut self, now_ms: i64) -> Result<(), Error> {
        if std::mem::take(&mut self.is_held) {
            self.ask_at = None;
            self.put(now_ms, now_ms).await?;
        }
        Ok(())
    }

    async fn put(&self, now_ms: i64, until_ms: i64) -> Result<bool, Error> {
        let (name, holder) = (self.name.clone(), self.storage.process().to_owned());
        self.storage
            .write(move |mut transaction| {
                Box::pin(
                    async move { transaction.put_lease(&name, &holder, now_ms, until_ms).await },
                )
            })
            .await
    }
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Gives the lease to a holder who has it, or if nobody has it any more.
    async fn put_lease(
        &mut self,
        name: &str,
        holder: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, Error> {
        let put = sqlx::query(
            "INSERT INTO leases (name, holder, until_ms) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE
             SET holder = excluded.holder, until_ms = excluded.until_ms
             WHERE leases.holder = excluded.holder OR leases.until_ms <= $4",
        );
        let put = put.bind(name).bind(holder).bind(until_ms).bind(now_ms);
        Ok(put.execute(&mut *self.0).await?.rows_affected() > 0)
    }
}
