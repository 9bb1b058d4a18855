//! The stream of changes: from any position on, it misses nothing and repeats nothing.

use paylink::pb;
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::harness::{Folder, Hook, Page, Paylink, code_of, event, retry_delay, violations};

/// Lets a payment change for each session.
async fn tell(paylink: &Paylink, sessions: &[&str]) {
    for session in sessions {
        let told = event(&format!("evt_{session}"), "checkout.session.expired", session, "unpaid");
        assert_eq!(Hook::of(&told).send(paylink).await, 200);
    }
}

async fn refused(paylink: &Paylink, position: &str) -> tonic::Status {
    let position = position.to_owned();
    let request = pb::WatchPaymentsRequest { position, ..Default::default() };
    paylink.try_watch(request).await.unwrap_err()
}

#[tokio::test]
async fn a_payment_made_before_a_restart_is_told_after_it() {
    let folder = Folder::new();
    let paylink = Paylink::start().storage(&folder).await;
    let page = Page::open(&paylink.link().await.url).await;
    let mut watch = paylink.watch("").await;
    page.pay("4242424242424242").await;
    let before = watch.next().await;
    let paylink = paylink.restart().await;
    assert_eq!(paylink.watch("").await.next().await, before);
    assert_eq!(paylink.payment(page.session()).await.ok(), before.payment);
}

#[tokio::test]
async fn a_watch_goes_on_where_another_ended() {
    let folder = Folder::new();
    let paylink = Paylink::start().without_webhooks().storage(&folder).await;
    tell(&paylink, &["cs_1", "cs_2", "cs_3"]).await;
    let mut watch = paylink.watch("").await;
    let first = watch.next().await;
    let position = watch.position.clone();
    let all = [first, watch.next().await, watch.next().await];
    drop(watch);

    let paylink = paylink.restart().await;
    let mut watch = paylink.watch(&position).await;
    assert_eq!([watch.next().await, watch.next().await], all[1..]);
    tell(&paylink, &["cs_4"]).await;
    assert_eq!(watch.next().await.sequence, 4);
}

#[tokio::test]
async fn every_watcher_is_told_the_same_in_the_same_order() {
    let paylink = Paylink::start().without_webhooks().await;
    let mut early = paylink.watch("").await;
    tell(&paylink, &["cs_1", "cs_2", "cs_3", "cs_4"]).await;
    let mut late = paylink.watch("").await;
    for _ in 0..4 {
        assert_eq!(early.next().await, late.next().await);
    }
    assert_eq!(early.position, late.position);
}

/// What a consumer does to prove that an event follows another: the rule of
/// `PaymentEvent`, written anew.
fn proves(event: &pb::PaymentEvent, previous: &str) -> bool {
    let at = event.record_time.unwrap();
    let mut told = hex::decode(previous).unwrap();
    told.extend(event.sequence.to_be_bytes());
    told.extend((at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000).to_be_bytes());
    told.extend(event.previous_state.to_be_bytes());
    told.extend(hex::decode(&event.payment_hash).unwrap());
    told.extend(event.stripe_event.as_bytes());
    event.previous_hash == previous && event.hash == hex::encode(Sha256::digest(told))
}

#[tokio::test]
async fn a_watcher_can_prove_that_it_was_told_everything() {
    let folder = Folder::new();
    let paylink = Paylink::start().without_webhooks().storage(&folder).await;
    tell(&paylink, &["cs_1", "cs_2", "cs_3"]).await;
    let paylink = paylink.restart().await;
    tell(&paylink, &["cs_4"]).await;
    let mut watch = paylink.watch("").await;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(watch.next().await);
    }
    for pair in events.windows(2) {
        assert!(proves(&pair[1], &pair[0].hash), "{pair:?}");
    }
    assert!(!proves(&events[2], &events[0].hash), "one that is left out is missed");
    let changed = pb::PaymentEvent { previous_state: 6, ..events[1].clone() };
    assert!(!proves(&changed, &events[0].hash), "one that was changed is noticed");
}

#[tokio::test]
async fn one_links_watcher_hears_of_that_link_alone() {
    let paylink = Paylink::start().await;
    let (one, other) = (paylink.link().await, paylink.link().await);
    let payment_link = other.id.clone();
    let request = pb::WatchPaymentsRequest { payment_link, ..Default::default() };
    let mut watch = paylink.try_watch(request).await.unwrap();
    let mut all = paylink.watch("").await;
    for url in [&one.url, &other.url] {
        Page::open(url).await.pay("4242424242424242").await;
        all.next().await;
    }
    let event = watch.next().await;
    assert_eq!((event.sequence, event.payment.unwrap().payment_link), (2, other.id));
}

#[tokio::test]
async fn a_quiet_stream_says_at_once_and_then_now_and_again_where_it_is() {
    let paylink = Paylink::start().with("PAYLINK__PAYMENTS__HEARTBEAT_MS", "20").await;
    let mut watch = paylink.watch("").await;
    watch.heartbeat().await;
    let position = watch.position.clone();
    assert_ne!(position, "");
    watch.heartbeat().await;
    assert_eq!(watch.position, position);
    paylink.watch(&position).await.heartbeat().await;
}

#[tokio::test]
async fn a_position_of_another_storage_is_refused() {
    let (one, other) = (Paylink::start().await, Paylink::start().await);
    let mut watch = one.watch("").await;
    watch.heartbeat().await;
    let refused = refused(&other, &watch.position).await;
    assert_eq!(code_of(&refused), (Code::FailedPrecondition, "STREAM_EPOCH_CHANGED".to_owned()));
}

#[tokio::test]
async fn what_is_no_position_is_refused() {
    let paylink = Paylink::start().await;
    for position in ["garbage", "-1", "x-", "0", "x-1-y"] {
        let refused = refused(&paylink, position).await;
        assert_eq!(code_of(&refused), (Code::InvalidArgument, "POSITION_INVALID".to_owned()));
        assert_eq!(violations(&refused), ["position FORMAT_INVALID"]);
    }
}

#[tokio::test]
async fn a_position_that_was_not_reached_is_refused() {
    let paylink = Paylink::start().await;
    let mut watch = paylink.watch("").await;
    watch.heartbeat().await;
    let ahead = watch.position.replace("-0-", "-7-");
    let refused = refused(&paylink, &ahead).await;
    assert_eq!(code_of(&refused), (Code::OutOfRange, "SEQ_AHEAD".to_owned()));
}

#[tokio::test]
async fn there_is_a_place_for_so_many_watchers_and_no_more() {
    let paylink = Paylink::start().with("PAYLINK__PAYMENTS__WATCHERS_MAX", "1").await;
    let mut watch = paylink.watch("").await;
    watch.heartbeat().await;
    let refused = refused(&paylink, "").await;
    assert_eq!(code_of(&refused), (Code::ResourceExhausted, "TOO_MANY_STREAMS".to_owned()));
    assert!(retry_delay(&refused).is_some());
}
