//! A memory that forgets what was not yet safe: the database of both replicas.
//!
//! A write takes its time. When the process that asked for it dies meanwhile,
//! or the database is away, it may have been made or not, and nobody was told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use paylink::dice;
use paylink::operations::Memory;
use paylink::storage::{Error, Operation, OperationCount, OperationState};

/// How long a write or a read takes.
const TIME_MAX_MS: f64 = 10.0;

/// The rows that are safe. Clones are connections to the same database.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Database>>);

#[derive(Debug, Default)]
struct Database {
    rows: BTreeMap<String, Operation>,
    is_away: bool,
}

// === impl Disk ===

impl Disk {
    /// Lets the database go away or come back.
    pub fn set_away(&self, is_away: bool) {
        self.0.lock().unwrap().is_away = is_away;
    }

    /// Every row, as it is safe now.
    pub fn rows(&self) -> Vec<Operation> {
        self.0.lock().unwrap().rows.values().cloned().collect()
    }

    /// Reads, after some time.
    async fn read<T>(&self, read: impl FnOnce(&Database) -> T) -> Result<T, Error> {
        pause().await;
        let database = self.0.lock().unwrap();
        if database.is_away { Err(Error::Busy) } else { Ok(read(&database)) }
    }

    /// Writes after some time, and tells of it after some more.
    async fn write<T>(&self, write: impl FnOnce(&mut Database) -> T) -> Result<T, Error> {
        pause().await;
        let written = {
            let mut database = self.0.lock().unwrap();
            if database.is_away {
                return Err(Error::Busy);
            }
            write(&mut database)
        };
        pause().await;
        // The connection was cut after the commit.
        if self.0.lock().unwrap().is_away { Err(Error::Closed) } else { Ok(written) }
    }
}

impl Memory for Disk {
    fn is_shared(&self) -> bool {
        true
    }

    fn insert(&self, new: Operation) -> BoxFuture<'_, Result<Option<Operation>, Error>> {
        self.write(move |database| {
            let known = database.rows.get(&new.key).cloned();
            if known.is_none() {
                database.rows.insert(new.key.clone(), new);
            }
            known
        })
        .boxed()
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Operation>, Error>> {
        self.read(move |database| database.rows.get(key).cloned()).boxed()
    }

    fn put(&self, changed: Operation) -> BoxFuture<'_, Result<bool, Error>> {
        self.write(move |database| match database.rows.get_mut(&changed.key) {
            Some(row) if row.version == changed.version => {
                *row = Operation { version: changed.version + 1, ..changed };
                true
            }
            _ => false,
        })
        .boxed()
    }

    fn due(
        &self,
        state: OperationState,
        now_ms: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Operation>, Error>> {
        self.read(move |database| {
            let is_due = |row: &&Operation| row.state == state && row.due_at_ms <= now_ms;
            database.rows.values().filter(is_due).take(limit as usize).cloned().collect()
        })
        .boxed()
    }

    fn renewed(&self, since_ms: i64) -> BoxFuture<'_, Result<Vec<Operation>, Error>> {
        self.read(move |database| {
            let is_renewed = |row: &&Operation| row.generation > 0 && row.created_at_ms >= since_ms;
            database.rows.values().filter(is_renewed).cloned().collect()
        })
        .boxed()
    }

    fn erase(
        &self,
        state: OperationState,
        now_ms: i64,
        _limit: u32,
    ) -> BoxFuture<'_, Result<u64, Error>> {
        self.write(move |database| {
            let before = database.rows.len();
            database.rows.retain(|_, row| row.state != state || row.due_at_ms > now_ms);
            (before - database.rows.len()) as u64
        })
        .boxed()
    }

    fn count_open(&self) -> BoxFuture<'_, Result<Vec<OperationCount>, Error>> {
        self.read(|_| Vec::new()).boxed()
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_secs_f64(dice::between(0.0, TIME_MAX_MS) / 1_000.0)).await;
}
