//! The schema, version by version, for each database.

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
const VERSIONS: [Version; 5] = [
    version!("0001_payments"),
    version!("0002_operations"),
    version!("0003_ledger"),
    version!("0004_owners"),
    version!("0005_traces"),
];

const LOCK_TIMEOUT: &str = "SELECT current_setting('lock_timeout')";
/// A migration waits longer than a call may: another replica may be at it.
const MIGRATION_LOCK_TIMEOUT: &str = "30s";

/// Brings the schema up to date. Replicas that start together wait for each
/// other here: sqlx holds a lock meanwhile.
pub(super) async fn migrate(connection: &mut AnyConnection, kind: Kind) -> Result<(), Error> {
    let migrations = VERSIONS.iter().zip(1..).map(|(version, number)| {
        let sql = match kind {
            Kind::Sqlite => version.sqlite,
            Kind::Postgres => version.postgres,
        };
        let name = version.name.into();
        Migration::new(number, name, MigrationType::Simple, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    match kind {
        Kind::Sqlite => Ok(migrator.run(connection).await?),
        Kind::Postgres => {
            let usual: String =
                sqlx::query_scalar(LOCK_TIMEOUT).fetch_one(&mut *connection).await?;
            lock_timeout(connection, MIGRATION_LOCK_TIMEOUT).await?;
            migrator.run(&mut *connection).await?;
            lock_timeout(connection, &usual).await
        }
    }
}

/// Sets how long statements of this connection wait for others.
async fn lock_timeout(connection: &mut AnyConnection, time: &str) -> Result<(), Error> {
    let set = sqlx::query("SELECT set_config('lock_timeout', $1, false)");
    set.bind(time.to_owned()).execute(connection).await?;
    Ok(())
}
