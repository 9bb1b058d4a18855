pub(super) mod bench;

use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::StreamExt as _;
use prost_types::Timestamp;
use serde_json::json;
use tokio_util::sync::DropGuard;
use tonic_types::StatusExt as _;

use super::ledger::Lack;
use super::projector::{Details, Unread};
use super::*;
use crate::caller::DEFAULT_ACCOUNT;
use crate::clock::Clock;
use crate::endings;
use crate::operations;
use crate::pb::payment::State;
use crate::pb::watch_payments_response::Content;
use crate::storage::{self, Fact};
use crate::stripe::webhook::Event;

/// How long to wait for a change. Only a broken promise takes it.
const WAIT_MAX: Duration = Duration::from_secs(30);

pub(super) const COMPLETED: &str = "checkout.session.completed";

/// A Stripe whose every session has one line item.
#[derive(Clone)]
pub(super) struct OneItem;

impl Details for OneItem {
    async fn read(&self, _: &str, _: &Lack, told_by: &str) -> Result<Vec<Fact>, Unread> {
        let line_items = vec![pb::LineItem { price: "price_1".into(), ..Default::default() }];
        Ok(vec![ledger::details(&pb::Payment { line_items, ..Default::default() }, told_by)])
    }

    async fn link(&self, _: &str, link: &str, _: bool) -> Result<pb::PaymentLink, Unread> {
        Ok(pb::PaymentLink { id: link.to_owned(), ..Default::default() })
    }
}

pub(super) fn config() -> Config {
    let number = |number| NonZeroU32::new(number).unwrap();
    let long = NonZeroU64::new(3_600_000).unwrap();
    Config {
        heartbeat_ms: long,
        watchers_max: 2,
        watch_page_max: number(2),
        project_batch_max: number(4),
        detail_reads_max: number(2),
        retry_first_ms: number(1),
        retry_max_ms: number(10),
        slow_consumer_ms: long,
        consumers_max: 2,
        source: Source::Webhook,
        poll_interval_ms: long,
        poll_only_interval_ms: long,
        hurry_interval_ms: long,
        sweep_interval_ms: long,
        far_sweep_interval_ms: long,
        link_sweep_interval_ms: 0,
        reads_per_month_max: 100,
    }
}

/// A Stripe that is asked once, however it fails.
fn hasty() -> stripe::Config {
    stripe::Config {
        base_url: "http://127.0.0.1:1".into(),
        attempts_max: 1,
        breaker_open_ms: 1,
        breaker_open_ms_max: 1,
        ..stripe::Config::testing()
    }
}

/// Payments over a Stripe that cannot be reached.
fn over(storage: Storage, config: &Config) -> Payments {
    over_stripe(storage, config, hasty().client().unwrap(), 8)
}

/// Payments that are given back where they come too late, and of whose writes so many
/// may be under way.
pub(super) fn over_stripe(
    storage: Storage,
    config: &Config,
    stripe: stripe::Client,
    running_max: usize,
) -> Payments {
    let writes = operations::Config {
        require_request_id: false,
        time_ms: NonZeroU64::new(1_000).unwrap(),
        running_max: NonZeroUsize::new(running_max).unwrap(),
        keep_days: NonZeroU32::new(7).unwrap(),
    };
    let memory = Arc::new(storage.clone());
    let clock = Clock::of_machine();
    let writes = Operations::new(&writes, memory, stripe.clone(), clock.clone());
    let endings = endings::Config {
        running_max: NonZeroUsize::new(1).unwrap(),
        retry_max_ms: NonZeroU32::new(1_000).unwrap(),
    };
    let endings = Endings::new(&endings, storage.clone(), stripe.clone(), writes.clone(), clock);
    Payments::new(config, storage, stripe, writes, endings, true, CancellationToken::new())
}

pub(super) async fn open(config: &Config) -> Payments {
    over(storage::testing::fresh().await, config)
}

pub(super) async fn receive(payments: &Payments, body: Vec<u8>) {
    payments.receive(DEFAULT_ACCOUNT, Event::parse(&body).unwrap(), body.into()).await.unwrap();
}

pub(super) fn event(id: &str, kind: &str, session: &str, payment_status: &str) -> Vec<u8> {
    let link = if session.contains("other") { "plink_other" } else { "plink_1" };
    json!({
        "id": id, "object": "event", "type": kind, "created": 1_700_000_000,
        "api_version": "2026-01-01", "livemode": false,
        "data": { "object": {
            "id": session, "object": "checkout.session", "payment_link": link,
            "payment_status": payment_status, "created": 1_700_000_000,
        } },
    })
    .to_string()
    .into_bytes()
}

/// Runs a projector until the guard is dropped.
pub(super) fn project(payments: &Payments, details: impl Details) -> DropGuard {
    let shutdown = CancellationToken::new();
    tokio::spawn(Projector::new(payments, details).run(shutdown.clone()));
    shutdown.drop_guard()
}

pub(super) async fn watch(
    payments: &Payments,
    position: &str,
    payment_link: &str,
) -> feed::Changes {
    let (position, payment_link) = (position.to_owned(), payment_link.to_owned());
    let request = pb::WatchPaymentsRequest { position, payment_link, ..Default::default() };
    payments.watch_payments(Request::new(request)).await.unwrap().into_inner()
}

/// Gives the next change of a stream, and the position after it.
pub(super) async fn next_change(stream: &mut feed::Changes) -> (pb::PaymentEvent, String) {
    loop {
        let message = tokio::time::timeout(WAIT_MAX, stream.next()).await;
        let message = message.expect("a change comes in time").unwrap().unwrap();
        if let Some(Content::Event(event)) = message.content {
            return (event, message.position);
        }
    }
}

pub(super) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().unwrap().reason.clone()
}

async fn list(
    payments: &Payments,
    request: pb::ListPaymentsRequest,
) -> Result<(Vec<String>, String), Status> {
    let response = payments.list_payments(Request::new(request)).await?.into_inner();
    let ids = response.payments.into_iter().map(|payment| payment.id).collect();
    Ok((ids, response.next_page_token))
}

async fn get(payments: &Payments, id: &str) -> Result<pb::Payment, Status> {
    let request = pb::GetPaymentRequest { id: id.to_owned() };
    payments.get_payment(Request::new(request)).await.map(Response::into_inner)
}

#[tokio::test]
async fn what_stripe_reports_is_what_callers_get() {
    let payments = open(&config()).await;
    let _projector = project(&payments, OneItem);
    let body = event("evt_1", COMPLETED, "cs_1", "paid");
    receive(&payments, body).await;
    let (change, _) = next_change(&mut watch(&payments, "", "").await).await;
    assert_eq!((change.sequence, change.stripe_event.as_str()), (1, "evt_1"));
    assert_eq!(change.previous_state(), State::Unspecified);

    let payment = get(&payments, "cs_1").await.unwrap();
    assert_eq!(change.payment.as_ref(), Some(&payment));
    assert_eq!(payment.state(), State::Paid);
    assert_eq!(payment.payment_link, "plink_1");
    assert_eq!(payment.created, Some(Timestamp { seconds: 1_700_000_000, nanos: 0 }));
    assert_eq!(payment.line_items[0].price, "price_1");
}

#[tokio::test]
async fn an_event_delivered_again_is_told_once() {
    let payments = open(&config()).await;
    let _projector = project(&payments, OneItem);
    let body = event("evt_1", COMPLETED, "cs_1", "paid");
    receive(&payments, body.clone()).await;
    let mut stream = watch(&payments, "", "").await;
    next_change(&mut stream).await;
    receive(&payments, body).await;
    receive(&payments, event("evt_2", COMPLETED, "cs_2", "paid")).await;
    let (change, _) = next_change(&mut stream).await;
    assert_eq!((change.sequence, change.stripe_event.as_str()), (2, "evt_2"));
}

#[tokio::test]
async fn an_event_of_another_kind_is_kept_and_tells_nothing() {
    let payments = open(&config()).await;
    let body = event("evt_1", "charge.succeeded", "ch_1", "paid");
    receive(&payments, body.clone()).await;
    receive(&payments, body).await;
    assert_eq!(payments.storage.due_events(now_ms(), 0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn an_event_received_before_a_crash_is_told_after_the_restart() {
    let disk = storage::testing::Disk::new();
    let start = async || over(disk.open().await, &config());
    let payments = start().await;
    receive(&payments, event("evt_1", COMPLETED, "cs_1", "paid")).await;
    drop(payments);

    let payments = start().await;
    let projector = project(&payments, OneItem);
    let (change, position) = next_change(&mut watch(&payments, "", "").await).await;
    assert_eq!(change.stripe_event, "evt_1");
    drop((projector, payments));

    let payments = start().await;
    let _projector = project(&payments, OneItem);
    let mut stream = watch(&payments, &position, "").await;
    receive(&payments, event("evt_2", COMPLETED, "cs_2", "paid")).await;
    assert_eq!(next_change(&mut stream).await.0.sequence, 2);
}

#[tokio::test]
async fn a_payment_that_is_not_known_is_not_found() {
    let payments = open(&config()).await;
    let status = get(&payments, "cs_1").await.unwrap_err();
    assert_eq!(reason(&status), "PAYMENT_NOT_FOUND");
}

#[tokio::test]
async fn pages_follow_one_another_though_payments_come_in_between() {
    let payments = open(&config()).await;
    let _projector = project(&payments, OneItem);
    let mut stream = watch(&payments, "", "").await;
    let add = async |number: &str, stream: &mut _| {
        let (id, session) = (format!("evt_{number}"), format!("cs_{number}"));
        receive(&payments, event(&id, COMPLETED, &session, "paid")).await;
        next_change(stream).await;
    };
    for number in ["1", "2", "3", "other"] {
        add(number, &mut stream).await;
    }
    let request =
        pb::ListPaymentsRequest { page_size: 2, payment_link: "plink_1".into(), ..<_>::default() };
    let (ids, page_token) = list(&payments, request.clone()).await.unwrap();
    assert_eq!(ids, ["cs_3", "cs_2"]);
    add("4", &mut stream).await;
    let next = pb::ListPaymentsRequest { page_token, ..request };
    assert_eq!(list(&payments, next.clone()).await.unwrap(), (vec!["cs_1".into()], String::new()));

    let other = pb::ListPaymentsRequest { payment_link: "plink_other".into(), ..next };
    assert_eq!(reason(&list(&payments, other).await.unwrap_err()), "INVALID_REQUEST");
}
