//! Payment links, from their creation to their deactivation.

use paylink::pb;
use paylink::pb::payment_link::{
    AfterCompletion, DeactivationReason, PhoneNumberCollection, Restrictions,
    ShippingAddressCollection, after_completion, restrictions,
};
use paylink::pb::{custom_field, payment_link::BillingAddressCollection};
use prost_types::FieldMask;

use crate::harness::{Paylink, poster, poster_request};

/// A link that sets every field that a caller can.
fn full() -> pb::PaymentLink {
    let size = custom_field::dropdown::Option { label: "Large".into(), value: "l".into() };
    let size = custom_field::Dropdown {
        options: vec![size],
        default_value: "l".into(),
        ..Default::default()
    };
    let label = custom_field::Label { custom: "Size".to_owned() };
    let field = pb::CustomField {
        key: "size".to_owned(),
        label: Some(label),
        optional: Some(true),
        r#type: Some(custom_field::Type::Dropdown(size)),
    };
    let message = after_completion::HostedConfirmation { custom_message: "Enjoy it".into() };
    let limit = restrictions::CompletedSessions { limit: Some(9), count: 0 };
    pb::PaymentLink {
        line_items: vec![poster()],
        after_completion: Some(AfterCompletion {
            r#type: Some(after_completion::Type::HostedConfirmation(message)),
        }),
        allow_promotion_codes: Some(true),
        billing_address_collection: BillingAddressCollection::Required.into(),
        custom_fields: vec![field],
        inactive_message: "The exhibition is over.".to_owned(),
        metadata: [("order".to_owned(), "6735".to_owned())].into(),
        phone_number_collection: Some(PhoneNumberCollection { enabled: Some(true) }),
        restrictions: Some(Restrictions { completed_sessions: Some(limit) }),
        shipping_address_collection: Some(ShippingAddressCollection {
            allowed_countries: vec!["CH".to_owned(), "DE".to_owned()],
        }),
        ..Default::default()
    }
}

async fn create(paylink: &Paylink, link: pb::PaymentLink) -> pb::PaymentLink {
    let request = pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() };
    paylink.links().create_payment_link(request).await.unwrap().into_inner()
}

async fn get(paylink: &Paylink, id: &str) -> pb::PaymentLink {
    let request = pb::GetPaymentLinkRequest { id: id.to_owned() };
    paylink.links().get_payment_link(request).await.unwrap().into_inner()
}

async fn update(paylink: &Paylink, link: pb::PaymentLink, paths: &[&str]) -> pb::PaymentLink {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdatePaymentLinkRequest {
        payment_link: Some(link),
        update_mask: Some(FieldMask { paths }),
        ..Default::default()
    };
    paylink.links().update_payment_link(request).await.unwrap().into_inner()
}

/// Lists the ids of links that are active, or that are not.
async fn listed(paylink: &Paylink, active: bool) -> Vec<String> {
    let request = pb::ListPaymentLinksRequest { active: Some(active), ..Default::default() };
    let page = paylink.links().list_payment_links(request).await.unwrap().into_inner();
    page.payment_links.into_iter().map(|link| link.id).collect()
}

#[tokio::test]
async fn a_link_has_what_it_was_made_with() {
    let paylink = Paylink::start().await;
    let made = create(&paylink, full()).await;
    assert!(made.id.starts_with("plink_") && made.url.starts_with("http://") && made.active);
    assert_eq!(made.currency, "usd");
    let [item] = &*made.line_items else { panic!("{:?}", made.line_items) };
    assert!(item.price.starts_with("price_"));
    assert_eq!((item.quantity, item.amount_total, &*item.description), (Some(1), 2500, "Poster"));
    // What nobody asked for has Stripe's defaults.
    let asked = full();
    let expected = pb::PaymentLink {
        after_completion: asked.after_completion,
        allow_promotion_codes: asked.allow_promotion_codes,
        billing_address_collection: asked.billing_address_collection,
        custom_fields: asked.custom_fields,
        inactive_message: asked.inactive_message,
        metadata: asked.metadata,
        phone_number_collection: asked.phone_number_collection,
        restrictions: asked.restrictions,
        shipping_address_collection: asked.shipping_address_collection,
        ..made.clone()
    };
    assert_eq!(made, expected);
    assert_eq!(get(&paylink, &made.id).await, made);
}

#[tokio::test]
async fn an_update_changes_what_its_mask_names_and_nothing_else() {
    let paylink = Paylink::start().await;
    let made = create(&paylink, full()).await;
    let change = pb::PaymentLink {
        id: made.id.clone(),
        inactive_message: "Sold out.".to_owned(),
        allow_promotion_codes: Some(false),
        ..Default::default()
    };
    let updated = update(&paylink, change, &["inactive_message"]).await;
    let expected = pb::PaymentLink { inactive_message: "Sold out.".to_owned(), ..made };
    assert_eq!(updated, expected);
}

#[tokio::test]
async fn an_update_without_a_mask_changes_what_it_sets() {
    let paylink = Paylink::start().await;
    let made = create(&paylink, full()).await;
    let change = pb::PaymentLink {
        id: made.id.clone(),
        allow_promotion_codes: Some(false),
        ..Default::default()
    };
    let updated = update(&paylink, change, &[]).await;
    assert_eq!(updated, pb::PaymentLink { allow_promotion_codes: Some(false), ..made });
}

#[tokio::test]
async fn what_a_mask_names_and_an_update_lacks_is_cleared() {
    let paylink = Paylink::start().await;
    let made = create(&paylink, full()).await;
    let bare = pb::PaymentLink { id: made.id.clone(), ..Default::default() };
    let paths = [
        "custom_fields",
        "inactive_message",
        "metadata",
        "restrictions",
        "shipping_address_collection",
    ];
    let updated = update(&paylink, bare, &paths).await;
    let expected = pb::PaymentLink {
        custom_fields: Vec::new(),
        inactive_message: String::new(),
        metadata: [].into(),
        restrictions: None,
        shipping_address_collection: None,
        ..made
    };
    assert_eq!(updated, expected);
    assert_eq!(get(&paylink, &updated.id).await, updated);
}

#[tokio::test]
async fn a_quantity_changes_by_its_line_item() {
    let paylink = Paylink::start().await;
    let made = create(&paylink, full()).await;
    let id = made.line_items[0].id.clone();
    let item = pb::LineItem { id, quantity: Some(3), ..Default::default() };
    let change = pb::PaymentLink { id: made.id, line_items: vec![item], ..Default::default() };
    let updated = update(&paylink, change, &["line_items"]).await;
    assert_eq!(updated.line_items[0].quantity, Some(3));
    assert_eq!(updated.line_items[0].amount_total, 7500);
}

#[tokio::test]
async fn a_deactivated_link_can_be_activated_again() {
    let paylink = Paylink::start().await;
    let made = paylink.link().await;
    let request = pb::DeactivatePaymentLinkRequest { id: made.id.clone(), ..Default::default() };
    let off = paylink.links().deactivate_payment_link(request).await.unwrap().into_inner();
    let reason = DeactivationReason::Caller.into();
    let expected = pb::PaymentLink { active: false, deactivation_reason: reason, ..made.clone() };
    assert_eq!(off, expected);
    assert_eq!(listed(&paylink, false).await, [&*made.id]);
    let request = pb::ActivatePaymentLinkRequest { id: made.id.clone(), ..Default::default() };
    let on = paylink.links().activate_payment_link(request).await.unwrap().into_inner();
    assert_eq!(on, made);
    assert_eq!(listed(&paylink, true).await, [made.id]);
}

#[tokio::test]
async fn pages_give_every_link_once_with_its_line_items() {
    let paylink = Paylink::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, paylink.link().await);
    }
    let (mut listed, mut request) = (Vec::new(), pb::ListPaymentLinksRequest::default());
    request.page_size = 2;
    loop {
        let page = paylink.links().list_payment_links(request.clone()).await.unwrap().into_inner();
        listed.extend(page.payment_links);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(listed, made);
}

#[tokio::test]
async fn line_items_come_in_pages_in_their_order() {
    let paylink = Paylink::start().await;
    let items = (1..=5).map(|quantity| pb::LineItem { quantity: Some(quantity), ..poster() });
    let link = pb::PaymentLink { line_items: items.collect(), ..Default::default() };
    let made = create(&paylink, link).await;
    let mut request = pb::ListLineItemsRequest {
        payment_link: made.id.clone(),
        page_size: 2,
        ..Default::default()
    };
    let mut listed = Vec::new();
    loop {
        let page = paylink.links().list_line_items(request.clone()).await.unwrap().into_inner();
        listed.extend(page.line_items);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(listed.iter().filter_map(|item| item.quantity).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(made.line_items, listed);
}

#[tokio::test]
async fn a_validated_request_is_given_back_and_nothing_is_sent() {
    let paylink = Paylink::start().without_webhooks().await;
    let made = paylink.link().await;
    let (heard, events) = (paylink.stripe.gate.heard(), paylink.stripe.list("/v1/events").await);

    let request = pb::CreatePaymentLinkRequest { validate_only: true, ..poster_request() };
    let created = paylink.links().create_payment_link(request).await.unwrap().into_inner();
    assert_eq!(Some(created), poster_request().payment_link);

    let change = pb::PaymentLink { id: made.id, inactive_message: "No".into(), ..made };
    let request = pb::UpdatePaymentLinkRequest {
        payment_link: Some(change.clone()),
        update_mask: Some(FieldMask { paths: vec!["inactive_message".to_owned()] }),
        validate_only: true,
        ..Default::default()
    };
    let updated = paylink.links().update_payment_link(request).await.unwrap().into_inner();
    assert_eq!(updated.inactive_message, "No");

    let request = pb::CreateProductRequest {
        product: Some(pb::Product { name: "Poster".to_owned(), ..Default::default() }),
        validate_only: true,
        ..Default::default()
    };
    paylink.catalog().create_product(request).await.unwrap();

    assert_eq!(paylink.stripe.gate.heard(), heard);
    assert_eq!(paylink.stripe.list("/v1/events").await, events);
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 1);
}
