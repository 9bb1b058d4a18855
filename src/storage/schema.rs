//! The schema, version by version, for each database.
//!
//! Two releases work with one database while one replaces the other. So a version
//! only adds: what a release reads and writes is still there, and means the same,
//! under the schema of the next. What nothing reads any more is taken away by a
//! version of its own, at least one release later, which begins with
//! `-- contracts: N` and keeps N in `marks` as [`FLOOR`]: the version of the oldest
//! release that can still work with what is left.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, SqlSafeStr as _};

use super::Error;
use super::connect::Kind;

/// A version of the schema, in the words of each database.
struct Version {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// Names the two files of a version.
macro_rules! version {
    ($name:literal) => {
        Version {
            name: $name,
            sqlite: include_str!(concat!("migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("migrations/postgres/", $name, ".sql")),
        }
    };
}

/// Every version of the schema, oldest first. What was released never changes:
/// sqlx compares checksums and refuses an edited one.
const VERSIONS: [Version; 10] = [
    version!("0001_payments"),
    version!("0002_operations"),
    version!("0003_ledger"),
    version!("0004_owners"),
    version!("0005_orders"),
    version!("0006_accounts"),
    version!("0007_traces"),
    version!("0008_audit"),
    version!("0009_searches"),
    version!("0010_endings"),
];

/// The mark that says from which version on a release works with this database.
/// Without it, every release does that knows the table.
const FLOOR: &str = "schema_floor";

/// A migration waits longer than a call may: another replica may be at it, and to
/// wait for that is a statement too. Between its statements it may wait for a
/// processor, on a machine where everything starts at once.
const TIMES: [(&str, &str); 3] = [
    ("lock_timeout", "30s"),
    ("statement_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "60s"),
];

/// Brings the schema up to date. Replicas that start together wait for each
/// other here: sqlx holds a lock meanwhile.
///
/// A database that a later release has brought further is taken as it is, unless
/// that release has said that this one cannot work with it.
pub(super) async fn migrate(connection: &mut AnyConnection, kind: Kind) -> Result<(), Error> {
    let migrator = migrator(&VERSIONS, kind);
    match kind {
        Kind::Sqlite => migrator.run(&mut *connection).await?,
        Kind::Postgres => {
            let mut usual: Vec<String> = Vec::new();
            for (name, time) in TIMES {
                let setting = sqlx::query_scalar("SELECT current_setting($1)").bind(name);
                usual.push(setting.fetch_one(&mut *connection).await?);
                put(connection, name, time).await?;
            }
            migrator.run(&mut *connection).await?;
            for ((name, _), time) in TIMES.iter().zip(usual) {
                put(connection, name, &time).await?;
            }
        }
    }
    refuse_what_is_too_new(connection).await
}

/// Names the versions that the database lacks, and counts those that it has and
/// this release does not know.
pub(super) async fn compare(
    connection: &mut AnyConnection,
    kind: Kind,
) -> Result<(Vec<&'static str>, usize), Error> {
    let is_there = match kind {
        Kind::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
        Kind::Postgres => "SELECT count(to_regclass('_sqlx_migrations')::text)",
    };
    let is_there: i64 = sqlx::query_scalar(is_there).fetch_one(&mut *connection).await?;
    if is_there == 0 {
        return Ok((VERSIONS.iter().map(|version| version.name).collect(), 0));
    }
    let applied = "SELECT version FROM _sqlx_migrations WHERE success";
    let applied: Vec<i64> = sqlx::query_scalar(applied).fetch_all(&mut *connection).await?;
    let lacking = VERSIONS.iter().zip(1..).filter(|(_, number)| !applied.contains(number));
    let unknown = applied.iter().filter(|number| **number > latest()).count();
    let lacking: Vec<_> = lacking.map(|(version, _)| version.name).collect();
    // The mark is in a table of the schema.
    if lacking.is_empty() {
        refuse_what_is_too_new(connection).await?;
    }
    Ok((lacking, unknown))
}

fn migrator(versions: &[Version], kind: Kind) -> Migrator {
    let migrations = versions.iter().zip(1..).map(|(version, number)| {
        let sql = match kind {
            Kind::Sqlite => version.sqlite,
            Kind::Postgres => version.postgres,
        };
        let name = version.name.into();
        Migration::new(number, name, MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.set_ignore_missing(true);
    migrator
}

async fn refuse_what_is_too_new(connection: &mut AnyConnection) -> Result<(), Error> {
    let floor = sqlx::query_scalar("SELECT value FROM marks WHERE name = $1").bind(FLOOR);
    let floor: Option<i64> = floor.fetch_optional(connection).await?;
    match floor {
        Some(floor) if floor > latest() => Err(Error::TooNew { floor, latest: latest() }),
        _ => Ok(()),
    }
}

/// The newest version that this release knows.
fn latest() -> i64 {
    i64::try_from(VERSIONS.len()).unwrap_or(i64::MAX)
}

/// Sets how long statements of this connection may take, or wait for others.
async fn put(connection: &mut AnyConnection, name: &str, time: &str) -> Result<(), Error> {
    let put = sqlx::query("SELECT set_config($1, $2, false)");
    put.bind(name.to_owned()).bind(time.to_owned()).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
