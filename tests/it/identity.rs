//! The ids of calls: each answer names its own, and a `request_id` makes a call once.

use paylink::pb;
use tonic::Code;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::harness::{Folder, Paylink, code_of, poster_request, request_id};

fn with_id(id: Uuid) -> pb::CreatePaymentLinkRequest {
    pb::CreatePaymentLinkRequest { request_id: id.to_string(), ..poster_request() }
}

#[tokio::test]
async fn every_answer_names_its_request_and_no_two_the_same() {
    let paylink = Paylink::start().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = paylink.links().create_payment_link(poster_request()).await.unwrap();
        ids.push(request_id(answer.metadata()));
        let request = pb::GetPaymentLinkRequest { id: answer.into_inner().id };
        let answer = paylink.links().get_payment_link(request).await.unwrap();
        ids.push(request_id(answer.metadata()));
        let watch = paylink.payments().watch_payments(pb::WatchPaymentsRequest::default()).await;
        ids.push(request_id(watch.unwrap().metadata()));
    }
    assert!(ids.iter().all(|id| Uuid::parse_str(id).is_ok()), "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6);
}

#[tokio::test]
async fn an_error_names_its_request_in_its_details_too() {
    let paylink = Paylink::start().await;
    let refused = paylink.links().get_payment_link(pb::GetPaymentLinkRequest::default()).await;
    let refused = refused.unwrap_err();
    let details = refused.get_error_details();
    assert_eq!(details.request_info().unwrap().request_id, request_id(refused.metadata()));
    assert!(details.error_info().is_some() && details.bad_request().is_some());
}

#[tokio::test]
async fn a_call_goes_by_the_request_id_of_its_caller() {
    let paylink = Paylink::start().await;
    let id = Uuid::new_v4();
    let answer = paylink.links().create_payment_link(with_id(id)).await.unwrap();
    assert_eq!(request_id(answer.metadata()), id.to_string());
}

#[tokio::test]
async fn the_same_request_id_makes_one_link() {
    let paylink = Paylink::start().await;
    let id = Uuid::new_v4();
    let mut links = paylink.links();
    let first = links.create_payment_link(with_id(id)).await.unwrap().into_inner();
    let second = links.create_payment_link(with_id(id)).await.unwrap().into_inner();
    assert_eq!(first, second);
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 1);
}

#[tokio::test]
async fn the_same_request_id_makes_one_link_even_after_a_restart() {
    let folder = Folder::new();
    let paylink = Paylink::start().storage(&folder).await;
    let id = Uuid::new_v4();
    let first = paylink.links().create_payment_link(with_id(id)).await.unwrap().into_inner();
    let paylink = paylink.restart().await;
    let second = paylink.links().create_payment_link(with_id(id)).await.unwrap().into_inner();
    assert_eq!(first, second);
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 1);
}

#[tokio::test]
async fn a_request_id_belongs_to_one_request() {
    let paylink = Paylink::start().await;
    let id = Uuid::new_v4();
    let first = paylink.links().create_payment_link(with_id(id)).await.unwrap().into_inner();
    let mut other = with_id(id);
    other.payment_link.as_mut().unwrap().inactive_message = "Another".to_owned();
    let heard = paylink.stripe.gate.heard();
    let refused = paylink.links().create_payment_link(other).await.unwrap_err();
    let reason = "IDEMPOTENCY_KEY_REUSED".to_owned();
    assert_eq!(code_of(&refused), (Code::InvalidArgument, reason));
    let details = refused.get_error_details();
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "request_id");
    assert_eq!(paylink.stripe.gate.heard(), heard, "Stripe is not asked");
    let links = paylink.stripe.list("/v1/payment_links").await;
    assert_eq!(links.iter().map(|link| link["id"].clone()).collect::<Vec<_>>(), [first.id]);
}

#[tokio::test]
async fn calls_without_a_request_id_are_calls_of_their_own() {
    let paylink = Paylink::start().await;
    assert_ne!(paylink.link().await.id, paylink.link().await.id);
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 2);
}
