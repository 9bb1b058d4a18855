//! Writes: done once, told truly, and finished by themselves.

use std::time::Duration;

use paylink::pb;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::harness::{Answers, Folder, Paylink, code_of, poster_request, until, violations};

/// How many callers ask for one thing at the same time.
const CALLERS: usize = 64;

fn with_id(id: Uuid) -> pb::CreatePaymentLinkRequest {
    pb::CreatePaymentLinkRequest { request_id: id.to_string(), ..poster_request() }
}

/// A request that Stripe refuses: there is no such price.
fn refused_with_id(id: Uuid) -> pb::CreatePaymentLinkRequest {
    let mut request = with_id(id);
    let item = pb::LineItem { price: "price_none".into(), quantity: Some(1), ..Default::default() };
    request.payment_link.as_mut().unwrap().line_items = vec![item];
    request
}

fn op_state(status: &tonic::Status) -> String {
    status.get_error_details().error_info().unwrap().metadata["op_state"].clone()
}

#[tokio::test]
async fn callers_with_one_request_id_share_one_call() {
    let paylink = Paylink::start().await;
    let id = Uuid::new_v4();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let mut links = paylink.links();
        calls.spawn(async move { links.create_payment_link(with_id(id)).await });
    }
    let mut ids: Vec<String> =
        calls.join_all().await.into_iter().map(|answer| answer.unwrap().into_inner().id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 1);
    assert_eq!(paylink.stripe.gate.heard(), 1);
}

#[tokio::test]
async fn a_result_is_told_again_after_a_restart_without_asking_stripe() {
    let folder = Folder::new();
    let paylink = Paylink::start().storage(&folder).await;
    let (done, refused) = (Uuid::new_v4(), Uuid::new_v4());
    let link = paylink.links().create_payment_link(with_id(done)).await.unwrap().into_inner();
    let first = paylink.links().create_payment_link(refused_with_id(refused)).await.unwrap_err();
    assert_eq!(op_state(&first), "REJECTED");

    let mut paylink = paylink.restart().await;
    paylink.stripe.gate.shut().await;
    let mut links = paylink.links();
    assert_eq!(links.create_payment_link(with_id(done)).await.unwrap().into_inner(), link);
    let again = links.create_payment_link(refused_with_id(refused)).await.unwrap_err();
    assert_eq!(code_of(&again), code_of(&first));
    assert_eq!(violations(&again), violations(&first));
    assert_eq!(op_state(&again), "REJECTED");
}

#[tokio::test]
async fn a_write_that_was_cut_off_is_finished_by_itself() {
    let paylink = Paylink::start().await;
    paylink.stripe.gate.let_answers(Answers::Unasked);
    let refused = paylink.links().create_payment_link(with_id(Uuid::new_v4())).await.unwrap_err();
    assert_eq!(op_state(&refused), "UNKNOWN");
    paylink.stripe.gate.let_answers(Answers::Pass);
    until(async || paylink.stripe.list("/v1/payment_links").await.len() == 1).await;
}

#[tokio::test]
async fn a_write_that_was_told_as_undone_stays_so_until_it_is_asked_for_again() {
    let mut paylink = Paylink::start().await;
    let id = Uuid::new_v4();
    paylink.stripe.gate.shut().await;
    let refused = paylink.links().create_payment_link(with_id(id)).await.unwrap_err();
    assert_eq!(op_state(&refused), "NEW");
    paylink.stripe.gate.open().await;
    // A write that is finished by itself is so soon; this one is asked for after it.
    paylink.stripe.gate.let_answers(Answers::Unasked);
    paylink.links().create_payment_link(with_id(Uuid::new_v4())).await.unwrap_err();
    paylink.stripe.gate.let_answers(Answers::Pass);
    until(async || !paylink.stripe.list("/v1/payment_links").await.is_empty()).await;
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 1);
    paylink.links().create_payment_link(with_id(id)).await.unwrap();
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 2);
}

#[tokio::test]
async fn a_caller_whose_time_is_up_is_told_so_and_the_write_goes_on() {
    let paylink = Paylink::start().await;
    let id = Uuid::new_v4();
    paylink.stripe.gate.let_answers(Answers::Wait);
    let mut request = Request::new(with_id(id));
    request.set_timeout(Duration::from_millis(500));
    let late = paylink.links().create_payment_link(request).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    paylink.stripe.gate.let_answers(Answers::Pass);
    let link = paylink.links().create_payment_link(with_id(id)).await.unwrap().into_inner();
    let links = paylink.stripe.list("/v1/payment_links").await;
    assert_eq!(links.iter().map(|link| link["id"].clone()).collect::<Vec<_>>(), [link.id]);
}

#[tokio::test]
async fn the_services_own_metadata_is_neither_taken_from_callers_nor_shown_to_them() {
    let paylink = Paylink::start().await;
    let link = paylink.link().await;
    assert!(link.metadata.is_empty());
    let at_stripe = paylink.stripe.get(&format!("/v1/payment_links/{}", link.id)).await;
    assert!(at_stripe["metadata"]["pl_op"].as_str().unwrap().starts_with("plv1-"));

    let mut request = poster_request();
    let metadata = [("pl_op".to_owned(), "mine".to_owned())];
    request.payment_link.as_mut().unwrap().metadata = metadata.into();
    let refused = paylink.links().create_payment_link(request).await.unwrap_err();
    let told = refused.get_error_details();
    let violation = &told.bad_request().unwrap().field_violations[0];
    assert_eq!(violation.field, "payment_link.metadata[\"pl_op\"]");
    assert_eq!(violation.reason, "RESERVED");
}

#[tokio::test]
async fn a_service_can_demand_a_request_id() {
    let paylink = Paylink::start().with("PAYLINK__WRITES__REQUIRE_REQUEST_ID", "true").await;
    let refused = paylink.links().create_payment_link(poster_request()).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::InvalidArgument, "INVALID_REQUEST".to_owned()));
    let told = refused.get_error_details();
    assert_eq!(told.bad_request().unwrap().field_violations[0].field, "request_id");
    paylink.links().create_payment_link(with_id(Uuid::new_v4())).await.unwrap();
}
