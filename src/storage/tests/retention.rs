use super::*;
use crate::storage::retention::Config;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const NEVER: Config =
    Config { event_body_days: 0, event_days: 0, feed_days: 0, consumer_days: 0, audit_days: 0 };

async fn forget_all(storage: &Storage, config: Config, now_ms: i64) {
    while storage.forget(config, now_ms).await.unwrap() {}
}

async fn count(storage: &Storage, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(storage.readers()).await.unwrap()
}

/// Tells an event that was received some days after the beginning of time.
async fn receive(storage: &Storage, id: &str, day: i64, state: EventState) {
    let received_at_ms = day * DAY_MS;
    let event = NewEvent { received_at_ms, state, ..event(id) };
    assert!(storage.insert_event(event).await.unwrap());
}

#[tokio::test]
async fn what_has_no_limit_is_kept_for_ever() {
    let storage = testing::fresh().await;
    receive(&storage, "evt_1", 0, EventState::Ignored).await;
    change(&storage, payment("cs_1"), false).await.unwrap();
    forget_all(&storage, NEVER, i64::MAX).await;
    assert_eq!(count(&storage, "SELECT count(*) FROM events WHERE body IS NOT NULL").await, 1);
    assert_eq!(storage.feed_ends().await.unwrap().forgotten.sequence, 0);
}

#[tokio::test]
async fn an_old_body_is_erased_once_it_has_done_its_work_and_its_hash_stays() {
    let storage = testing::fresh().await;
    receive(&storage, "evt_old", 1, EventState::Ignored).await;
    receive(&storage, "evt_new", 2, EventState::Ignored).await;
    receive(&storage, "evt_due", 1, EventState::Pending).await;
    forget_all(&storage, Config { event_body_days: 30, ..NEVER }, 32 * DAY_MS).await;
    let erased = "SELECT count(*) FROM events WHERE body IS NULL AND id = 'evt_old'";
    assert_eq!(count(&storage, erased).await, 1);
    assert_eq!(count(&storage, "SELECT count(*) FROM events WHERE body IS NULL").await, 1);
    assert_eq!(count(&storage, "SELECT count(body_hash) FROM events").await, 3);
    assert!(!storage.insert_event(event("evt_old")).await.unwrap(), "it is still known");
}

#[tokio::test]
async fn an_old_event_is_forgotten_after_its_body() {
    let storage = testing::fresh().await;
    receive(&storage, "evt_old", 1, EventState::Ignored).await;
    receive(&storage, "evt_new", 2, EventState::Ignored).await;
    forget_all(&storage, Config { event_days: 30, ..NEVER }, 32 * DAY_MS).await;
    assert_eq!(count(&storage, "SELECT count(*) FROM events").await, 2, "they have bodies");
    let config = Config { event_body_days: 10, event_days: 30, ..NEVER };
    forget_all(&storage, config, 32 * DAY_MS).await;
    assert_eq!(count(&storage, "SELECT count(*) FROM events").await, 1);
}

#[tokio::test]
async fn the_feed_goes_on_gapless_and_chained_after_its_beginning_was_forgotten() {
    let storage = testing::fresh().await;
    for id in ["cs_1", "cs_2", "cs_3"] {
        change(&storage, payment(id), false).await.unwrap();
    }
    let third = storage.feed_place(3).await.unwrap().unwrap();
    // Changes are recorded at 1.234 s.
    let config = Config { feed_days: 1, ..NEVER };
    forget_all(&storage, config, DAY_MS + 1_234).await;
    assert_eq!(storage.feed_ends().await.unwrap().forgotten.sequence, 0, "not old enough");
    forget_all(&storage, config, DAY_MS + 1_235).await;
    let ends = storage.feed_ends().await.unwrap();
    assert_eq!((ends.forgotten, ends.head), (third, third));

    assert_eq!(change(&storage, payment("cs_4"), false).await.unwrap(), 4);
    let page = storage.feed_after(ends.forgotten, None, EVERYTHING).await.unwrap();
    assert_eq!(page.changes[0].previous_hash, hex::encode(third.hash));
    let refused = storage.feed_after(place(2), None, EVERYTHING).await;
    assert!(matches!(refused, Err(Error::Forgotten { oldest: 4 })), "{refused:?}");
}

#[tokio::test]
async fn more_than_a_batch_is_forgotten_in_several() {
    let storage = testing::fresh().await;
    for number in 0..501 {
        let id = format!("cs_{number}");
        storage
            .write(move |mut transaction| {
                Box::pin(async move {
                    let known = Known::testing(payment(&id));
                    transaction.put_known(&[&known], 0).await?;
                    let payment = &known.payment;
                    let change = transaction.next_change(payment, State::Open, "evt_1", 0).await?;
                    transaction.put_changes(vec![change]).await
                })
            })
            .await
            .unwrap();
    }
    let config = Config { feed_days: 1, ..NEVER };
    assert!(storage.forget(config, 2 * DAY_MS).await.unwrap());
    assert_eq!(storage.feed_ends().await.unwrap().forgotten.sequence, 500);
    assert!(!storage.forget(config, 2 * DAY_MS).await.unwrap());
    assert_eq!(storage.feed_ends().await.unwrap().forgotten.sequence, 501);
}
