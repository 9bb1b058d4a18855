use super::*;

async fn check(form: &[(&str, &str)], message: &str, param: Value) {
    let desk = Desk::new();
    let mut whole = vec![
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][product_data][name]", "Thing"),
        ("line_items[0][quantity]", "1"),
    ];
    if !form.iter().any(|(name, _)| name.ends_with("[unit_amount]")) {
        whole.push(("line_items[0][price_data][unit_amount]", "1000"));
    }
    whole.extend_from_slice(form);
    let answer = desk.post("/v1/payment_links", &whole).await;
    assert_eq!(answer.refusal(), json!([400, message, param]));
    assert!(desk.events().await.is_empty(), "a refused link leaves nothing behind");
}

const MONTHLY: (&str, &str) = ("line_items[0][price_data][recurring][interval]", "month");

#[tokio::test]
async fn parameters_belong_to_a_mode() {
    check(
        &[MONTHLY, ("payment_intent_data[description]", "x")],
        "You can not pass `payment_intent_data` in `subscription` mode.",
        json!("payment_intent_data"),
    )
    .await;
    check(
        &[("subscription_data[trial_period_days]", "3")],
        "You can not pass `subscription_data` in `payment` mode.",
        json!("subscription_data"),
    )
    .await;
    check(
        &[MONTHLY, ("customer_creation", "always")],
        "`customer_creation` can only be used in `payment` mode.",
        json!("customer_creation"),
    )
    .await;
}

#[tokio::test]
async fn what_is_due_can_be_charged() {
    check(
        &[("line_items[0][price_data][unit_amount]", "49")],
        "The Checkout Session's total amount due must add up to at least $0.50 usd",
        Value::Null,
    )
    .await;
}

#[tokio::test]
async fn every_line_has_the_same_currency() {
    check(
        &[("currency", "eur")],
        "The price specified only supports `usd`. This doesn't match the expected currency: `eur`.",
        json!("line_items[0][price]"),
    )
    .await;
}

#[tokio::test]
async fn a_redirect_brings_its_address() {
    check(
        &[("after_completion[type]", "redirect")],
        "Missing required param: after_completion[redirect].",
        json!("after_completion[redirect]"),
    )
    .await;
}

#[tokio::test]
async fn a_line_has_one_price() {
    check(
        &[("line_items[0][price]", "price_x")],
        "You may only specify one of these parameters: price, price_data.",
        json!("line_items[0]"),
    )
    .await;
}

#[tokio::test]
async fn a_drop_down_brings_its_options() {
    check(
        &[
            ("custom_fields[0][key]", "size"),
            ("custom_fields[0][type]", "dropdown"),
            ("custom_fields[0][label][type]", "custom"),
            ("custom_fields[0][label][custom]", "Size"),
        ],
        "Missing required param: custom_fields[0][dropdown][options].",
        json!("custom_fields[0][dropdown][options]"),
    )
    .await;
}

async fn price(desk: &Desk, form: &[(&str, &str)]) -> String {
    let form = [form, &[("currency", "usd"), ("product_data[name]", "Thing")]].concat();
    let answer = desk.post("/v1/prices", &form).await;
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_archived_price_is_not_sold() {
    let desk = Desk::new();
    let id = price(&desk, &[("unit_amount", "100"), ("active", "false")]).await;
    let form = [("line_items[0][price]", id.as_str()), ("line_items[0][quantity]", "1")];
    let message = "The price specified is inactive. This field only accepts active prices.";
    let answer = desk.post("/v1/payment_links", &form).await;
    assert_eq!(answer.refusal(), json!([400, message, "line_items[0][price]"]));
}

#[tokio::test]
async fn a_price_of_the_buyers_choice_stands_alone() {
    let desk = Desk::new();
    let id = price(&desk, &[("custom_unit_amount[enabled]", "true")]).await;
    let form = [
        ("line_items[0][price]", id.as_str()),
        ("line_items[0][quantity]", "1"),
        ("line_items[1][price]", id.as_str()),
        ("line_items[1][quantity]", "1"),
    ];
    let message = "You can only specify 1 line item when specifying a price with \
                   `custom_unit_amount` configured.";
    let answer = desk.post("/v1/payment_links", &form).await;
    assert_eq!(answer.refusal(), json!([400, message, "line_items"]));
}

#[tokio::test]
async fn an_update_changes_quantities_of_existing_lines_only() {
    let desk = Desk::new();
    let link = desk.link(&[("expand[]", "line_items")]).await;
    let item = link["line_items"]["data"][0]["id"].as_str().unwrap();
    let path = format!("/v1/payment_links/{}", link["id"].as_str().unwrap());
    let form = |id| [("line_items[0][id]", id), ("line_items[0][quantity]", "3")];
    assert_eq!(desk.post(&path, &form(item)).await.status, 200);
    let items = desk.get(&format!("{path}/line_items")).await;
    assert_eq!(items["data"][0]["amount_total"], 3000);
    let answer = desk.post(&path, &form("li_x")).await;
    let expected = json!([400, "No such line item: 'li_x'", "line_items[0][id]"]);
    assert_eq!(answer.refusal(), expected);
}

#[tokio::test]
async fn members_are_unset_by_empty_values() {
    let desk = Desk::new();
    let link = desk.link(&[("metadata[a]", "1"), ("inactive_message", "Gone")]).await;
    let path = format!("/v1/payment_links/{}", link["id"].as_str().unwrap());
    let updated = desk.post(&path, &[("metadata", ""), ("inactive_message", "")]).await.json();
    assert_eq!((&updated["metadata"], &updated["inactive_message"]), (&json!({}), &Value::Null));
}

#[tokio::test]
async fn lists_keep_to_their_filter() {
    let desk = Desk::new();
    let first = desk.link(&[]).await;
    desk.link(&[]).await;
    let path = format!("/v1/payment_links/{}", first["id"].as_str().unwrap());
    desk.post(&path, &[("active", "false")]).await;
    let inactive = desk.get("/v1/payment_links?active=false").await;
    assert_eq!(inactive["data"][0]["id"], first["id"]);
    assert_eq!(inactive["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_link_is_expanded_down_to_its_products() {
    let desk = Desk::new();
    let link = desk.link(&[("expand[]", "line_items.data.price.product")]).await;
    let product = &link["line_items"]["data"][0]["price"]["product"];
    assert_eq!(product["name"], "Thing");
}
