//! What Stripe reports: kept before it is acknowledged, once, and only when it is Stripe's.

use futures_util::future::{join_all, select_all};
use paylink::pb::payment::State;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tonic::Code;

use crate::harness::{Folder, Hook, Page, Paylink, event, now_secs, until, within};

const COMPLETED: &str = "checkout.session.completed";
const ASYNC_SUCCEEDED: &str = "checkout.session.async_payment_succeeded";
const ASYNC_FAILED: &str = "checkout.session.async_payment_failed";
const EXPIRED: &str = "checkout.session.expired";

const OLDEST_SECS: i64 = 300;

/// A service that hears of nothing but what the test tells it, and an event
/// of a payment that was truly made.
async fn paid() -> (Paylink, Value) {
    let paylink = Paylink::start().without_webhooks().await;
    Page::open(&paylink.link().await.url).await.pay("4242424242424242").await;
    let event = paylink.stripe.event(COMPLETED).await;
    (paylink, event)
}

/// An event that tells of the end of a payment, and needs nothing of Stripe.
fn expired(id: &str, session: &str) -> Value {
    event(id, EXPIRED, session, "unpaid")
}

/// Refuses a webhook with a status, and keeps nothing of it.
async fn check_refused(change: impl FnOnce(Hook) -> Hook, status: u16) {
    let paylink = Paylink::start().without_webhooks().await;
    let hook = change(Hook::of(&expired("evt_bad", "cs_bad")));
    assert_eq!(hook.send(&paylink).await, status);
    assert_eq!(Hook::of(&expired("evt_good", "cs_good")).send(&paylink).await, 200);
    let first = paylink.watch("").await.next().await;
    assert_eq!((first.sequence, &*first.stripe_event), (1, "evt_good"));
    let missing = paylink.payment("cs_bad").await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

#[tokio::test]
async fn a_webhook_that_comes_twice_counts_once() {
    let (paylink, event) = paid().await;
    for _ in 0..3 {
        assert_eq!(Hook::of(&event).send(&paylink).await, 200);
    }
    let mut watch = paylink.watch("").await;
    let first = watch.next().await;
    assert_eq!(first.payment.unwrap().line_items.len(), 1);
    assert_eq!(Hook::of(&event).send(&paylink).await, 200);
    assert_eq!(Hook::of(&expired("evt_mark", "cs_mark")).send(&paylink).await, 200);
    let mark = watch.next().await;
    assert_eq!((mark.sequence, &*mark.stripe_event), (2, "evt_mark"));
}

#[tokio::test]
async fn webhooks_may_all_come_through_one_proxy() {
    let paylink = Paylink::start()
        .without_webhooks()
        .with("PAYLINK__CONNECTIONS__CONNECTIONS_MAX_OF_ADDRESS", "1")
        .await;
    let silent = (0..4).map(|_| TcpStream::connect(paylink.addresses.webhook));
    let held = join_all(silent).await;
    assert_eq!(Hook::of(&expired("evt_1", "cs_1")).send(&paylink).await, 200);
    drop(held);
}

#[tokio::test]
async fn one_address_may_be_kept_from_taking_every_place_for_webhooks() {
    let paylink = Paylink::start()
        .without_webhooks()
        .with("PAYLINK__WEBHOOK__CONNECTIONS_MAX_OF_ADDRESS", "1")
        .await;
    let held = TcpStream::connect(paylink.addresses.webhook).await.unwrap();
    let mut further = TcpStream::connect(paylink.addresses.webhook).await.unwrap();
    let ended = within(further.read(&mut [0])).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    drop(held);
}

#[tokio::test]
async fn who_comes_and_goes_without_end_runs_out_of_places() {
    let paylink = Paylink::start()
        .without_webhooks()
        .with("PAYLINK__WEBHOOK__CONNECTIONS_MAX_OF_ADDRESS", "1")
        .with("PAYLINK__CONNECTIONS__STAY_MS_MIN", "60000")
        // The place of who has kept the rules stays taken too.
        .with("PAYLINK__CONNECTIONS__PENALTY_MS", "0")
        .await;
    let ask = async |from: [u8; 4]| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut stream = socket.connect(paylink.addresses.webhook).await.unwrap();
        let question = b"GET / HTTP/1.1\r\nhost: paylink\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(question).await;
        let mut answer = Vec::new();
        let _ = within(stream.read_to_end(&mut answer)).await;
        !answer.is_empty()
    };
    assert!(ask([127, 0, 0, 1]).await);
    assert!(!ask([127, 0, 0, 1]).await);
    assert!(ask([127, 0, 0, 2]).await);
}

/// Begins a webhook that never ends: it is unsigned, and its last byte does not come. Gives
/// the connection once the service waits for the body.
async fn unfinished(paylink: &Paylink, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(paylink.addresses.webhook).await.unwrap();
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nhost: paylink\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        sent + 1
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    within(stream.read_exact(&mut told)).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n", "the body is waited for");
    stream.write_all(&vec![b' '; sent]).await.unwrap();
    stream
}

#[tokio::test]
async fn webhooks_that_never_end_do_not_keep_out_others() {
    let paylink = Paylink::start()
        .without_webhooks()
        .with("PAYLINK__WEBHOOK__IN_FLIGHT_MAX", "1")
        .with("PAYLINK__WEBHOOK__BODY_TIMEOUT_MS", "600000")
        .await;
    let begun = join_all((0..8).map(|_| unfinished(&paylink, 0))).await;
    assert_eq!(Hook::of(&expired("evt_1", "cs_1")).send(&paylink).await, 200);
    drop(begun);
}

#[tokio::test]
async fn no_more_of_webhooks_is_held_than_there_is_room_for() {
    let paylink = Paylink::start()
        .without_webhooks()
        // One address has room for one of the largest, and their headers.
        .with("PAYLINK__WEBHOOK__IN_FLIGHT_MAX", "4")
        .with("PAYLINK__WEBHOOK__BODY_BYTES_MAX", "8192")
        .with("PAYLINK__WEBHOOK__BODY_TIMEOUT_MS", "600000")
        .await;
    let mut begun = join_all((0..3).map(|_| unfinished(&paylink, 8_000))).await;
    let mut answers = [[0; 12]; 3];
    let told = begun.iter_mut().zip(&mut answers).map(|(one, told)| Box::pin(one.read_exact(told)));
    let (first, at, others) = within(select_all(told)).await;
    first.unwrap();
    drop(others);
    assert_eq!(&answers[at], b"HTTP/1.1 503");
    drop(begun);
    until(async || Hook::of(&expired("evt_1", "cs_1")).send(&paylink).await == 200).await;
}

#[tokio::test]
async fn webhooks_in_parallel_lose_and_double_nothing() {
    let paylink = Paylink::start().without_webhooks().await;
    let events: Vec<_> =
        (0..20).map(|n| expired(&format!("evt_{n}"), &format!("cs_{n}"))).collect();
    let hooks = events.iter().chain(&events).map(|event| Hook::of(event).send(&paylink));
    assert!(join_all(hooks).await.iter().all(|status| *status == 200));
    let mut watch = paylink.watch("").await;
    let mut told = Vec::new();
    for sequence in 1..=20 {
        let event = watch.next().await;
        assert_eq!(event.sequence, sequence);
        told.push(event.stripe_event);
    }
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 20);
    assert_eq!(Hook::of(&expired("evt_mark", "cs_mark")).send(&paylink).await, 200);
    assert_eq!(watch.next().await.stripe_event, "evt_mark");
}

#[tokio::test]
async fn money_that_came_is_not_taken_back_by_what_comes_late() {
    let paylink = Paylink::start().without_webhooks().await;
    let mut watch = paylink.watch("").await;
    let told = [
        event("evt_4", ASYNC_SUCCEEDED, "cs_1", "paid"),
        event("evt_1", COMPLETED, "cs_1", "unpaid"),
        event("evt_3", ASYNC_FAILED, "cs_1", "unpaid"),
        event("evt_2", EXPIRED, "cs_1", "unpaid"),
    ];
    for event in &told {
        assert_eq!(Hook::of(event).send(&paylink).await, 200);
    }
    assert_eq!(Hook::of(&expired("evt_mark", "cs_mark")).send(&paylink).await, 200);
    let mut state = State::Unspecified;
    loop {
        let event = watch.next().await;
        let payment = event.payment.clone().unwrap();
        if payment.id == "cs_mark" {
            break;
        }
        assert_eq!(event.previous_state(), state);
        assert!(payment.state() > state, "a payment never goes back");
        state = payment.state();
    }
    // The mark needs nothing of Stripe, and may overtake what does.
    while state != State::Paid {
        state = watch.payment().await.state();
    }
    assert_eq!(paylink.payment("cs_1").await.unwrap().state(), State::Paid);
}

#[tokio::test]
async fn a_delayed_payment_is_pending_until_the_money_comes() {
    let paylink = Paylink::start().without_webhooks().await;
    let mut watch = paylink.watch("").await;
    for (id, kind, status, before, after) in [
        ("evt_1", COMPLETED, "unpaid", State::Unspecified, State::Pending),
        ("evt_2", ASYNC_SUCCEEDED, "paid", State::Pending, State::Paid),
    ] {
        assert_eq!(Hook::of(&event(id, kind, "cs_1", status)).send(&paylink).await, 200);
        let event = watch.next().await;
        assert_eq!(event.previous_state(), before);
        assert_eq!(event.payment.unwrap().state(), after);
    }
}

#[tokio::test]
async fn a_webhook_without_a_signature_is_refused() {
    check_refused(|hook| hook.with_signature(None), 400).await;
}

#[tokio::test]
async fn a_webhook_with_anything_for_a_signature_is_refused() {
    for signature in ["", "x", "t=1", "v1=00", "t=now,v1=00"] {
        check_refused(|hook| hook.with_signature(Some(signature)), 400).await;
    }
}

#[tokio::test]
async fn a_webhook_signed_by_another_is_refused() {
    check_refused(|hook| hook.signed("whsec_other", now_secs()), 400).await;
}

#[tokio::test]
async fn a_webhook_signed_too_long_ago_or_in_the_future_is_refused() {
    for age in [OLDEST_SECS + 10, -(OLDEST_SECS + 10)] {
        check_refused(|hook| hook.signed("whsec_sandbox", now_secs() - age), 400).await;
    }
}

#[tokio::test]
async fn a_webhook_that_is_no_event_is_refused() {
    for body in ["", "paid", "[]", "{}", r#"{"id":"evt_1"}"#] {
        check_refused(|_| Hook::raw(body), 400).await;
    }
}

#[tokio::test]
async fn a_webhook_that_is_too_large_is_refused() {
    check_refused(|_| Hook::raw(vec![b' '; 1024 * 1024 + 1]), 413).await;
}

#[tokio::test]
async fn a_secret_can_be_rolled() {
    let paylink = Paylink::start()
        .without_webhooks()
        .with("PAYLINK__STRIPE__WEBHOOK_SECRETS", "whsec_new,whsec_old")
        .await;
    for (secret, status) in [("whsec_new", 200), ("whsec_old", 200), ("whsec_older", 400)] {
        let hook = Hook::of(&expired("evt_1", "cs_1")).signed(secret, now_secs());
        assert_eq!(hook.send(&paylink).await, status, "{secret}");
    }
}

#[tokio::test]
async fn events_of_other_kinds_are_acknowledged_and_change_nothing() {
    let paylink = Paylink::start().without_webhooks().await;
    for kind in ["invoice.paid", "never.heard.of"] {
        let other = event(&format!("evt_{kind}"), kind, "cs_1", "paid");
        assert_eq!(Hook::of(&other).send(&paylink).await, 200);
    }
    assert_eq!(Hook::of(&expired("evt_mark", "cs_mark")).send(&paylink).await, 200);
    assert_eq!(paylink.watch("").await.next().await.stripe_event, "evt_mark");
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_restart() {
    let folder = Folder::new();
    let mut paylink = Paylink::start().without_webhooks().storage(&folder).await;
    Page::open(&paylink.link().await.url).await.pay("4242424242424242").await;
    paylink.stripe.gate.shut().await;
    let event = paylink.stripe.event(COMPLETED).await;
    assert_eq!(Hook::of(&event).send(&paylink).await, 200);

    let mut paylink = paylink.restart().await;
    paylink.stripe.gate.open().await;
    let payment = paylink.watch("").await.payment().await;
    assert_eq!((payment.state(), payment.line_items.len()), (State::Paid, 1));
}
