//! Which endings stay, and which follow from how a link is seen.

use prost_types::Timestamp;

use super::*;
use crate::pb::payment_link::DeactivationReason;

const NOW_MS: i64 = 1_000_000;

/// A link as it was seen, which ends so many milliseconds from now, if it does.
fn link(active: bool, ends_in_ms: Option<i64>, seen_at_ms: i64) -> SeenLink {
    let expire_time =
        ends_in_ms.map(|ends_in_ms| Timestamp { seconds: (NOW_MS + ends_in_ms) / 1_000, nanos: 0 });
    let link = pb::PaymentLink { id: "plink_1".into(), active, expire_time, ..Default::default() };
    SeenLink { account: String::new(), link, created_at_ms: 7, seen_at_ms }
}

/// The endings of all links, and when they come.
async fn ends(storage: &Storage) -> Vec<(DeactivationReason, i64)> {
    let due = storage.due_endings(i64::MAX / 2, 0, 9).await.unwrap();
    due.into_iter().map(|ending| (ending.reason, ending.due_at_ms - NOW_MS)).collect()
}

#[tokio::test]
async fn an_end_that_has_come_stays_until_its_work_is_done() {
    let storage = testing::fresh().await;
    storage.put_link(link(true, Some(-5_000), 1), NOW_MS).await.unwrap();
    // This is how the event of its own deactivation shows the link.
    storage.put_link(link(false, Some(-5_000), 2), NOW_MS).await.unwrap();
    assert_eq!(ends(&storage).await, [(DeactivationReason::Expired, -5_000)]);
}

#[tokio::test]
async fn an_end_to_come_is_forgotten_with_the_link_or_the_end() {
    for later in [link(false, Some(5_000), 2), link(true, None, 2)] {
        let storage = testing::fresh().await;
        storage.put_link(link(true, Some(5_000), 1), NOW_MS).await.unwrap();
        assert_eq!(ends(&storage).await, [(DeactivationReason::Expired, 5_000)]);
        storage.put_link(later, NOW_MS).await.unwrap();
        assert_eq!(ends(&storage).await, []);
    }
}

#[tokio::test]
async fn links_of_orders_that_are_over_end_before_all_others() {
    let storage = testing::fresh().await;
    let end = async |id: &str, reason, now_ms| {
        storage.end_links(String::new(), vec![id.into()], reason, now_ms).await.unwrap();
    };
    end("plink_1", DeactivationReason::Caller, 1).await;
    end("plink_2", DeactivationReason::Expired, 2).await;
    end("plink_3", DeactivationReason::OrderClosed, 4).await;
    end("plink_4", DeactivationReason::OrderPaid, 3).await;
    let due = async |limit| {
        let due = storage.due_endings(9, 0, limit).await.unwrap();
        due.into_iter().map(|ending| ending.link).collect::<Vec<_>>()
    };
    assert_eq!(due(9).await, ["plink_4", "plink_3", "plink_1", "plink_2"]);
    assert_eq!(due(1).await, ["plink_4"]);
}
