//! What happens to what is kept when something that it needs has been forgotten.

use super::*;

/// A sandbox that keeps two objects of each kind.
fn forgetful() -> Desk {
    Desk::with(Config { objects_max: 2, ..Config::default() })
}

const PRICE: &[(&str, &str)] =
    &[("currency", "usd"), ("unit_amount", "100"), ("product_data[name]", "Other")];
const RATE: &[(&str, &str)] =
    &[("display_name", "Ground"), ("fixed_amount[amount]", "5"), ("fixed_amount[currency]", "usd")];

/// Opens a link, makes so many more of what it needs, and finds it and its page no more.
async fn check(desk: &Desk, link: &Value, path: &str, form: &[(&str, &str)], more: usize) {
    let page = desk.visit(link, "").await;
    assert_eq!(desk.pay(&page, &[("action", "update")]).await.status, 200);
    for _ in 0..more {
        assert_eq!(desk.post(path, form).await.status, 200);
    }
    assert_eq!(desk.look(&page).await.status, 404);
    assert_eq!(desk.pay(&page, &[]).await.status, 404);
    let session = desk.session(&page).await;
    assert_eq!(
        (&session["status"], &session["payment_status"]),
        (&json!("open"), &json!("unpaid"))
    );
    let address = link["url"].as_str().unwrap().trim_start_matches("http://127.0.0.1:12111");
    assert_eq!(desk.look(address).await.status, 404);
}

#[tokio::test]
async fn nothing_is_sold_whose_price_is_forgotten() {
    let desk = forgetful();
    let link = desk.link(&[]).await;
    check(&desk, &link, "/v1/prices", PRICE, 2).await;
}

#[tokio::test]
async fn nothing_is_offered_whose_price_is_forgotten() {
    let desk = forgetful();
    let price = desk.post("/v1/prices", PRICE).await.json();
    let further = [
        ("optional_items[0][price]", price["id"].as_str().unwrap()),
        ("optional_items[0][quantity]", "1"),
    ];
    let link = desk.link(&further).await;
    check(&desk, &link, "/v1/prices", PRICE, 1).await;
}

#[tokio::test]
async fn nothing_is_sent_whose_way_of_shipping_is_forgotten() {
    let desk = forgetful();
    let rate = desk.post("/v1/shipping_rates", RATE).await.json();
    let further = [("shipping_options[0][shipping_rate]", rate["id"].as_str().unwrap())];
    let link = desk.link(&further).await;
    check(&desk, &link, "/v1/shipping_rates", RATE, 2).await;
}

#[tokio::test]
async fn keys_outlive_the_objects_of_their_requests() {
    let desk = forgetful();
    let create = async |key: &str| {
        let request = Request::post("/v1/products")
            .header("authorization", "Bearer sk_test_x")
            .header("idempotency-key", key);
        desk.send(request, &[("name", "Thing")]).await
    };
    let first = create("first").await.json()["id"].clone();
    for key in ["a", "b", "c", "d", "e"] {
        create(key).await;
    }
    assert_eq!(create("first").await.json()["id"], first);
}
