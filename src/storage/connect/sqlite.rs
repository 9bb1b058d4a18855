//! SQLite: a file that one process has for itself, or memory.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{AnyConnection, AnyPool, Connection as _};
use tokio::time::{Instant, sleep};

use super::{Connections, Kind, begin, beginning_with, opened, options, pool, same};
use crate::storage::{Config, Error, schema};

/// How often to try again for the lock of a file.
const LOCK_POLL: Duration = Duration::from_millis(10);

/// Keeps other processes from a database file for as long as this one lives,
/// however it ends. SQLite would let several write; the feed's readers in one
/// would not hear of what another wrote, and each would think it told the rest.
#[derive(Debug)]
pub(in crate::storage) struct FileLock(File);

// === impl FileLock ===

impl FileLock {
    /// Takes the lock of a database file. A process that is just ending gets
    /// `wait` to end.
    async fn take(database: &Path, wait: Duration) -> Result<Self, Error> {
        let mut path = database.as_os_str().to_owned();
        path.push("-lock");
        let file = File::options().create(true).append(true).open(PathBuf::from(path));
        let file = file.map_err(|error| Error::File(Arc::new(error)))?;
        let until = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(Error::File(Arc::new(error))),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    return Err(Error::InUse);
                }
                Err(TryLockError::WouldBlock) => sleep(LOCK_POLL).await,
            }
        }
    }

    /// Lets other processes have the file.
    pub(in crate::storage) fn release(&self) {
        // Fails for no lock that is held, and the end of the process frees all.
        let _ = self.0.unlock();
    }
}

/// Opens a memory that ends with the process. Its one connection is the
/// database, and so reads as well.
pub(super) async fn open_memory(config: &Config) -> Result<Connections, Error> {
    let statements = settings(config);
    let options = options("sqlite::memory:")?;
    let only = beginning_with(pool(config, 1), statements).connect_lazy_with(options);
    opened(&only).await?;
    verify(&only, "memory").await?;
    schema::migrate(&mut *only.acquire().await?, Kind::Sqlite).await?;
    Ok(Connections { writers: only.clone(), readers: only, kind: Kind::Sqlite, lock: None })
}

/// Opens a file, which is made if absent.
pub(super) async fn open_file(config: &Config, path: &Path) -> Result<Connections, Error> {
    let wait = Duration::from_millis(config.busy_timeout_ms.get());
    let lock = FileLock::take(path, wait).await?;
    let path = escaped(path);
    let writing = format!("{} PRAGMA journal_mode = WAL;", settings(config));
    let writers = beginning_with(pool(config, 1), writing)
        .connect_lazy_with(options(&format!("sqlite:{path}?mode=rwc"))?);
    opened(&writers).await?;
    verify(&writers, "wal").await?;
    schema::migrate(&mut *writers.acquire().await?, Kind::Sqlite).await?;
    let readers = beginning_with(pool(config, config.readers_max.get()), settings(config))
        .connect_lazy_with(options(&format!("sqlite:{path}?mode=ro"))?);
    opened(&readers).await?;
    Ok(Connections { writers, readers, kind: Kind::Sqlite, lock: Some(lock) })
}

/// Connects once, to look and not to change anything.
pub(in crate::storage) async fn look_at(
    config: &Config,
    path: &Path,
) -> Result<AnyConnection, Error> {
    let options = options(&format!("sqlite:{}?mode=ro", escaped(path)))?;
    let mut only = AnyConnection::connect_with(&options).await?;
    begin(&mut only, settings(config)).await?;
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut only).await?;
    same("journal_mode", "wal", journal)?;
    Ok(only)
}

/// A path for a URL: what sqlx reads as an escape or as the end of the path is escaped.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('#', "%23")
}

fn settings(config: &Config) -> String {
    let wait_ms = config.busy_timeout_ms;
    // What only a statement needs, to undo itself, is no file.
    format!(
        "PRAGMA busy_timeout = {wait_ms}; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; \
         PRAGMA temp_store = MEMORY;"
    )
}

/// Reads back the settings that a commit's durability depends on, since SQLite
/// silently keeps others where a file system or a build does not allow ours.
async fn verify(writers: &AnyPool, journal_mode: &'static str) -> Result<(), Error> {
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(writers).await?;
    same("journal_mode", journal_mode, journal)?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(writers).await?;
    same("synchronous", "2", synchronous.to_string())?;
    let foreign_keys: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(writers).await?;
    same("foreign_keys", "1", foreign_keys.to_string())
}
