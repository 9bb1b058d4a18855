//! `validate_only`: all checks, no effect, and the form that would have been sent.

use paylink::pb;
use prost_types::FieldMask;
use tonic::Response;

use crate::harness::{Paylink, poster_request, violations};

fn form<T>(answer: &Response<T>) -> Vec<(String, String)> {
    let form = answer.metadata().get("paylink-form").expect("the form is shown");
    form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

#[tokio::test]
async fn a_create_shows_its_form_and_makes_nothing() {
    let paylink = Paylink::start().await;
    let before = paylink.stripe.gate.heard();
    let request = pb::CreatePaymentLinkRequest { validate_only: true, ..poster_request() };
    let answer = paylink.links().create_payment_link(request).await.unwrap();
    let form = form(&answer);
    for pair in [
        ("line_items[0][price_data][unit_amount]", "2500"),
        ("line_items[0][price_data][product_data][name]", "Poster"),
        ("line_items[0][quantity]", "1"),
    ] {
        assert!(form.contains(&(pair.0.to_owned(), pair.1.to_owned())), "{pair:?} in {form:?}");
    }
    assert_eq!(paylink.stripe.gate.heard(), before);
}

#[tokio::test]
async fn an_update_shows_what_it_would_clear() {
    let paylink = Paylink::start().await;
    let change = pb::Product { id: "prod_1".to_owned(), ..Default::default() };
    let request = pb::UpdateProductRequest {
        product: Some(change),
        update_mask: Some(FieldMask { paths: vec!["description".to_owned()] }),
        validate_only: true,
        ..Default::default()
    };
    let answer = paylink.catalog().update_product(request).await.unwrap();
    assert!(form(&answer).contains(&("description".to_owned(), String::new())));
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_as_it_would_be() {
    let paylink = Paylink::start().await;
    let mut request = pb::CreatePaymentLinkRequest { validate_only: true, ..poster_request() };
    request.payment_link.as_mut().unwrap().line_items[0].quantity = Some(0);
    let refused = paylink.links().create_payment_link(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["payment_link.line_items[0].quantity VALUE_OUT_OF_RANGE"]);
}
