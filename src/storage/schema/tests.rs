use super::*;
use crate::storage::testing::Disk;
use crate::storage::tests::{event, operation};

/// What a version may do that only adds. `UPDATE` fills what it has added itself,
/// which no earlier release reads. An index holds nothing that is not in its table.
const ADDING: [&str; 7] = [
    "CREATE TABLE ",
    "CREATE INDEX ",
    "CREATE UNIQUE INDEX ",
    "DROP INDEX ",
    "ALTER TABLE ",
    "INSERT INTO ",
    "UPDATE ",
];
/// How a version begins that takes away.
const CONTRACTS: &str = "-- contracts: ";
/// The first version of a release; before it there was no database to share.
const FIRST: usize = 4;

/// Says what an earlier release would stumble over in a version.
fn check(number: usize, sql: &str) -> Vec<String> {
    let floor = sql.strip_prefix(CONTRACTS).map(|rest| rest.lines().next().unwrap());
    if let Some(floor) = floor {
        let oldest: usize = floor.parse().unwrap();
        let keeps = sql.contains(FLOOR) && sql.contains(&format!(", {oldest})"));
        let is_known = keeps && oldest < number;
        return if is_known { vec![] } else { vec![format!("{number}: no floor")] };
    }
    let said = sql.lines().filter(|line| !line.trim_start().starts_with("--"));
    let said = said.collect::<Vec<_>>().join(" ");
    let statements =
        said.split(';').map(|one| one.split_whitespace().collect::<Vec<_>>().join(" "));
    let made: Vec<_> = statements.clone().filter_map(|one| named(&one, "CREATE TABLE ")).collect();
    statements.filter(|one| !one.is_empty()).filter(|one| !adds(one, &made)).collect()
}

/// Whether a statement leaves all that there was, as it was, and lets an earlier
/// release write what it writes.
fn adds(statement: &str, made: &[String]) -> bool {
    let is_of_new = |verb| named(statement, verb).is_some_and(|table| made.contains(&table));
    match ADDING.iter().find(|verb| statement.starts_with(**verb)) {
        None => false,
        // An earlier release inserts rows without the column.
        Some(&"ALTER TABLE ") => {
            statement.contains(" ADD COLUMN ")
                && (!statement.contains("NOT NULL") || statement.contains("DEFAULT"))
        }
        // Its rows could be what the index forbids.
        Some(&"CREATE UNIQUE INDEX ") => {
            made.iter().any(|table| statement.contains(&format!(" ON {table} (")))
        }
        Some(&"INSERT INTO ") => is_of_new("INSERT INTO "),
        Some(_) => true,
    }
}

/// The name that follows a verb.
fn named(statement: &str, verb: &str) -> Option<String> {
    Some(statement.strip_prefix(verb)?.split_whitespace().next()?.to_owned())
}

#[test]
fn a_version_only_adds_unless_it_says_who_can_live_without() {
    for (version, number) in VERSIONS.iter().zip(1..).skip(FIRST - 1) {
        for sql in [version.sqlite, version.postgres] {
            assert_eq!(check(number, sql), Vec::<String>::new(), "{}", version.name);
        }
    }
}

#[test]
fn what_would_break_an_earlier_release_is_found() {
    for harmless in [
        "CREATE TABLE a (b TEXT NOT NULL);\nCREATE UNIQUE INDEX c ON a (b);\n\
         INSERT INTO a SELECT b;",
        "-- DROP TABLE is a word of a comment.\nALTER TABLE a ADD COLUMN b TEXT;",
        "ALTER TABLE a ADD COLUMN b TEXT NOT NULL DEFAULT '';\nUPDATE a SET b = 'c';",
        "-- contracts: 8\nDROP TABLE a;\nINSERT INTO marks VALUES ('schema_floor', 8);",
    ] {
        assert_eq!(check(9, harmless), Vec::<String>::new(), "{harmless}");
    }
    for harmful in [
        "DROP TABLE a;",
        "ALTER TABLE a DROP COLUMN b;",
        "ALTER TABLE a RENAME COLUMN b TO c;",
        "ALTER TABLE a ADD COLUMN b TEXT NOT NULL;",
        "CREATE UNIQUE INDEX a ON b (c);",
        "DELETE FROM a;",
        "INSERT INTO a VALUES (1);",
        "-- contracts: 8\nDROP TABLE a;",
        "-- contracts: 9\nDROP TABLE a;\nINSERT INTO marks VALUES ('schema_floor', 9);",
    ] {
        assert_eq!(check(9, harmful).len(), 1, "{harmful}");
    }
}

/// Opens a memory, brings it as far as a later release would, and opens it again.
async fn after(later: &'static str) -> Result<(), Error> {
    let disk = Disk::new();
    let storage = disk.open().await;
    let later = Version { name: "9999_later", sqlite: later, postgres: later };
    let number = latest() + 1;
    let kind = storage.connections.kind;
    let mut connection = storage.connections.writers.acquire().await.unwrap();
    let versions = VERSIONS.into_iter().chain([later]).collect::<Vec<_>>();
    migrator(&versions, kind).run(&mut *connection).await.unwrap();
    if later_is_known(&mut connection, kind).await? {
        sqlx::query("SELECT b FROM later").fetch_all(&mut *connection).await.unwrap();
    }
    drop(connection);
    storage.close().await;
    let again = disk.config().open().await?;
    let applied = "SELECT max(version) FROM _sqlx_migrations";
    let applied: i64 = sqlx::query_scalar(applied).fetch_one(again.readers()).await.unwrap();
    assert_eq!(applied, number);
    assert!(again.insert_event(event("evt_1")).await.unwrap());
    again.close().await;
    Ok(())
}

async fn later_is_known(connection: &mut AnyConnection, kind: Kind) -> Result<bool, Error> {
    let (lacking, unknown) = compare(connection, kind).await?;
    assert_eq!(lacking, Vec::<&str>::new());
    Ok(unknown == 1)
}

#[tokio::test]
async fn a_database_that_a_later_release_has_added_to_is_worked_with() {
    after("CREATE TABLE later (b TEXT); ALTER TABLE payments ADD COLUMN later TEXT;")
        .await
        .unwrap();
}

#[tokio::test]
async fn an_open_memory_goes_on_while_a_later_release_adds_to_it() {
    let disk = Disk::new();
    let storage = disk.open().await;
    let before = operation("before");
    assert!(storage.insert_operation(before.clone()).await.unwrap().is_none());
    for at in 0..3 {
        // Statements are prepared once in a connection, and used again after the change.
        if at == 2 {
            for table in ["operations", "payments", "feed", "events", "facts", "links", "orders"] {
                let adding = format!("ALTER TABLE {table} ADD COLUMN later TEXT");
                let adding = sqlx::query(sqlx::AssertSqlSafe(adding));
                let mut later = storage.connections.writers.acquire().await.unwrap();
                adding.execute(&mut *later).await.unwrap();
            }
        }
        for _ in 0..4 {
            assert_eq!(storage.operation("before").await.unwrap().as_ref(), Some(&before));
        }
        let again = storage.insert_operation(before.clone()).await.unwrap();
        assert_eq!(again.as_ref(), Some(&before));
        let id = format!("evt_{at}");
        assert!(storage.insert_event(event(&id)).await.unwrap());
        assert_eq!(storage.due_events(i64::MAX, 0, 9).await.unwrap().len(), at + 1);
        assert_eq!(storage.payment("cs_1").await.unwrap(), None);
        storage.feed_ends().await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_lacks_what_this_release_needs_is_refused() {
    let taken = "-- contracts: 5\nDROP TABLE quarantine; CREATE TABLE later (b TEXT); \
                 INSERT INTO marks (name, value) VALUES ('schema_floor', 9999);";
    let refused = after(taken).await.unwrap_err();
    assert!(matches!(refused, Error::TooNew { floor: 9999, .. }), "{refused}");
}

#[tokio::test]
async fn each_version_works_on_what_the_one_before_has_left() {
    let disk = Disk::new();
    let storage = disk.open().await;
    let kind = storage.connections.kind;
    let mut connection = storage.connections.writers.acquire().await.unwrap();
    assert_eq!(compare(&mut connection, kind).await.unwrap(), (vec![], 0));
}
