use super::*;

async fn rate(desk: &Desk, name: &str, amount: &str) -> String {
    let form = [
        ("display_name", name),
        ("fixed_amount[amount]", amount),
        ("fixed_amount[currency]", "usd"),
        ("fixed_amount[currency_options][eur][amount]", "1"),
    ];
    let rate = desk.post("/v1/shipping_rates", &form).await.json();
    rate["id"].as_str().unwrap().to_owned()
}

const FIRST: &str = "shipping_options[0][shipping_rate]";
const SECOND: &str = "shipping_options[1][shipping_rate]";

#[tokio::test]
async fn a_shipping_rate_is_updated_and_listed_and_makes_no_event() {
    let desk = Desk::new();
    let id = rate(&desk, "Ground", "500").await;
    let path = format!("/v1/shipping_rates/{id}");
    let form = [
        ("active", "false"),
        ("metadata[k]", "v"),
        ("fixed_amount[currency_options][jpy][amount]", "700"),
    ];
    desk.post(&path, &form).await;
    let shown = desk.get(&format!("{path}?expand[]=fixed_amount.currency_options")).await;
    assert_eq!(shown["metadata"], json!({ "k": "v" }));
    let options = &shown["fixed_amount"]["currency_options"];
    assert_eq!((&options["eur"]["amount"], &options["jpy"]["amount"]), (&json!(1), &json!(700)));
    let inactive = desk.get("/v1/shipping_rates?active=false&currency=usd").await;
    assert_eq!(inactive["data"][0]["id"], json!(id));
    assert!(inactive["data"][0]["fixed_amount"].get("currency_options").is_none());
    assert!(desk.events().await.is_empty());
}

#[tokio::test]
async fn a_link_ships_at_rates_that_exist() {
    let desk = Desk::new();
    let mut form = vec![
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "1000"),
        ("line_items[0][price_data][product_data][name]", "Thing"),
        ("line_items[0][quantity]", "1"),
        (FIRST, "shr_x"),
    ];
    let answer = desk.post("/v1/payment_links", &form).await;
    assert_eq!(answer.refusal(), json!([400, "No such shipping rate: 'shr_x'", FIRST]));
    let id = rate(&desk, "Ground", "500").await;
    desk.post(&format!("/v1/shipping_rates/{id}"), &[("active", "false")]).await;
    form.pop();
    form.push((FIRST, &id));
    let message = "The shipping rate specified is inactive. This field only accepts active \
                   shipping rates.";
    let answer = desk.post("/v1/payment_links", &form).await;
    assert_eq!(answer.refusal(), json!([400, message, FIRST]));
}

#[tokio::test]
async fn a_buyer_chooses_how_it_is_shipped() {
    let desk = Desk::new();
    let (slow, fast) = (rate(&desk, "Slow", "0").await, rate(&desk, "Fast", "1500").await);
    let link = desk.link(&[(FIRST, &slow), (SECOND, &fast)]).await;
    let page = desk.visit(&link, "").await;
    let before = desk.session(&page).await;
    assert_eq!(before["shipping_cost"]["shipping_rate"], json!(slow));
    assert_eq!(desk.pay(&page, &[("shipping_rate", &fast)]).await.status, 303);
    let session = desk.session(&page).await;
    assert_eq!(
        (&session["amount_subtotal"], &session["amount_total"]),
        (&json!(1000), &json!(2500))
    );
    assert_eq!(session["total_details"]["amount_shipping"], 1500);
    let expected = json!({
        "amount_subtotal": 1500, "amount_tax": 0, "amount_total": 1500, "shipping_rate": fast,
    });
    assert_eq!(session["shipping_cost"], expected);
    let done = desk.look(&page).await.text;
    assert!(done.contains("Shipping") && done.contains("$25.00"));
}

#[tokio::test]
async fn a_rate_that_was_not_offered_is_not_chosen() {
    let desk = Desk::new();
    let (offered, other) = (rate(&desk, "Slow", "300").await, rate(&desk, "Other", "1").await);
    let page = desk.visit(&desk.link(&[(FIRST, &offered)]).await, "").await;
    desk.pay(&page, &[("shipping_rate", &other)]).await;
    assert_eq!(desk.session(&page).await["amount_total"], 1300);
}

#[tokio::test]
async fn optional_items_are_bought_when_they_are_added() {
    let desk = Desk::new();
    let price = [("currency", "usd"), ("unit_amount", "300"), ("product_data[name]", "Extra")];
    let price = desk.post("/v1/prices", &price).await.json();
    let link = desk
        .link(&[
            ("optional_items[0][price]", price["id"].as_str().unwrap()),
            ("optional_items[0][quantity]", "2"),
        ])
        .await;
    let (plain, more) = (desk.visit(&link, "").await, desk.visit(&link, "").await);
    desk.pay(&plain, &[]).await;
    assert_eq!(desk.session(&plain).await["amount_total"], 1000);
    let shown = desk.look(&more).await.text;
    let box_at = shown.find("type=\"checkbox\" name=\"quantity_").unwrap();
    let field = shown[box_at..].split('"').nth(3).unwrap().to_owned();
    desk.pay(&more, &[(&field, "2")]).await;
    let id = more.rsplit('/').next().unwrap();
    let session = desk.get(&format!("/v1/checkout/sessions/{id}?expand[]=line_items")).await;
    assert_eq!(session["amount_total"], 1600);
    let items = session["line_items"]["data"].as_array().unwrap();
    assert_eq!((items.len(), &items[1]["quantity"]), (2, &json!(2)));
}
