use super::*;

#[tokio::test]
async fn a_customer_is_made_changed_and_deleted() {
    let desk = Desk::new();
    let form = [("email", "a@b.example"), ("address[city]", "Bonn"), ("metadata[k]", "v")];
    let made = desk.post("/v1/customers", &form).await.json();
    assert_eq!(made["address"]["city"], "Bonn");
    let refused = desk.post("/v1/customers", &[("email", "nobody")]).await.refusal();
    assert_eq!(refused, json!([400, "Invalid email address: nobody", "email"]));
    let path = format!("/v1/customers/{}", made["id"].as_str().unwrap());
    let changed = desk.post(&path, &[("name", "B"), ("address", ""), ("metadata[k]", "")]).await;
    let changed = changed.json();
    assert_eq!(
        (&changed["name"], &changed["address"], &changed["metadata"]),
        (&json!("B"), &Value::Null, &json!({})),
    );
    assert_eq!(desk.get("/v1/customers?email=a%40b.example").await["data"][0], changed);
    let gone = desk.call(Method::DELETE, &path, &[]).await.json();
    assert_eq!(gone["deleted"], true);
    assert_eq!(desk.get(&path).await, gone);
    assert_eq!(desk.post(&path, &[("name", "C")]).await.status, 404);
    assert_eq!(desk.get("/v1/customers").await["data"], json!([]));
    let told = ["customer.created", "customer.updated", "customer.deleted"];
    assert_eq!(desk.events().await, told);
}

#[tokio::test]
async fn a_tax_rate_keeps_its_share() {
    let desk = Desk::new();
    let form = [("display_name", "VAT"), ("inclusive", "false"), ("percentage", "19")];
    let made = desk.post("/v1/tax_rates", &form).await.json();
    assert_eq!(made["percentage"], 19.0);
    let path = format!("/v1/tax_rates/{}", made["id"].as_str().unwrap());
    assert_eq!(desk.post(&path, &[("percentage", "20")]).await.status, 400);
    let changed = desk.post(&path, &[("active", "false")]).await.json();
    assert_eq!(changed["active"], false);
    assert_eq!(desk.get("/v1/tax_rates?active=true").await["data"], json!([]));
    assert_eq!(desk.events().await, ["tax_rate.created", "tax_rate.updated"]);
    let form = [("display_name", "X"), ("inclusive", "true"), ("percentage", "101")];
    assert_eq!(desk.post("/v1/tax_rates", &form).await.status, 400);
}

async fn check(desk: &Desk, path: &str, form: &[(&str, &str)], message: &str, param: Value) {
    let answer = desk.post(path, form).await;
    assert_eq!(answer.refusal(), json!([400, message, param]));
}

async fn product(desk: &Desk) -> String {
    let product = desk.post("/v1/products", &[("name", "Thing")]).await.json();
    product["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_product_comes_with_its_default_price() {
    let desk = Desk::new();
    let form = [
        ("name", "Thing"),
        ("default_price_data[currency]", "eur"),
        ("default_price_data[unit_amount]", "900"),
        ("expand[]", "default_price"),
    ];
    let product = desk.post("/v1/products", &form).await.json();
    assert_eq!(product["default_price"]["unit_amount_decimal"], "900");
    assert_eq!(product["default_price"]["product"], product["id"]);
    assert_eq!(desk.events().await, ["product.created", "price.created"]);
}

#[tokio::test]
async fn an_update_tells_what_was_there_before() {
    let desk = Desk::new();
    let id = product(&desk).await;
    let path = format!("/v1/products/{id}");
    desk.post(&path, &[("description", "New"), ("metadata[k]", "v")]).await;
    let events = desk.get("/v1/events?type=product.updated").await;
    let previous = &events["data"][0]["data"]["previous_attributes"];
    assert_eq!(previous["description"], Value::Null);
    assert_eq!(previous["metadata"], json!({ "k": null }));
    assert!(previous.get("name").is_none());
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_no_event() {
    let desk = Desk::new();
    let path = format!("/v1/products/{}", product(&desk).await);
    desk.post(&path, &[("name", "Thing")]).await;
    assert_eq!(desk.events().await, ["product.created"]);
}

#[tokio::test]
async fn a_product_with_prices_stays() {
    let desk = Desk::new();
    let id = product(&desk).await;
    let path = format!("/v1/products/{id}");
    let form = [("currency", "usd"), ("unit_amount", "100"), ("product", id.as_str())];
    desk.post("/v1/prices", &form).await;
    let message = "This product cannot be deleted because it has one or more user-created prices.";
    let answer = desk.call(Method::DELETE, &path, &[]).await;
    assert_eq!(answer.refusal(), json!([400, message, null]));
}

#[tokio::test]
async fn a_deleted_product_is_gone() {
    let desk = Desk::new();
    let id = product(&desk).await;
    let path = format!("/v1/products/{id}");
    let deleted = desk.call(Method::DELETE, &path, &[]).await.json();
    assert_eq!(deleted, json!({ "id": id, "object": "product", "deleted": true }));
    let answer = desk.call(Method::GET, &path, &[]).await;
    assert_eq!(answer.refusal(), json!([404, format!("No such product: '{id}'"), "id"]));
}

#[tokio::test]
async fn a_price_names_an_amount_and_a_product() {
    let desk = Desk::new();
    check(
        &desk,
        "/v1/prices",
        &[("currency", "usd"), ("unit_amount", "100")],
        "You must specify either `product` or `product_data` when creating a price.",
        json!("product"),
    )
    .await;
    check(
        &desk,
        "/v1/prices",
        &[("currency", "usd"), ("product_data[name]", "x")],
        "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.",
        json!("unit_amount"),
    )
    .await;
    check(
        &desk,
        "/v1/prices",
        &[("currency", "usd"), ("unit_amount", "1"), ("product", "prod_x")],
        "No such product: 'prod_x'",
        json!("product"),
    )
    .await;
    assert!(desk.events().await.is_empty());
}

#[tokio::test]
async fn an_interval_is_at_most_three_years() {
    let form = [
        ("currency", "usd"),
        ("unit_amount", "100"),
        ("product_data[name]", "x"),
        ("recurring[interval]", "month"),
        ("recurring[interval_count]", "37"),
    ];
    let message = "The interval_count for monthly prices can't be greater than 36";
    check(&Desk::new(), "/v1/prices", &form, message, json!("recurring[interval_count]")).await;
}

#[tokio::test]
async fn a_lookup_key_has_one_holder_and_can_be_taken_over() {
    let desk = Desk::new();
    let id = product(&desk).await;
    let form = [
        ("currency", "usd"),
        ("unit_amount", "100"),
        ("product", id.as_str()),
        ("lookup_key", "k"),
    ];
    let first = desk.post("/v1/prices", &form).await.json();
    let holder = first["id"].as_str().unwrap();
    let message = format!("A price (`{holder}`) already uses that lookup key.");
    check(&desk, "/v1/prices", &form, &message, json!("lookup_key")).await;
    let taken = [form.as_slice(), &[("transfer_lookup_key", "true")]].concat();
    assert_eq!(desk.post("/v1/prices", &taken).await.json()["lookup_key"], "k");
    assert_eq!(desk.get(&format!("/v1/prices/{holder}")).await["lookup_key"], Value::Null);
}

#[tokio::test]
async fn a_default_price_cannot_be_archived() {
    let desk = Desk::new();
    let form = [
        ("name", "Thing"),
        ("default_price_data[currency]", "eur"),
        ("default_price_data[unit_amount]", "900"),
    ];
    let product = desk.post("/v1/products", &form).await.json();
    let path = format!("/v1/prices/{}", product["default_price"].as_str().unwrap());
    let message = "This price cannot be archived because it is the default price of its product.";
    check(&desk, &path, &[("active", "false")], message, Value::Null).await;
}

#[tokio::test]
async fn currency_options_are_shown_when_expanded() {
    let desk = Desk::new();
    let form = [
        ("currency", "usd"),
        ("unit_amount", "100"),
        ("product_data[name]", "x"),
        ("currency_options[eur][unit_amount]", "90"),
    ];
    let price = desk.post("/v1/prices", &form).await.json();
    assert!(price.get("currency_options").is_none());
    let path = format!("/v1/prices/{}?expand[]=currency_options", price["id"].as_str().unwrap());
    let expanded = desk.get(&path).await;
    assert_eq!(expanded["currency_options"]["eur"]["unit_amount"], 90);
}
