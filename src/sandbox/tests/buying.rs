use super::*;

#[tokio::test]
async fn a_payment_tells_its_story_in_order() {
    let desk = Desk::new();
    let link = desk.link(&[("metadata[order]", "7")]).await;
    let page = desk.visit(&link, "?client_reference_id=ref-1").await;
    let answer = desk.pay(&page, &[]).await;
    assert_eq!((answer.status, answer.location()), (303, page.clone()));
    let session = desk.session(&page).await;
    assert_eq!(session["status"], "complete");
    assert_eq!(session["payment_status"], "paid");
    assert_eq!(session["amount_total"], 1000);
    assert_eq!(session["client_reference_id"], "ref-1");
    assert_eq!(session["metadata"], json!({ "order": "7" }));
    assert_eq!(session["payment_link"], link["id"]);
    assert_eq!(session["customer_details"]["email"], "buyer@example.com");
    let events = desk.events().await;
    let story = events.iter().skip(3).map(String::as_str).collect::<Vec<_>>();
    let expected = [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ];
    assert_eq!(story, expected);
}

#[tokio::test]
async fn the_charge_can_be_reached_from_the_session() {
    let desk = Desk::new();
    let page = desk.visit(&desk.link(&[]).await, "").await;
    desk.pay(&page, &[]).await;
    let id = page.rsplit('/').next().unwrap();
    let path = format!("/v1/checkout/sessions/{id}?expand[]=payment_intent.latest_charge");
    let session = desk.get(&path).await;
    let charge = &session["payment_intent"]["latest_charge"];
    assert_eq!(charge["payment_method_details"]["card"]["last4"], "4242");
    let found = format!(
        "/v1/checkout/sessions?payment_intent={}",
        session["payment_intent"]["id"].as_str().unwrap(),
    );
    assert_eq!(desk.get(&found).await["data"][0]["id"], session["id"]);
}

#[tokio::test]
async fn a_declined_card_leaves_the_session_open_for_another() {
    let desk = Desk::new();
    let page = desk.visit(&desk.link(&[]).await, "").await;
    let answer = desk.pay(&page, &[("card_number", "4000000000009995")]).await;
    assert_eq!(answer.status, 402);
    assert!(answer.text.contains("Your card has insufficient funds."));
    assert!(answer.text.contains("buyer@example.com"), "what was entered is kept");
    assert_eq!(desk.session(&page).await["status"], "open");
    assert_eq!(desk.pay(&page, &[]).await.status, 303);
    let events = desk.events().await;
    let of_kind = |kind: &str| events.iter().filter(|event| *event == kind).count();
    assert_eq!(of_kind("payment_intent.created"), 1);
    assert_eq!(of_kind("payment_intent.payment_failed"), 1);
    assert_eq!(of_kind("checkout.session.completed"), 1);
}

#[tokio::test]
async fn a_second_submission_pays_nothing() {
    let desk = Desk::new();
    let page = desk.visit(&desk.link(&[]).await, "").await;
    desk.pay(&page, &[]).await;
    let again = desk.pay(&page, &[]).await;
    assert!(again.text.contains("Thanks for your order"));
    let charges = desk.get("/v1/charges").await;
    assert_eq!(charges["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bank_may_ask_who_pays() {
    let desk = Desk::new();
    let page = desk.visit(&desk.link(&[]).await, "").await;
    let challenge = desk.pay(&page, &[("card_number", "4000002500003155")]).await.location();
    assert_eq!(challenge, format!("{page}/challenge"));
    assert!(desk.look(&challenge).await.text.contains("3155"));
    let refused = desk.send(Request::post(&challenge), &[("answer", "fail")]).await;
    assert!(refused.text.contains("We are unable to authenticate your payment method."));
    assert!(refused.text.contains("buyer@example.com"), "what was entered is kept");
    assert!(!refused.text.contains("4000002500003155"), "but no card");
    desk.pay(&page, &[("card_number", "4000002500003155")]).await;
    let done = desk.send(Request::post(&challenge), &[("answer", "complete")]).await;
    assert_eq!((done.status, done.location()), (303, page.clone()));
    assert_eq!(desk.session(&page).await["payment_status"], "paid");
}

#[tokio::test]
async fn a_new_try_voids_the_one_that_waits_for_the_bank() {
    let desk = Desk::new();
    let page = desk.visit(&desk.link(&[]).await, "").await;
    let challenge = desk.pay(&page, &[("card_number", "4000002500003155")]).await.location();
    desk.pay(&page, &[("card_number", "4000000000000002")]).await;
    desk.send(Request::post(&challenge), &[("answer", "complete")]).await;
    assert_eq!(desk.session(&page).await["status"], "open");
}

/// A payment that was only set aside; the path of its page, and its intent.
async fn set_aside(desk: &Desk) -> (String, String) {
    let link = desk.link(&[("payment_intent_data[capture_method]", "manual")]).await;
    let page = desk.visit(&link, "").await;
    assert_eq!(desk.pay(&page, &[]).await.status, 303);
    let session = desk.session(&page).await;
    assert_eq!(session["payment_status"], "unpaid");
    let intent = session["payment_intent"].as_str().unwrap();
    let path = format!("/v1/payment_intents/{intent}");
    (page, path)
}

#[tokio::test]
async fn what_was_set_aside_is_taken_in_part() {
    let desk = Desk::new();
    let (page, intent) = set_aside(&desk).await;
    let path = format!("{intent}/capture");
    let too_much = desk.post(&path, &[("amount_to_capture", "1001")]).await;
    assert_eq!(too_much.json()["error"]["code"], "amount_too_large");
    let form = [("amount_to_capture", "700"), ("expand[]", "latest_charge")];
    let captured = desk.post(&path, &form).await.json();
    assert_eq!(
        (&captured["status"], &captured["amount_received"]),
        (&json!("succeeded"), &json!(700))
    );
    let charge = &captured["latest_charge"];
    assert_eq!(
        (&charge["amount_captured"], &charge["amount_refunded"]),
        (&json!(700), &json!(300))
    );
    assert_eq!(desk.session(&page).await["payment_status"], "paid");
    let again = desk.post(&path, &[]).await.json();
    assert_eq!(again["error"]["code"], "payment_intent_unexpected_state");
}

#[tokio::test]
async fn what_was_set_aside_is_let_go() {
    let desk = Desk::new();
    let (_, intent) = set_aside(&desk).await;
    let path = format!("{intent}/cancel");
    let form = [("cancellation_reason", "abandoned"), ("expand[]", "latest_charge")];
    let canceled = desk.post(&path, &form).await.json();
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(canceled["latest_charge"]["refunded"], true);
    assert_eq!(desk.get("/v1/balance").await["pending"][0]["amount"], 0);
    assert_eq!(desk.events().await.last().unwrap(), "payment_intent.canceled");
}

#[tokio::test]
async fn the_payment_of_an_open_page_is_not_let_go_behind_its_back() {
    let desk = Desk::new();
    let link = desk.link(&[]).await;
    let message = "You cannot perform this action on PaymentIntents created by Checkout.";
    for card in ["4000000000000002", "4000002500003155"] {
        let page = desk.visit(&link, "").await;
        desk.pay(&page, &[("card_number", card)]).await;
        let intents = desk.get("/v1/payment_intents").await;
        let intent = format!("/v1/payment_intents/{}", intents["data"][0]["id"].as_str().unwrap());
        let refused = desk.post(&format!("{intent}/cancel"), &[]).await;
        assert_eq!(refused.refusal(), json!([400, message, null]));
        let session = page.rsplit('/').next().unwrap();
        desk.post(&format!("/v1/checkout/sessions/{session}/expire"), &[]).await;
        let canceled = desk.post(&format!("{intent}/cancel"), &[]).await.json();
        assert_eq!(canceled["status"], "canceled");
    }
}

#[tokio::test]
async fn a_redirect_carries_the_session_and_where_the_buyer_came_from() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("after_completion[type]", "redirect"),
            ("after_completion[redirect][url]", "https://shop.example/?s={CHECKOUT_SESSION_ID}"),
        ])
        .await;
    let page = desk.visit(&link, "?utm_source=news").await;
    let id = page.rsplit('/').next().unwrap();
    let target = format!("https://shop.example/?s={id}&utm_source=news");
    assert_eq!(desk.pay(&page, &[]).await.location(), target);
}

#[tokio::test]
async fn a_confirmation_shows_the_sellers_words_as_text() {
    let desk = Desk::new();
    let name = "after_completion[hosted_confirmation][custom_message]";
    let link = desk
        .link(&[("after_completion[type]", "hosted_confirmation"), (name, "<b>Thanks</b>")])
        .await;
    let page = desk.visit(&link, "").await;
    desk.pay(&page, &[]).await;
    let shown = desk.look(&page).await.text;
    assert!(shown.contains("Thanks") && !shown.contains("<b>"));
}

#[tokio::test]
async fn an_inactive_link_shows_its_message() {
    let desk = Desk::new();
    let link = desk.link(&[("inactive_message", "Sold out until May.")]).await;
    let open = desk.visit(&link, "").await;
    let path = format!("/v1/payment_links/{}", link["id"].as_str().unwrap());
    desk.post(&path, &[("active", "false")]).await;
    let url = link["url"].as_str().unwrap().trim_start_matches("http://127.0.0.1:12111");
    for page in [desk.look(url).await, desk.look(&open).await, desk.pay(&open, &[]).await] {
        assert_eq!(page.status, 410);
        assert!(page.text.contains("Sold out until May."));
    }
    assert_eq!(desk.session(&open).await["status"], "open");
    desk.post(&path, &[("active", "true")]).await;
    assert_eq!(desk.pay(&open, &[]).await.status, 303);
}

#[tokio::test]
async fn a_link_ends_at_its_limit() {
    let desk = Desk::new();
    let link = desk.link(&[("restrictions[completed_sessions][limit]", "1")]).await;
    let (first, second) = (desk.visit(&link, "").await, desk.visit(&link, "").await);
    desk.pay(&first, &[]).await;
    assert_eq!(desk.pay(&second, &[]).await.status, 410);
    let path = format!("/v1/payment_links/{}", link["id"].as_str().unwrap());
    let link = desk.get(&path).await;
    assert_eq!(link["active"], false);
    assert_eq!(link["restrictions"]["completed_sessions"], json!({ "count": 1, "limit": 1 }));
    assert_eq!(desk.events().await.last().unwrap(), "payment_link.updated");
}

#[tokio::test]
async fn a_session_expires_after_a_day() {
    let desk = Desk::new();
    let page = desk.visit(&desk.link(&[]).await, "").await;
    desk.shared.with(|state| state.clock.advance(24 * 60 * 60));
    assert_eq!(desk.pay(&page, &[]).await.status, 410);
    assert_eq!(desk.session(&page).await["status"], "expired");
    assert_eq!(desk.events().await.last().unwrap(), "checkout.session.expired");
}

#[tokio::test]
async fn what_is_missing_is_said_beside_its_field() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("phone_number_collection[enabled]", "true"),
            ("shipping_address_collection[allowed_countries][]", "DE"),
            ("custom_fields[0][key]", "size"),
            ("custom_fields[0][type]", "numeric"),
            ("custom_fields[0][label][type]", "custom"),
            ("custom_fields[0][label][custom]", "Size"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    let form = [("card_number", "4242"), ("shipping_country", "US"), ("custom_size", "x")];
    let answer = desk.pay(&page, &form).await;
    assert_eq!(answer.status, 422);
    for (field, error) in [
        ("phone", "Enter your phone number."),
        ("shipping_name", "Enter your full name."),
        ("shipping_country", "Choose an option from the list."),
        ("custom_size", "Enter digits only."),
        ("card_number", "Your card number is incomplete."),
    ] {
        let beside = format!("id=\"{field}_error\">{error}<");
        assert!(answer.text.contains(&beside), "{beside}");
    }
    assert_eq!(desk.session(&page).await["status"], "open");
}

#[tokio::test]
async fn what_was_collected_is_in_the_session() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("phone_number_collection[enabled]", "true"),
            ("billing_address_collection", "required"),
            ("shipping_address_collection[allowed_countries][]", "DE"),
            ("custom_fields[0][key]", "size"),
            ("custom_fields[0][type]", "text"),
            ("custom_fields[0][label][type]", "custom"),
            ("custom_fields[0][label][custom]", "Size"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    let form = [
        ("phone", "+49 30 123456"),
        ("shipping_name", "B Receiver"),
        ("shipping_country", "DE"),
        ("shipping_line1", "Weg 1"),
        ("shipping_city", "Berlin"),
        ("billing_line1", "Road 2"),
        ("billing_city", "Leeds"),
        ("custom_size", "large"),
    ];
    assert_eq!(desk.pay(&page, &form).await.status, 303);
    let session = desk.session(&page).await;
    assert_eq!(session["customer_details"]["phone"], "+49 30 123456");
    assert_eq!(session["customer_details"]["address"]["city"], "Leeds");
    let shipping = &session["collected_information"]["shipping_details"];
    assert_eq!(
        (&shipping["name"], &shipping["address"]["city"]),
        (&json!("B Receiver"), &json!("Berlin"))
    );
    assert_eq!(session["custom_fields"][0]["text"]["value"], "large");
}

#[tokio::test]
async fn a_buyer_chooses_within_the_links_bounds() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("line_items[0][adjustable_quantity][enabled]", "true"),
            ("line_items[0][adjustable_quantity][maximum]", "5"),
            ("expand[]", "line_items"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    let id = page.rsplit('/').next().unwrap();
    let items = desk.get(&format!("/v1/checkout/sessions/{id}/line_items")).await;
    let field = format!("quantity_{}", items["data"][0]["id"].as_str().unwrap());
    let form = [(field.as_str(), "3"), ("action", "update")];
    let updated = desk.pay(&page, &form).await;
    assert!(updated.status == 200 && updated.text.contains("$30.00"));
    desk.pay(&page, &[(field.as_str(), "9")]).await;
    assert_eq!(desk.session(&page).await["amount_total"], 5000);
}

#[tokio::test]
async fn a_subscription_has_a_customer() {
    let desk = Desk::new();
    let interval = ("line_items[0][price_data][recurring][interval]", "month");
    let page = desk.visit(&desk.link(&[interval]).await, "").await;
    desk.pay(&page, &[]).await;
    let session = desk.session(&page).await;
    assert_eq!(session["mode"], "subscription");
    assert!(session["subscription"].as_str().unwrap().starts_with("sub_"));
    let id = session["customer"].as_str().unwrap();
    assert_eq!(desk.get(&format!("/v1/customers/{id}")).await["email"], "buyer@example.com");
}

#[tokio::test]
async fn a_trial_costs_nothing_now() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("line_items[0][price_data][recurring][interval]", "month"),
            ("subscription_data[trial_period_days]", "14"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    desk.pay(&page, &[]).await;
    let session = desk.session(&page).await;
    assert_eq!(session["payment_status"], "no_payment_required");
    assert_eq!(session["amount_total"], 0);
}

#[tokio::test]
async fn money_may_be_set_aside_and_not_yet_taken() {
    let desk = Desk::new();
    let link = desk.link(&[("payment_intent_data[capture_method]", "manual")]).await;
    let page = desk.visit(&link, "").await;
    desk.pay(&page, &[]).await;
    let session = desk.session(&page).await;
    let intent = session["payment_intent"].as_str().unwrap();
    let intent = desk.get(&format!("/v1/payment_intents/{intent}")).await;
    assert_eq!(
        (&session["payment_status"], &intent["status"]),
        (&json!("unpaid"), &json!("requires_capture"))
    );
}

#[tokio::test]
async fn a_page_lets_nothing_foreign_in() {
    let desk = Desk::new();
    let page = desk.visit(&desk.link(&[]).await, "").await;
    let answer = desk.look(&page).await;
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"));
    assert!(!answer.text.contains("<style") && !answer.text.contains("onclick"));
}
