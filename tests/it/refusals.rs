//! What Stripe refuses, told in the words of the contract.

use paylink::pb;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{Paylink, code_of, poster_request, violations};

fn check(refused: &Status, code: Code, reason: &str) {
    assert_eq!(code_of(refused), (code, reason.to_owned()));
    let details = refused.get_error_details();
    let info = &details.error_info().unwrap().metadata;
    assert!(info["stripe_request_id"].starts_with("req_"));
}

#[tokio::test]
async fn a_price_that_does_not_exist_is_named_by_its_field() {
    let paylink = Paylink::start().await;
    let item = pb::LineItem { price: "price_1".into(), quantity: Some(1), ..Default::default() };
    let link = pb::PaymentLink { line_items: vec![item], ..Default::default() };
    let request = pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() };
    let refused = paylink.links().create_payment_link(request).await.unwrap_err();
    check(&refused, Code::InvalidArgument, "REFERENCED_RESOURCE_MISSING");
    assert_eq!(violations(&refused), ["payment_link.line_items[0].price RESOURCE_MISSING"]);
    assert!(refused.message().contains("price_1"), "{}", refused.message());
}

#[tokio::test]
async fn a_link_that_does_not_exist_is_not_found() {
    let paylink = Paylink::start().await;
    let id = "plink_1".to_owned();
    let mut links = paylink.links();
    let get = pb::GetPaymentLinkRequest { id: id.clone() };
    let deactivate = pb::DeactivatePaymentLinkRequest { id: id.clone(), ..Default::default() };
    let link = pb::PaymentLink { id, inactive_message: "No".into(), ..Default::default() };
    let update = pb::UpdatePaymentLinkRequest { payment_link: Some(link), ..Default::default() };
    let items = pb::ListLineItemsRequest { payment_link: "plink_1".into(), ..Default::default() };
    for refused in [
        links.get_payment_link(get).await.unwrap_err(),
        links.deactivate_payment_link(deactivate).await.unwrap_err(),
        links.update_payment_link(update).await.unwrap_err(),
        links.list_line_items(items).await.unwrap_err(),
    ] {
        check(&refused, Code::NotFound, "RESOURCE_NOT_FOUND");
    }
}

#[tokio::test]
async fn an_id_cannot_leave_its_place_in_the_url() {
    let paylink = Paylink::start().await;
    for id in ["..", ".", "%2e%2e", "../products", "plink_1/line_items", "?limit=1", "#", " "] {
        let id = id.to_owned();
        let get = pb::GetPaymentLinkRequest { id: id.clone() };
        let items = pb::ListLineItemsRequest { payment_link: id.clone(), ..Default::default() };
        let delete = pb::DeleteProductRequest { id, ..Default::default() };
        for refused in [
            paylink.links().get_payment_link(get).await.unwrap_err(),
            paylink.links().list_line_items(items).await.unwrap_err(),
            paylink.catalog().delete_product(delete).await.unwrap_err(),
        ] {
            check(&refused, Code::NotFound, "RESOURCE_NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn a_key_that_stripe_does_not_accept_is_no_fault_of_the_caller() {
    let paylink = Paylink::start()
        .with("PAYLINK__STRIPE__API_KEY", "sk_live_wrong")
        .with("PAYLINK__STRIPE__ALLOW_LIVE", "true")
        .await;
    let refused = paylink.links().create_payment_link(poster_request()).await.unwrap_err();
    check(&refused, Code::Internal, "UPSTREAM_AUTH");
    assert!(!format!("{refused:?}").contains("wrong"), "the key is not shown: {refused:?}");
}
