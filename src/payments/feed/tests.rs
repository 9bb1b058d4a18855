use std::num::{NonZeroU32, NonZeroU64};

use futures_util::StreamExt as _;

use super::*;
use crate::payments::Payments;
use crate::payments::tests::{config, next_change, open, reason, watch};
use crate::pb::payment::State;
use crate::storage::Known;

/// Appends a change, as the projector does.
async fn append(payments: &Payments, id: &str, payment_link: &str) {
    let (id, payment_link) = (id.to_owned(), payment_link.to_owned());
    let write = payments.storage.write(|mut transaction| {
        Box::pin(async move {
            let payment = pb::Payment { id, payment_link, ..Default::default() };
            let known = Known::testing(payment);
            transaction.put_known(&[&known], 0).await?;
            let payment = &known.payment;
            let change = transaction.next_change(payment, State::Unspecified, "evt_1", 1_500);
            let change = change.await?;
            transaction.put_changes(vec![change]).await
        })
    });
    write.await.unwrap();
    payments.changed.send_replace(());
}

async fn refusal(payments: &Payments, position: &str) -> String {
    let request = pb::WatchPaymentsRequest { position: position.into(), ..Default::default() };
    let refused =
        payments.feed.watch(&Caller::itself(Duration::from_secs(9)), request).await.err().unwrap();
    reason(&refused)
}

#[tokio::test]
async fn a_stream_tells_everything_in_order_though_pages_are_small() {
    let payments = open(&config()).await;
    for number in 1..=5 {
        append(&payments, &format!("cs_{number}"), "plink_1").await;
    }
    let mut stream = watch(&payments, "", "").await;
    for sequence in 1..=5 {
        let (change, position) = next_change(&mut stream).await;
        assert_eq!(change.sequence, sequence);
        assert_eq!(change.payment.unwrap().id, format!("cs_{sequence}"));
        assert!(position.starts_with(&format!("{}-{sequence}-", payments.storage.epoch())));
    }
}

#[tokio::test]
async fn a_stream_goes_on_as_changes_come() {
    let payments = open(&config()).await;
    let mut stream = watch(&payments, "", "").await;
    for sequence in 1..=3 {
        let (change, ()) =
            tokio::join!(next_change(&mut stream), append(&payments, "cs_1", "plink_1"));
        assert_eq!(change.0.sequence, sequence);
    }
}

#[tokio::test]
async fn any_position_continues_exactly_after_it() {
    let payments = open(&config()).await;
    for number in 1..=4 {
        append(&payments, &format!("cs_{number}"), "plink_1").await;
    }
    let mut stream = watch(&payments, "", "").await;
    for sequence in 1..=3 {
        let (_, position) = next_change(&mut stream).await;
        let (change, _) = next_change(&mut watch(&payments, &position, "").await).await;
        assert_eq!(change.sequence, sequence + 1);
    }
}

#[tokio::test]
async fn a_stream_with_nothing_to_tell_gives_its_position_at_once() {
    let payments = open(&config()).await;
    let message = watch(&payments, "", "").await.next().await.unwrap().unwrap();
    assert_eq!(message.content, Some(Content::Heartbeat(Heartbeat {})));
    assert!(message.position.starts_with(&format!("{}-0-", payments.storage.epoch())));
}

#[tokio::test]
async fn a_silent_stream_gives_heartbeats() {
    let heartbeat_ms = NonZeroU64::new(5).unwrap();
    let payments = open(&Config { heartbeat_ms, ..config() }).await;
    append(&payments, "cs_1", "plink_1").await;
    let mut stream = watch(&payments, "", "").await;
    next_change(&mut stream).await;
    for _ in 0..3 {
        let message = stream.next().await.unwrap().unwrap();
        assert_eq!(message.content, Some(Content::Heartbeat(Heartbeat {})));
        assert!(message.position.starts_with(&format!("{}-1-", payments.storage.epoch())));
    }
}

#[tokio::test]
async fn a_stream_of_one_link_leaves_out_others_and_advances_all_the_same() {
    let payments = open(&config()).await;
    for (id, link) in [("cs_1", "a"), ("cs_2", "b"), ("cs_3", "a"), ("cs_4", "b")] {
        append(&payments, id, link).await;
    }
    let mut stream = watch(&payments, "", "a").await;
    assert_eq!(next_change(&mut stream).await.0.sequence, 1);
    assert_eq!(next_change(&mut stream).await.0.sequence, 3);

    let message = watch(&payments, "", "c").await.next().await.unwrap().unwrap();
    assert_eq!(message.content, Some(Content::Heartbeat(Heartbeat {})));
    assert!(message.position.starts_with(&format!("{}-4-", payments.storage.epoch())));
}

#[tokio::test]
async fn positions_that_cannot_be_continued_are_refused() {
    let payments = open(&config()).await;
    append(&payments, "cs_1", "plink_1").await;
    let (_, position) = next_change(&mut watch(&payments, "", "").await).await;
    let (epoch, mark) = (payments.storage.epoch(), position.rsplit_once('-').unwrap().1);
    assert_eq!(refusal(&payments, "7").await, "POSITION_INVALID");
    assert_eq!(refusal(&payments, &format!("another-1-{mark}")).await, "STREAM_EPOCH_CHANGED");
    assert_eq!(refusal(&payments, &format!("{epoch}-2-{mark}")).await, "SEQ_AHEAD");
}

#[tokio::test]
async fn a_position_of_a_history_that_a_restored_backup_undid_is_refused() {
    let payments = open(&config()).await;
    append(&payments, "cs_1", "plink_1").await;
    let (_, position) = next_change(&mut watch(&payments, "", "").await).await;
    let (place, mark) = position.rsplit_once('-').unwrap();
    let undone: String = mark.chars().rev().collect();
    assert_eq!(refusal(&payments, &format!("{place}-{undone}")).await, "STREAM_EPOCH_CHANGED");
}

#[tokio::test]
async fn a_shutdown_ends_a_stream_that_waits() {
    let payments = open(&config()).await;
    let mut stream = watch(&payments, "", "").await;
    stream.next().await.unwrap().unwrap();
    let (parted, ()) = tokio::join!(stream.next(), async { payments.stop.cancel() });
    assert_eq!(parted.unwrap().unwrap().content, Some(Content::Heartbeat(Heartbeat {})));
    assert_eq!(reason(&stream.next().await.unwrap().unwrap_err()), "DRAINING");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_a_shutdown_ends_gives_the_position_of_all_that_it_has_looked_at() {
    let payments = open(&config()).await;
    for (id, link) in [("cs_1", "a"), ("cs_2", "b"), ("cs_3", "a"), ("cs_4", "b")] {
        append(&payments, id, link).await;
    }
    let mut stream = watch(&payments, "", "a").await;
    let at = |sequence: i64| format!("{}-{sequence}-", payments.storage.epoch());
    assert!(next_change(&mut stream).await.1.starts_with(&at(1)));
    assert!(next_change(&mut stream).await.1.starts_with(&at(3)));
    let mut later = watch(&payments, "", "a").await;
    next_change(&mut later).await;
    let (parted, ()) = tokio::join!(stream.next(), async { payments.stop.cancel() });
    assert!(parted.unwrap().unwrap().position.starts_with(&at(4)));
    // In the middle of a page the last change is where to go on.
    assert_eq!(reason(&later.next().await.unwrap().unwrap_err()), "DRAINING");
}

#[tokio::test]
async fn streams_beyond_the_bound_are_refused_until_one_ends() {
    let watch_page_max = NonZeroU32::new(1).unwrap();
    let payments = open(&Config { watchers_max: 1, watch_page_max, ..config() }).await;
    let stream = watch(&payments, "", "").await;
    assert_eq!(refusal(&payments, "").await, "TOO_MANY_STREAMS");
    drop(stream);
    drop(watch(&payments, "", "").await);
}
