//! Shipping once: one worker gets a paid payment, ships it, and says so.

use futures_util::future::join_all;
use paylink::pb;
use paylink::pb::fulfillment::State;
use tonic::{Code, Status};

use crate::harness::{Hook, Paylink, code_of, event, until, violations};

const GOOD_CARD: &str = "4242424242424242";
const DISPUTED_CARD: &str = "4000000000000259";

fn request(payment: &str) -> pb::ClaimFulfillmentRequest {
    let (payment, worker) = (payment.to_owned(), "packer-1".to_owned());
    pb::ClaimFulfillmentRequest { payment, worker, ..Default::default() }
}

async fn claim(
    paylink: &Paylink,
    request: pb::ClaimFulfillmentRequest,
) -> Result<pb::ClaimFulfillmentResponse, Status> {
    paylink.payments().claim_fulfillment(request).await.map(tonic::Response::into_inner)
}

fn end(claimed: &pb::ClaimFulfillmentResponse) -> pb::CompleteFulfillmentRequest {
    let payment = claimed.payment.clone().expect("a payment was claimed").id;
    let (claim, reference) = (claimed.claim.clone(), "parcel 7".to_owned());
    pb::CompleteFulfillmentRequest { payment, claim, reference, ..Default::default() }
}

async fn refused(paylink: &Paylink, payment: &str) -> (Code, String) {
    code_of(&claim(paylink, request(payment)).await.unwrap_err())
}

#[tokio::test]
async fn a_paid_order_is_shipped_once() {
    let paylink = Paylink::start().await;
    let paid = paylink.paid_with(GOOD_CARD).await;
    let claims = join_all((0..8).map(|_| claim(&paylink, request("")))).await;
    let won: Vec<_> =
        claims.into_iter().map(Result::unwrap).filter(|c| c.payment.is_some()).collect();
    let [claimed] = &*won else { panic!("{} workers ship it", won.len()) };
    let fulfillment = claimed.payment.clone().unwrap().fulfillment.unwrap();
    assert_eq!((fulfillment.state(), &*fulfillment.worker), (State::Claimed, "packer-1"));
    assert!(fulfillment.lease_expire_time.is_some());

    let done = paylink.payments().complete_fulfillment(end(claimed)).await.unwrap().into_inner();
    let fulfillment = done.fulfillment.clone().unwrap();
    assert_eq!((fulfillment.state(), &*fulfillment.reference), (State::Completed, "parcel 7"));
    assert_eq!(paylink.payment(&paid.id).await.unwrap(), done);
    let expected = (Code::FailedPrecondition, "FULFILLMENT_COMPLETED".to_owned());
    assert_eq!(refused(&paylink, &paid.id).await, expected);
}

#[tokio::test]
async fn a_lease_that_has_ended_can_be_taken_over() {
    let paylink = Paylink::start().await;
    let paid = paylink.paid_with(GOOD_CARD).await;
    let short = pb::ClaimFulfillmentRequest { lease_seconds: 1, ..request(&paid.id) };
    let first = claim(&paylink, short).await.unwrap();
    assert_eq!(
        refused(&paylink, &paid.id).await,
        (Code::Aborted, "FULFILLMENT_CLAIMED".to_owned())
    );
    until(async || claim(&paylink, request(&paid.id)).await.is_ok()).await;
    let late = paylink.payments().complete_fulfillment(end(&first)).await.unwrap_err();
    assert_eq!(code_of(&late), (Code::FailedPrecondition, "CLAIM_LOST".to_owned()));
}

#[tokio::test]
async fn a_claim_given_back_is_another_workers() {
    let paylink = Paylink::start().await;
    let paid = paylink.paid_with(GOOD_CARD).await;
    let claimed = claim(&paylink, request("")).await.unwrap();
    let (payment, claim_given) = (paid.id.clone(), claimed.claim);
    let release =
        pb::ReleaseFulfillmentRequest { payment, claim: claim_given, ..Default::default() };
    let free = paylink.payments().release_fulfillment(release).await.unwrap().into_inner();
    assert_eq!(free.fulfillment, None);
    assert_eq!(claim(&paylink, request("")).await.unwrap().payment.unwrap().id, paid.id);
}

#[tokio::test]
async fn a_request_sent_again_gets_the_same_answer() {
    let paylink = Paylink::start().await;
    paylink.paid_with(GOOD_CARD).await;
    paylink.paid_with(GOOD_CARD).await;
    let request_id = "0b0f5bd4-1c3e-4a54-9d4a-3f0c6f6b2a11".to_owned();
    let request = pb::ClaimFulfillmentRequest { request_id, ..request("") };
    let first = claim(&paylink, request.clone()).await.unwrap();
    assert_eq!(claim(&paylink, request.clone()).await.unwrap(), first);
    let other = pb::ClaimFulfillmentRequest { worker: "packer-2".to_owned(), ..request };
    let reused = claim(&paylink, other).await.unwrap_err();
    assert_eq!(code_of(&reused), (Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED".to_owned()));
    assert_eq!(violations(&reused).len(), 1);
}

#[tokio::test]
async fn what_is_unpaid_or_in_dispute_is_not_shipped() {
    let paylink = Paylink::start().await;
    let mut watch = paylink.watch("").await;
    let pending = event("evt_1", "checkout.session.completed", "cs_pending", "unpaid");
    assert_eq!(Hook::of(&pending).send(&paylink).await, 200);
    watch.payment().await;
    let not_shippable = (Code::FailedPrecondition, "NOT_SHIPPABLE".to_owned());
    assert_eq!(refused(&paylink, "cs_pending").await, not_shippable);

    let disputed = paylink.paid_with(DISPUTED_CARD).await;
    until(async || !paylink.payment(&disputed.id).await.unwrap().disputes.is_empty()).await;
    assert_eq!(refused(&paylink, &disputed.id).await, not_shippable);
    let nothing = pb::ClaimFulfillmentResponse::default();
    assert_eq!(claim(&paylink, request("")).await.unwrap(), nothing);
    let unknown = (Code::NotFound, "PAYMENT_NOT_FOUND".to_owned());
    assert_eq!(refused(&paylink, "cs_unknown").await, unknown);
}

#[tokio::test]
async fn a_worker_takes_only_what_its_filter_fits() {
    let paylink = Paylink::start().await;
    let (one, other) = (paylink.paid_with(GOOD_CARD).await, paylink.paid_with(GOOD_CARD).await);
    let of = |link: &str| {
        let payment_links = vec![link.to_owned()];
        let filter = Some(pb::PaymentFilter { payment_links, ..Default::default() });
        pb::ClaimFulfillmentRequest { filter, ..request("") }
    };
    let claimed = claim(&paylink, of(&other.payment_link)).await.unwrap();
    assert_eq!(claimed.payment.unwrap().id, other.id);
    assert_eq!(claim(&paylink, of(&other.payment_link)).await.unwrap().payment, None);
    assert_eq!(claim(&paylink, of(&one.payment_link)).await.unwrap().payment.unwrap().id, one.id);
}

#[tokio::test]
async fn requests_that_break_their_rules_name_them_all() {
    let paylink = Paylink::start().await;
    let filter = pb::PaymentFilter {
        client_reference_id: "x".repeat(201),
        payment_links: vec![String::new()],
        ..Default::default()
    };
    let bad = pb::ClaimFulfillmentRequest {
        payment: "cs_1".to_owned(),
        filter: Some(filter),
        worker: String::new(),
        lease_seconds: 43_201,
        request_id: "7".to_owned(),
    };
    let refusal = claim(&paylink, bad).await.unwrap_err();
    let mut found = violations(&refusal);
    found.sort();
    assert_eq!(
        found,
        [
            "filter CONFLICT",
            "filter.client_reference_id LENGTH_OUT_OF_RANGE",
            "filter.payment_links[0] LENGTH_OUT_OF_RANGE",
            "lease_seconds VALUE_OUT_OF_RANGE",
            "request_id FORMAT_INVALID",
            "worker FIELD_REQUIRED",
        ]
    );
    let empty = pb::CompleteFulfillmentRequest::default();
    let refusal = paylink.payments().complete_fulfillment(empty).await.unwrap_err();
    assert_eq!(violations(&refusal), ["payment FIELD_REQUIRED", "claim FIELD_REQUIRED"]);
    let empty = pb::ReleaseFulfillmentRequest::default();
    let refusal = paylink.payments().release_fulfillment(empty).await.unwrap_err();
    assert_eq!(violations(&refusal), ["payment FIELD_REQUIRED", "claim FIELD_REQUIRED"]);
}
