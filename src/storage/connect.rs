//! Connections to SQLite, their settings and the schema.

use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqlSafeStr as _, Sqlite, SqliteConnection, SqlitePool};

use super::{Config, Error};

/// Every version of the schema, oldest first. What was released never changes:
/// sqlx compares checksums and refuses an edited one.
const MIGRATIONS: [(i64, &str, &str); 1] =
    [(1, "payments", include_str!("migrations/sqlite/0001_payments.sql"))];

/// How long opening may take. A disk that is busy with something else is no
/// reason not to start.
const OPEN_TIME_MAX: Duration = Duration::from_secs(30);

/// Where the memory is.
enum Place<'a> {
    Memory,
    File(&'a str),
}

/// Connects the writer and the readers.
pub(super) async fn connect(config: &Config) -> Result<(SqlitePool, SqlitePool), Error> {
    let options = SqliteConnectOptions::new()
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_millis(config.busy_timeout_ms.get()))
        .disable_statement_logging();
    // Nothing else uses these connections, so they are neither tested nor
    // retired: in memory, the connection is the database.
    let pool = |connections_max: u32| {
        PoolOptions::<Sqlite>::new()
            .max_connections(connections_max)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms.get()))
    };
    match place(&config.url)? {
        Place::Memory => {
            let only = pool(1).connect_lazy_with(options.in_memory(true));
            opened(&only).await?;
            verify(&only, "memory").await?;
            Ok((only.clone(), only))
        }
        Place::File(path) => {
            let options = options.filename(path);
            let writing = options.clone().create_if_missing(true);
            let writing = writing.journal_mode(SqliteJournalMode::Wal);
            let writers = pool(1).connect_lazy_with(writing);
            opened(&writers).await?;
            verify(&writers, "wal").await?;
            let readers = pool(config.readers_max.get());
            let readers = readers.connect_lazy_with(options.read_only(true));
            opened(&readers).await?;
            Ok((writers, readers))
        }
    }
}

/// Waits for the first connection longer than later work waits for one.
async fn opened(pool: &SqlitePool) -> Result<(), Error> {
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

/// Brings the schema up to date.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), Error> {
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let migrator = Migrator::with_migrations(MIGRATIONS.into_iter().map(migration).collect());
    Ok(migrator.run(connection).await?)
}

fn place(url: &str) -> Result<Place<'_>, Error> {
    match url.strip_prefix("sqlite:") {
        None => Err(Error::Url("must be sqlite: and a path, or sqlite::memory:")),
        Some(":memory:") => Ok(Place::Memory),
        Some(path) if path.contains('?') => {
            Err(Error::Url("takes no parameters; remove the ? and what follows it"))
        }
        Some(path) => match path.strip_prefix("//").unwrap_or(path) {
            "" => Err(Error::Url("must have a path after sqlite:")),
            path => Ok(Place::File(path)),
        },
    }
}

/// Reads back the settings that a commit's durability depends on, since SQLite
/// silently keeps others where a file system or a build does not allow ours.
async fn verify(writers: &SqlitePool, journal_mode: &'static str) -> Result<(), Error> {
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(writers).await?;
    same("journal_mode", journal_mode, journal)?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(writers).await?;
    same("synchronous", "2", synchronous.to_string())?;
    let foreign_keys: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(writers).await?;
    same("foreign_keys", "1", foreign_keys.to_string())
}

fn same(setting: &'static str, wanted: &'static str, found: String) -> Result<(), Error> {
    if found == wanted { Ok(()) } else { Err(Error::Setting { setting, wanted, found }) }
}
