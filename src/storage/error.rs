//! Why something was not remembered, or could not be recalled.

use std::sync::Arc;

/// SQLite's primary result codes, which are the low byte of every code.
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_FULL: u32 = 13;

/// Why something was not remembered, or could not be recalled. Clones tell the
/// same to each of the writes that shared a commit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The configured URL is not one of ours. It is not repeated here, since
    /// such a URL can hold a password.
    #[error("storage.url: {0}")]
    Url(&'static str),
    /// SQLite did not take a setting that durability or integrity depends on.
    #[error("storage: sqlite runs with {setting} = {found}, not {wanted}")]
    Setting {
        /// The pragma.
        setting: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// The schema could not be brought up to date.
    #[error("storage: the schema cannot be brought up to date: {0}")]
    Migrate(#[source] Arc<sqlx::migrate::MigrateError>),
    /// Too much is waiting, or another process holds the file. Nothing was
    /// written; trying again later can help.
    #[error("storage is busy")]
    Busy,
    /// The disk is full. Nothing was written.
    #[error("storage is full")]
    Full,
    /// The memory was closed. Nothing was written.
    #[error("storage is closed")]
    Closed,
    /// What is stored cannot be read back.
    #[error("storage: {what} is corrupt")]
    Corrupt {
        /// Which row, by table and key.
        what: String,
    },
    /// Anything else that SQLite reports.
    #[error("storage: {0}")]
    Database(#[source] Arc<sqlx::Error>),
}

// === impl Error ===

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Error::Busy,
            sqlx::Error::PoolClosed => Error::Closed,
            sqlx::Error::Database(reported) => {
                let code = reported.code().and_then(|code| code.parse::<u32>().ok());
                match code.map(|code| code & 0xff) {
                    Some(SQLITE_BUSY | SQLITE_LOCKED) => Error::Busy,
                    Some(SQLITE_FULL) => Error::Full,
                    _ => Error::Database(Arc::new(error)),
                }
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
