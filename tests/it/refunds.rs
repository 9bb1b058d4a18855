//! Money back: never more than is left, whoever asks and however often.

use futures_util::future::join_all;
use paylink::pb;
use paylink::pb::payment::{DisputeState, State};
use paylink::pb::payment_link::SubscriptionData;
use paylink::pb::refund::{Reason, Status as Refund};
use tonic::{Code, Status};

use crate::harness::{Answers, Page, Paylink, code_of, poster_request, until, violations};

const GOOD_CARD: &str = "4242424242424242";
const DISPUTED_CARD: &str = "4000000000000259";
const PENDING_REFUND_CARD: &str = "4000000000007726";
const FAILING_REFUND_CARD: &str = "4000000000005126";
const DAY_SECS: u32 = 24 * 60 * 60;

fn request(payment: &pb::Payment, amount: i64) -> pb::RefundPaymentRequest {
    let payment = payment.id.clone();
    pb::RefundPaymentRequest { payment, amount, ..Default::default() }
}

async fn refund(
    paylink: &Paylink,
    request: pb::RefundPaymentRequest,
) -> Result<pb::Refund, Status> {
    paylink.payments().refund_payment(request).await.map(tonic::Response::into_inner)
}

fn too_large() -> (Code, String) {
    (Code::FailedPrecondition, "REFUND_TOO_LARGE".to_owned())
}

#[tokio::test]
async fn a_payment_goes_back_in_parts_until_nothing_is_left() {
    let paylink = Paylink::start().await;
    let paid = paylink.paid_with(GOOD_CARD).await;
    let first = pb::RefundPaymentRequest {
        reason: Reason::RequestedByCustomer.into(),
        metadata: [("ticket".to_owned(), "7".to_owned())].into(),
        ..request(&paid, 1_000)
    };
    let first = refund(&paylink, first).await.unwrap();
    assert_eq!((first.amount, first.status()), (1_000, Refund::Succeeded));
    assert_eq!((first.reason(), &*first.metadata["ticket"]), (Reason::RequestedByCustomer, "7"));
    let part = paylink.payment(&paid.id).await.unwrap();
    assert_eq!((part.state(), part.amount_refunded), (State::PartiallyRefunded, 1_000));
    assert_eq!(part.refunds, [first]);

    assert_eq!(code_of(&refund(&paylink, request(&paid, 1_501)).await.unwrap_err()), too_large());
    assert_eq!(refund(&paylink, request(&paid, 0)).await.unwrap().amount, 1_500);
    let whole = paylink.payment(&paid.id).await.unwrap();
    assert_eq!((whole.state(), whole.amount_refunded), (State::Refunded, 2_500));
    assert_eq!(code_of(&refund(&paylink, request(&paid, 1)).await.unwrap_err()), too_large());
    assert_eq!(paylink.stripe.list("/v1/refunds").await.len(), 2);
}

#[tokio::test]
async fn refunds_at_the_same_time_take_no_more_than_there_is() {
    let paylink = Paylink::start().await;
    let paid = paylink.paid_with(GOOD_CARD).await;
    let outcomes = join_all((0..8).map(|_| refund(&paylink, request(&paid, 1_300)))).await;
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 7));
    for refusal in refused {
        assert_eq!(code_of(&refusal.unwrap_err()), too_large());
    }
    assert_eq!(paylink.stripe.list("/v1/refunds").await.len(), 1);
}

#[tokio::test]
async fn a_request_sent_again_refunds_nothing_more() {
    let paylink = Paylink::start().await;
    let paid = paylink.paid_with(GOOD_CARD).await;
    let request_id = "0b0f5bd4-1c3e-4a54-9d4a-3f0c6f6b2a11".to_owned();
    let request = pb::RefundPaymentRequest { request_id, ..request(&paid, 0) };
    let first = refund(&paylink, request.clone()).await.unwrap();
    assert_eq!(refund(&paylink, request.clone()).await.unwrap(), first);
    let other = pb::RefundPaymentRequest { amount: 5, ..request };
    let reused = refund(&paylink, other).await.unwrap_err();
    assert_eq!(code_of(&reused), (Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED".to_owned()));
    assert_eq!(paylink.stripe.list("/v1/refunds").await.len(), 1);
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_made_once_and_told() {
    let paylink = Paylink::start().with("PAYLINK__WRITES__TIME_MS", "300").await;
    let paid = paylink.paid_with(GOOD_CARD).await;
    paylink.stripe.gate.let_answers(Answers::Lost);
    refund(&paylink, request(&paid, 2_000)).await.unwrap_err();
    // What it may have taken is not there for another.
    assert_eq!(code_of(&refund(&paylink, request(&paid, 2_000)).await.unwrap_err()), too_large());
    paylink.stripe.gate.let_answers(Answers::Pass);
    until(async || paylink.payment(&paid.id).await.unwrap().amount_refunded == 2_000).await;
    assert_eq!(paylink.stripe.list("/v1/refunds").await.len(), 1);
    assert_eq!(refund(&paylink, request(&paid, 0)).await.unwrap().amount, 500);
}

#[tokio::test]
async fn a_refund_that_stripe_refuses_takes_nothing() {
    let paylink = Paylink::start().without_webhooks().await;
    let paylink = {
        paylink.stripe.tell(paylink.addresses.webhook);
        paylink
    };
    let paid = paylink.paid_with(GOOD_CARD).await;
    // Refunded in the Dashboard, of which nothing has come here yet.
    paylink.stripe.tell("127.0.0.1:9".parse().unwrap());
    let form = format!("payment_intent={}", paid.payment_intent);
    paylink.stripe.post("/v1/refunds", &form).await;
    let refusal = refund(&paylink, request(&paid, 100)).await.unwrap_err();
    assert_ne!(code_of(&refusal), too_large());
    paylink.stripe.tell(paylink.addresses.webhook);
    let report = pb::ReconcilePaymentsRequest::default();
    paylink.payments().reconcile_payments(report).await.unwrap();
    until(async || paylink.payment(&paid.id).await.unwrap().state() == State::Refunded).await;
    assert_eq!(code_of(&refund(&paylink, request(&paid, 100)).await.unwrap_err()), too_large());
}

#[tokio::test]
async fn a_refund_under_way_counts_and_one_that_fails_gives_back() {
    let paylink = Paylink::start().await;
    let pending = paylink.paid_with(PENDING_REFUND_CARD).await;
    assert_eq!(refund(&paylink, request(&pending, 0)).await.unwrap().status(), Refund::Pending);
    let known = paylink.payment(&pending.id).await.unwrap();
    assert_eq!((known.state(), known.amount_refunded), (State::Paid, 0));
    assert_eq!(code_of(&refund(&paylink, request(&pending, 1)).await.unwrap_err()), too_large());

    let failing = paylink.paid_with(FAILING_REFUND_CARD).await;
    refund(&paylink, request(&failing, 0)).await.unwrap();
    paylink.stripe.advance_clock(DAY_SECS);
    until(async || paylink.payment(&pending.id).await.unwrap().state() == State::Refunded).await;
    until(async || {
        let known = paylink.payment(&failing.id).await.unwrap();
        known.state() == State::Paid && known.refunds[0].status() == Refund::Failed
    })
    .await;
}

#[tokio::test]
async fn what_is_billed_after_a_trial_is_refunded_by_its_own_intent() {
    let paylink = Paylink::start().await;
    let mut monthly = poster_request();
    let link = monthly.payment_link.as_mut().unwrap();
    let interval = pb::recurring::Interval::Month.into();
    link.line_items[0].price_data.as_mut().unwrap().recurring =
        Some(pb::BasicRecurring { interval, ..Default::default() });
    let trial_period_days = Some(7);
    link.subscription_data = Some(SubscriptionData { trial_period_days, ..Default::default() });
    let link = paylink.links().create_payment_link(monthly).await.unwrap().into_inner();
    let page = Page::open(&link.url).await;
    page.pay(GOOD_CARD).await;
    until(async || paylink.payment(page.session()).await.is_ok()).await;
    paylink.stripe.advance_clock(8 * DAY_SECS);
    let billed = async || {
        let invoices = paylink.payment(page.session()).await.unwrap().invoices;
        let means = invoices.iter().flat_map(|invoice| &invoice.payments);
        means.filter_map(|one| one.payment.clone()).map(|one| one.payment_intent).next()
    };
    until(async || billed().await.is_some()).await;
    let trial = paylink.payment(page.session()).await.unwrap();
    assert_eq!(trial.state(), State::NoPaymentRequired);
    let nothing = (Code::FailedPrecondition, "NOTHING_PAID".to_owned());
    assert_eq!(code_of(&refund(&paylink, request(&trial, 0)).await.unwrap_err()), nothing);
    let payment_intent = billed().await.unwrap();
    let all = pb::RefundPaymentRequest { payment_intent, ..request(&trial, 0) };
    assert_eq!(refund(&paylink, all).await.unwrap().amount, 2_500);
}

#[tokio::test]
async fn a_dispute_is_told_until_it_is_won_or_lost() {
    let paylink = Paylink::start().await;
    for (evidence, expected) in
        [("winning_evidence", DisputeState::Won), ("losing_evidence", DisputeState::Lost)]
    {
        let paid = paylink.paid_with(DISPUTED_CARD).await;
        until(async || {
            let known = paylink.payment(&paid.id).await.unwrap();
            known.dispute_state() == DisputeState::Open
        })
        .await;
        let dispute = paylink.payment(&paid.id).await.unwrap().disputes[0].id.clone();
        let form = format!("evidence[uncategorized_text]={evidence}&submit=true");
        paylink.stripe.post(&format!("/v1/disputes/{dispute}"), &form).await;
        paylink.stripe.advance_clock(100 * DAY_SECS);
        until(async || paylink.payment(&paid.id).await.unwrap().dispute_state() == expected).await;
    }
}

#[tokio::test]
async fn what_was_never_paid_is_not_refunded() {
    let paylink = Paylink::start().await;
    let unknown = pb::Payment { id: "cs_unknown".to_owned(), ..Default::default() };
    let refusal = refund(&paylink, request(&unknown, 0)).await.unwrap_err();
    assert_eq!(code_of(&refusal), (Code::NotFound, "PAYMENT_NOT_FOUND".to_owned()));
    let paid = paylink.paid_with(GOOD_CARD).await;
    let payment_intent = "pi_other".to_owned();
    let other = pb::RefundPaymentRequest { payment_intent, ..request(&paid, 0) };
    let refusal = refund(&paylink, other).await.unwrap_err();
    assert_eq!(code_of(&refusal), (Code::FailedPrecondition, "NOTHING_PAID".to_owned()));
}

#[tokio::test]
async fn requests_that_break_their_rules_name_them_all() {
    let paylink = Paylink::start().await;
    let bad = pb::RefundPaymentRequest {
        amount: -1,
        reason: Reason::ExpiredUncapturedCharge.into(),
        metadata: [("paylink_request".to_owned(), "x".repeat(501))].into(),
        ..Default::default()
    };
    let refusal = refund(&paylink, bad).await.unwrap_err();
    let mut found = violations(&refusal);
    found.sort();
    assert_eq!(
        found,
        [
            "amount VALUE_OUT_OF_RANGE",
            "metadata[\"paylink_request\"] CONFLICT",
            "metadata[\"paylink_request\"] LENGTH_OUT_OF_RANGE",
            "payment FIELD_REQUIRED",
            "reason UNKNOWN_VALUE",
        ]
    );
    assert_eq!(paylink.stripe.gate.heard(), 0);
}
