//! Why something was not remembered, or could not be recalled.

use std::sync::Arc;

/// SQLite's primary result codes, which are the low byte of every code.
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_FULL: u32 = 13;

/// PostgreSQL's codes, which have five characters: too many connections, a full
/// disk, a lock that was not to be had in time, a statement that took too long,
/// and transactions that stood in each other's way.
const POSTGRES_BUSY: [&str; 5] = ["53300", "55P03", "57014", "40001", "40P01"];
const POSTGRES_FULL: &str = "53100";
/// The classes of codes of a server that is going, coming or out of reach.
const POSTGRES_UNREACHABLE: [&str; 2] = ["08", "57"];

/// Why something was not remembered, or could not be recalled. Clones tell the
/// same to each of the writes that shared a commit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The configured URL is not one of ours. It is not repeated here, since
    /// such a URL can hold a password.
    #[error("storage.url: {0}")]
    Url(&'static str),
    /// The database runs with a setting that durability or integrity forbids.
    #[error("storage: the database runs with {setting} = {found}, not {wanted}")]
    Setting {
        /// The setting, in the database's words.
        setting: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// The schema could not be brought up to date.
    #[error("storage: the schema cannot be brought up to date: {0}")]
    Migrate(#[source] Arc<sqlx::migrate::MigrateError>),
    /// A later release has changed the database so that this one cannot use it.
    #[error(
        "storage: the database is of a later release, and needs one that knows version {floor} of \
         the schema; this one knows {latest}"
    )]
    TooNew {
        /// The version that a release must know.
        floor: i64,
        /// The newest that this one knows.
        latest: i64,
    },
    /// The file, or the one beside it that stands for its lock, cannot be opened.
    #[error("storage.url: the file cannot be opened: {0}")]
    File(#[source] Arc<std::io::Error>),
    /// Another process uses the file.
    #[error("storage.url: another process uses this file; only one may at a time")]
    InUse,
    /// Too much is waiting, or another process holds what is needed. Nothing was
    /// written; trying again later can help.
    #[error("storage is busy")]
    Busy,
    /// Its turn came after the caller's deadline. Nothing was written.
    #[error("the caller's deadline had passed before storage began")]
    Late,
    /// The disk is full. Nothing was written.
    #[error("storage is full")]
    Full,
    /// The memory was closed. Nothing was written.
    #[error("storage is closed")]
    Closed,
    /// The database cannot be reached. Nothing was written.
    #[error("storage cannot be reached: {0}")]
    Unreachable(#[source] Arc<sqlx::Error>),
    /// The connection broke during the commit: whether something was written is
    /// not known. The same write can be made again if it can meet itself.
    #[error("storage was lost during a commit")]
    Lost,
    /// What comes after a place in the feed is no longer kept.
    #[error("the feed is kept from {oldest} on")]
    Forgotten {
        /// The sequence of the oldest change that is kept.
        oldest: i64,
    },
    /// What is stored cannot be read back.
    #[error("storage: {what} is corrupt")]
    Corrupt {
        /// Which row, by table and key.
        what: String,
    },
    /// Anything else that the database reports.
    #[error("storage: {0}")]
    Database(#[source] Arc<sqlx::Error>),
}

// === impl Error ===

impl Error {
    /// What signals call it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Url(_) | Error::Setting { .. } | Error::Migrate(_) | Error::TooNew { .. } => {
                "setup"
            }
            Error::File(_) | Error::InUse => "file",
            Error::Busy => "busy",
            Error::Late => "late",
            Error::Full => "full",
            Error::Closed => "closed",
            Error::Unreachable(_) => "unreachable",
            Error::Lost => "lost",
            Error::Forgotten { .. } => "forgotten",
            Error::Corrupt { .. } => "corrupt",
            Error::Database(_) => "database",
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Error::Busy,
            sqlx::Error::PoolClosed => Error::Closed,
            sqlx::Error::Database(reported) => {
                match reported.code().as_deref().map_or(Trouble::Other, trouble) {
                    Trouble::Busy => Error::Busy,
                    Trouble::Full => Error::Full,
                    Trouble::Unreachable => Error::Unreachable(Arc::new(error)),
                    Trouble::Other => Error::Database(Arc::new(error)),
                }
            }
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
                Error::Unreachable(Arc::new(error))
            }
            _ => Error::Database(Arc::new(error)),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Error::Migrate(Arc::new(error))
    }
}

/// What a database's code means for us.
enum Trouble {
    Busy,
    Full,
    Unreachable,
    Other,
}

fn trouble(code: &str) -> Trouble {
    if code.len() == 5 {
        return match code {
            POSTGRES_FULL => Trouble::Full,
            code if POSTGRES_BUSY.contains(&code) => Trouble::Busy,
            code if POSTGRES_UNREACHABLE.iter().any(|class| code.starts_with(class)) => {
                Trouble::Unreachable
            }
            _ => Trouble::Other,
        };
    }
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(SQLITE_BUSY | SQLITE_LOCKED) => Trouble::Busy,
        Ok(SQLITE_FULL) => Trouble::Full,
        _ => Trouble::Other,
    }
}
