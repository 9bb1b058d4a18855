//! What is on record of calls that were refused: what their callers know of them.

use futures_util::{StreamExt as _, stream};
use paylink::pb;
use paylink::pb::order::CloseReason;
use prost_types::FieldMask;
use tonic::{Code, Status};
use uuid::Uuid;

use super::{BATCH, all, by_operator};
use crate::harness::{Guarded, Paylink, code_of, poster_request};

fn large() -> String {
    "n".repeat(300_000)
}

#[tokio::test]
async fn a_refused_write_is_on_record_with_its_object_and_under_its_id() {
    let guarded = Guarded::start().await;
    let (mut links, mut orders) = (guarded.paylink.links(), guarded.paylink.orders());
    let mut ordered = poster_request();
    ordered.payment_link.as_mut().unwrap().order_ref = "1".to_owned();
    let link = links.create_payment_link(guarded.by("shop", ordered.clone())).await.unwrap();
    let id = link.into_inner().id;
    let close = pb::CloseOrderRequest {
        order_ref: "1".to_owned(),
        reason: CloseReason::Cancelled.into(),
        ..Default::default()
    };
    orders.close_order(guarded.by("shop", close)).await.unwrap();

    let mut ids = (0..).map(|_| Uuid::new_v4().to_string());
    let mut expected = Vec::new();
    let mut refused = |told: Result<tonic::Response<pb::PaymentLink>, Status>, about: &str, id| {
        let reason = code_of(&told.unwrap_err()).1;
        expected.push((id, about.to_owned(), reason));
    };
    let request_id = ids.next().unwrap();
    let create = pb::CreatePaymentLinkRequest { request_id: request_id.clone(), ..ordered };
    let told = links.create_payment_link(guarded.by("shop", create)).await;
    refused(told, "", request_id);

    let request_id = ids.next().unwrap();
    let activate = pb::ActivatePaymentLinkRequest {
        id: id.clone(),
        request_id: request_id.clone(),
        ..Default::default()
    };
    let told = links.activate_payment_link(guarded.by("shop", activate)).await;
    refused(told, &id, request_id);

    let request_id = ids.next().unwrap();
    let deactivate =
        pb::DeactivatePaymentLinkRequest { id: id.clone(), request_id: request_id.clone() };
    let told = links.deactivate_payment_link(guarded.by("crm", deactivate)).await;
    refused(told, &id, request_id);

    let request_id = ids.next().unwrap();
    let update = pb::UpdatePaymentLinkRequest {
        payment_link: Some(pb::PaymentLink { id: id.clone(), ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["inactive_message".to_owned()] }),
        request_id: request_id.clone(),
        ..Default::default()
    };
    let told = links.update_payment_link(guarded.by("crm", update)).await;
    refused(told, &id, request_id);

    let records = by_operator(&guarded).await;
    for (request_id, about, reason) in expected {
        let found: Vec<_> = records.iter().filter(|one| one.request_id == request_id).collect();
        let found: Vec<_> = found.iter().map(|one| (&one.object, &one.reason)).collect();
        assert_eq!(found, [(&about, &reason)]);
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_on_record_as_its_caller_was_told() {
    let paylink = Paylink::start().await;
    let product = pb::Product { name: large(), ..Default::default() };
    let request = pb::CreateProductRequest { product: Some(product), ..Default::default() };
    paylink.catalog().create_product(request).await.unwrap_err();
    let record = &all(&paylink, 1).await[0];
    assert_eq!((&*record.code, &*record.reason), ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE"));
}

#[tokio::test]
async fn an_item_of_a_batch_that_is_too_large_ends_it_with_a_reason() {
    let paylink = Paylink::start().await;
    let mut item = poster_request();
    item.payment_link.as_mut().unwrap().inactive_message = large();
    let items = stream::iter([pb::BatchCreatePaymentLinksRequest { item: Some(item) }]);
    let answers = paylink.links().batch_create_payment_links(items).await.unwrap();
    let ended = answers.into_inner().next().await.unwrap().unwrap_err();
    let expected = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned());
    assert_eq!(code_of(&ended), expected);
    let record = &all(&paylink, 1).await[0];
    assert_eq!((&*record.method, &*record.reason), (BATCH, "MESSAGE_TOO_LARGE"));
}
