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
