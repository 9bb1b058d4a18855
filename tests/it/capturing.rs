//! Money that is set aside first, and taken or let go later.

use paylink::pb;
use paylink::pb::payment::{PaymentStatus, State};
use paylink::pb::payment_link::PaymentIntentData;
use paylink::pb::payment_link::payment_intent_data::CaptureMethod;
use serde_json::json;
use tonic::Code;

use crate::harness::{Hook, Page, Paylink, code_of, now_secs, poster_request, until};

const GOOD_CARD: &str = "4242424242424242";
const MONTH_SECS: i64 = 30 * 24 * 60 * 60;

/// Pays a link whose money is set aside.
async fn pay(paylink: &Paylink) -> Page {
    let mut request = poster_request();
    let capture_method = CaptureMethod::Manual.into();
    let data = PaymentIntentData { capture_method, ..Default::default() };
    request.payment_link.as_mut().unwrap().payment_intent_data = Some(data);
    let link = paylink.links().create_payment_link(request).await.unwrap().into_inner();
    let page = Page::open(&link.url).await;
    page.pay(GOOD_CARD).await;
    page
}

async fn set_aside(paylink: &Paylink) -> pb::Payment {
    let page = pay(paylink).await;
    let payment = paylink.watch("").await.payment().await;
    assert_eq!((&*payment.id, payment.state()), (page.session(), State::Pending));
    assert_eq!((payment.payment_status(), payment.amount_received), (PaymentStatus::Unpaid, 0));
    payment
}

async fn is_now(paylink: &Paylink, payment: &pb::Payment, state: State) -> pb::Payment {
    until(async || paylink.payment(&payment.id).await.unwrap().state() == state).await;
    paylink.payment(&payment.id).await.unwrap()
}

#[tokio::test]
async fn a_payment_is_paid_as_soon_as_its_money_is_captured() {
    let paylink = Paylink::start().await;
    let payment = set_aside(&paylink).await;
    paylink
        .stripe
        .post(&format!("/v1/payment_intents/{}/capture", payment.payment_intent), "")
        .await;
    let paid = is_now(&paylink, &payment, State::Paid).await;
    assert_eq!((paid.payment_status(), paid.amount_received), (PaymentStatus::Paid, 2_500));
}

#[tokio::test]
async fn of_a_part_that_is_captured_no_more_than_that_goes_back() {
    let paylink = Paylink::start().await;
    let payment = set_aside(&paylink).await;
    let capture = format!("/v1/payment_intents/{}/capture", payment.payment_intent);
    paylink.stripe.post(&capture, "amount_to_capture=1000").await;
    let paid = is_now(&paylink, &payment, State::Paid).await;
    assert_eq!((paid.amount_total, paid.amount_received), (2_500, 1_000));
    let refund = |amount| pb::RefundPaymentRequest {
        payment: payment.id.clone(),
        amount,
        ..Default::default()
    };
    let refusal = paylink.payments().refund_payment(refund(1_001)).await.unwrap_err();
    assert_eq!(code_of(&refusal), (Code::FailedPrecondition, "REFUND_TOO_LARGE".to_owned()));
    assert_eq!(paylink.payments().refund_payment(refund(0)).await.unwrap().get_ref().amount, 1_000);
    assert_eq!(is_now(&paylink, &payment, State::Refunded).await.amount_refunded, 1_000);
}

#[tokio::test]
async fn a_payment_fails_whose_money_is_let_go() {
    let paylink = Paylink::start().await;
    let payment = set_aside(&paylink).await;
    let cancel = format!("/v1/payment_intents/{}/cancel", payment.payment_intent);
    paylink.stripe.post(&cancel, "").await;
    let failed = is_now(&paylink, &payment, State::Failed).await;
    assert_eq!((failed.amount_received, failed.amount_refunded), (0, 0));
}

#[tokio::test]
async fn an_endpoint_for_charges_alone_is_told_of_refunds() {
    let paylink = Paylink::start().without_webhooks().await;
    let session = Page::open(&paylink.link().await.url).await.pay(GOOD_CARD).await;
    let completed = paylink.stripe.event("checkout.session.completed").await;
    assert_eq!(Hook::of(&completed).send(&paylink).await, 200);
    let mut watch = paylink.watch("").await;
    let paid = watch.payment().await;
    assert_eq!((&*paid.id, paid.state()), (session.session(), State::Paid));

    let form = format!("payment_intent={}&amount=1000", paid.payment_intent);
    let refund = paylink.stripe.post("/v1/refunds", &form).await;
    let refunded = paylink.stripe.event("charge.refunded").await;
    assert_eq!(Hook::of(&refunded).send(&paylink).await, 200);
    let payment = watch.payment().await;
    assert_eq!((payment.state(), payment.amount_refunded), (State::PartiallyRefunded, 1_000));
    assert_eq!(payment.refunds[0].id, refund["id"]);
}

#[tokio::test]
async fn a_payment_that_is_overdue_is_asked_for() {
    let paylink = Paylink::start().without_webhooks().await;
    pay(&paylink).await;
    let mut completed = paylink.stripe.event("checkout.session.completed").await;
    completed["data"]["object"]["created"] = json!(now_secs() - MONTH_SECS);
    assert_eq!(Hook::of(&completed).send(&paylink).await, 200);
    let mut watch = paylink.watch("").await;
    let pending = watch.payment().await;
    assert_eq!(pending.state(), State::Pending);

    let cancel = format!("/v1/payment_intents/{}/cancel", pending.payment_intent);
    paylink.stripe.post(&cancel, "").await;
    // The event is there, but says something that tells of no payment.
    let canceled = paylink.stripe.event("payment_intent.canceled").await;
    let empty = json!({"id": canceled["id"], "type": "payment_intent.canceled", "data": {}});
    assert_eq!(Hook::of(&empty).send(&paylink).await, 200);

    let request = pb::ReconcilePaymentsRequest::default();
    let report = paylink.payments().reconcile_payments(request).await.unwrap().into_inner();
    assert_eq!((report.payments_overdue, report.payments_repaired), (1, 1));
    assert_eq!(is_now(&paylink, &pending, State::Failed).await.refunds.len(), 1);
    let report = paylink.payments().reconcile_payments(request).await.unwrap().into_inner();
    assert_eq!((report.payments_overdue, report.unexplained), (0, vec![]));
}
