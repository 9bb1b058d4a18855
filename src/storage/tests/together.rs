//! What is queued at once is written together: the writer runs once all is in its queue.

use futures_util::future::join_all;

use super::*;

fn link(id: &str, order: &str, seen_at_ms: i64) -> SeenLink {
    let link = pb::PaymentLink {
        id: id.into(),
        active: true,
        order_ref: order.into(),
        ..Default::default()
    };
    SeenLink { account: String::new(), link, created_at_ms: 7, seen_at_ms }
}

/// The links that are found by an order, with the time of their picture.
async fn of_order(storage: &Storage, order: &str) -> Vec<(String, i64)> {
    let terms = vec![Term::Order(order).text()];
    let listing = LinkListing { terms, limit: 9, ..LinkListing::default() };
    let links = storage.links(listing).await.unwrap();
    links.into_iter().map(|seen| (seen.link.id, seen.seen_at_ms)).collect()
}

#[tokio::test]
async fn of_operations_of_one_key_the_first_is_kept_and_the_others_get_it() {
    let storage = testing::fresh().await;
    let asked = [("a", 1), ("b", 2), ("a", 3), ("a", 4), ("c", 5)];
    let inserts = asked
        .map(|(key, attempts)| storage.insert_operation(Operation { attempts, ..operation(key) }));
    let found = join_all(inserts).await;
    let found = found.into_iter().map(|found| found.unwrap().map(|known| known.attempts));
    assert_eq!(found.collect::<Vec<_>>(), [None, None, Some(1), Some(1), None]);
}

#[tokio::test]
async fn of_changes_of_one_version_the_first_counts() {
    let storage = testing::fresh().await;
    for key in ["a", "b"] {
        storage.insert_operation(operation(key)).await.unwrap();
    }
    let ways = [("a", 2, 0), ("a", 3, 0), ("b", 4, 1), ("gone", 5, 0)];
    let puts = ways.map(|(key, attempts, version)| {
        let state = OperationState::Done;
        storage.put_operation(Operation { state, attempts, version, ..operation(key) })
    });
    let changed = join_all(puts).await.into_iter().map(Result::unwrap);
    assert_eq!(changed.collect::<Vec<_>>(), [true, false, false, false]);
    let (a, b) = (storage.operation("a").await.unwrap(), storage.operation("b").await.unwrap());
    let done = Operation { state: OperationState::Done, attempts: 2, version: 1, ..operation("a") };
    assert_eq!((a, b), (Some(done), Some(operation("b"))));
    assert_eq!(storage.operation("gone").await.unwrap(), None);
}

#[tokio::test]
async fn records_are_one_chain() {
    let storage = testing::fresh().await;
    let records = ["a", "b", "c", "d"]
        .map(|object| pb::AuditRecord { object: object.into(), ..pb::AuditRecord::default() });
    for _ in 0..2 {
        let appends = records.clone().map(|record| storage.append_audit(record, 1, false));
        join_all(appends).await.into_iter().for_each(Result::unwrap);
    }
    let listing = AuditListing { oldest_first: true, limit: 99, ..AuditListing::default() };
    let listed = storage.audit(listing).await.unwrap().records;
    assert_eq!(listed.iter().map(|one| &*one.object).collect::<String>(), "abcdabcd");
    for (number, pair) in (1..).zip(listed.windows(2)) {
        assert_eq!((pair[0].sequence, &pair[0].hash), (number, &pair[1].previous_hash));
    }
}

#[tokio::test]
async fn of_two_pictures_of_a_link_the_newest_counts() {
    let storage = testing::fresh().await;
    let now_ms = 100;
    let pictures = [link("plink_1", "1", 20), link("plink_2", "1", 20), link("plink_1", "2", 30)];
    let puts = pictures.map(|seen| storage.put_link(seen, now_ms));
    join_all(puts).await.into_iter().for_each(Result::unwrap);
    assert_eq!(of_order(&storage, "1").await, [("plink_2".into(), 20)]);
    assert_eq!(of_order(&storage, "2").await, [("plink_1".into(), 30)]);

    // One that is older changes nothing of the link, whatever comes beside it.
    let pictures = [link("plink_1", "3", 10), link("plink_2", "3", 40)];
    let puts = pictures.map(|seen| storage.put_link(seen, now_ms));
    join_all(puts).await.into_iter().for_each(Result::unwrap);
    assert_eq!(of_order(&storage, "1").await, []);
    assert_eq!(of_order(&storage, "2").await, [("plink_1".into(), 30)]);
    assert_eq!(of_order(&storage, "3").await, [("plink_2".into(), 40)]);
}

#[tokio::test]
async fn a_row_that_fails_leaves_those_beside_it_alone() {
    let storage = testing::fresh().await;
    let once = sqlx::query("CREATE UNIQUE INDEX once ON audit (object)");
    let mut connection = storage.connections.writers.acquire().await.unwrap();
    once.execute(&mut *connection).await.unwrap();
    drop(connection);
    let record = |object: &str| pb::AuditRecord { object: object.into(), ..Default::default() };
    let appends = ["a", "b", "a", "c"].map(|name| storage.append_audit(record(name), 1, false));
    let (kept, inserted, linked) = tokio::join!(
        join_all(appends),
        storage.insert_operation(operation("a")),
        storage.put_link(link("plink_1", "1", 20), 100),
    );
    let kept = kept.iter().map(Result::is_ok).collect::<Vec<_>>();
    assert_eq!(kept, [true, true, false, true]);
    assert_eq!(inserted.unwrap(), None);
    linked.unwrap();
    assert_eq!(of_order(&storage, "1").await, [("plink_1".into(), 20)]);
    let listing = AuditListing { oldest_first: true, limit: 99, ..AuditListing::default() };
    let listed = storage.audit(listing).await.unwrap().records;
    assert_eq!(listed.iter().map(|one| &*one.object).collect::<String>(), "abc");
}
