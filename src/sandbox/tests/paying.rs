//! Ways to pay beside cards: what each asks for, and how its payments go on.

use super::*;
use crate::sandbox::methods;

/// A sandbox whose clock is only moved by the test.
fn standing() -> Desk {
    Desk::with(Config { seed: Some(7), ..Config::default() })
}

/// A link that offers one method, and the path of a session's page.
async fn offered(desk: &Desk, method: &str) -> String {
    desk.visit(&link_by(desk, method).await, "").await
}

/// A link that offers one method, in a currency that it takes.
async fn link_by(desk: &Desk, method: &str) -> Value {
    let taken = methods::named(method).unwrap().refuses("none");
    let currency = taken.map_or("usd", |taken| taken[0]);
    desk.link(&[
        ("payment_method_types[0]", method),
        ("line_items[0][price_data][currency]", currency),
        // More than the least amount of any currency.
        ("line_items[0][price_data][unit_amount]", "100000"),
    ])
    .await
}

/// Pays by an account; what becomes of the session, and its last events.
async fn check(method: &str, form: &[(&str, &str)], wait_s: u32, status: &str, end: &[&str]) {
    let desk = standing();
    let page = offered(&desk, method).await;
    let answer = desk.pay(&page, form).await;
    assert_eq!((answer.status, answer.location()), (303, page.clone()), "{}", answer.text);
    let session = desk.session(&page).await;
    assert_eq!(
        (&session["status"], &session["payment_status"]),
        (&json!("complete"), &json!("unpaid"))
    );
    let shown = desk.look(&page).await.text;
    assert!(shown.contains("Your payment is being processed"));
    desk.wait(wait_s);
    assert_eq!(desk.session(&page).await["payment_status"], status);
    let events = desk.events().await;
    assert_eq!(events[events.len() - end.len()..], *end);
}

const US: [(&str, &str); 2] =
    [("us_bank_account_routing_number", "110000000"), ("us_bank_account_name", "A Buyer")];

async fn check_us(account: &str, wait_s: u32, status: &str, end: &[&str]) {
    let form = [US[0], US[1], ("us_bank_account_account_number", account)];
    check("us_bank_account", &form, wait_s, status, end).await;
}

const ARRIVED: [&str; 3] =
    ["charge.succeeded", "payment_intent.succeeded", "checkout.session.async_payment_succeeded"];
const BOUNCED: [&str; 3] =
    ["charge.failed", "payment_intent.payment_failed", "checkout.session.async_payment_failed"];
const PENDING: [&str; 3] =
    ["charge.pending", "payment_intent.processing", "checkout.session.completed"];

#[tokio::test]
async fn a_bank_debit_arrives_later() {
    check_us("000123456789", 60, "paid", &ARRIVED).await;
    check_us("000123456789", 59, "unpaid", &PENDING).await;
}

#[tokio::test]
async fn a_bank_debit_bounces_later() {
    for account in ["000111111113", "000111111116", "000222222227", "000333333335"] {
        check_us(account, 60, "unpaid", &BOUNCED).await;
    }
}

#[tokio::test]
async fn a_bank_may_never_answer() {
    check_us("000000000009", 1_000_000, "unpaid", &PENDING).await;
}

#[tokio::test]
async fn a_debit_is_disputed_once_it_has_arrived() {
    let told = ["charge.dispute.created", "charge.dispute.funds_withdrawn"];
    let desk = Desk::new();
    let page = offered(&desk, "us_bank_account").await;
    desk.pay(&page, &[US[0], US[1], ("us_bank_account_account_number", "000555555559")]).await;
    assert!(!desk.events().await.iter().any(|event| event == told[0]));
    desk.wait(60);
    let events = desk.events().await;
    assert!(told.iter().all(|kind| events.iter().any(|event| event == kind)), "{events:?}");
}

#[tokio::test]
async fn a_sepa_debit_goes_by_its_iban() {
    let name = ("sepa_debit_name", "A Buyer");
    for (iban, wait_s, status, end) in [
        ("DE89 3704 0044 0532 0130 00", 60, "paid", ARRIVED),
        ("DE08370400440532013003", 179, "unpaid", PENDING),
        ("DE08370400440532013003", 180, "paid", ARRIVED),
        ("DE62370400440532013001", 60, "unpaid", BOUNCED),
        ("DE78370400440532013004", 180, "unpaid", BOUNCED),
    ] {
        check("sepa_debit", &[("sepa_debit_iban", iban), name], wait_s, status, &end).await;
    }
}

#[tokio::test]
async fn a_bacs_debit_goes_by_its_account() {
    let name = ("bacs_debit_name", "A Buyer");
    let sort_code = ("bacs_debit_sort_code", "10-88-00");
    for (account, wait_s, status, end) in
        [("00012345", 60, "paid", ARRIVED), ("22222227", 60, "unpaid", BOUNCED)]
    {
        let form = [("bacs_debit_account_number", account), sort_code, name];
        check("bacs_debit", &form, wait_s, status, &end).await;
    }
}

#[tokio::test]
async fn a_voucher_goes_by_the_address_of_its_buyer() {
    check("oxxo", &[], 60, "paid", &ARRIVED).await;
    let late = [("email", "a+expire_with_delay@example.com")];
    check("boleto", &late, 180, "unpaid", &BOUNCED).await;
}

#[tokio::test]
async fn a_method_of_another_page_is_confirmed_there() {
    let desk = Desk::new();
    let page = offered(&desk, "ideal").await;
    let elsewhere = desk.pay(&page, &[]).await.location();
    assert_eq!(elsewhere, format!("{page}/challenge"));
    assert!(desk.look(&elsewhere).await.text.contains("stands in for the one of iDEAL"));
    let refused = desk.send(Request::post(&elsewhere), &[("answer", "fail")]).await;
    assert_eq!(refused.status, 402);
    assert!(refused.text.contains("The payment was not confirmed."));
    desk.pay(&page, &[]).await;
    desk.send(Request::post(&elsewhere), &[("answer", "complete")]).await;
    let session = desk.session(&page).await;
    assert_eq!(session["payment_status"], "paid");
    let charges = desk.get("/v1/charges").await;
    assert_eq!(charges["data"][0]["payment_method_details"]["type"], "ideal");
}

#[tokio::test]
async fn only_the_chosen_method_is_asked_for() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("payment_method_types[0]", "card"),
            ("payment_method_types[1]", "sepa_debit"),
            ("payment_method_types[2]", "klarna"),
            ("line_items[0][price_data][currency]", "eur"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    let wrong = desk.pay(&page, &[("payment_method", "sepa_debit"), ("card_number", "")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("id=\"sepa_debit_iban_error\">Enter your IBAN.<"));
    assert!(!wrong.text.contains("card_number_error"));
    let form = [
        ("payment_method", "sepa_debit"),
        ("card_number", ""),
        ("sepa_debit_iban", "DE89370400440532013000"),
        ("sepa_debit_name", "A Buyer"),
    ];
    assert_eq!(desk.pay(&page, &form).await.status, 303);
    let charges = desk.get("/v1/charges").await;
    let details = &charges["data"][0]["payment_method_details"];
    assert_eq!(
        (&details["type"], &details["sepa_debit"]["last4"]),
        (&json!("sepa_debit"), &json!("3000"))
    );
}

#[tokio::test]
async fn an_account_that_could_be_real_is_refused() {
    let desk = Desk::new();
    let page = offered(&desk, "us_bank_account").await;
    let form = [US[0], US[1], ("us_bank_account_account_number", "123456789012")];
    let answer = desk.pay(&page, &form).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("Use the number of a test account."));
}

#[tokio::test]
async fn a_subscription_by_debit_is_billed_once_the_debit_arrives() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("line_items[0][price_data][recurring][interval]", "month"),
            ("payment_method_types[0]", "sepa_debit"),
            ("line_items[0][price_data][currency]", "eur"),
        ])
        .await;
    for (iban, invoice, subscription) in [
        ("DE89370400440532013000", "paid", "active"),
        ("DE62370400440532013001", "open", "past_due"),
    ] {
        let page = desk.visit(&link, "").await;
        let form = [("sepa_debit_iban", iban), ("sepa_debit_name", "A Buyer")];
        assert_eq!(desk.pay(&page, &form).await.status, 303);
        let session = desk.session(&page).await;
        let look = async |kind: &str| {
            let id = session[kind].as_str().unwrap();
            desk.get(&format!("/v1/{kind}s/{id}")).await["status"].clone()
        };
        assert_eq!(look("invoice").await, "open");
        desk.wait(60);
        assert_eq!(
            (look("invoice").await, look("subscription").await),
            (json!(invoice), json!(subscription))
        );
    }
}

#[tokio::test]
async fn a_method_is_offered_in_its_currencies_only() {
    let desk = Desk::new();
    let form = [
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "1000"),
        ("line_items[0][price_data][product_data][name]", "Thing"),
        ("line_items[0][quantity]", "1"),
        ("payment_method_types[0]", "card"),
        ("payment_method_types[1]", "p24"),
    ];
    let message = "Invalid currency: usd. The payment method `p24` only supports the following \
                   currencies: `eur`, `pln`.";
    let expected = json!([400, message, "payment_method_types"]);
    assert_eq!(desk.post("/v1/payment_links", &form).await.refusal(), expected);
    let link = desk.link(&[]).await;
    let path = format!("/v1/payment_links/{}", link["id"].as_str().unwrap());
    assert_eq!(desk.post(&path, &form[4..]).await.refusal(), expected);
}

#[tokio::test]
async fn every_method_shows_its_details_and_where_its_refund_goes() {
    let fields = methods::good_accounts("A Buyer");
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for method in methods::words() {
        let desk = standing();
        let page = offered(&desk, method).await;
        desk.pay(&page, &fields).await;
        let elsewhere = format!("{page}/challenge");
        desk.send(Request::post(&elsewhere), &[("answer", "complete")]).await;
        desk.wait(60);
        let charge = desk.get("/v1/charges").await["data"][0].clone();
        assert_eq!(charge["paid"], true, "{method}");
        let details = &charge["payment_method_details"];
        assert_eq!((&details["type"], details[method].is_object()), (&json!(method), true));
        let form = [("charge", charge["id"].as_str().unwrap())];
        let refund = desk.post("/v1/refunds", &form).await.json();
        let to = refund["destination_details"]["type"].as_str().unwrap_or("card");
        assert_eq!(
            to == "card",
            ["card", "link", "billie", "bizum", "fpx", "mobilepay", "satispay", "sunbit", "upi"]
                .contains(&method),
            "{method} goes to {to}"
        );
    }
}
