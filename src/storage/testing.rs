//! Memories for tests, on the database that the run is about.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use uuid::Uuid;

use super::{Config, Storage, retention};

#[path = "../../tests/it/harness/cluster.rs"]
#[allow(dead_code, reason = "the tests from outside use the other part")]
pub(crate) mod cluster;

/// A memory that a test can open again, and that goes away with the test.
pub(crate) struct Disk {
    name: String,
}

// === impl Config ===

impl Config {
    /// A configuration for tests, with small bounds.
    pub(crate) fn testing(url: impl Into<String>) -> Self {
        let nonzero = |number| NonZeroU64::new(number).unwrap();
        Self {
            url: url.into().into(),
            busy_timeout_ms: nonzero(2_000),
            statement_timeout_ms: nonzero(10_000),
            acquire_timeout_ms: nonzero(5_000),
            readers_max: NonZeroU32::new(2).unwrap(),
            write_batch_max: NonZeroUsize::new(64).unwrap(),
            write_queue_max: NonZeroUsize::new(1_024).unwrap(),
            retention: retention::Config {
                event_body_days: 0,
                event_days: 0,
                feed_days: 0,
                consumer_days: 0,
                audit_days: 0,
            },
        }
    }
}

// === impl Disk ===

impl Disk {
    pub(crate) fn new() -> Self {
        Self { name: format!("t{}", Uuid::new_v4().simple()) }
    }

    pub(crate) fn config(&self) -> Config {
        let url = cluster::url(&self.name);
        Config::testing(url.unwrap_or_else(|| format!("sqlite:{}", self.path("").display())))
    }

    pub(crate) async fn open(&self) -> Storage {
        self.config().open().await.unwrap()
    }

    fn path(&self, suffix: &str) -> PathBuf {
        std::env::temp_dir().join(format!("paylink-{}.db{suffix}", self.name))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", "-lock"] {
            drop(std::fs::remove_file(self.path(suffix)));
        }
    }
}

/// Opens an empty memory that no one will open again.
pub(crate) async fn fresh() -> Storage {
    let name = format!("t{}", Uuid::new_v4().simple());
    let url = cluster::url(&name).unwrap_or_else(|| "sqlite::memory:".to_owned());
    Config::testing(url).open().await.unwrap()
}

/// Does to a memory what no paylink would.
pub(crate) async fn spoil(storage: &Storage, statement: &'static str) {
    let spoilt = storage.write(move |transaction| {
        Box::pin(async move { Ok(sqlx::query(statement).execute(&mut *transaction.0).await?) })
    });
    spoilt.await.unwrap();
}
