//! Invoices that are not paid yet, and what sellers do with them.

use super::*;

/// An invoice that waits for a bank, and its path.
async fn owed(desk: &Desk, account: &str) -> String {
    let link = desk
        .link(&[
            ("line_items[0][price_data][recurring][interval]", "month"),
            ("payment_method_types[0]", "us_bank_account"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    let form = [
        ("us_bank_account_routing_number", "110000000"),
        ("us_bank_account_account_number", account),
        ("us_bank_account_name", "A Buyer"),
    ];
    assert_eq!(desk.pay(&page, &form).await.status, 303);
    let invoice = desk.session(&page).await["invoice"].clone();
    format!("/v1/invoices/{}", invoice.as_str().unwrap())
}

const DAY_S: u32 = 24 * 60 * 60;
const GOOD_ACCOUNT: &str = "000123456789";
const EMPTY_ACCOUNT: &str = "000222222227";

async fn check(account: &str, verb: &str, form: &[(&str, &str)], status: &str, event: &str) {
    let desk = Desk::with(Config { seed: Some(7), ..Config::default() });
    let path = owed(&desk, account).await;
    let done = desk.post(&format!("{path}/{verb}"), form).await;
    assert_eq!(done.json()["status"], status, "{}", done.text);
    assert!(desk.events().await.contains(&event.to_owned()));
    desk.wait(60);
    assert_eq!(desk.get(&path).await["status"], status, "whatever the bank says later");
}

#[tokio::test]
async fn an_invoice_can_be_paid_before_its_time_or_elsewhere() {
    check(GOOD_ACCOUNT, "pay", &[], "paid", "invoice.paid").await;
    let elsewhere = [("paid_out_of_band", "true")];
    check(EMPTY_ACCOUNT, "pay", &elsewhere, "paid", "invoice.paid").await;
}

#[tokio::test]
async fn an_invoice_that_is_void_stays_so() {
    check(GOOD_ACCOUNT, "void", &[], "void", "invoice.voided").await;
}

#[tokio::test]
async fn an_invoice_that_was_given_up_may_still_be_paid() {
    let desk = Desk::new();
    let path = owed(&desk, GOOD_ACCOUNT).await;
    let given_up = desk.post(&format!("{path}/mark_uncollectible"), &[]).await.json();
    assert_eq!(given_up["status"], "uncollectible");
    assert_eq!(desk.post(&format!("{path}/pay"), &[]).await.json()["status"], "paid");
    for verb in ["pay", "void", "mark_uncollectible"] {
        let refused = desk.post(&format!("{path}/{verb}"), &[]).await;
        assert_eq!(refused.refusal(), json!([400, "Invoice is already paid", null]));
    }
}

#[tokio::test]
async fn a_payment_that_the_bank_refuses_is_told_as_a_card_error() {
    let desk = Desk::new();
    let path = owed(&desk, EMPTY_ACCOUNT).await;
    let refused = desk.post(&format!("{path}/pay"), &[]).await;
    assert_eq!((refused.status, &refused.json()["error"]["type"]), (402, &json!("card_error")));
    assert_eq!(desk.get(&path).await["status"], "open");
}

#[tokio::test]
async fn an_invoice_takes_words_of_the_seller() {
    let desk = Desk::new();
    let path = owed(&desk, GOOD_ACCOUNT).await;
    let form = [("description", "Text"), ("metadata[a]", "b")];
    let changed = desk.post(&path, &form).await.json();
    assert_eq!(
        (&changed["description"], &changed["metadata"]),
        (&json!("Text"), &json!({"a": "b"}))
    );
    assert!(desk.events().await.contains(&"invoice.updated".to_owned()));
}

/// The subscription of an invoice, as its path.
async fn subscription(desk: &Desk, invoice: &str) -> String {
    let parent = desk.get(invoice).await["parent"].clone();
    let id = &parent["subscription_details"]["subscription"];
    format!("/v1/subscriptions/{}", id.as_str().unwrap())
}

fn count(events: &[String], kind: &str) -> usize {
    events.iter().filter(|event| *event == kind).count()
}

#[tokio::test]
async fn what_is_paid_after_its_end_brings_no_subscription_back() {
    let desk = Desk::with(Config { seed: Some(7), ..Config::default() });
    let path = owed(&desk, GOOD_ACCOUNT).await;
    let subscription = subscription(&desk, &path).await;
    desk.call(Method::DELETE, &subscription, &[]).await;
    assert_eq!(desk.post(&format!("{path}/pay"), &[]).await.json()["status"], "paid");
    assert_eq!(desk.get(&subscription).await["status"], "canceled");
    desk.wait(40 * DAY_S);
    assert_eq!(desk.get("/v1/invoices").await["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_debit_that_bounces_after_its_end_leaves_a_subscription_ended() {
    let desk = Desk::with(Config { seed: Some(7), ..Config::default() });
    let path = owed(&desk, EMPTY_ACCOUNT).await;
    let subscription = subscription(&desk, &path).await;
    desk.call(Method::DELETE, &subscription, &[]).await;
    desk.wait(60);
    let invoice = desk.get(&path).await;
    assert_eq!(
        (&invoice["attempt_count"], &invoice["next_payment_attempt"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(desk.get(&subscription).await["status"], "canceled");
}

#[tokio::test]
async fn a_debit_that_bounces_troubles_no_invoice_that_was_paid_elsewhere() {
    let desk = Desk::with(Config { seed: Some(7), ..Config::default() });
    let path = owed(&desk, EMPTY_ACCOUNT).await;
    desk.post(&format!("{path}/pay"), &[("paid_out_of_band", "true")]).await;
    desk.wait(60);
    assert_eq!(desk.get(&subscription(&desk, &path).await).await["status"], "active");
    assert_eq!(count(&desk.events().await, "invoice.payment_failed"), 0);
}

#[tokio::test]
async fn a_seller_who_asks_for_payment_does_not_change_when_it_is_tried_again() {
    let desk = Desk::with(Config { seed: Some(7), ..Config::default() });
    let path = owed(&desk, EMPTY_ACCOUNT).await;
    desk.wait(60);
    let before = desk.get(&path).await;
    for _ in 0..2 {
        assert_eq!(desk.post(&format!("{path}/pay"), &[]).await.status, 402);
        let after = desk.get(&path).await;
        for part in ["attempt_count", "next_payment_attempt", "status"] {
            assert_eq!(after[part], before[part], "{part}");
        }
    }
    assert_eq!(count(&desk.events().await, "invoice.payment_failed"), 3);
    for _ in 0..16 {
        desk.wait(DAY_S);
    }
    let events = desk.events().await;
    assert_eq!(count(&events, "invoice.payment_failed"), 6, "three by the schedule");
    assert_eq!(desk.get(&path).await["attempt_count"], 4);
    assert_eq!(desk.post(&format!("{path}/pay"), &[]).await.status, 402);
    assert_eq!(count(&desk.events().await, "customer.subscription.deleted"), 1);
}

#[tokio::test]
async fn an_invoice_that_nothing_pays_for_says_so() {
    let desk = Desk::with(Config { seed: Some(7), ..Config::default() });
    let link = desk
        .link(&[
            ("line_items[0][price_data][recurring][interval]", "month"),
            ("subscription_data[trial_period_days]", "7"),
            ("payment_method_collection", "if_required"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    desk.send(Request::post(&page), &[("email", "a@b.example")]).await;
    desk.wait(8 * DAY_S);
    let invoice = desk.get("/v1/invoices").await["data"][0].clone();
    assert_eq!(invoice["status"], "open");
    let path = format!("/v1/invoices/{}/pay", invoice["id"].as_str().unwrap());
    let message = "There is no `default_payment_method` set on this Customer or Invoice.";
    assert_eq!(desk.post(&path, &[]).await.refusal(), json!([400, message, null]));
}
