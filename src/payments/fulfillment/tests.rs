use futures_util::future::join_all;
use tonic::Request;

use super::search::{CANDIDATES, SCAN_MAX};
use super::*;
use crate::payments::tests::{
    COMPLETED, OneItem, config, event, next_change, open, project, reason, receive, watch,
};
use crate::pb::fulfillment::State;
use crate::pb::payment_service_server::PaymentService as _;

/// Payments that were made so, the oldest first.
async fn paid(ids: &[&str]) -> Payments {
    let payments = open(&config()).await;
    let _projector = project(&payments, OneItem);
    let mut stream = watch(&payments, "", "").await;
    for id in ids {
        receive(&payments, event(&format!("evt_{id}"), COMPLETED, id, "paid")).await;
        next_change(&mut stream).await;
    }
    payments
}

fn request(payment: &str) -> pb::ClaimFulfillmentRequest {
    let (payment, worker) = (payment.to_owned(), "worker".to_owned());
    pb::ClaimFulfillmentRequest { payment, worker, ..Default::default() }
}

async fn claim(
    payments: &Payments,
    request: pb::ClaimFulfillmentRequest,
) -> Result<(String, String), Status> {
    let answer = payments.claim_fulfillment(Request::new(request)).await?.into_inner();
    Ok((answer.payment.map(|payment| payment.id).unwrap_or_default(), answer.claim))
}

async fn complete(payments: &Payments, payment: &str, claim: &str) -> Result<pb::Payment, Status> {
    let (payment, claim) = (payment.to_owned(), claim.to_owned());
    let request = pb::CompleteFulfillmentRequest { payment, claim, ..Default::default() };
    payments.complete_fulfillment(Request::new(request)).await.map(tonic::Response::into_inner)
}

async fn refused(payments: &Payments, request: pb::ClaimFulfillmentRequest) -> String {
    reason(&claim(payments, request).await.unwrap_err())
}

#[tokio::test]
async fn of_many_workers_each_gets_another_payment_and_the_last_none() {
    let payments = paid(&["cs_1", "cs_2", "cs_3"]).await;
    let claims = join_all((0..5).map(|_| claim(&payments, request("")))).await;
    let mut ids: Vec<String> = claims.into_iter().map(|claim| claim.unwrap().0).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["", "", "cs_1", "cs_2", "cs_3"]);
}

#[tokio::test]
async fn of_many_workers_for_one_payment_one_gets_it() {
    let payments = paid(&["cs_1"]).await;
    let claims = join_all((0..8).map(|_| claim(&payments, request("cs_1")))).await;
    let (won, lost): (Vec<_>, Vec<_>) = claims.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    for refusal in lost {
        assert_eq!(reason(&refusal.unwrap_err()), "FULFILLMENT_CLAIMED");
    }
}

#[tokio::test]
async fn a_claim_is_seen_completed_and_told() {
    let payments = paid(&["cs_1"]).await;
    let mut stream = watch(&payments, "", "").await;
    next_change(&mut stream).await;
    let (id, proof) = claim(&payments, request("")).await.unwrap();
    let (claimed, _) = next_change(&mut stream).await;
    let fulfillment = claimed.payment.unwrap().fulfillment.unwrap();
    assert_eq!((fulfillment.state(), &*fulfillment.worker), (State::Claimed, "worker"));
    assert_eq!(claimed.stripe_event, "");
    assert_eq!(reason(&complete(&payments, &id, "other").await.unwrap_err()), "CLAIM_LOST");
    let done = complete(&payments, &id, &proof).await.unwrap();
    assert_eq!(next_change(&mut stream).await.0.payment, Some(done));
    assert_eq!(refused(&payments, request("cs_1")).await, "FULFILLMENT_COMPLETED");
    assert_eq!(claim(&payments, request("")).await.unwrap().0, "");
}

#[tokio::test]
async fn a_request_sent_again_gets_the_same_answer_and_claims_nothing_more() {
    let payments = paid(&["cs_1", "cs_2"]).await;
    let request_id = Uuid::now_v7().to_string();
    let request = pb::ClaimFulfillmentRequest { request_id, ..request("") };
    let first = claim(&payments, request.clone()).await.unwrap();
    assert_eq!(claim(&payments, request.clone()).await.unwrap(), first);
    let other = pb::ClaimFulfillmentRequest { worker: "other".into(), ..request };
    assert_eq!(refused(&payments, other).await, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_claim_given_back_can_be_taken() {
    let payments = paid(&["cs_1"]).await;
    let (payment, claim_given) = claim(&payments, request("")).await.unwrap();
    let release =
        pb::ReleaseFulfillmentRequest { payment, claim: claim_given, ..Default::default() };
    let request_again = Request::new(release.clone());
    let released = payments.release_fulfillment(request_again).await.unwrap().into_inner();
    assert_eq!(released.fulfillment, None);
    assert_eq!(claim(&payments, request("")).await.unwrap().0, "cs_1");
    let late = payments.release_fulfillment(Request::new(release)).await.unwrap_err();
    assert_eq!(reason(&late), "CLAIM_LOST");
}

#[tokio::test]
async fn what_is_not_paid_or_not_known_cannot_be_claimed() {
    let payments = open(&config()).await;
    let _projector = project(&payments, OneItem);
    let mut stream = watch(&payments, "", "").await;
    receive(&payments, event("evt_1", COMPLETED, "cs_1", "unpaid")).await;
    next_change(&mut stream).await;
    assert_eq!(refused(&payments, request("cs_1")).await, "NOT_SHIPPABLE");
    assert_eq!(refused(&payments, request("cs_2")).await, "PAYMENT_NOT_FOUND");
    assert_eq!(claim(&payments, request("")).await.unwrap().0, "");
}

#[tokio::test]
async fn a_filter_says_which_payments_a_worker_takes() {
    let payments = paid(&["cs_1", "cs_other", "cs_2"]).await;
    let filter =
        pb::PaymentFilter { payment_links: vec!["plink_other".to_owned()], ..Default::default() };
    let request = pb::ClaimFulfillmentRequest { filter: Some(filter), ..request("") };
    assert_eq!(claim(&payments, request.clone()).await.unwrap().0, "cs_other");
    assert_eq!(claim(&payments, request).await.unwrap().0, "");
}

/// Lets so many payments wait to be shipped, each of a link of its own.
async fn waiting(payments: &Payments, count: usize) {
    let all: Vec<_> = (0..count).collect();
    for some in all.chunks(500) {
        let known = some.iter().map(|number| {
            let payment = pb::Payment {
                id: format!("cs_{number}"),
                payment_link: format!("plink_{number}"),
                client_reference_id: format!("cart_{number}"),
                metadata: [("number".to_owned(), number.to_string())].into(),
                state: pb::payment::State::Paid.into(),
                created: Some(prost_types::Timestamp {
                    seconds: i64::try_from(*number).unwrap(),
                    nanos: 0,
                }),
                ..Default::default()
            };
            Known { claimable_at_ms: Some(0), ..Known::testing(payment) }
        });
        let known: Vec<Known> = known.collect();
        let put = payments.storage.write(|mut transaction| {
            Box::pin(
                async move { transaction.put_known(&known.iter().collect::<Vec<_>>(), 0).await },
            )
        });
        put.await.unwrap();
    }
}

#[tokio::test]
async fn of_many_workers_who_ask_at_once_nobody_is_told_that_none_waits() {
    let payments = open(&config()).await;
    waiting(&payments, 4 * CANDIDATES).await;
    let claims = join_all((0..3 * CANDIDATES).map(|_| claim(&payments, request("")))).await;
    let mut ids: Vec<String> = claims.into_iter().map(|claim| claim.unwrap().0).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), ids.contains(&String::new())), (3 * CANDIDATES, false));
}

#[tokio::test]
async fn payments_that_nobody_ships_hide_no_others() {
    const LAST: usize = SCAN_MAX + 300;
    let payments = open(&config()).await;
    waiting(&payments, LAST + 1).await;
    let only = |filter| pb::ClaimFulfillmentRequest { filter: Some(filter), ..request("") };
    let link = |number| format!("plink_{}", LAST - number);
    let of_links =
        pb::PaymentFilter { payment_links: vec![link(0), link(1)], ..Default::default() };
    let first = claim(&payments, only(of_links.clone())).await.unwrap().0;
    assert_eq!(first, format!("cs_{}", LAST - 1));
    assert_ne!(claim(&payments, only(of_links.clone())).await.unwrap().0, "");
    assert_eq!(claim(&payments, only(of_links)).await.unwrap().0, "");
    let of_cart = pb::PaymentFilter {
        client_reference_id: format!("cart_{}", LAST - 2),
        ..Default::default()
    };
    assert_ne!(claim(&payments, only(of_cart)).await.unwrap().0, "");
    // By metadata alone the search has to end, and says so.
    let metadata = [("number".to_owned(), "none".to_owned())].into();
    let unfit = pb::PaymentFilter { metadata, ..Default::default() };
    assert_eq!(refused(&payments, only(unfit.clone())).await, "FILTER_TOO_WIDE");
    let payment_links = vec!["plink_7".to_owned()];
    let narrowed = pb::PaymentFilter { payment_links, ..unfit };
    assert_eq!(claim(&payments, only(narrowed)).await.unwrap().0, "");
}
