use super::*;

async fn refused(desk: &Desk, path: &str, form: &[(&str, &str)], message: &str, param: Value) {
    let answer = desk.post(path, form).await;
    assert_eq!(answer.refusal(), json!([400, message, param]));
}

/// Makes a coupon and the code `SAVE` for it.
async fn code(desk: &Desk, coupon: &[(&str, &str)], further: &[(&str, &str)]) -> Value {
    let coupon = desk.post("/v1/coupons", coupon).await.json();
    let mut form = vec![
        ("promotion[type]", "coupon"),
        ("promotion[coupon]", coupon["id"].as_str().unwrap()),
        ("code", "SAVE"),
    ];
    form.extend_from_slice(further);
    let answer = desk.post("/v1/promotion_codes", &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn page(desk: &Desk, query: &str) -> String {
    let link = desk.link(&[("allow_promotion_codes", "true")]).await;
    desk.visit(&link, query).await
}

const QUARTER: &[(&str, &str)] = &[("percent_off", "25"), ("id", "QUARTER")];

#[tokio::test]
async fn a_coupon_takes_off_a_share_or_an_amount() {
    let desk = Desk::new();
    let path = "/v1/coupons";
    refused(&desk, path, &[], "Must provide percent_off or amount_off.", Value::Null).await;
    let message = "Received both percent_off and amount_off parameters. Please pass in only one.";
    let both = [("percent_off", "5"), ("amount_off", "5"), ("currency", "usd")];
    refused(&desk, path, &both, message, Value::Null).await;
    let message = "You must pass currency when passing amount_off";
    refused(&desk, path, &[("amount_off", "5")], message, json!("currency")).await;
    let message =
        "The duration_in_months param must be set when creating a coupon with a repeating duration";
    let repeating = [("percent_off", "5"), ("duration", "repeating")];
    refused(&desk, path, &repeating, message, json!("duration_in_months")).await;
    desk.post(path, QUARTER).await;
    refused(&desk, path, QUARTER, "Coupon already exists.", json!("id")).await;
}

#[tokio::test]
async fn a_deleted_coupon_takes_its_codes_along() {
    let desk = Desk::new();
    let made = code(&desk, QUARTER, &[]).await;
    let deleted = desk.call(Method::DELETE, "/v1/coupons/QUARTER", &[]).await.json();
    assert_eq!(deleted, json!({ "id": "QUARTER", "object": "coupon", "deleted": true }));
    let path = format!("/v1/promotion_codes/{}", made["id"].as_str().unwrap());
    assert_eq!(desk.get(&path).await["active"], false);
    let events = ["coupon.created", "promotion_code.created", "coupon.deleted"];
    assert_eq!(desk.events().await, events);
}

#[tokio::test]
async fn an_active_code_is_unique_whatever_its_case() {
    let desk = Desk::new();
    let made = code(&desk, QUARTER, &[]).await;
    let coupon = [("promotion[type]", "coupon"), ("promotion[coupon]", "QUARTER")];
    let taken = [&coupon[..], &[("code", "save")]].concat();
    let message = "An active promotion code with `code: save` already exists.";
    refused(&desk, "/v1/promotion_codes", &taken, message, json!("code")).await;
    let path = format!("/v1/promotion_codes/{}", made["id"].as_str().unwrap());
    desk.post(&path, &[("active", "false")]).await;
    assert_eq!(desk.post("/v1/promotion_codes", &taken).await.status, 200);
    let message = "An active promotion code with `code: SAVE` already exists.";
    refused(&desk, &path, &[("active", "true")], message, json!("code")).await;
    let generated = desk.post("/v1/promotion_codes", &coupon).await.json();
    assert_eq!(generated["code"].as_str().unwrap().len(), 8);
}

#[tokio::test]
async fn a_code_names_its_coupon() {
    let desk = Desk::new();
    let path = "/v1/promotion_codes";
    let message = "You must pass promotion.coupon when passing promotion";
    let form = [("promotion[type]", "coupon")];
    refused(&desk, path, &form, message, json!("promotion[coupon]")).await;
    let form = [("promotion[type]", "coupon"), ("promotion[coupon]", "x")];
    refused(&desk, path, &form, "No such coupon: 'x'", json!("promotion[coupon]")).await;
    let form = [("coupon", "x"), ("promotion[type]", "coupon")];
    refused(&desk, path, &form, "Received unknown parameter: coupon", json!("coupon")).await;
}

#[tokio::test]
async fn a_code_that_is_typed_lowers_the_price() {
    let desk = Desk::new();
    let made = code(&desk, QUARTER, &[]).await;
    let page = page(&desk, "").await;
    let form = [("promotion_code", "save"), ("action", "update")];
    let shown = desk.pay(&page, &form).await;
    assert!(shown.status == 200 && shown.text.contains("$7.50"), "{}", shown.text);
    assert_eq!(desk.pay(&page, &[]).await.status, 303);
    let id = page.rsplit('/').next().unwrap();
    let path = format!(
        "/v1/checkout/sessions/{id}?expand[]=line_items.data.discounts\
         &expand[]=total_details.breakdown&expand[]=discounts.promotion_code\
         &expand[]=payment_intent"
    );
    let session = desk.get(&path).await;
    assert_eq!(
        (&session["amount_subtotal"], &session["amount_total"]),
        (&json!(1000), &json!(750))
    );
    assert_eq!(session["payment_intent"]["amount_received"], 750);
    assert_eq!(session["total_details"]["amount_discount"], 250);
    assert_eq!(session["discounts"][0]["promotion_code"]["id"], made["id"]);
    let item = &session["line_items"]["data"][0];
    assert_eq!((&item["amount_discount"], &item["amount_total"]), (&json!(250), &json!(750)));
    let discount = &item["discounts"][0]["discount"];
    assert_eq!(discount["source"]["coupon"], "QUARTER");
    assert_eq!(session["total_details"]["breakdown"]["discounts"][0]["discount"], *discount);
    assert_eq!(desk.get("/v1/coupons/QUARTER").await["times_redeemed"], 1);
    let updated =
        desk.get("/v1/events?types[]=coupon.updated&types[]=promotion_code.updated").await;
    for event in updated["data"].as_array().unwrap() {
        assert_eq!(event["data"]["previous_attributes"], json!({ "times_redeemed": 0 }));
    }
}

#[tokio::test]
async fn a_code_that_gives_nothing_is_said_beside_its_box() {
    let desk = Desk::new();
    let minimum = [
        ("restrictions[minimum_amount]", "2000"),
        ("restrictions[minimum_amount_currency]", "usd"),
    ];
    code(&desk, QUARTER, &minimum).await;
    let page = page(&desk, "").await;
    for (typed, told) in
        [("nope", "This code is invalid."), ("SAVE", "This code is for orders of at least $20.00.")]
    {
        let answer = desk.pay(&page, &[("promotion_code", typed)]).await;
        assert_eq!(answer.status, 422);
        assert!(answer.text.contains(&format!("id=\"promotion_code_error\">{told}<")));
    }
    assert_eq!(desk.pay(&page, &[("promotion_code", "")]).await.status, 303);
    assert_eq!(desk.session(&page).await["amount_total"], 1000);
}

#[tokio::test]
async fn a_code_is_for_what_its_coupon_applies_to() {
    let desk = Desk::new();
    desk.post("/v1/products", &[("id", "prod_other"), ("name", "Other")]).await;
    code(&desk, &[("percent_off", "50"), ("applies_to[products][]", "prod_other")], &[]).await;
    let page = page(&desk, "").await;
    let answer = desk.pay(&page, &[("promotion_code", "SAVE")]).await;
    assert!(answer.text.contains("This code does not apply to your order."));
}

#[tokio::test]
async fn a_code_ends_with_its_last_use() {
    let desk = Desk::new();
    let made = code(&desk, QUARTER, &[("max_redemptions", "1")]).await;
    let (first, second) = (page(&desk, "").await, page(&desk, "").await);
    let typed = [("promotion_code", "SAVE")];
    assert_eq!(desk.pay(&first, &typed).await.status, 303);
    assert_eq!(desk.pay(&second, &typed).await.status, 422);
    let path = format!("/v1/promotion_codes/{}", made["id"].as_str().unwrap());
    let made = desk.get(&path).await;
    assert_eq!((&made["active"], &made["times_redeemed"]), (&json!(false), &json!(1)));
    let message = "This promotion code cannot be activated: it or its coupon can no longer be \
                   redeemed.";
    refused(&desk, &path, &[("active", "true")], message, json!("active")).await;
}

#[tokio::test]
async fn a_code_ends_with_its_coupons_time() {
    let desk = Desk::new();
    let end = (desk.shared.with(|state| state.clock.now()) + 60).to_string();
    code(&desk, &[("percent_off", "50"), ("redeem_by", &end), ("id", "SOON")], &[]).await;
    let page = page(&desk, "").await;
    desk.shared.with(|state| state.clock.advance(120));
    assert_eq!(desk.pay(&page, &[("promotion_code", "SAVE")]).await.status, 422);
    assert_eq!(desk.get("/v1/coupons/SOON").await["valid"], false);
    assert_eq!(desk.get("/v1/promotion_codes?code=save").await["data"][0]["active"], false);
}

#[tokio::test]
async fn the_links_address_may_bring_a_code() {
    let desk = Desk::new();
    code(&desk, QUARTER, &[]).await;
    let page = page(&desk, "?prefilled_promo_code=save").await;
    assert_eq!(desk.session(&page).await["amount_total"], 750);
    let unasked = desk.visit(&desk.link(&[]).await, "?prefilled_promo_code=save").await;
    assert_eq!(desk.session(&unasked).await["amount_total"], 1000);
}

#[tokio::test]
async fn nothing_is_charged_for_what_is_free() {
    let desk = Desk::new();
    code(&desk, &[("amount_off", "5000"), ("currency", "usd")], &[]).await;
    let page = page(&desk, "?prefilled_promo_code=SAVE").await;
    assert_eq!(desk.pay(&page, &[]).await.status, 303);
    let session = desk.session(&page).await;
    assert_eq!(session["payment_status"], "no_payment_required");
    assert_eq!(session["total_details"]["amount_discount"], 1000);
}
