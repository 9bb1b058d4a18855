//! Why the feed numbers its events as it does: what goes wrong otherwise.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::PgPool;

use super::{Memory, SCALE};

const WRITERS: usize = 8;

/// Writes rows that a sequence numbers; one commit in fifty is slow.
async fn write(pool: PgPool, rows: usize, seed: u64) {
    let mut chance = SmallRng::seed_from_u64(seed);
    for _ in 0..rows {
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query("INSERT INTO naive DEFAULT VALUES").execute(&mut *transaction).await.unwrap();
        if chance.random_ratio(1, 50) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        transaction.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_over_a_sequence_of_the_database_would_miss_events() {
    let Some(memory) = Memory::server() else { return };
    let pool = PgPool::connect(&memory.url()).await.unwrap();
    let table = "CREATE TABLE naive (sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY)";
    sqlx::query(table).execute(&pool).await.unwrap();
    let rows = 50 * *SCALE;
    let writers = (0..WRITERS).map(|at| tokio::spawn(write(pool.clone(), rows, at as u64)));
    let mut writing = Box::pin(join_all(writers.collect::<Vec<_>>()));
    let (mut seen, mut last, mut is_written) = (HashSet::new(), 0, false);
    loop {
        let query = "SELECT sequence FROM naive WHERE sequence > $1 ORDER BY sequence";
        let page: Vec<i64> = sqlx::query_scalar(query).bind(last).fetch_all(&pool).await.unwrap();
        last = page.last().copied().unwrap_or(last);
        seen.extend(page);
        if is_written {
            break;
        }
        is_written = futures_util::poll!(&mut writing).is_ready();
    }
    let missed = WRITERS * rows - seen.len();
    assert!(missed > 0, "commit order is not the order of a sequence");
    println!("a naive cursor: missed {missed} of {}", WRITERS * rows);
}
