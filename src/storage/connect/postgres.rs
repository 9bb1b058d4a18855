//! PostgreSQL: a server that several replicas share.

use std::time::Duration;

use sqlx::any::AnyConnectOptions;
use sqlx::pool::PoolOptions;
use sqlx::{Any, AnyConnection, Connection as _};
use tokio::time::{Instant, sleep};

use super::{Connections, Kind, OPEN_TIME_MAX, RETRY_PAUSE, begin, options, pool, same};
use crate::storage::{Config, Error, schema};

/// How long a transaction of ours may stand still before the server ends it,
/// and with it the lock that every other replica's writer waits for.
const IDLE_IN_TRANSACTION_MAX_MS: u64 = 5_000;
/// After how long unused a connection is tested before it is used again. What
/// breaks in use is dropped anyway; this finds what broke while nobody looked.
const IDLE_UNTESTED_MAX: Duration = Duration::from_secs(1);

/// How a batch of writes begins: the replicas' writers take turns. What the
/// transaction reads after this is what the one before has committed, and the
/// turn ends with the transaction, however that ends. The number is ours alone
/// in a database of ours.
pub(in crate::storage) const BEGIN: &str =
    "BEGIN; SELECT pg_advisory_xact_lock(7310868735422853483)";

/// The settings that a commit's durability depends on, and what they must be.
const DURABILITY: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    ("server_encoding", "UTF8"),
    ("in_hot_standby", "off"),
    ("default_transaction_read_only", "off"),
];

/// Opens a database on a server.
pub(super) async fn open(config: &Config, url: &str) -> Result<Connections, Error> {
    let options = options(url)?;
    let mut first = connect(&options).await?;
    begin(&mut first, settings(config)).await?;
    verify(&mut first).await?;
    schema::migrate(&mut first, Kind::Postgres).await?;
    first.close().await?;

    let writers = ready(pool(config, 1), config).connect_lazy_with(options.clone());
    let readers = pool(config, config.readers_max.get());
    let readers = ready(readers, config).connect_lazy_with(options);
    Ok(Connections { writers, readers, kind: Kind::Postgres, lock: None })
}

/// Connects once, to look and not to change anything; refuses what [`open`] would.
pub(in crate::storage) async fn look_at(
    config: &Config,
    url: &str,
) -> Result<AnyConnection, Error> {
    let mut only = AnyConnection::connect_with(&options(url)?).await?;
    begin(&mut only, settings(config)).await?;
    verify(&mut only).await?;
    Ok(only)
}

/// Connects for the first time. A server that is just starting is waited for;
/// one that refuses us is not.
async fn connect(options: &AnyConnectOptions) -> Result<AnyConnection, Error> {
    let until = Instant::now() + OPEN_TIME_MAX;
    loop {
        match AnyConnection::connect_with(options).await.map_err(Error::from) {
            Err(Error::Unreachable(_)) if Instant::now() < until => sleep(RETRY_PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// Makes a pool's connections ready, also those that it makes after a restart
/// of the server or a move to another one.
fn ready(pool: PoolOptions<Any>, config: &Config) -> PoolOptions<Any> {
    let statements = settings(config);
    pool.after_connect(move |connection, _| {
        let statements = statements.clone();
        Box::pin(async move {
            begin(connection, statements).await?;
            verify(connection).await.map_err(|error| sqlx::Error::Configuration(error.into()))
        })
    })
    .before_acquire(|connection, state| {
        Box::pin(async move {
            let is_fresh = state.idle_for < IDLE_UNTESTED_MAX;
            Ok(is_fresh || connection.ping().await.is_ok())
        })
    })
}

fn settings(config: &Config) -> String {
    let (lock_ms, statement_ms) = (config.busy_timeout_ms, config.statement_timeout_ms);
    format!(
        "SET application_name = 'paylink'; SET synchronous_commit = on; \
         SET lock_timeout = {lock_ms}; SET statement_timeout = {statement_ms}; \
         SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MAX_MS}; \
         SET client_min_messages = warning;"
    )
}

/// Refuses a server that would not keep what it has confirmed, or that cannot
/// be written to.
async fn verify(connection: &mut AnyConnection) -> Result<(), Error> {
    for (setting, wanted) in DURABILITY {
        let found: Option<String> = sqlx::query_scalar("SELECT current_setting($1, true)")
            .bind(setting)
            .fetch_one(&mut *connection)
            .await?;
        // A server that does not know a setting has what it stands for built in.
        same(setting, wanted, found.unwrap_or_else(|| wanted.to_owned()))?;
    }
    Ok(())
}
