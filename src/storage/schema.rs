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
const VERSIONS: [Version; 3] =
    [version!("0001_payments"), version!("0002_operations"), version!("0003_ledger")];

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
    Ok(Migrator::with_migrations(migrations.collect()).run(connection).await?)
}
