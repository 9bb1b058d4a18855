//! One order, paid once: its links end with the first payment.

use std::collections::BTreeSet;

use paylink::pb;
use paylink::pb::order::{CloseReason, State};
use paylink::pb::payment::OrderStanding;
use paylink::pb::payment_link::DeactivationReason;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::harness::{Answers, Hook, Page, Paylink, code_of, event, poster, until};

const GOOD_CARD: &str = "4242424242424242";

async fn link_of(paylink: &Paylink, order_ref: &str) -> pb::PaymentLink {
    let order_ref = order_ref.to_owned();
    paylink.link_like(pb::PaymentLink { order_ref, ..Default::default() }).await
}

async fn order(paylink: &Paylink, order_ref: &str, last_look: bool) -> Result<pb::Order, Status> {
    let request = pb::GetOrderRequest { order_ref: order_ref.to_owned(), last_look };
    paylink.orders().get_order(request).await.map(tonic::Response::into_inner)
}

async fn close(paylink: &Paylink, order_ref: &str) -> pb::Order {
    let request = pb::CloseOrderRequest {
        order_ref: order_ref.to_owned(),
        reason: CloseReason::PaidElsewhere.into(),
        ..Default::default()
    };
    paylink.orders().close_order(request).await.unwrap().into_inner()
}

/// A paid session of an order, which no Stripe knows.
fn paid(id: &str, session: &str, order_ref: &str) -> Value {
    let mut event = event(id, "checkout.session.completed", session, "paid");
    event["data"]["object"]["metadata"] = json!({ "pl_order": order_ref });
    event["data"]["object"]["line_items"] = json!({ "data": [{ "id": "li_1" }] });
    event
}

async fn sessions(paylink: &Paylink, status: &str) -> BTreeSet<String> {
    let sessions = paylink.stripe.list(&format!("/v1/checkout/sessions?status={status}")).await;
    sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

async fn claimable(paylink: &Paylink) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let worker = "packer-1".to_owned();
        let request = pb::ClaimFulfillmentRequest { worker, ..Default::default() };
        let claimed = paylink.payments().claim_fulfillment(request).await.unwrap().into_inner();
        match claimed.payment {
            Some(payment) => found.push(payment.id),
            None => return found,
        }
    }
}

#[tokio::test]
async fn the_first_payment_takes_the_order_and_ends_all_of_its_links() {
    let paylink = Paylink::start().await;
    let links = [link_of(&paylink, "order 1").await, link_of(&paylink, "order 1").await];
    let other = link_of(&paylink, "order 2").await;
    assert!(links.iter().all(|link| link.order_ref == "order 1" && link.metadata.is_empty()));
    let pages = [Page::open(&links[0].url).await, Page::open(&links[1].url).await];
    let left = Page::open(&other.url).await;
    assert_eq!(order(&paylink, "order 1", false).await.unwrap().state(), State::Unpaid);

    pages[0].pay(GOOD_CARD).await;
    until(async || {
        let order = order(&paylink, "order 1", false).await.unwrap();
        let ended = |link: &pb::PaymentLink| {
            link.deactivation_reason() == DeactivationReason::OrderPaid && !link.active
        };
        order.links_ending == 0 && order.payment_links.iter().all(ended)
    })
    .await;
    let order = order(&paylink, "order 1", false).await.unwrap();
    assert_eq!((order.state(), &*order.paid_by), (State::Paid, pages[0].session()));
    assert_eq!(order.payment_links.len(), 2);
    let paid = order.payments.iter().find(|one| one.id == order.paid_by).unwrap();
    assert_eq!(paid.order_standing(), OrderStanding::First);
    assert!(sessions(&paylink, "expired").await.contains(pages[1].session()));
    assert_eq!(sessions(&paylink, "open").await, [left.session().to_owned()].into());
    assert!(paylink.link_now(&other.id).await.active);
    assert_eq!(claimable(&paylink).await, [pages[0].session()]);
}

#[tokio::test]
async fn a_second_payment_is_told_and_never_offered() {
    let paylink = Paylink::start().without_webhooks().await;
    for (id, session) in [("evt_1", "cs_1"), ("evt_2", "cs_2"), ("evt_3", "cs_1")] {
        assert_eq!(Hook::of(&paid(id, session, "order 1")).send(&paylink).await, 200);
    }
    let mut watch = paylink.watch("").await;
    let (first, second) = (watch.payment().await, watch.payment().await);
    assert_eq!(first.order_standing(), OrderStanding::First);
    assert_eq!(second.order_standing(), OrderStanding::Duplicate);
    assert_eq!((&second.duplicate_of, &*second.order_ref), (&first.id, "order 1"));
    assert_eq!(claimable(&paylink).await, [first.id.as_str()]);
    let request = pb::ClaimFulfillmentRequest {
        payment: second.id.clone(),
        worker: "packer-1".to_owned(),
        ..Default::default()
    };
    let refused = paylink.payments().claim_fulfillment(request).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::FailedPrecondition, "NOT_SHIPPABLE".to_owned()));
    let order = order(&paylink, "order 1", false).await.unwrap();
    assert_eq!((order.state(), order.paid_by), (State::PaidTwice, first.id));
}

#[tokio::test]
async fn a_duplicate_is_refunded_where_the_configuration_says_so() {
    let start = Paylink::start().without_webhooks();
    let paylink = start.with("PAYLINK__ORDERS__REFUND_DUPLICATES", "true").await;
    let links = [link_of(&paylink, "order 1").await, link_of(&paylink, "order 1").await];
    let mut pages = Vec::new();
    for link in &links {
        pages.push(Page::open(&link.url).await);
    }
    for page in &pages {
        page.pay(GOOD_CARD).await;
    }
    // Both were paid before any event was told.
    paylink.stripe.tell(paylink.addresses.webhook);
    let report = pb::ReconcilePaymentsRequest::default();
    paylink.payments().reconcile_payments(report).await.unwrap();
    until(async || paylink.stripe.list("/v1/refunds").await.len() == 1).await;
    until(async || order(&paylink, "order 1", false).await.unwrap().state() == State::Paid).await;
    let order = order(&paylink, "order 1", false).await.unwrap();
    let duplicate = order.payments.iter().find(|one| one.id != order.paid_by).unwrap();
    assert_eq!(duplicate.duplicate_of, order.paid_by);
    assert_eq!((duplicate.amount_refunded, duplicate.refunds.len()), (2500, 1));
    assert_eq!(duplicate.refunds[0].reason(), pb::refund::Reason::Duplicate);
}

#[tokio::test]
async fn the_first_period_of_a_second_subscription_is_refunded_too() {
    let start = Paylink::start().without_webhooks();
    let paylink = start.with("PAYLINK__ORDERS__REFUND_DUPLICATES", "true").await;
    let mut item = poster();
    let interval = pb::recurring::Interval::Month.into();
    item.price_data.as_mut().unwrap().recurring =
        Some(pb::BasicRecurring { interval, ..Default::default() });
    let mut pages = Vec::new();
    for _ in 0..2 {
        let link = pb::PaymentLink {
            line_items: vec![item.clone()],
            order_ref: "order 1".to_owned(),
            ..Default::default()
        };
        let link = pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() };
        let link = paylink.links().create_payment_link(link).await.unwrap().into_inner();
        pages.push(Page::open(&link.url).await);
    }
    for page in &pages {
        page.pay(GOOD_CARD).await;
    }
    // Both have subscribed before any event was told.
    paylink.stripe.tell(paylink.addresses.webhook);
    let report = pb::ReconcilePaymentsRequest::default();
    paylink.payments().reconcile_payments(report).await.unwrap();
    until(async || paylink.stripe.list("/v1/refunds").await.len() == 1).await;
    until(async || order(&paylink, "order 1", false).await.unwrap().state() == State::Paid).await;
    let order = order(&paylink, "order 1", false).await.unwrap();
    let second = order.payments.iter().find(|one| one.id != order.paid_by).unwrap();
    assert_eq!((second.amount_refunded, second.refunds.len()), (2500, 1));
}

#[tokio::test]
async fn a_closed_order_has_no_link_that_can_be_paid() {
    let paylink = Paylink::start().await;
    let link = link_of(&paylink, "order 1").await;
    let page = Page::open(&link.url).await;
    let closed = close(&paylink, "order 1").await;
    assert_eq!((closed.state(), closed.links_ending), (State::Unpaid, 0));
    assert_eq!(closed.close_reason(), CloseReason::PaidElsewhere);
    let reason = closed.payment_links[0].deactivation_reason();
    assert_eq!(reason, DeactivationReason::OrderClosed);
    assert!(sessions(&paylink, "expired").await.contains(page.session()));
    assert_eq!(close(&paylink, "order 1").await.close_time, closed.close_time);

    let closed = (Code::FailedPrecondition, "ORDER_CLOSED".to_owned());
    let again = pb::ActivatePaymentLinkRequest { id: link.id.clone(), ..Default::default() };
    let refused = paylink.links().activate_payment_link(again).await.unwrap_err();
    assert_eq!(code_of(&refused), closed);
    let new = pb::PaymentLink {
        line_items: vec![poster()],
        order_ref: "order 1".to_owned(),
        ..Default::default()
    };
    let new = pb::CreatePaymentLinkRequest { payment_link: Some(new), ..Default::default() };
    let refused = paylink.links().create_payment_link(new).await.unwrap_err();
    assert_eq!(code_of(&refused), closed);
    // A payment that comes all the same is nobody's to ship.
    assert_eq!(Hook::of(&paid("evt_1", "cs_late", "order 1")).send(&paylink).await, 200);
    until(async || paylink.payment("cs_late").await.is_ok()).await;
    let late = paylink.payment("cs_late").await.unwrap();
    assert_eq!(late.order_standing(), OrderStanding::Late);
    assert_eq!(claimable(&paylink).await, Vec::<String>::new());
    // Whoever activates it past the service finds it inactive again.
    paylink.stripe.post(&format!("/v1/payment_links/{}", link.id), "active=true").await;
    until(async || !paylink.link_now(&link.id).await.active).await;
}

#[tokio::test]
async fn an_order_can_be_closed_before_it_has_a_link() {
    let paylink = Paylink::start().await;
    let unknown = (Code::NotFound, "ORDER_NOT_FOUND".to_owned());
    assert_eq!(code_of(&order(&paylink, "order 9", true).await.unwrap_err()), unknown);
    assert_eq!(close(&paylink, "order 9").await.payment_links, []);
    assert_eq!(order(&paylink, "order 9", false).await.unwrap().state(), State::Unpaid);
}

#[tokio::test]
async fn a_last_look_finds_what_no_event_has_told() {
    let paylink = Paylink::start().without_webhooks().await;
    let link = link_of(&paylink, "order 1").await;
    let page = Page::open(&link.url).await;
    page.pay(GOOD_CARD).await;
    assert_eq!(order(&paylink, "order 1", false).await.unwrap().state(), State::Unpaid);
    let seen = order(&paylink, "order 1", true).await.unwrap();
    assert_eq!((seen.state(), &*seen.paid_by), (State::Paid, page.session()));
    until(async || !paylink.link_now(&link.id).await.active).await;
}

#[tokio::test]
async fn a_link_made_again_under_its_id_is_told_again_after_its_order_was_paid() {
    let paylink = Paylink::start().without_webhooks().await;
    let link = pb::PaymentLink {
        line_items: vec![poster()],
        order_ref: "order 1".to_owned(),
        ..Default::default()
    };
    let request = pb::CreatePaymentLinkRequest {
        payment_link: Some(link),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let made = paylink.links().create_payment_link(request.clone()).await.unwrap().into_inner();
    assert_eq!(Hook::of(&paid("evt_1", "cs_1", "order 1")).send(&paylink).await, 200);
    paylink.watch("").await.payment().await;
    let again = paylink.links().create_payment_link(request).await.unwrap().into_inner();
    assert_eq!(again.id, made.id);
}

#[tokio::test]
async fn a_request_that_is_sent_again_brings_no_old_picture_of_its_link() {
    let paylink = Paylink::start().without_webhooks().await;
    let link = pb::PaymentLink {
        line_items: vec![poster()],
        order_ref: "order 1".to_owned(),
        ..Default::default()
    };
    let request = pb::CreatePaymentLinkRequest {
        payment_link: Some(link),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let id = paylink.links().create_payment_link(request.clone()).await.unwrap().into_inner().id;
    let off = pb::DeactivatePaymentLinkRequest { id, ..Default::default() };
    paylink.links().deactivate_payment_link(off).await.unwrap();
    let again = paylink.links().create_payment_link(request).await.unwrap().into_inner();
    assert!(again.active, "it is told what it was told");
    let order = order(&paylink, "order 1", false).await.unwrap();
    assert_eq!(order.payment_links[0].deactivation_reason(), DeactivationReason::Caller);
}

#[tokio::test]
async fn an_order_of_very_many_links_is_looked_at_and_counted_whole() {
    let paylink = Paylink::start().without_webhooks().await;
    let oldest = link_of(&paylink, "order 1").await;
    let page = Page::open(&oldest.url).await;
    for _ in 0..101 {
        link_of(&paylink, "order 1").await;
    }
    page.pay(GOOD_CARD).await;
    assert_eq!(order(&paylink, "order 1", false).await.unwrap().payment_links.len(), 100);
    paylink.stripe.gate.let_answers(Answers::Unasked);
    let mut request = tonic::Request::new(pb::CloseOrderRequest {
        order_ref: "order 1".to_owned(),
        reason: CloseReason::Cancelled.into(),
        ..Default::default()
    });
    request.set_timeout(std::time::Duration::from_secs(2));
    let closed = paylink.orders().close_order(request).await.unwrap().into_inner();
    assert_eq!(closed.links_ending, 102);
    paylink.stripe.gate.let_answers(Answers::Pass);
    until(async || {
        let looked = order(&paylink, "order 1", true).await;
        looked.is_ok_and(|order| order.state() == State::Paid)
    })
    .await;
}

#[tokio::test]
async fn a_request_that_had_no_effect_is_refused_once_its_order_is_over() {
    let mut paylink = Paylink::start().await;
    let link = pb::PaymentLink {
        line_items: vec![poster()],
        order_ref: "order 1".to_owned(),
        ..Default::default()
    };
    let request = pb::CreatePaymentLinkRequest {
        payment_link: Some(link),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    };
    paylink.stripe.gate.shut().await;
    let failed = paylink.links().create_payment_link(request.clone()).await.unwrap_err();
    assert_eq!(code_of(&failed), (Code::Unavailable, "UPSTREAM_UNREACHABLE".to_owned()));
    close(&paylink, "order 1").await;
    paylink.stripe.gate.open().await;
    let refused = paylink.links().create_payment_link(request).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::FailedPrecondition, "ORDER_CLOSED".to_owned()));
    assert_eq!(paylink.stripe.list("/v1/payment_links").await, Vec::<Value>::new());
}
