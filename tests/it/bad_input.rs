//! Requests that break their contract: every violation is told at once, by the
//! path of its field, and nothing is sent to Stripe.

use paylink::pb;
use paylink::pb::payment_link::{AfterCompletion, Restrictions, after_completion};
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::harness::{Paylink, code_of, poster, poster_request, request_id, violations};

/// Refuses a link that was sound until it was changed.
async fn check(change: impl FnOnce(&mut pb::PaymentLink), expected: &[&str]) {
    let paylink = Paylink::start().await;
    let mut request = poster_request();
    change(request.payment_link.as_mut().unwrap());
    let refused = paylink.links().create_payment_link(request).await.unwrap_err();
    assert_refused(&paylink, &refused, expected);
}

/// Refuses an update.
async fn check_update(link: pb::PaymentLink, paths: &[&str], expected: &[&str]) {
    let paylink = Paylink::start().await;
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdatePaymentLinkRequest {
        payment_link: Some(link),
        update_mask: Some(FieldMask { paths }),
        ..Default::default()
    };
    let refused = paylink.links().update_payment_link(request).await.unwrap_err();
    assert_refused(&paylink, &refused, expected);
}

fn assert_refused(paylink: &Paylink, refused: &Status, expected: &[&str]) {
    assert_eq!(code_of(refused), (Code::InvalidArgument, "INVALID_REQUEST".to_owned()));
    assert_eq!(violations(refused), expected);
    assert!(!request_id(refused.metadata()).is_empty());
    assert_eq!(paylink.stripe.gate.heard(), 0, "nothing is sent to Stripe");
}

fn some_link() -> pb::PaymentLink {
    pb::PaymentLink { id: "plink_1".to_owned(), ..Default::default() }
}

#[tokio::test]
async fn a_link_sells_something() {
    check(|link| link.line_items.clear(), &["payment_link.line_items FIELD_REQUIRED"]).await;
}

#[tokio::test]
async fn a_link_has_at_most_twenty_line_items() {
    check(
        |link| link.line_items = vec![poster(); 21],
        &["payment_link.line_items COUNT_OUT_OF_RANGE"],
    )
    .await;
}

#[tokio::test]
async fn a_line_item_has_either_a_price_or_the_data_of_one() {
    check(
        |link| {
            let both = pb::LineItem { price: "price_1".to_owned(), ..poster() };
            let neither = pb::LineItem { quantity: Some(1), ..Default::default() };
            link.line_items = vec![both, neither];
        },
        &[
            "payment_link.line_items[0] ONE_OF_REQUIRED",
            "payment_link.line_items[1] ONE_OF_REQUIRED",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_quantity_is_given_and_at_least_one() {
    check(
        |link| {
            let items = [None, Some(0), Some(-1)];
            link.line_items = items.map(|quantity| pb::LineItem { quantity, ..poster() }).into();
        },
        &[
            "payment_link.line_items[0].quantity FIELD_REQUIRED",
            "payment_link.line_items[1].quantity VALUE_OUT_OF_RANGE",
            "payment_link.line_items[2].quantity VALUE_OUT_OF_RANGE",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_currency_has_three_small_letters() {
    check(
        |link| {
            let items = ["USD", "dollars", "u$d"].map(|currency| {
                let mut item = poster();
                item.price_data.as_mut().unwrap().currency = currency.to_owned();
                item
            });
            link.line_items = items.into();
        },
        &[
            "payment_link.line_items[0].price_data.currency FORMAT_INVALID",
            "payment_link.line_items[1].price_data.currency FORMAT_INVALID",
            "payment_link.line_items[2].price_data.currency FORMAT_INVALID",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_redirect_leads_to_a_url_of_the_web() {
    for (url, reason) in [("", "FIELD_REQUIRED"), ("javascript:alert(1)", "FORMAT_INVALID")] {
        check(
            |link| {
                let redirect = after_completion::Redirect { url: url.to_owned() };
                let redirect = after_completion::Type::Redirect(redirect);
                link.after_completion = Some(AfterCompletion { r#type: Some(redirect) });
            },
            &[&format!("payment_link.after_completion.redirect.url {reason}")],
        )
        .await;
    }
}

#[tokio::test]
async fn what_follows_a_payment_is_said_if_anything_is() {
    check(
        |link| link.after_completion = Some(AfterCompletion { r#type: None }),
        &["payment_link.after_completion ONE_OF_REQUIRED"],
    )
    .await;
}

#[tokio::test]
async fn texts_have_a_longest_length_in_characters() {
    check(
        |link| {
            link.inactive_message = "é".repeat(501);
            link.metadata.insert("k".repeat(41), "v".repeat(501));
        },
        &[
            "payment_link.inactive_message LENGTH_OUT_OF_RANGE",
            &format!("payment_link.metadata[\"{}\"] LENGTH_OUT_OF_RANGE", "k".repeat(40)),
            &format!("payment_link.metadata[\"{}\"] LENGTH_OUT_OF_RANGE", "k".repeat(40)),
        ],
    )
    .await;
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() {
    let paylink = Paylink::start().await;
    let mut request = poster_request();
    let link = request.payment_link.as_mut().unwrap();
    link.line_items.push(pb::LineItem { quantity: Some(0), ..Default::default() });
    link.metadata.insert("a[b]".to_owned(), "c".to_owned());
    link.restrictions = Some(Restrictions { completed_sessions: None });
    link.custom_fields = vec![pb::CustomField::default(); 4];
    request.request_id = "again".to_owned();
    let refused = paylink.links().create_payment_link(request).await.unwrap_err();
    let mut found = violations(&refused);
    found.retain(|violation| !violation.contains(".custom_fields["));
    assert_eq!(
        found,
        [
            "payment_link.line_items[1].quantity VALUE_OUT_OF_RANGE",
            "payment_link.line_items[1] ONE_OF_REQUIRED",
            "payment_link.metadata[\"a[b]\"] FORMAT_INVALID",
            "payment_link.restrictions.completed_sessions FIELD_REQUIRED",
            "payment_link.custom_fields COUNT_OUT_OF_RANGE",
            "request_id FORMAT_INVALID",
        ]
    );
    assert_eq!(violations(&refused).len(), found.len() + 4 * 3);
    assert_eq!(paylink.stripe.gate.heard(), 0);
}

#[tokio::test]
async fn a_mask_names_fields_of_the_resource() {
    check_update(
        some_link(),
        &["colour", "line_items.quantity", "inactive_message.text"],
        &["update_mask UNKNOWN_FIELD", "update_mask UNKNOWN_FIELD", "update_mask UNKNOWN_FIELD"],
    )
    .await;
}

#[tokio::test]
async fn a_mask_names_nothing_that_the_service_sets() {
    check_update(
        some_link(),
        &["id", "url", "active"],
        &["update_mask OUTPUT_ONLY", "update_mask OUTPUT_ONLY", "update_mask OUTPUT_ONLY"],
    )
    .await;
}

#[tokio::test]
async fn a_mask_names_nothing_that_cannot_change() {
    let paylink = Paylink::start().await;
    let paths = ["currency", "unit_amount", "product"].map(str::to_owned).into();
    let request = pb::UpdatePriceRequest {
        price: Some(pb::Price { id: "price_1".to_owned(), ..Default::default() }),
        update_mask: Some(FieldMask { paths }),
        ..Default::default()
    };
    let refused = paylink.catalog().update_price(request).await.unwrap_err();
    assert_refused(&paylink, &refused, &["update_mask IMMUTABLE"; 3]);
}

#[tokio::test]
async fn what_cannot_be_cleared_is_not_cleared() {
    check_update(
        some_link(),
        &["allow_promotion_codes"],
        &["payment_link.allow_promotion_codes NOT_CLEARABLE"],
    )
    .await;
}

#[tokio::test]
async fn an_update_says_of_what_and_changes_something() {
    check_update(
        pb::PaymentLink::default(),
        &[],
        &["update_mask FIELD_REQUIRED", "payment_link.id FIELD_REQUIRED"],
    )
    .await;
}

#[tokio::test]
async fn a_page_token_belongs_to_the_list_that_gave_it() {
    let paylink = Paylink::start().await;
    for _ in 0..2 {
        paylink.link().await;
    }
    let first = pb::ListPaymentLinksRequest { page_size: 1, ..Default::default() };
    let page = paylink.links().list_payment_links(first).await.unwrap().into_inner();
    let (heard, token) = (paylink.stripe.gate.heard(), page.next_page_token);
    for (page_token, active) in
        [("x".to_owned(), None), (token[..8].to_owned(), None), (token, Some(true))]
    {
        let request = pb::ListPaymentLinksRequest { page_token, active, ..Default::default() };
        let refused = paylink.links().list_payment_links(request).await.unwrap_err();
        assert_eq!(violations(&refused), ["page_token PAGE_TOKEN_INVALID"]);
    }
    assert_eq!(paylink.stripe.gate.heard(), heard);
}

#[tokio::test]
async fn a_request_id_is_a_uuid_in_every_method_that_takes_one() {
    let paylink = Paylink::start().await;
    let (id, request_id) = ("plink_1".to_owned(), "order-6735".to_owned());
    let activate = pb::ActivatePaymentLinkRequest {
        id: id.clone(),
        request_id: request_id.clone(),
        ..Default::default()
    };
    let deactivate =
        pb::DeactivatePaymentLinkRequest { id: id.clone(), request_id: request_id.clone() };
    let delete = pb::DeleteProductRequest { id, request_id };
    let (mut links, mut catalog) = (paylink.links(), paylink.catalog());
    for refused in [
        links.activate_payment_link(activate).await.unwrap_err(),
        links.deactivate_payment_link(deactivate).await.unwrap_err(),
        catalog.delete_product(delete).await.unwrap_err(),
    ] {
        assert_refused(&paylink, &refused, &["request_id FORMAT_INVALID"]);
    }
}
