//! Buyers without a browser.

use paylink::sandbox::Config;
use paylink::sandbox::control::pb;
use pb::PayPaymentLinkRequest as Order;
use pb::pay_payment_link_request::{Address, Authentication, Item};
use pb::pay_payment_link_response::Outcome;
use tonic::Code;

use super::desk::{Desk, config};

fn card(card: &str) -> Order {
    Order { card: card.to_owned(), ..Order::default() }
}

#[tokio::test]
async fn a_link_is_paid_with_nothing_but_its_name() {
    let mut desk = Desk::new().await;
    let link = desk.link(&[]).await;
    let paid = desk.pay(&link, Order::default()).await.unwrap();
    assert_eq!(paid.outcome(), Outcome::Complete);
    let told = (paid.payment_status.as_str(), paid.amount_total, paid.currency.as_str());
    assert_eq!(told, ("paid", 1000, "usd"));
    let session = desk.get(&format!("/v1/checkout/sessions/{}", paid.session)).await;
    assert_eq!(session["payment_intent"], paid.payment_intent);
    assert_eq!(session["payment_link"], link["id"]);
    assert!(desk.event_types().await.contains(&"checkout.session.completed".to_owned()));
}

#[tokio::test]
async fn a_link_is_paid_by_its_address_too() {
    let mut desk = Desk::new().await;
    let link = desk.link(&[]).await;
    let payment_link = format!("{}?client_reference_id=order-7", link["url"].as_str().unwrap());
    let order = Order { payment_link, ..Order::default() };
    let paid = desk.control.pay_payment_link(order).await.unwrap().into_inner();
    let session = desk.get(&format!("/v1/checkout/sessions/{}", paid.session)).await;
    assert_eq!(session["client_reference_id"], "order-7");
}

#[tokio::test]
async fn a_declined_card_is_told_with_its_reason() {
    let mut desk = Desk::new().await;
    let link = desk.link(&[]).await;
    for chosen in ["pm_card_chargeDeclinedInsufficientFunds", "4000000000009995"] {
        let declined = desk.pay(&link, card(chosen)).await.unwrap();
        assert_eq!(declined.outcome(), Outcome::Declined);
        assert_eq!(declined.code, "card_declined");
        assert_eq!(declined.decline_code, "insufficient_funds");
        assert_eq!(declined.payment_status, "unpaid");
    }
}

#[tokio::test]
async fn a_bank_that_asks_for_proof_gets_it_or_not() {
    let mut desk = Desk::new().await;
    let link = desk.link(&[]).await;
    let proved = desk.pay(&link, card("pm_card_authenticationRequired")).await.unwrap();
    assert_eq!(proved.outcome(), Outcome::Complete);
    let mut order = card("pm_card_authenticationRequired");
    order.set_authentication(Authentication::Fail);
    let failed = desk.pay(&link, order).await.unwrap();
    assert_eq!(failed.outcome(), Outcome::Declined);
    assert_eq!(failed.code, "payment_intent_authentication_failure");
}

#[tokio::test]
async fn what_the_link_asks_for_is_entered_and_reaches_the_session() {
    let mut desk = Desk::new().await;
    let link = desk
        .link(&[
            ("line_items[0][adjustable_quantity][enabled]", "true"),
            ("custom_fields[0][key]", "size"),
            ("custom_fields[0][label][type]", "custom"),
            ("custom_fields[0][label][custom]", "Size"),
            ("custom_fields[0][type]", "text"),
            ("shipping_address_collection[allowed_countries][0]", "DE"),
            ("phone_number_collection[enabled]", "true"),
        ])
        .await;
    let refused = desk.pay(&link, Order::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("custom_size"), "{}", refused.message());

    let product = desk.get("/v1/products").await["data"][0]["id"].as_str().unwrap().to_owned();
    let order = Order {
        items: vec![Item { item: product, quantity: Some(3), amount: None }],
        custom_fields: [("size".to_owned(), "XL".to_owned())].into(),
        shipping_address: Some(Address {
            country: "DE".to_owned(),
            line1: "Torstrasse 1".to_owned(),
            city: "Berlin".to_owned(),
            ..Address::default()
        }),
        ..Order::default()
    };
    let paid = desk.pay(&link, order).await.unwrap();
    assert_eq!(paid.amount_total, 3000);
    let session = desk.get(&format!("/v1/checkout/sessions/{}", paid.session)).await;
    assert_eq!(session["custom_fields"][0]["text"]["value"], "XL");
    let shipping = &session["collected_information"]["shipping_details"];
    assert_eq!(shipping["address"]["city"], "Berlin");
}

#[tokio::test]
async fn what_cannot_be_paid_is_said_plainly() {
    let mut desk = Desk::new().await;
    let link = desk.link(&[]).await;
    let unknown = card("pm_card_none");
    assert_eq!(desk.pay(&link, unknown).await.unwrap_err().code(), Code::InvalidArgument);
    let path = format!("/v1/payment_links/{}", link["id"].as_str().unwrap());
    desk.post(&path, &[("active", "false")]).await;
    let inactive = desk.pay(&link, Order::default()).await.unwrap_err();
    assert_eq!(inactive.code(), Code::FailedPrecondition);
    let nowhere = desk.pay(&serde_json::json!({ "id": "plink_none" }), Order::default()).await;
    assert_eq!(nowhere.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn an_amount_is_typed_in_the_language_of_the_page() {
    let mut desk = Desk::new().await;
    let price = [
        ("currency", "kwd"),
        ("product_data[name]", "Gift"),
        ("custom_unit_amount[enabled]", "true"),
    ];
    let price = desk.post("/v1/prices", &price).await;
    let price = price["id"].as_str().unwrap();
    let form = [("line_items[0][price]", price), ("line_items[0][quantity]", "1")];
    let link = desk.post("/v1/payment_links", &form).await;
    for locale in ["de", "en"] {
        let order = Order {
            payment_link: format!("{}?locale={locale}", link["url"].as_str().unwrap()),
            items: vec![Item { item: price.to_owned(), amount: Some(1_250), ..Item::default() }],
            ..Order::default()
        };
        let paid = desk.control.pay_payment_link(order).await.unwrap().into_inner();
        assert_eq!(paid.amount_total, 1_250, "{locale}");
    }
}

#[tokio::test]
async fn a_link_whose_price_is_forgotten_is_not_there() {
    let mut desk = Desk::with(Config { objects_max: 1, ..config() }).await;
    let link = desk.link(&[]).await;
    let price = [("currency", "usd"), ("unit_amount", "1"), ("product_data[name]", "Other")];
    desk.post("/v1/prices", &price).await;
    let refused = desk.pay(&link, Order::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}
