//! Consumers of the feed: where they start, what they ask for, how far they
//! have come, and what becomes of those that do not read.

use futures_util::future::join_all;
use paylink::pb;
use paylink::pb::payment_service_client::PaymentServiceClient;
use tonic::Code;

use crate::harness::{Folder, Hook, Paylink, Watch, code_of, event, until, violations, wire};

/// Lets a payment change for each session.
async fn tell(paylink: &Paylink, sessions: &[&str]) {
    for session in sessions {
        let told = event(&format!("evt_{session}"), "checkout.session.expired", session, "unpaid");
        assert_eq!(Hook::of(&told).send(paylink).await, 200);
    }
}

fn consumer(name: &str) -> pb::WatchPaymentsRequest {
    pb::WatchPaymentsRequest { consumer: name.to_owned(), ..Default::default() }
}

async fn acknowledge(
    paylink: &Paylink,
    consumer: &str,
    position: &str,
) -> Result<String, tonic::Status> {
    let (consumer, position) = (consumer.to_owned(), position.to_owned());
    let request = pb::AcknowledgePaymentsRequest { consumer, position };
    Ok(paylink.payments().acknowledge_payments(request).await?.into_inner().position)
}

#[tokio::test]
async fn a_consumer_goes_on_after_what_it_has_acknowledged() {
    let folder = Folder::new();
    let paylink = Paylink::start().without_webhooks().storage(&folder).await;
    tell(&paylink, &["cs_1", "cs_2", "cs_3"]).await;
    let mut watch = paylink.try_watch(consumer("warehouse")).await.unwrap();
    watch.next().await;
    let first = watch.position.clone();
    watch.next().await;
    let second = watch.position.clone();
    assert_eq!(acknowledge(&paylink, "warehouse", &second).await.unwrap(), second);
    // An older position takes nothing back.
    assert_eq!(acknowledge(&paylink, "warehouse", &first).await.unwrap(), second);

    let paylink = paylink.restart().await;
    let mut watch = paylink.try_watch(consumer("warehouse")).await.unwrap();
    assert_eq!(watch.next().await.sequence, 3);
    let mut other = paylink.try_watch(consumer("mailer")).await.unwrap();
    assert_eq!(other.next().await.sequence, 1);
}

#[tokio::test]
async fn a_watch_from_now_on_tells_nothing_old() {
    let paylink = Paylink::start().without_webhooks().await;
    tell(&paylink, &["cs_1"]).await;
    paylink.watch("").await.next().await;
    let request = pb::WatchPaymentsRequest { from_now: true, ..Default::default() };
    let mut watch = paylink.try_watch(request).await.unwrap();
    watch.heartbeat().await;
    tell(&paylink, &["cs_2"]).await;
    assert_eq!(watch.next().await.sequence, 2);
}

#[tokio::test]
async fn a_filter_leaves_out_what_was_not_asked_for() {
    let paylink = Paylink::start().without_webhooks().await;
    let noted = |session: &str, order: &str, cart: &str| {
        let mut told =
            event(&format!("evt_{session}"), "checkout.session.expired", session, "unpaid");
        told["data"]["object"]["metadata"] = serde_json::json!({"order": order});
        told["data"]["object"]["client_reference_id"] = cart.into();
        told
    };
    for (session, order, cart) in [("cs_1", "1", "a"), ("cs_2", "2", "b"), ("cs_3", "2", "a")] {
        assert_eq!(Hook::of(&noted(session, order, cart)).send(&paylink).await, 200);
    }
    let first = async |filter: pb::PaymentFilter| {
        let request = pb::WatchPaymentsRequest { filter: Some(filter), ..Default::default() };
        paylink.try_watch(request).await.unwrap().payment().await.id
    };
    let metadata = [("order".to_owned(), "2".to_owned())].into();
    let of_order = pb::PaymentFilter { metadata, ..Default::default() };
    assert_eq!(first(of_order.clone()).await, "cs_2");
    let cart = pb::PaymentFilter { client_reference_id: "a".to_owned(), ..of_order };
    assert_eq!(first(cart).await, "cs_3");

    let states = vec![pb::payment::State::Paid.into()];
    let paid = pb::PaymentFilter { states, ..Default::default() };
    let request = pb::WatchPaymentsRequest { filter: Some(paid), ..Default::default() };
    let mut watch = paylink.try_watch(request).await.unwrap();
    watch.heartbeat().await;
    let all = paylink.watch("").await;
    drop(all);
    assert!(watch.position.contains("-3-"), "{}", watch.position);
}

#[tokio::test]
async fn positions_and_names_that_are_none_are_refused() {
    let paylink = Paylink::start().await;
    let refused = acknowledge(&paylink, "two words", "garbage").await.unwrap_err();
    assert_eq!(violations(&refused), ["consumer FORMAT_INVALID"]);
    let refused = acknowledge(&paylink, "", "").await.unwrap_err();
    assert_eq!(violations(&refused), ["consumer FIELD_REQUIRED", "position FIELD_REQUIRED"]);
    let refused = acknowledge(&paylink, "one", "garbage").await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::InvalidArgument, "POSITION_INVALID".to_owned()));
    let both = pb::WatchPaymentsRequest { from_now: true, ..consumer("one") };
    let refused = paylink.try_watch(both).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::InvalidArgument, "INVALID_REQUEST".to_owned()));
}

#[tokio::test]
async fn there_is_a_place_for_so_many_consumers_and_no_more() {
    let paylink = Paylink::start().with("PAYLINK__PAYMENTS__CONSUMERS_MAX", "2").await;
    let mut watch = paylink.watch("").await;
    watch.heartbeat().await;
    for name in ["one", "two", "one"] {
        acknowledge(&paylink, name, &watch.position).await.unwrap();
    }
    let refused = acknowledge(&paylink, "three", &watch.position).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::ResourceExhausted, "TOO_MANY_CONSUMERS".to_owned()));
}

/// Two hundred streams that nobody reads, and twenty that are read.
#[tokio::test]
async fn those_who_do_not_read_hold_nobody_up_and_lose_their_place() {
    const STUCK: usize = 200;
    const READING: usize = 20;
    const CHANGES: usize = 100;
    let paylink = Paylink::start()
        .without_webhooks()
        .with("PAYLINK__PAYMENTS__WATCHERS_MAX", "220")
        // Those who are given up are open until they are told, or their connection ends.
        .with("PAYLINK__GRPC__OPEN_STREAMS_MAX", "512")
        .with("PAYLINK__GRPC__OPEN_STREAMS_MAX_OF_CALLER", "512")
        .with("PAYLINK__PAYMENTS__SLOW_CONSUMER_MS", "5000")
        .with("PAYLINK__CONNECTIONS__STREAMS_MAX", "300")
        .await;
    let large = |session: String| {
        let mut told =
            event(&format!("evt_{session}"), "checkout.session.expired", &session, "unpaid");
        let notes: serde_json::Map<_, _> =
            (0..8).map(|n| (format!("note_{n}"), "x".repeat(400).into())).collect();
        told["data"]["object"]["metadata"] = notes.into();
        told
    };
    // On a connection of their own, whose window they fill.
    let mut elsewhere = PaymentServiceClient::with_origin(wire(), paylink.origin());
    let mut stuck = Vec::new();
    for _ in 0..STUCK {
        let stream = elsewhere.watch_payments(pb::WatchPaymentsRequest::default()).await.unwrap();
        stuck.push(Watch::new(stream.into_inner()));
    }
    let mut reading = Vec::new();
    for _ in 0..READING {
        reading.push(paylink.watch("").await);
    }
    let full = paylink.try_watch(pb::WatchPaymentsRequest::default()).await.unwrap_err();
    assert_eq!(code_of(&full), (Code::ResourceExhausted, "TOO_MANY_STREAMS".to_owned()));

    let tell = async {
        for number in 0..CHANGES {
            let told = large(format!("cs_{number}"));
            assert_eq!(Hook::of(&told).send(&paylink).await, 200);
        }
    };
    let read = join_all(reading.iter_mut().map(async |watch| {
        for sequence in 1..=CHANGES {
            assert_eq!(watch.next().await.sequence, i64::try_from(sequence).unwrap());
        }
    }));
    tokio::join!(tell, read);
    drop(reading);

    // Their places are free again, though their callers are still there.
    until(async || {
        let mut open = Vec::new();
        for _ in 0..STUCK {
            match paylink.try_watch(pb::WatchPaymentsRequest::default()).await {
                Ok(watch) => open.push(watch),
                Err(_) => return false,
            }
        }
        true
    })
    .await;
    // The others' unread messages fill the connection.
    stuck.truncate(1);
    let ended = stuck[0].end().await;
    assert_eq!(code_of(&ended), (Code::ResourceExhausted, "SLOW_CONSUMER".to_owned()));
    let position = stuck[0].position.clone();
    let sequence = paylink.watch(&position).await.next().await.sequence;
    assert!(position.contains(&format!("-{}-", sequence - 1)), "{position} {sequence}");
}
