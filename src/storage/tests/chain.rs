use sha2::{Digest as _, Sha256};

use super::*;

#[tokio::test]
async fn each_change_carries_the_hash_of_the_one_before_it() {
    let disk = Disk::new();
    let storage = disk.open().await;
    for id in ["cs_1", "cs_2", "cs_1"] {
        change(&storage, payment(id), false).await.unwrap();
    }
    let page = storage.feed_after(place(0), None, EVERYTHING).await.unwrap();
    let mut previous = hex::encode(Sha256::digest(storage.epoch()));
    for event in &page.changes {
        assert_eq!(event.previous_hash, previous);
        previous.clone_from(&event.hash);
    }
    assert_eq!(hex::encode(page.through.hash), previous);
    assert_eq!(storage.feed_ends().await.unwrap().head, page.through);
}

#[tokio::test]
async fn a_write_that_failed_left_nothing_in_the_chain() {
    let disk = Disk::new();
    let storage = disk.open().await;
    let (one, failing, other) = tokio::join!(
        change(&storage, payment("cs_1"), false),
        change(&storage, payment("cs_2"), true),
        change(&storage, payment("cs_3"), false),
    );
    assert_eq!((one.unwrap(), failing.is_err(), other.unwrap()), (1, true, 2));
    let page = storage.feed_after(place(0), None, EVERYTHING).await.unwrap();
    assert_eq!(page.changes[1].previous_hash, page.changes[0].hash);
}

#[tokio::test]
async fn the_hash_of_an_event_is_kept_beside_its_body() {
    let disk = Disk::new();
    let storage = disk.open().await;
    storage.insert_event(event("evt_1")).await.unwrap();
    let hash = sqlx::query_scalar("SELECT body_hash FROM events");
    let hash: Vec<u8> = hash.fetch_one(storage.readers()).await.unwrap();
    assert_eq!(hash, Sha256::digest(b"{}").as_slice());
}
