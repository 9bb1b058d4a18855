//! Taxes: a plain share, beside the price or in it.

use super::*;

const TAXED: (&str, &str) = ("automatic_tax[enabled]", "true");

/// The totals of a session: before tax, tax, after tax.
fn totals(session: &Value) -> Value {
    let tax = &session["total_details"]["amount_tax"];
    json!([session["amount_subtotal"], tax, session["amount_total"]])
}

#[tokio::test]
async fn a_tax_is_added_to_the_price() {
    let desk = Desk::new();
    let page = desk.visit(&desk.link(&[TAXED]).await, "").await;
    let shown = desk.look(&page).await.text;
    assert!(shown.contains("Tax (10 %)") && shown.contains("$11.00"));
    let refused = desk.pay(&page, &[]).await;
    assert!(refused.text.contains("id=\"billing_postal_code_error\">Enter your postal code.<"));
    desk.pay(&page, &[("billing_postal_code", "94103")]).await;
    let session = desk.session(&page).await;
    assert_eq!(totals(&session), json!([1000, 100, 1100]));
    assert_eq!(session["automatic_tax"]["status"], "complete");
    assert_eq!(session["customer_details"]["address"]["postal_code"], "94103");
    let charges = desk.get("/v1/charges").await;
    assert_eq!(charges["data"][0]["amount"], 1100);
}

#[tokio::test]
async fn a_tax_that_is_included_adds_nothing() {
    let desk = Desk::new();
    let inclusive = ("line_items[0][price_data][tax_behavior]", "inclusive");
    let page = desk.visit(&desk.link(&[TAXED, inclusive]).await, "").await;
    assert_eq!(totals(&desk.session(&page).await), json!([1000, 91, 1000]));
    assert!(desk.look(&page).await.text.contains("Tax (10 %, included)"));
}

#[tokio::test]
async fn a_tax_is_taken_of_what_a_discount_leaves() {
    let desk = Desk::new();
    let coupon = desk.post("/v1/coupons", &[("percent_off", "50"), ("duration", "once")]).await;
    let coupon = coupon.json()["id"].as_str().unwrap().to_owned();
    let form =
        [("promotion[type]", "coupon"), ("promotion[coupon]", coupon.as_str()), ("code", "HALF")];
    desk.post("/v1/promotion_codes", &form).await;
    let link = desk.link(&[TAXED, ("allow_promotion_codes", "true")]).await;
    let page = desk.visit(&link, "?prefilled_promo_code=half").await;
    assert_eq!(totals(&desk.session(&page).await), json!([1000, 50, 550]));
}

#[tokio::test]
async fn the_tax_is_in_the_invoices_of_a_subscription() {
    let desk = Desk::new();
    let monthly = ("line_items[0][price_data][recurring][interval]", "month");
    let page = desk.visit(&desk.link(&[TAXED, monthly]).await, "").await;
    assert!(desk.look(&page).await.text.contains("Then $11.00 per month"));
    desk.pay(&page, &[("billing_postal_code", "94103")]).await;
    desk.wait(32 * 24 * 60 * 60);
    let invoices = desk.get("/v1/invoices").await;
    for invoice in invoices["data"].as_array().unwrap() {
        assert_eq!((&invoice["total"], &invoice["amount_paid"]), (&json!(1100), &json!(1100)));
        assert_eq!(invoice["total_taxes"][0]["amount"], 100);
        assert_eq!(invoice["total_excluding_tax"], 1000);
    }
    assert_eq!(invoices["data"].as_array().unwrap().len(), 2);
}
