//! What holds where replicas share a memory: on PostgreSQL alone. On SQLite
//! there is only one, and nothing here to see.

use std::time::Duration;

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;

use super::*;

/// Several replicas of one memory, where there can be.
async fn replicas(number: usize) -> Vec<Storage> {
    let disk = Disk::new();
    let first = disk.open().await;
    if !first.is_shared() {
        return Vec::new();
    }
    let mut replicas = vec![first];
    while replicas.len() < number {
        replicas.push(disk.open().await);
    }
    replicas
}

#[tokio::test]
async fn replicas_open_an_empty_memory_together() {
    let config = Disk::new().config();
    if config.url.expose_secret().starts_with("postgres") {
        let (one, other) = tokio::join!(config.open(), config.open());
        assert_eq!(one.unwrap().epoch(), other.unwrap().epoch());
    }
}

#[tokio::test]
async fn a_replica_hears_what_another_has_written() {
    let replicas = replicas(2).await;
    let [one, other] = replicas.as_slice() else { return };
    let mut heard = other.heard();
    // Said when it begins to listen.
    heard.changed().await.unwrap();
    heard.mark_unchanged();
    one.insert_event(event("evt_1")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), heard.changed()).await.unwrap().unwrap();
    assert_eq!(due(other, 2_000).await, ["evt_1"]);
}

#[tokio::test]
async fn one_replica_at_a_time_holds_a_lease() {
    let replicas = replicas(2).await;
    let [one, other] = replicas.as_slice() else { return };
    // Each asks anew, as it would do after a while.
    let lease = |storage: &Storage| Lease::new(storage.clone(), "work", Duration::from_secs(100));
    assert!(lease(one).hold(0).await.unwrap());
    assert!(lease(one).hold(1_000).await.unwrap(), "who has it keeps it");
    assert!(!lease(other).hold(100_999).await.unwrap());
    let mut taken = lease(other);
    assert!(taken.hold(101_000).await.unwrap(), "it has run out");
    assert!(!lease(one).hold(102_000).await.unwrap());
    taken.release(103_000).await.unwrap();
    assert!(lease(one).hold(103_000).await.unwrap(), "it was let go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_of_many_replicas_is_one_chain() {
    let replicas = replicas(3).await;
    let writers = replicas.iter().enumerate().map(|(writer, storage)| {
        let storage = storage.clone();
        tokio::spawn(async move {
            for number in 0..50 {
                let id = format!("cs_{writer}_{number}");
                let fails = number % 5 == writer;
                assert_eq!(change(&storage, payment(&id), fails).await.is_err(), fails);
            }
        })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    let Some(storage) = replicas.first() else { return };
    let page = storage.feed_after(place(0), None, EVERYTHING).await.unwrap();
    let sequences = page.changes.iter().map(|event| event.sequence).collect::<Vec<_>>();
    assert_eq!(sequences, (1..=120).collect::<Vec<_>>());
    let is_linked = |pair: &[pb::PaymentEvent]| pair[1].previous_hash == pair[0].hash;
    assert!(page.changes.windows(2).all(is_linked));
}
