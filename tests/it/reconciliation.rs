//! The comparison with Stripe: what no webhook has told is found all the same.

use paylink::pb;
use paylink::pb::payment::State;
use serde_json::json;
use tonic::Code;

use crate::harness::{Folder, Hook, Page, Paylink, code_of, event, until};

const GOOD_CARD: &str = "4242424242424242";

async fn pay(paylink: &Paylink) -> String {
    let page = Page::open(&paylink.link().await.url).await;
    page.pay(GOOD_CARD).await;
    page.session().to_owned()
}

/// Stripe's word that it had failed to make events.
fn failed_to_make_events() -> serde_json::Value {
    json!({
        "id": "evt_thin", "object": "v2.core.event", "livemode": false,
        "type": "v2.core.health.event_generation_failure.resolved",
        "created": "2026-01-01T00:00:00Z",
    })
}

async fn reconcile(paylink: &Paylink) -> pb::ReconcilePaymentsResponse {
    let request = pb::ReconcilePaymentsRequest::default();
    paylink.payments().reconcile_payments(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn payments_that_no_webhook_has_told_are_found() {
    let paylink = Paylink::start().without_webhooks().await;
    let session = pay(&paylink).await;
    let report = reconcile(&paylink).await;
    assert_eq!((report.events_missed, report.sessions_seen), (1, 1));
    assert_eq!(report.unexplained, []);
    let payment = paylink.watch("").await.payment().await;
    assert_eq!((payment.id, payment.line_items.len()), (session, 1));

    let again = reconcile(&paylink).await;
    assert_eq!((again.events_seen, again.events_missed), (1, 0));
    assert_eq!((again.payments_repaired, again.unexplained.len()), (0, 0));
}

#[tokio::test]
async fn a_payment_whose_event_was_never_made_is_found_by_its_session() {
    let paylink = Paylink::start().without_webhooks().await;
    let session = pay(&paylink).await;
    // The event is there, but says something that tells of no payment.
    let event = paylink.stripe.event("checkout.session.completed").await;
    let empty = json!({"id": event["id"], "type": "checkout.session.completed", "data": {}});
    assert_eq!(Hook::of(&empty).send(&paylink).await, 200);
    let report = reconcile(&paylink).await;
    assert_eq!((report.events_missed, report.payments_repaired), (0, 1));
    let told = paylink.watch("").await.next().await;
    assert_eq!(told.stripe_event, "");
    let payment = told.payment.unwrap();
    assert_eq!((payment.id.clone(), payment.state()), (session, State::Paid));
    assert_eq!(payment.line_items.len(), 1);
}

#[tokio::test]
async fn a_payment_is_told_whole_though_the_key_was_wrong_when_it_was_made() {
    let folder = Folder::new();
    let start = Paylink::start().storage(&folder);
    let paylink =
        start.clone().with("PAYLINK__STRIPE__API_KEY", "rk_test_no_checkout_sessions").await;
    let page = Page::open(&paylink.link().await.url).await;
    let heard = paylink.stripe.gate.heard();
    page.pay(GOOD_CARD).await;
    paylink.stripe.gate.heard_more_than(heard).await;
    let paylink = start.before(paylink.stop().await).await;
    assert_eq!(paylink.watch("").await.payment().await.line_items.len(), 1);
}

#[tokio::test]
async fn a_payment_that_stripe_tells_something_else_of_is_named() {
    let paylink = Paylink::start().without_webhooks().await;
    let session = pay(&paylink).await;
    let mut event = paylink.stripe.event("checkout.session.completed").await;
    event["data"]["object"]["amount_total"] = json!(7);
    assert_eq!(Hook::of(&event).send(&paylink).await, 200);
    paylink.watch("").await.payment().await;
    let report = reconcile(&paylink).await;
    let [unexplained] = &*report.unexplained else { panic!("{report:?}") };
    assert_eq!((&unexplained.payment, &*unexplained.difference), (&session, "amount_total"));
}

#[tokio::test]
async fn an_installation_without_webhooks_works_by_polling_alone() {
    let paylink = Paylink::start()
        .without_webhooks()
        .with("PAYLINK__PAYMENTS__SOURCE", "poll")
        .with("PAYLINK__PAYMENTS__POLL_ONLY_INTERVAL_MS", "50")
        .with("PAYLINK__PAYMENTS__READS_PER_MONTH_MAX", "4000000000")
        .await;
    let mut watch = paylink.watch("").await;
    let session = pay(&paylink).await;
    let payment = watch.payment().await;
    assert_eq!((payment.id.clone(), payment.state()), (session, State::Paid));
    let form = format!("payment_intent={}", payment.payment_intent);
    paylink.stripe.post("/v1/refunds", &form).await;
    assert_eq!(watch.payment().await.state(), State::Refunded);
}

#[tokio::test]
async fn stripes_word_that_it_failed_to_make_events_starts_a_comparison() {
    let folder = Folder::new();
    let paylink = Paylink::start().without_webhooks().storage(&folder).await;
    let session = pay(&paylink).await;
    assert_eq!(Hook::of(&failed_to_make_events()).send(&paylink).await, 200);
    assert_eq!(paylink.watch("").await.payment().await.id, session);
}

#[tokio::test]
async fn background_reads_end_with_the_months_allowance() {
    let paylink = Paylink::start()
        .without_webhooks()
        .with("PAYLINK__PAYMENTS__POLL_INTERVAL_MS", "10")
        .with("PAYLINK__PAYMENTS__READS_PER_MONTH_MAX", "5")
        .await;
    until(async || paylink.stripe.gate.heard() >= 5).await;
    pay(&paylink).await;
    let heard = paylink.stripe.gate.heard();
    // The product, the price and the link that the payment took, and no poll.
    assert!(heard <= 5 + 3, "{heard}");
    // A caller is not bound by it.
    until(async || {
        let request = pb::ReconcilePaymentsRequest::default();
        paylink.payments().reconcile_payments(request).await.is_ok()
    })
    .await;
    assert_eq!(paylink.watch("").await.payment().await.state(), State::Paid);
}

#[tokio::test]
async fn polling_alone_goes_on_when_the_months_allowance_is_used_up() {
    let paylink = Paylink::start()
        .without_webhooks()
        .with("PAYLINK__PAYMENTS__SOURCE", "poll")
        .with("PAYLINK__PAYMENTS__READS_PER_MONTH_MAX", "1")
        .await;
    paylink.stripe.gate.heard_more_than(0).await;
    let session = pay(&paylink).await;
    // It is due at once, and not when an hour has passed.
    assert_eq!(Hook::of(&failed_to_make_events()).send(&paylink).await, 200);
    assert_eq!(paylink.watch("").await.payment().await.id, session);
}

#[tokio::test]
async fn a_comparison_without_stripe_says_so() {
    let mut paylink = Paylink::start().without_webhooks().await;
    paylink.stripe.gate.shut().await;
    let request = pb::ReconcilePaymentsRequest::default();
    let refused = paylink.payments().reconcile_payments(request).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::Unavailable, "UPSTREAM_UNREACHABLE".to_owned()));
    paylink.stripe.gate.open().await;
    // Nothing is left behind that would keep the next from beginning.
    until(async || {
        let request = pb::ReconcilePaymentsRequest::default();
        paylink.payments().reconcile_payments(request).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn events_of_another_mode_or_account_are_kept_and_not_told() {
    let paylink = Paylink::start().without_webhooks().await;
    let expired =
        |id: &str, session: &str| event(id, "checkout.session.expired", session, "unpaid");
    let mut live = expired("evt_live", "cs_live");
    live["livemode"] = json!(true);
    let mut foreign = expired("evt_foreign", "cs_foreign");
    foreign["account"] = json!("acct_other");
    for event in [&live, &foreign, &live, &expired("evt_mark", "cs_mark")] {
        assert_eq!(Hook::of(event).send(&paylink).await, 200);
    }
    let first = paylink.watch("").await.next().await;
    assert_eq!((first.sequence, &*first.stripe_event), (1, "evt_mark"));
}
