use super::*;
use crate::storage::retention::Config;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const RETENTION: Config =
    Config { event_body_days: 0, event_days: 0, feed_days: 0, consumer_days: 90, audit_days: 0 };

/// Acknowledges a position, where each owner has two places, and says whether it had one.
async fn acknowledge(storage: &Storage, owner: &str, name: &str, day: i64) -> bool {
    let (account, owner) = (String::new(), owner.to_owned());
    let consumer = Consumer { name: format!("{owner}\n{name}"), account, owner };
    let kept = storage.write(move |mut transaction| {
        Box::pin(async move { transaction.acknowledge(&consumer, (1, "p"), 2, day * DAY_MS).await })
    });
    kept.await.unwrap().is_some()
}

async fn is_known(storage: &Storage, name: &str, day: i64) -> bool {
    storage.acknowledged(name, day * DAY_MS).await.unwrap().is_some()
}

async fn forget(storage: &Storage, day: i64) {
    while storage.forget(RETENTION, day * DAY_MS).await.unwrap() {}
}

#[tokio::test]
async fn each_owner_has_places_of_its_own() {
    let storage = testing::fresh().await;
    for (owner, name, has_place) in [
        ("shop", "a", true),
        ("shop", "b", true),
        ("shop", "c", false),
        ("crm", "a", true),
        ("shop", "a", true),
        ("", "a", true),
    ] {
        assert_eq!(acknowledge(&storage, owner, name, 0).await, has_place, "{owner} {name}");
    }
}

#[tokio::test]
async fn a_consumer_that_nobody_uses_is_forgotten_and_leaves_its_place() {
    let storage = testing::fresh().await;
    for name in ["gone", "acknowledging"] {
        assert!(acknowledge(&storage, "", name, 0).await);
    }
    assert!(acknowledge(&storage, "", "acknowledging", 60).await);
    forget(&storage, 90).await;
    assert!(is_known(&storage, "\ngone", 0).await);
    forget(&storage, 91).await;
    assert!(!is_known(&storage, "\ngone", 91).await);
    assert!(acknowledge(&storage, "", "new", 91).await);
    forget(&storage, 160).await;
    assert!(!is_known(&storage, "\nacknowledging", 160).await);
}

#[tokio::test]
async fn a_consumer_that_only_watches_is_in_use() {
    let storage = testing::fresh().await;
    assert!(acknowledge(&storage, "", "watching", 0).await);
    assert!(is_known(&storage, "\nwatching", 80).await);
    forget(&storage, 100).await;
    assert!(is_known(&storage, "\nwatching", 100).await);
}

#[tokio::test]
async fn a_consumer_of_an_earlier_release_counts_as_used_now() {
    let storage = testing::fresh().await;
    assert!(acknowledge(&storage, "", "earlier", 0).await);
    let unnoted = storage.write(|transaction| {
        Box::pin(async move {
            let unnote = "UPDATE consumers SET used_at_ms = NULL";
            Ok(sqlx::query(unnote).execute(&mut *transaction.0).await.map(drop)?)
        })
    });
    unnoted.await.unwrap();
    forget(&storage, 1_000).await;
    assert!(is_known(&storage, "\nearlier", 1_000).await);
}
