use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::*;

fn record(object: &str) -> pb::AuditRecord {
    pb::AuditRecord { object: object.into(), account: "eu".into(), ..Default::default() }
}

async fn append(storage: &Storage, objects: &[&str]) {
    for (at_ms, object) in (0..).zip(objects) {
        storage.append_audit(record(object), at_ms, false).await.unwrap();
    }
}

async fn listed(storage: &Storage, listing: AuditListing) -> (Vec<String>, Option<i64>) {
    let page = storage.audit(AuditListing { account: "eu".into(), ..listing }).await.unwrap();
    (page.records.into_iter().map(|record| record.object).collect(), page.through)
}

#[tokio::test]
async fn the_first_record_follows_the_name_of_the_installation() {
    let storage = testing::fresh().await;
    append(&storage, &["a", "b"]).await;
    let listing = AuditListing { account: "eu".into(), limit: 9, ..Default::default() };
    let page = storage.audit(listing).await.unwrap();
    let [second, first] = &*page.records else { panic!("two records") };
    assert_eq!(first.previous_hash, hex::encode(Sha256::digest(storage.epoch())));
    assert_eq!((&second.previous_hash, first.sequence, second.sequence), (&first.hash, 1, 2));
}

#[tokio::test]
async fn records_are_given_page_by_page_from_either_end() {
    let storage = testing::fresh().await;
    assert_eq!(listed(&storage, AuditListing { limit: 2, ..Default::default() }).await.1, None);
    append(&storage, &["a", "b", "c"]).await;
    let listing =
        |after, oldest_first| AuditListing { after, oldest_first, limit: 2, ..Default::default() };
    for (oldest_first, pages, through) in
        [(false, [vec!["c", "b"], vec!["a"]], 2), (true, [vec!["a", "b"], vec!["c"]], 2)]
    {
        let first = listed(&storage, listing(None, oldest_first)).await;
        assert_eq!(
            (first.0, first.1),
            (pages[0].iter().map(ToString::to_string).collect(), Some(through))
        );
        let second = listed(&storage, listing(Some(through), oldest_first)).await;
        assert_eq!(
            (second.0, second.1),
            (pages[1].iter().map(ToString::to_string).collect(), None)
        );
    }
    let others = AuditListing { account: "us".into(), limit: 2, ..Default::default() };
    assert_eq!(storage.audit(others).await.unwrap(), AuditPage::default());
}

#[tokio::test]
async fn a_page_looks_at_so_many_records_and_says_where_to_go_on() {
    let storage = testing::fresh().await;
    append(&storage, &["rare"]).await;
    let appends = (0..10_000).map(|_| storage.append_audit(record("often"), 1, false));
    for appended in stream::iter(appends).buffer_unordered(512).collect::<Vec<_>>().await {
        appended.unwrap();
    }
    let rare =
        |after| AuditListing { object: Some("rare".into()), after, limit: 9, ..Default::default() };
    assert_eq!(listed(&storage, rare(None)).await, (vec![], Some(2)));
    assert_eq!(listed(&storage, rare(Some(2))).await, (vec!["rare".to_owned()], None));
}

#[tokio::test]
async fn what_may_be_there_already_is_not_written_twice() {
    let storage = testing::fresh().await;
    let record = pb::AuditRecord { request_id: "one".into(), ..record("a") };
    for is_again in [false, true, true] {
        storage.append_audit(record.clone(), 7, is_again).await.unwrap();
    }
    storage.append_audit(record, 8, true).await.unwrap();
    let found = listed(&storage, AuditListing { limit: 9, ..Default::default() }).await;
    assert_eq!(found.0.len(), 2);
}

#[tokio::test]
async fn the_records_go_on_chained_after_the_oldest_were_forgotten() {
    let storage = testing::fresh().await;
    append(&storage, &["a", "b", "c"]).await;
    let all = AuditListing { account: "eu".into(), limit: 9, ..Default::default() };
    let before = storage.audit(all.clone()).await.unwrap().records;
    let config = crate::storage::retention::Config {
        event_body_days: 0,
        event_days: 0,
        feed_days: 0,
        consumer_days: 0,
        audit_days: 1,
    };
    let day_ms = 24 * 60 * 60 * 1_000;
    storage.forget(config, day_ms + 1).await.unwrap();
    assert_eq!(storage.audit(all.clone()).await.unwrap().records, before[..2]);
    // Whatever its age, the newest is what the next one follows.
    storage.forget(config, 9 * day_ms).await.unwrap();
    assert_eq!(storage.audit(all.clone()).await.unwrap().records, before[..1]);
    append(&storage, &["d"]).await;
    let after = storage.audit(all).await.unwrap().records;
    assert_eq!((after[0].sequence, &after[0].previous_hash), (4, &before[0].hash));
}
