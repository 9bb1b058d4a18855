//! Subscriptions and invoices.

use super::*;

const DAY_S: u32 = 24 * 60 * 60;

/// Subscribes to ten dollars a month by a card; the answer is the session.
async fn subscribed(desk: &Desk, further: &[(&str, &str)], card: &str) -> Value {
    let monthly = ("line_items[0][price_data][recurring][interval]", "month");
    let link = desk.link(&[&[monthly], further].concat()).await;
    let page = desk.visit(&link, "").await;
    assert_eq!(desk.pay(&page, &[("card_number", card)]).await.status, 303);
    desk.session(&page).await
}

async fn named(desk: &Desk, path: &str, id: &Value) -> Value {
    desk.get(&format!("/v1/{path}/{}", id.as_str().unwrap())).await
}

/// Moves the clock and lets happen what falls due, and says which events that made.
async fn after_days(desk: &Desk, days: u32) -> Vec<String> {
    let before = desk.events().await.len();
    for _ in 0..days {
        desk.shared.with(|state| {
            state.clock.advance(DAY_S);
            crate::sandbox::expire_due(state);
        });
    }
    desk.events().await.split_off(before)
}

#[tokio::test]
async fn a_link_with_a_recurring_price_begins_a_subscription() {
    let desk = Desk::new();
    let further = [("subscription_data[metadata][plan]", "gold")];
    let session = subscribed(&desk, &further, "4242424242424242").await;
    let subscription = named(&desk, "subscriptions", &session["subscription"]).await;
    assert_eq!(subscription["status"], "active");
    assert_eq!(subscription["metadata"], json!({ "plan": "gold" }));
    assert_eq!(subscription["customer"], session["customer"]);
    assert_eq!(subscription.get("card"), None, "what is kept for later payments is not shown");
    let path = format!("invoices/{}?expand[]=payments", session["invoice"].as_str().unwrap());
    let invoice = desk.get(&format!("/v1/{path}")).await;
    assert_eq!(
        (&invoice["status"], &invoice["amount_paid"], &invoice["billing_reason"]),
        (&json!("paid"), &json!(1000), &json!("subscription_create")),
    );
    assert_eq!(invoice["parent"]["subscription_details"]["subscription"], session["subscription"]);
    assert_eq!(invoice["lines"]["data"][0]["description"], "1 × Thing (at $10.00 / month)");
    let intent = desk.get("/v1/payment_intents").await["data"][0]["id"].clone();
    assert_eq!(invoice["payments"]["data"][0]["payment"]["payment_intent"], intent);
    let story = desk.events().await.split_off(3);
    let expected = [
        "payment_intent.created",
        "customer.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
        "checkout.session.completed",
    ];
    assert_eq!(story, expected);
}

#[tokio::test]
async fn a_subscription_renews_when_its_period_is_over() {
    let desk = Desk::new();
    let session = subscribed(&desk, &[], "4242424242424242").await;
    assert_eq!(after_days(&desk, 27).await, [""; 0]);
    let told = after_days(&desk, 4).await;
    let expected = [
        "customer.subscription.updated",
        "invoice.created",
        "invoice.finalized",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
    ];
    let told: Vec<_> = told.iter().filter(|kind| !kind.starts_with("checkout")).collect();
    assert_eq!(told, expected);
    let subscription = named(&desk, "subscriptions", &session["subscription"]).await;
    let invoice = named(&desk, "invoices", &subscription["latest_invoice"]).await;
    assert_eq!(invoice["billing_reason"], "subscription_cycle");
    assert_eq!(invoice["number"].as_str().unwrap().rsplit('-').next(), Some("0002"));
    let of_it = format!("/v1/invoices?subscription={}", subscription["id"].as_str().unwrap());
    assert_eq!(desk.get(&of_it).await["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_card_that_declines_later_ends_the_subscription_after_three_retries() {
    let desk = Desk::new();
    let session = subscribed(&desk, &[], "4000000000000341").await;
    let told = after_days(&desk, 31).await;
    assert_eq!(told.iter().filter(|kind| *kind == "invoice.payment_failed").count(), 1);
    let subscription = named(&desk, "subscriptions", &session["subscription"]).await;
    assert_eq!(subscription["status"], "past_due");
    let invoice = named(&desk, "invoices", &subscription["latest_invoice"]).await;
    assert_eq!((&invoice["status"], &invoice["attempt_count"]), (&json!("open"), &json!(1)));
    let told = after_days(&desk, 15).await;
    assert_eq!(told.iter().filter(|kind| *kind == "invoice.payment_failed").count(), 3);
    assert_eq!(told.last().unwrap(), "customer.subscription.deleted");
    let ended = named(&desk, "subscriptions", &session["subscription"]).await;
    assert_eq!(ended["cancellation_details"]["reason"], "payment_failed");
}

#[tokio::test]
async fn a_trial_is_paid_for_when_it_is_over() {
    let desk = Desk::new();
    let trial = [("subscription_data[trial_period_days]", "7")];
    let session = subscribed(&desk, &trial, "4242424242424242").await;
    let invoice = named(&desk, "invoices", &session["invoice"]).await;
    assert_eq!((&invoice["total"], &invoice["status"]), (&json!(0), &json!("paid")));
    assert_eq!(invoice["lines"]["data"][0]["description"], "Trial period for Thing");
    let subscription = named(&desk, "subscriptions", &session["subscription"]).await;
    assert_eq!(subscription["status"], "trialing");
    assert!(after_days(&desk, 4).await.contains(&"customer.subscription.trial_will_end".into()));
    assert!(after_days(&desk, 3).await.contains(&"invoice.paid".into()));
    let subscription = named(&desk, "subscriptions", &session["subscription"]).await;
    assert_eq!(subscription["status"], "active");
}

#[tokio::test]
async fn a_trial_without_a_card_ends_as_the_link_says() {
    for (behavior, status) in
        [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "past_due")]
    {
        let desk = Desk::new();
        let end = "subscription_data[trial_settings][end_behavior][missing_payment_method]";
        let further = [
            ("subscription_data[trial_period_days]", "7"),
            ("payment_method_collection", "if_required"),
            (end, behavior),
        ];
        let monthly = ("line_items[0][price_data][recurring][interval]", "month");
        let link = desk.link(&[&[monthly], &further[..]].concat()).await;
        let page = desk.visit(&link, "").await;
        let form = [("email", "a@b.example")];
        assert_eq!(desk.send(Request::post(&page), &form).await.status, 303);
        let session = desk.session(&page).await;
        after_days(&desk, 8).await;
        let subscription = named(&desk, "subscriptions", &session["subscription"]).await;
        assert_eq!(subscription["status"], status, "{behavior}");
    }
}

#[tokio::test]
async fn a_subscription_is_canceled_at_the_end_of_its_period_or_at_once() {
    let desk = Desk::new();
    let session = subscribed(&desk, &[], "4242424242424242").await;
    let path = format!("/v1/subscriptions/{}", session["subscription"].as_str().unwrap());
    let leaving = desk.post(&path, &[("cancel_at_period_end", "true")]).await.json();
    assert_eq!(
        (&leaving["status"], &leaving["cancel_at_period_end"]),
        (&json!("active"), &json!(true))
    );
    let staying = desk.post(&path, &[("cancel_at_period_end", "false")]).await.json();
    assert_eq!(staying["cancel_at"], Value::Null);
    desk.post(&path, &[("cancel_at_period_end", "true")]).await;
    let told = after_days(&desk, 31).await;
    assert_eq!(told.last().unwrap(), "customer.subscription.deleted");
    assert_eq!(desk.call(Method::DELETE, &path, &[]).await.status, 404);
    assert_eq!(desk.get("/v1/subscriptions").await["data"], json!([]));
    assert_eq!(desk.get("/v1/subscriptions?status=all").await["data"][0]["status"], "canceled");
    let other = subscribed(&desk, &[], "4242424242424242").await;
    let path = format!("/v1/subscriptions/{}", other["subscription"].as_str().unwrap());
    let gone = desk.call(Method::DELETE, &path, &[("cancellation_details[feedback]", "unused")]);
    let gone = gone.await.json();
    assert_eq!(gone["status"], "canceled");
    assert_eq!(gone["cancellation_details"]["feedback"], "unused");
}

#[tokio::test]
async fn a_discount_for_ever_is_taken_off_every_period() {
    let desk = Desk::new();
    let form = [("percent_off", "10"), ("duration", "forever"), ("id", "TEN")];
    desk.post("/v1/coupons", &form).await;
    let form = [("promotion[type]", "coupon"), ("promotion[coupon]", "TEN"), ("code", "TEN")];
    desk.post("/v1/promotion_codes", &form).await;
    let monthly = ("line_items[0][price_data][recurring][interval]", "month");
    let link = desk.link(&[monthly, ("allow_promotion_codes", "true")]).await;
    let page = desk.visit(&link, "?prefilled_promo_code=TEN").await;
    assert_eq!(desk.pay(&page, &[("promotion_code", "TEN")]).await.status, 303);
    after_days(&desk, 31).await;
    // Who has the discount keeps it.
    assert_eq!(desk.call(Method::DELETE, "/v1/coupons/TEN", &[]).await.status, 200);
    after_days(&desk, 31).await;
    let invoices = desk.get("/v1/invoices").await;
    let totals: Vec<_> =
        invoices["data"].as_array().unwrap().iter().map(|one| one["total"].clone()).collect();
    assert_eq!(totals, [900, 900, 900]);
}

#[tokio::test]
async fn a_single_purchase_has_an_invoice_if_the_link_wants_one() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("invoice_creation[enabled]", "true"),
            ("invoice_creation[invoice_data][footer]", "Thank you"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    assert_eq!(desk.pay(&page, &[]).await.status, 303);
    let session = desk.session(&page).await;
    let invoice = named(&desk, "invoices", &session["invoice"]).await;
    assert_eq!((&invoice["footer"], &invoice["parent"]), (&json!("Thank you"), &Value::Null));
    assert_eq!(invoice["amount_paid"], 1000);
}
