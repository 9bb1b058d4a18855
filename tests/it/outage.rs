//! Stripe does not answer: callers learn soon what is known, and nothing is done twice.

use std::time::{Duration, Instant};

use paylink::pb;
use paylink::pb::payment::State;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::harness::{
    Answers, Hook, Page, Paylink, code_of, event, poster_request, retry_delay, until, within,
};

/// A caller is told long before it gives up by itself.
const TOLD_MAX: Duration = Duration::from_secs(5);

fn with_id(id: Uuid) -> pb::CreatePaymentLinkRequest {
    pb::CreatePaymentLinkRequest { request_id: id.to_string(), ..poster_request() }
}

fn assert_unavailable(refused: &Status, reason: &str) {
    assert_eq!(code_of(refused), (Code::Unavailable, reason.to_owned()));
    assert!(retry_delay(refused).is_some(), "{refused:?} says when to come back");
}

/// Loses a write in the given way; the same request id then makes the one link.
async fn check_write(answers: Answers, made_meanwhile: usize) {
    let paylink = Paylink::start().with("PAYLINK__STRIPE__ATTEMPT_TIMEOUT_MS_WRITE", "200").await;
    let id = Uuid::new_v4();
    paylink.stripe.gate.let_answers(answers);
    let refused = paylink.links().create_payment_link(with_id(id)).await.unwrap_err();
    assert_unavailable(&refused, "OUTCOME_PENDING");
    let info = refused.get_error_details().error_info().unwrap().metadata.clone();
    assert_eq!(info["safe_retry"], "same_request_id");
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), made_meanwhile);

    paylink.stripe.gate.let_answers(Answers::Pass);
    let link = paylink.links().create_payment_link(with_id(id)).await.unwrap().into_inner();
    let links = paylink.stripe.list("/v1/payment_links").await;
    assert_eq!(links.iter().map(|link| link["id"].clone()).collect::<Vec<_>>(), [link.id]);
}

#[tokio::test]
async fn while_stripe_is_down_every_call_says_so_and_works_again_after() {
    let mut paylink = Paylink::start().await;
    let id = paylink.link().await.id;
    let get = pb::GetPaymentLinkRequest { id: id.clone() };
    let deactivate = pb::DeactivatePaymentLinkRequest { id, ..Default::default() };
    let list = pb::ListPaymentLinksRequest::default();

    paylink.stripe.gate.shut().await;
    let start = Instant::now();
    let mut links = paylink.links();
    for refused in [
        links.get_payment_link(get.clone()).await.unwrap_err(),
        links.list_payment_links(list.clone()).await.unwrap_err(),
        links.create_payment_link(poster_request()).await.unwrap_err(),
        links.deactivate_payment_link(deactivate.clone()).await.unwrap_err(),
    ] {
        // After some failures Stripe is not even tried.
        let (code, reason) = code_of(&refused);
        assert_eq!(code, Code::Unavailable);
        assert!(matches!(&*reason, "UPSTREAM_UNREACHABLE" | "CIRCUIT_OPEN"), "{reason}");
        assert!(retry_delay(&refused).is_some(), "{refused:?} says when to come back");
    }
    assert!(start.elapsed() < TOLD_MAX);

    paylink.stripe.gate.open().await;
    let links = paylink.links();
    until(async || links.clone().get_payment_link(get.clone()).await.is_ok()).await;
    until(async || links.clone().deactivate_payment_link(deactivate.clone()).await.is_ok()).await;
    let mut links = paylink.links();
    links.list_payment_links(list).await.unwrap();
    links.create_payment_link(poster_request()).await.unwrap();
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 2);
}

#[tokio::test]
async fn payments_are_told_while_stripe_is_down() {
    let mut paylink = Paylink::start().await;
    let page = Page::open(&paylink.link().await.url).await;
    page.pay("4242424242424242").await;
    let payment = paylink.watch("").await.payment().await;
    paylink.stripe.gate.shut().await;
    assert_eq!(paylink.watch("").await.payment().await, payment);
    assert_eq!(paylink.payment(page.session()).await.unwrap(), payment);
    let request = pb::ListPaymentsRequest::default();
    let page = paylink.payments().list_payments(request).await.unwrap().into_inner();
    assert_eq!(page.payments, [payment]);
}

#[tokio::test]
async fn a_payment_told_of_while_stripe_was_down_is_told_whole_once_it_is_up() {
    let mut paylink = Paylink::start().without_webhooks().await;
    let page = Page::open(&paylink.link().await.url).await;
    let mut watch = paylink.watch("").await;
    watch.heartbeat().await;
    page.pay("4242424242424242").await;
    let paid = paylink.stripe.event("checkout.session.completed").await;

    paylink.stripe.gate.shut().await;
    assert_eq!(Hook::of(&paid).send(&paylink).await, 200);
    // What needs nothing of Stripe is told meanwhile, and does not wait behind it.
    let other = event("evt_1", "checkout.session.expired", "cs_1", "unpaid");
    assert_eq!(Hook::of(&other).send(&paylink).await, 200);
    assert_eq!(watch.payment().await.id, "cs_1");

    paylink.stripe.gate.open().await;
    let payment = watch.payment().await;
    assert_eq!((&*payment.id, payment.state()), (page.session(), State::Paid));
    assert_eq!(payment.line_items.len(), 1);
}

#[tokio::test]
async fn a_read_whose_answer_is_lost_can_be_made_again() {
    let paylink = Paylink::start().await;
    let request = pb::GetPaymentLinkRequest { id: paylink.link().await.id };
    paylink.stripe.gate.let_answers(Answers::Lost);
    let refused = paylink.links().get_payment_link(request.clone()).await.unwrap_err();
    assert_unavailable(&refused, "UPSTREAM_UNREACHABLE");
    paylink.stripe.gate.let_answers(Answers::Pass);
    paylink.links().get_payment_link(request).await.unwrap();
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_found_by_its_request_id() {
    check_write(Answers::Lost, 1).await;
}

#[tokio::test]
async fn a_write_whose_answer_is_late_is_found_by_its_request_id() {
    check_write(Answers::Wait, 1).await;
}

#[tokio::test]
async fn a_write_that_was_cut_off_on_its_way_is_made_by_its_request_id() {
    check_write(Answers::Unasked, 0).await;
}

#[tokio::test]
async fn a_short_failure_is_not_told_at_all() {
    let paylink = Paylink::start().with("PAYLINK__STRIPE__BACKOFF_MS", "1000").await;
    paylink.stripe.gate.let_answers(Answers::Lost);
    let mut links = paylink.links();
    let call = tokio::spawn(async move { links.create_payment_link(poster_request()).await });
    until(async || paylink.stripe.list("/v1/payment_links").await.len() == 1).await;
    paylink.stripe.gate.let_answers(Answers::Pass);
    within(call).await.unwrap().unwrap();
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 1);
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_cut_a_write_in_two() {
    let paylink = Paylink::start().with("PAYLINK__STRIPE__BACKOFF_MS", "1000").await;
    paylink.stripe.gate.let_answers(Answers::Unasked);
    let mut links = paylink.links();
    let call = tokio::spawn(async move { links.create_payment_link(poster_request()).await });
    paylink.stripe.gate.heard_more_than(0).await;
    call.abort();
    paylink.stripe.gate.let_answers(Answers::Pass);
    until(async || paylink.stripe.list("/v1/payment_links").await.len() == 1).await;
}
