//! Refunds and disputes.

use super::*;

/// Pays a link of ten dollars by a card; the answer is the charge.
async fn charged(desk: &Desk, card: &str) -> Value {
    let page = desk.visit(&desk.link(&[]).await, "").await;
    assert_eq!(desk.pay(&page, &[("card_number", card)]).await.status, 303);
    let charges = desk.get("/v1/charges?limit=1&expand[]=data.balance_transaction").await;
    charges["data"][0].clone()
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap()
}

async fn refund(desk: &Desk, charge: &Value, amount: &str) -> Answer {
    let intent = text(charge, "payment_intent");
    let mut form = vec![("payment_intent", intent)];
    if !amount.is_empty() {
        form.push(("amount", amount));
    }
    desk.post("/v1/refunds", &form).await
}

async fn charge(desk: &Desk, charge: &Value) -> Value {
    desk.get(&format!("/v1/charges/{}?expand[]=refunds", text(charge, "id"))).await
}

/// The types of the events since the session was completed.
async fn since_completed(desk: &Desk) -> Vec<String> {
    let events = desk.events().await;
    let at = events.iter().position(|event| event == "checkout.session.completed").unwrap();
    events[at + 1..].to_vec()
}

fn advance(desk: &Desk, seconds: u32) {
    desk.shared.with(|state| {
        state.clock.advance(seconds);
        crate::sandbox::expire_due(state);
    });
}

#[tokio::test]
async fn a_refund_without_an_amount_is_of_all_that_is_left() {
    let desk = Desk::new();
    let paid = charged(&desk, "4242424242424242").await;
    assert_eq!(refund(&desk, &paid, "400").await.json()["amount"], 400);
    let after = charge(&desk, &paid).await;
    assert_eq!((&after["amount_refunded"], &after["refunded"]), (&json!(400), &json!(false)));
    let rest = refund(&desk, &paid, "").await.json();
    assert_eq!((&rest["amount"], &rest["status"]), (&json!(600), &json!("succeeded")));
    let after = charge(&desk, &paid).await;
    assert_eq!((&after["amount_refunded"], &after["refunded"]), (&json!(1000), &json!(true)));
    assert_eq!(after["refunds"]["data"][0]["id"], rest["id"]);
    let told = ["refund.created", "charge.refunded", "refund.created", "charge.refunded"];
    assert_eq!(since_completed(&desk).await, told);
    let event = desk.get("/v1/events?type=charge.refunded").await["data"][0].clone();
    let before = json!({ "amount_refunded": 400, "refunded": false });
    assert_eq!(event["data"]["previous_attributes"], before);
}

#[tokio::test]
async fn no_more_is_refunded_than_was_paid() {
    let desk = Desk::new();
    let paid = charged(&desk, "4242424242424242").await;
    let refused = refund(&desk, &paid, "1001").await.refusal();
    let message = "Refund amount ($10.01) is greater than charge amount ($10.00)";
    assert_eq!(refused, json!([400, message, "amount"]));
    refund(&desk, &paid, "700").await;
    let refused = refund(&desk, &paid, "301").await.refusal();
    let message = "Refund amount ($3.01) is greater than unrefunded amount on charge ($3.00)";
    assert_eq!(refused, json!([400, message, "amount"]));
    refund(&desk, &paid, "300").await;
    let refused = refund(&desk, &paid, "").await;
    assert_eq!(refused.json()["error"]["code"], "charge_already_refunded");
}

#[tokio::test]
async fn a_refund_names_one_payment_that_was_paid() {
    let desk = Desk::new();
    let neither = desk.post("/v1/refunds", &[]).await.refusal();
    let message = "One of the following params should be provided for this request: payment_intent \
                   or charge.";
    assert_eq!(neither, json!([400, message, null]));
    let unknown = desk.post("/v1/refunds", &[("charge", "ch_x")]).await.refusal();
    assert_eq!(unknown, json!([400, "No such charge: 'ch_x'", "charge"]));
    let page = desk.visit(&desk.link(&[]).await, "").await;
    desk.pay(&page, &[("card_number", "4000000000000002")]).await;
    let intent = desk.get("/v1/payment_intents").await["data"][0].clone();
    let unpaid = desk.post("/v1/refunds", &[("payment_intent", text(&intent, "id"))]).await;
    assert_eq!(unpaid.status, 400);
    assert!(unpaid.text.contains("does not have a successful charge to refund"));
}

#[tokio::test]
async fn a_refund_may_take_a_while() {
    let desk = Desk::new();
    let paid = charged(&desk, "4000000000007726").await;
    let made = refund(&desk, &paid, "").await.json();
    assert_eq!(
        (&made["status"], &made["pending_reason"]),
        (&json!("pending"), &json!("processing"))
    );
    advance(&desk, 60);
    let path = format!("/v1/refunds/{}", text(&made, "id"));
    assert_eq!(desk.get(&path).await["status"], "succeeded");
    let told = ["refund.created", "charge.refunded", "refund.updated", "charge.refund.updated"];
    assert_eq!(since_completed(&desk).await, told);
}

#[tokio::test]
async fn a_refund_may_come_back() {
    let desk = Desk::new();
    let paid = charged(&desk, "4000000000005126").await;
    let made = refund(&desk, &paid, "400").await.json();
    assert_eq!(made["status"], "succeeded");
    advance(&desk, 60);
    let path = format!("/v1/refunds/{}?expand[]=failure_balance_transaction", text(&made, "id"));
    let failed = desk.get(&path).await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["failure_reason"], "expired_or_canceled_card");
    assert_eq!(failed["failure_balance_transaction"]["amount"], 400);
    assert_eq!(charge(&desk, &paid).await["amount_refunded"], 0);
    let told = [
        "refund.created",
        "charge.refunded",
        "refund.updated",
        "charge.refund.updated",
        "refund.failed",
        "charge.updated",
    ];
    assert_eq!(since_completed(&desk).await, told);
}

#[tokio::test]
async fn only_the_metadata_of_a_refund_changes() {
    let desk = Desk::new();
    let paid = charged(&desk, "4242424242424242").await;
    let made = refund(&desk, &paid, "").await.json();
    let path = format!("/v1/refunds/{}", text(&made, "id"));
    let changed = desk.post(&path, &[("metadata[case]", "7")]).await.json();
    assert_eq!(changed["metadata"], json!({ "case": "7" }));
    assert_eq!(desk.post(&path, &[("amount", "1")]).await.status, 400);
    let canceled = desk.post(&format!("{path}/cancel"), &[]).await;
    assert_eq!(canceled.status, 400);
}

/// The dispute of a charge of ten dollars.
async fn disputed(desk: &Desk, card: &str) -> (Value, Value) {
    let paid = charged(desk, card).await;
    let path = format!("/v1/disputes?payment_intent={}", text(&paid, "payment_intent"));
    let dispute = desk.get(&path).await["data"][0].clone();
    (paid, dispute)
}

async fn balance(desk: &Desk) -> i64 {
    let balance = desk.get("/v1/balance").await;
    let sum = |name: &str| balance[name][0]["amount"].as_i64().unwrap();
    sum("pending") + sum("available")
}

#[tokio::test]
async fn a_chargeback_takes_the_money_until_it_is_won() {
    let desk = Desk::new();
    let (paid, dispute) = disputed(&desk, "4000000000000259").await;
    assert_eq!(
        (&dispute["status"], &dispute["reason"], &dispute["amount"]),
        (&json!("needs_response"), &json!("fraudulent"), &json!(1000)),
    );
    assert_eq!(charge(&desk, &paid).await["disputed"], true);
    assert_eq!(balance(&desk).await, 1000 - 59 - 1000 - 1500);
    let refused = refund(&desk, &paid, "").await;
    assert_eq!(refused.json()["error"]["code"], "charge_disputed");
    let path = format!("/v1/disputes/{}", text(&dispute, "id"));
    let won = desk.post(&path, &[("evidence[uncategorized_text]", "winning_evidence")]).await;
    assert_eq!(won.json()["status"], "won");
    assert_eq!(balance(&desk).await, 1000 - 59);
    let told = [
        "charge.updated",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ];
    assert_eq!(since_completed(&desk).await, told);
    let again = desk.post(&path, &[("evidence[uncategorized_text]", "more")]).await;
    assert_eq!(again.status, 400);
}

#[tokio::test]
async fn evidence_can_be_kept_back_until_it_is_submitted() {
    let desk = Desk::new();
    let (_, dispute) = disputed(&desk, "4000000000002685").await;
    assert_eq!(dispute["reason"], "product_not_received");
    let path = format!("/v1/disputes/{}", text(&dispute, "id"));
    let form = [("evidence[uncategorized_text]", "losing_evidence"), ("submit", "false")];
    let staged = desk.post(&path, &form).await.json();
    assert_eq!(staged["status"], "needs_response");
    assert_eq!(staged["evidence_details"]["has_evidence"], true);
    let lost = desk.post(&path, &[("submit", "true")]).await.json();
    assert_eq!(lost["status"], "lost");
    assert_eq!(lost["evidence_details"]["submission_count"], 1);
}

#[tokio::test]
async fn a_seller_who_is_silent_loses() {
    let desk = Desk::new();
    let (_, dispute) = disputed(&desk, "4000000000000259").await;
    advance(&desk, 9 * 24 * 60 * 60);
    let lost = desk.get(&format!("/v1/disputes/{}", text(&dispute, "id"))).await;
    assert_eq!(lost["status"], "lost");
    assert_eq!(lost["evidence_details"]["past_due"], true);
}

#[tokio::test]
async fn other_evidence_is_under_review_until_the_bank_decides() {
    let desk = Desk::new();
    let (_, dispute) = disputed(&desk, "4000000000000259").await;
    let path = format!("/v1/disputes/{}", text(&dispute, "id"));
    let form = [("evidence[product_description]", "A thing")];
    assert_eq!(desk.post(&path, &form).await.json()["status"], "under_review");
    advance(&desk, 10 * 24 * 60 * 60);
    assert_eq!(desk.get(&path).await["status"], "under_review");
    advance(&desk, 65 * 24 * 60 * 60);
    assert_eq!(desk.get(&path).await["status"], "lost");
}

#[tokio::test]
async fn an_inquiry_ends_with_a_refund() {
    let desk = Desk::new();
    let (paid, dispute) = disputed(&desk, "4000000000001976").await;
    assert_eq!(dispute["status"], "warning_needs_response");
    assert_eq!(balance(&desk).await, 1000 - 59);
    assert_eq!(refund(&desk, &paid, "").await.status, 200);
    let path = format!("/v1/disputes/{}", text(&dispute, "id"));
    assert_eq!(desk.get(&path).await["status"], "warning_closed");
}

#[tokio::test]
async fn a_seller_may_give_in() {
    let desk = Desk::new();
    let (_, dispute) = disputed(&desk, "4000000000000259").await;
    let path = format!("/v1/disputes/{}/close", text(&dispute, "id"));
    assert_eq!(desk.post(&path, &[]).await.json()["status"], "lost");
    assert_eq!(desk.post(&path, &[]).await.status, 400);
}

#[tokio::test]
async fn the_network_warns_of_a_fraud() {
    let desk = Desk::new();
    let paid = charged(&desk, "4000000000005423").await;
    let warnings = desk.get("/v1/radar/early_fraud_warnings").await;
    assert_eq!(warnings["data"][0]["charge"], paid["id"]);
    assert_eq!(since_completed(&desk).await, ["radar.early_fraud_warning.created"]);
}

/// Sets ten dollars of a card aside; the answer is the charge.
async fn set_aside(desk: &Desk, card: &str) -> Value {
    let link = desk.link(&[("payment_intent_data[capture_method]", "manual")]).await;
    let page = desk.visit(&link, "").await;
    assert_eq!(desk.pay(&page, &[("card_number", card)]).await.status, 303);
    desk.get("/v1/charges?limit=1").await["data"][0].clone()
}

#[tokio::test]
async fn what_was_only_set_aside_is_let_go_and_not_refunded() {
    let desk = Desk::new();
    let aside = set_aside(&desk, "4242424242424242").await;
    let intent = text(&aside, "payment_intent");
    let message =
        format!("This PaymentIntent ({intent}) does not have a successful charge to refund.");
    for form in [[("payment_intent", intent)], [("charge", text(&aside, "id"))]] {
        let refused = desk.post("/v1/refunds", &form).await;
        assert_eq!(refused.refusal(), json!([400, message, null]));
    }
    let captured = desk.post(&format!("/v1/payment_intents/{intent}/capture"), &[]).await.json();
    assert_eq!(captured["amount_received"], 1000);
    assert_eq!(refund(&desk, &aside, "").await.json()["amount"], 1000);
}

#[tokio::test]
async fn what_was_let_go_does_not_come_back() {
    for card in ["4000000000005126", "4000000000007726"] {
        let desk = Desk::new();
        let aside = set_aside(&desk, card).await;
        let intent = text(&aside, "payment_intent");
        desk.post(&format!("/v1/payment_intents/{intent}/cancel"), &[]).await;
        advance(&desk, 60);
        assert_eq!(desk.get("/v1/refunds").await["data"][0]["status"], "succeeded");
        assert_eq!(charge(&desk, &aside).await["refunded"], true);
        assert_eq!(balance(&desk).await, 0);
    }
}
