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
    version!("0005_orders"),
];

/// A migration waits longer than a call may: another replica may be at it, and to
/// wait for that is a statement too.
const TIMES: [(&str, &str); 2] = [("lock_timeout", "30s"), ("statement_timeout", "60s")];

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
            Ok(())
        }
    }
}

/// Sets how long statements of this connection may take, or wait for others.
async fn put(connection: &mut AnyConnection, name: &str, time: &str) -> Result<(), Error> {
    let put = sqlx::query("SELECT set_config($1, $2, false)");
    put.bind(name.to_owned()).bind(time.to_owned()).execute(connection).await?;
    Ok(())
}
