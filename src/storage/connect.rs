//! Connections to the database, whichever it is.
//!
//! What differs between the databases is here and in the two files below; what
//! is said to them afterwards is one SQL, over sqlx's `Any`.

pub(super) mod postgres;
pub(super) mod sqlite;

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::any::{AnyConnectOptions, install_default_drivers};
use sqlx::pool::PoolOptions;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions as _};

use self::sqlite::FileLock;
use super::{Config, Error};

/// How long opening may take. A disk that is busy with something else, or a
/// server that is just starting, is no reason not to start.
const OPEN_TIME_MAX: Duration = Duration::from_secs(30);
/// How long to leave a server alone that could not be reached.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The connections to a database.
#[derive(Debug)]
pub(super) struct Connections {
    /// One connection, which writes.
    pub(super) writers: AnyPool,
    /// The connections that read.
    pub(super) readers: AnyPool,
    /// Which database it is.
    pub(super) kind: Kind,
    /// What keeps other processes from a file.
    pub(super) lock: Option<FileLock>,
}

/// Which database keeps the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// Where the memory is.
pub(super) enum Place<'a> {
    Memory,
    File(&'a Path),
    Server(&'a str),
}

// === impl Connections ===

impl Connections {
    /// Connects, refuses what would not keep its promises, and brings the
    /// schema up to date.
    pub(super) async fn open(config: &Config) -> Result<Self, Error> {
        install_default_drivers();
        match place(config.url.expose_secret())? {
            Place::Memory => sqlite::open_memory(config).await,
            Place::File(path) => sqlite::open_file(config, path).await,
            Place::Server(url) => postgres::open(config, url).await,
        }
    }

    /// Closes them once what is under way has ended.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
        if let Some(lock) = &self.lock {
            lock.release();
        }
    }
}

/// Tells from a URL where the memory is.
pub(super) fn place(url: &str) -> Result<Place<'_>, Error> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Place::Server(url));
    }
    match url.strip_prefix("sqlite:") {
        None => {
            Err(Error::Url("must be sqlite: and a path, sqlite::memory:, or a postgres:// URL"))
        }
        Some(":memory:") => Ok(Place::Memory),
        Some(path) if path.contains('?') => {
            Err(Error::Url("takes no parameters after a path; remove the ? and what follows it"))
        }
        Some(path) => match path.strip_prefix("//").unwrap_or(path) {
            "" => Err(Error::Url("must have a path after sqlite:")),
            path => Ok(Place::File(Path::new(path))),
        },
    }
}

/// Reads a URL, and keeps statements, which hold buyers' data, out of the log.
fn options(url: &str) -> Result<AnyConnectOptions, Error> {
    // The parser's own error would repeat the URL.
    let options = url.parse::<AnyConnectOptions>();
    let options = options.map_err(|_| Error::Url("cannot be read as a URL"))?;
    Ok(options.disable_statement_logging())
}

/// The settings that pools share.
fn pool(config: &Config, connections_max: u32) -> PoolOptions<Any> {
    PoolOptions::new()
        .max_connections(connections_max)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms.get()))
}

/// Has each new connection say some statements first.
fn beginning_with(pool: PoolOptions<Any>, statements: String) -> PoolOptions<Any> {
    pool.after_connect(move |connection, _| {
        let statements = statements.clone();
        Box::pin(async move { begin(connection, statements).await })
    })
}

async fn begin(connection: &mut AnyConnection, statements: String) -> sqlx::Result<()> {
    // Only our own constants and numbers are in it.
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(connection).await?;
    Ok(())
}

/// Waits for the first connection longer than later work waits for one.
async fn opened(pool: &AnyPool) -> Result<(), Error> {
    let open = async {
        loop {
            match pool.acquire().await {
                Err(sqlx::Error::PoolTimedOut) => {}
                outcome => break outcome.map(drop),
            }
        }
    };
    Ok(tokio::time::timeout(OPEN_TIME_MAX, open).await.map_err(|_| Error::Busy)??)
}

fn same(setting: &'static str, wanted: &'static str, found: String) -> Result<(), Error> {
    if found == wanted { Ok(()) } else { Err(Error::Setting { setting, wanted, found }) }
}
