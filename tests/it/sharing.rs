//! Reads that need no call to Stripe, and calls that there is no room for.

use paylink::pb;
use tonic::{Code, Request};

use crate::harness::{Answers, Paylink, code_of, poster_request, retry_delay, until};

async fn name(paylink: &Paylink, id: &str, is_fresh: bool) -> String {
    let mut request = Request::new(pb::GetProductRequest { id: id.to_owned() });
    if is_fresh {
        request.metadata_mut().insert("cache-control", "no-cache".parse().unwrap());
    }
    paylink.catalog().get_product(request).await.unwrap().into_inner().name
}

async fn product(paylink: &Paylink) -> String {
    let product = pb::Product { name: "Poster".to_owned(), ..Default::default() };
    let request = pb::CreateProductRequest { product: Some(product), ..Default::default() };
    paylink.catalog().create_product(request).await.unwrap().into_inner().id
}

async fn rename(paylink: &Paylink, id: &str, name: &str) {
    let product = pb::Product { id: id.to_owned(), name: name.to_owned(), ..Default::default() };
    let request = pb::UpdateProductRequest { product: Some(product), ..Default::default() };
    paylink.catalog().update_product(request).await.unwrap();
}

#[tokio::test]
async fn what_was_read_is_told_again_without_a_call_to_stripe() {
    let paylink = Paylink::start().without_webhooks().await;
    let id = product(&paylink).await;
    assert_eq!(name(&paylink, &id, false).await, "Poster");
    let heard = paylink.stripe.gate.heard();
    for _ in 0..9 {
        assert_eq!(name(&paylink, &id, false).await, "Poster");
    }
    assert_eq!(paylink.stripe.gate.heard(), heard);
    rename(&paylink, &id, "Print").await;
    let heard = paylink.stripe.gate.heard();
    assert_eq!(name(&paylink, &id, false).await, "Print");
    assert_eq!(paylink.stripe.gate.heard(), heard, "the change has told it");
    assert_eq!(name(&paylink, &id, true).await, "Print");
    assert!(paylink.stripe.gate.heard() > heard, "Stripe was asked");
}

#[tokio::test]
async fn what_another_has_changed_is_told_after_the_webhook_about_it() {
    let paylink = Paylink::start().await;
    let id = product(&paylink).await;
    assert_eq!(name(&paylink, &id, false).await, "Poster");
    paylink.stripe.post(&format!("/v1/products/{id}"), "name=Print").await;
    until(async || name(&paylink, &id, false).await == "Print").await;
}

#[tokio::test]
async fn a_caller_with_too_many_calls_under_way_is_told_to_come_back() {
    let paylink = Paylink::start().with("PAYLINK__GRPC__IN_FLIGHT_MAX_OF_CALLER", "1").await;
    paylink.stripe.gate.let_answers(Answers::Wait);
    let mut links = paylink.links();
    let under_way = tokio::spawn(async move { links.create_payment_link(poster_request()).await });
    paylink.stripe.gate.heard_more_than(0).await;

    let list = pb::ListPaymentLinksRequest::default();
    let refused = paylink.links().list_payment_links(list.clone()).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::Unavailable, "OVERLOADED".to_owned()));
    assert!(retry_delay(&refused).is_some());
    let pushback = refused.metadata().get("grpc-retry-pushback-ms").unwrap();
    assert!(pushback.to_str().unwrap().parse::<u64>().unwrap() >= 500);

    paylink.stripe.gate.let_answers(Answers::Pass);
    under_way.await.unwrap().unwrap();
    paylink.links().list_payment_links(list).await.unwrap();
}
