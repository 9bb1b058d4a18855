use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_comes_64_times_at_once_is_one_row() {
    let disk = Disk::new();
    let storage = disk.open().await;
    let inserts = (0..64).map(|_| {
        let storage = storage.clone();
        tokio::spawn(async move { storage.insert_event(event("evt_1")).await.unwrap() })
    });
    let new = join_all(inserts).await.into_iter().filter(|new| *new.as_ref().unwrap()).count();
    assert_eq!(new, 1);
    assert_eq!(due(&storage, 2_000).await, ["evt_1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_has_no_gaps_though_writes_fail_among_others() {
    let disk = Disk::new();
    let storage = disk.open().await;
    let writers = (0..8).map(|writer| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let mut sequences = Vec::new();
            for number in 0..50 {
                let id = format!("cs_{writer}_{number}");
                let result = change(&storage, payment(&id), number % 5 == writer % 5).await;
                sequences.extend(result.ok());
            }
            sequences
        })
    });
    let told = join_all(writers).await.into_iter().flat_map(Result::unwrap);
    let mut told = told.collect::<Vec<_>>();
    told.sort_unstable();
    assert_eq!(told, (1..=320).collect::<Vec<_>>());
    let page = storage.feed_after(place(0), None, EVERYTHING).await.unwrap();
    let kept = page.changes.iter().map(|change| change.sequence).collect::<Vec<_>>();
    assert_eq!(kept, told);
}

#[tokio::test]
async fn a_write_that_fails_leaves_the_others_of_its_commit_alone() {
    let disk = Disk::new();
    let storage = disk.open().await;
    let write = |number: usize| {
        storage.write(move |mut transaction| {
            Box::pin(async move {
                transaction.insert_events(&[&event(&format!("evt_{number}"))]).await?;
                if number == 3 {
                    // The row is there since the memory was opened.
                    let taken = sqlx::query("INSERT INTO installation VALUES (1, 'x')");
                    taken.execute(&mut *transaction.0).await?;
                }
                Ok(number)
            })
        })
    };
    // The writer runs only once all are in its queue.
    let results = join_all((0..10).map(write)).await;
    let kept: Vec<usize> = results.iter().filter_map(|result| result.clone().ok()).collect();
    assert_eq!(kept, [0, 1, 2, 4, 5, 6, 7, 8, 9]);
    assert!(matches!(results[3], Err(Error::Database(_))));
    let names = kept.iter().map(|number| format!("evt_{number}")).collect::<Vec<_>>();
    assert_eq!(due(&storage, 2_000).await, names);
}

#[tokio::test]
async fn writes_that_wait_together_share_a_commit() {
    let disk = Disk::new();
    let storage = disk.open().await;
    let running = Arc::new(AtomicUsize::new(0));
    let writes = (0..64).map(|number| {
        let running = running.clone();
        let readers = storage.readers().clone();
        storage.write(move |mut transaction| {
            Box::pin(async move {
                transaction.insert_events(&[&event(&format!("evt_{number}"))]).await?;
                running.fetch_add(1, Ordering::Relaxed);
                // Until the commit, a reader sees none of the group.
                let count = sqlx::query_scalar("SELECT count(*) FROM events");
                Ok(count.fetch_one(&readers).await?)
            })
        })
    });
    let seen: Vec<i64> = join_all(writes).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(seen, [0; 64]);
    assert_eq!(running.load(Ordering::Relaxed), 64);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let disk = Disk::new();
    let mut config = disk.config();
    config.write_queue_max = NonZeroUsize::new(2).unwrap();
    let storage = config.open().await.unwrap();
    let names = ["evt_1", "evt_2", "evt_3"];
    let results = join_all(names.map(|id| storage.insert_event(event(id)))).await;
    assert!(matches!(results[..], [Ok(true), Ok(true), Err(Error::Busy)]));
}

#[tokio::test]
async fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    let disk = Disk::new();
    let storage = disk.open().await;
    storage.insert_event(event("evt_1")).await.unwrap();
    let limit = async |pages: &'static str| {
        let limiting = storage.write(move |transaction| {
            Box::pin(async move {
                sqlx::query(pages).execute(transaction.0).await?;
                Ok(())
            })
        });
        limiting.await.unwrap();
    };
    // SQLite rounds this up to the size that the file has.
    limit("PRAGMA max_page_count = 1").await;
    let large = NewEvent { body: vec![0; 1_000_000], ..event("evt_2") };
    let both = join_all([large, event("evt_3")].map(|event| storage.insert_event(event))).await;
    assert!(matches!(both[..], [Err(Error::Full), Ok(true) | Err(Error::Full)]), "{both:?}");
    assert_eq!(due(&storage, 2_000).await.first().map(String::as_str), Some("evt_1"));
    limit("PRAGMA max_page_count = 1000000").await;
    let large = NewEvent { body: vec![0; 1_000_000], ..event("evt_2") };
    assert!(storage.insert_event(large).await.unwrap());
}

#[tokio::test]
async fn a_write_whose_turn_comes_after_its_callers_deadline_is_not_begun() {
    let disk = Disk::new();
    let storage = disk.open().await;
    let second = Duration::from_secs(1);
    // The writer is busy until it is told to go on.
    let (go_on, told) = watch::channel(false);
    let busy = storage.write(move |_| {
        let mut told = told.clone();
        Box::pin(async move {
            told.wait_for(|told| *told).await.unwrap();
            Ok(())
        })
    });
    let insert =
        |id: &'static str, deadline| caller::until(deadline, storage.insert_event(event(id)));
    let now = Instant::now();
    let (late, early) = (insert("evt_late", now + second), insert("evt_early", now + second * 60));
    let time_passes = async {
        tokio::time::pause();
        tokio::time::advance(second * 2).await;
        tokio::time::resume();
        go_on.send_replace(true);
    };
    let (busy, late, early, ()) = tokio::join!(busy, late, early, time_passes);
    assert!(busy.is_ok());
    assert!(matches!(late, Err(Error::Late)), "{late:?}");
    assert!(early.unwrap(), "the write beside it is kept");
    assert_eq!(due(&storage, 2_000).await, ["evt_early"]);
}
