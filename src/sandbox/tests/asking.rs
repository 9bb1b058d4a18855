//! What the page asks for and says, option by option.

use super::*;

#[tokio::test]
async fn a_business_gives_its_tax_id() {
    let desk = Desk::new();
    let page = desk.visit(&desk.link(&[("tax_id_collection[enabled]", "true")]).await, "").await;
    let business = ("tax_business", "yes");
    let missing = desk.pay(&page, &[business]).await;
    assert!(missing.text.contains("id=\"tax_id_error\">Enter your tax ID.<"), "{}", missing.text);
    let wrong = desk.pay(&page, &[business, ("tax_name", "B"), ("tax_id", "1")]).await;
    assert!(wrong.text.contains("This does not look like a tax ID of that country."));
    let form =
        [business, ("tax_name", "Bureau"), ("tax_id", "FR12345678901"), ("billing_country", "FR")];
    assert_eq!(desk.pay(&page, &form).await.status, 303);
    let details = desk.session(&page).await["customer_details"].clone();
    assert_eq!(details["tax_ids"], json!([{ "type": "eu_vat", "value": "FR12345678901" }]));
    assert_eq!(details["business_name"], "Bureau");
}

#[tokio::test]
async fn a_person_is_not_asked_for_a_tax_id() {
    let desk = Desk::new();
    let page = desk.visit(&desk.link(&[("tax_id_collection[enabled]", "true")]).await, "").await;
    assert_eq!(desk.pay(&page, &[("tax_id", "ignored")]).await.status, 303);
    assert_eq!(desk.session(&page).await["customer_details"]["tax_ids"], json!([]));
}

#[tokio::test]
async fn a_tax_id_is_required_where_the_country_has_any() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("tax_id_collection[enabled]", "true"),
            ("tax_id_collection[required]", "if_supported"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    let name = ("tax_name", "Bureau");
    assert_eq!(desk.pay(&page, &[name, ("billing_country", "DE")]).await.status, 422);
    assert_eq!(desk.pay(&page, &[name, ("billing_country", "AQ")]).await.status, 303);
}

#[tokio::test]
async fn the_page_speaks_the_language_of_its_address() {
    let desk = Desk::new();
    let link = desk.link(&[]).await;
    let page = desk.visit(&link, "?locale=de").await;
    let shown = desk.look(&page).await.text;
    assert!(shown.contains("<html lang=\"de\">") && shown.contains("Kartennummer"));
    assert_eq!(desk.session(&page).await["locale"], "de");
    let wrong = desk.pay(&page, &[("email", ""), ("card_number", "4242")]).await.text;
    assert!(wrong.contains("Bitte ausfüllen: E-Mail.") && wrong.contains("unvollständig"));
    let declined = desk.pay(&page, &[("card_number", "4000000000009995")]).await.text;
    assert!(declined.contains("nicht ausreichend gedeckt"));
    let unknown = desk.visit(&link, "?locale=tlh").await;
    assert!(desk.look(&unknown).await.text.contains("<html lang=\"en\">"));
    assert_eq!(desk.session(&unknown).await["locale"], "auto");
}

#[tokio::test]
async fn consents_and_texts_stand_where_they_belong() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("consent_collection[terms_of_service]", "required"),
            ("consent_collection[promotions]", "auto"),
            ("shipping_address_collection[allowed_countries][]", "DE"),
            ("custom_text[shipping_address][message]", "text one"),
            ("custom_text[terms_of_service_acceptance][message]", "text two"),
            ("custom_text[submit][message]", "text three"),
            ("custom_text[after_submit][message]", "text four"),
            ("submit_type", "book"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    let shown = desk.look(&page).await.text;
    let places: Vec<usize> = [
        "Shipping address",
        "text one",
        "name=\"terms\"",
        "text two",
        "name=\"promotions\"",
        "text three",
        ">Book</button>",
        "text four",
    ]
    .iter()
    .map(|text| shown.find(text).unwrap_or_else(|| panic!("{text}")))
    .collect();
    assert!(places.is_sorted(), "{places:?}");
    let sent = [
        ("shipping_name", "B"),
        ("shipping_country", "DE"),
        ("shipping_line1", "Weg 1"),
        ("shipping_city", "Berlin"),
    ];
    let refused = desk.pay(&page, &sent).await;
    assert!(refused.text.contains("id=\"terms_error\">Tick this box to go on.<"));
    desk.pay(&page, &[&sent[..], &[("terms", "yes"), ("promotions", "yes")]].concat()).await;
    let consent = desk.session(&page).await["consent"].clone();
    assert_eq!(consent, json!({ "promotions": "opt_in", "terms_of_service": "accepted" }));
}

#[tokio::test]
async fn an_amount_out_of_bounds_is_said_beside_its_box() {
    let desk = Desk::new();
    let price = [
        ("currency", "usd"),
        ("product_data[name]", "Gift"),
        ("custom_unit_amount[enabled]", "true"),
        ("custom_unit_amount[minimum]", "500"),
        ("custom_unit_amount[maximum]", "9000"),
        ("custom_unit_amount[preset]", "2000"),
    ];
    let price = desk.post("/v1/prices", &price).await.json();
    let form =
        [("line_items[0][price]", price["id"].as_str().unwrap()), ("line_items[0][quantity]", "1")];
    let link = desk.post("/v1/payment_links", &form).await.json();
    let page = desk.visit(&link, "").await;
    let shown = desk.look(&page).await.text;
    assert!(shown.contains("Between $5.00 and $90.00") && shown.contains("value=\"20.00\""));
    let name = shown.split("name=\"amount_").nth(1).unwrap().split('"').next().unwrap();
    let (field, beside) = (format!("amount_{name}"), format!("id=\"error_{name}\">"));
    for (typed, told) in [("4", "Choose at least $5.00."), ("91", "Choose at most $90.00.")] {
        let answer = desk.pay(&page, &[(field.as_str(), typed)]).await;
        assert_eq!(answer.status, 422);
        assert!(answer.text.contains(&format!("{beside}{told}<")), "{}", answer.text);
    }
    desk.pay(&page, &[(field.as_str(), "42.50")]).await;
    assert_eq!(desk.session(&page).await["amount_total"], 4250);
}

#[tokio::test]
async fn a_subscription_says_what_comes_when() {
    let desk = Desk::new();
    let monthly = ("line_items[0][price_data][recurring][interval]", "month");
    let quarterly = ("line_items[0][price_data][recurring][interval_count]", "3");
    let trial = ("subscription_data[trial_period_days]", "14");
    let hidden = ("consent_collection[payment_method_reuse_agreement][position]", "hidden");
    let agreement = "By subscribing, you allow the seller";
    for (further, said, agreed) in [
        (vec![monthly], vec!["Subscribe to Thing", "Then $10.00 per month", ">Subscribe<"], true),
        (vec![monthly, quarterly], vec!["Then $10.00 every 3 months"], true),
        (vec![monthly, trial], vec!["Try Thing", "14 days free", ">Start trial<"], true),
        (vec![monthly, hidden], vec![">Subscribe<"], false),
    ] {
        let page = desk.visit(&desk.link(&further).await, "").await;
        let shown = desk.look(&page).await.text;
        assert!(said.iter().all(|said| shown.contains(said)), "{said:?}");
        assert_eq!(shown.contains(agreement), agreed);
    }
}

#[tokio::test]
async fn a_trial_needs_no_card_where_the_link_says_so() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("line_items[0][price_data][recurring][interval]", "month"),
            ("subscription_data[trial_period_days]", "14"),
            ("payment_method_collection", "if_required"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    assert!(!desk.look(&page).await.text.contains("card_number"));
    let answer = desk.send(Request::post(&page), &[("email", "a@b.example")]).await;
    assert_eq!(answer.status, 303);
    assert_eq!(desk.session(&page).await["payment_status"], "no_payment_required");
}

#[tokio::test]
async fn a_buyer_begins_in_the_country_of_their_address() {
    let desk = Desk::new();
    let page =
        desk.visit(&desk.link(&[]).await, "?prefilled_email=a%2Blocation_FR@b.example").await;
    assert!(desk.look(&page).await.text.contains("<option value=\"FR\" selected>"));
}

#[tokio::test]
async fn names_are_asked_for_as_the_link_says() {
    let desk = Desk::new();
    let link = desk
        .link(&[
            ("name_collection[individual][enabled]", "true"),
            ("name_collection[business][enabled]", "true"),
            ("name_collection[business][optional]", "true"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    let refused = desk.pay(&page, &[]).await.text;
    assert!(refused.contains("individual_name_error") && !refused.contains("business_name_error"));
    desk.pay(&page, &[("individual_name", "Ada")]).await;
    let collected = desk.session(&page).await["collected_information"].clone();
    assert_eq!(
        (&collected["individual_name"], &collected["business_name"]),
        (&json!("Ada"), &Value::Null)
    );
}

#[tokio::test]
async fn a_custom_field_keeps_to_its_lengths_and_begins_with_its_default() {
    let desk = Desk::new();
    let field = |name: &'static str, value: &'static str| (name, value);
    let link = desk
        .link(&[
            field("custom_fields[0][key]", "word"),
            field("custom_fields[0][type]", "text"),
            field("custom_fields[0][label][type]", "custom"),
            field("custom_fields[0][label][custom]", "Word"),
            field("custom_fields[0][text][minimum_length]", "3"),
            field("custom_fields[0][text][maximum_length]", "5"),
            field("custom_fields[0][text][default_value]", "four"),
            field("custom_fields[1][key]", "size"),
            field("custom_fields[1][type]", "dropdown"),
            field("custom_fields[1][label][type]", "custom"),
            field("custom_fields[1][label][custom]", "Size"),
            field("custom_fields[1][optional]", "true"),
            field("custom_fields[1][dropdown][options][0][label]", "Small"),
            field("custom_fields[1][dropdown][options][0][value]", "s"),
        ])
        .await;
    let page = desk.visit(&link, "").await;
    assert!(desk.look(&page).await.text.contains("value=\"four\" maxlength=\"5\""));
    for (typed, told) in
        [("ab", "Enter at least 3 characters."), ("abcdef", "Enter at most 5 characters.")]
    {
        let answer = desk.pay(&page, &[("custom_word", typed)]).await;
        assert!(answer.text.contains(&format!("id=\"custom_word_error\">{told}<")));
    }
    let strange = desk.pay(&page, &[("custom_word", "abc"), ("custom_size", "x")]).await;
    assert!(strange.text.contains("id=\"custom_size_error\">Choose an option from the list.<"));
    assert_eq!(desk.pay(&page, &[("custom_word", "abc")]).await.status, 303);
}

#[tokio::test]
async fn what_is_sent_goes_where_the_last_try_said() {
    let desk = Desk::new();
    let link = desk.link(&[("shipping_address_collection[allowed_countries][]", "DE")]).await;
    let page = desk.visit(&link, "").await;
    let form = |street: &'static str, card: &'static str| {
        [
            ("card_number", card),
            ("shipping_name", "B"),
            ("shipping_country", "DE"),
            ("shipping_line1", street),
            ("shipping_city", "Berlin"),
            ("shipping_postal_code", "10115"),
        ]
    };
    assert_eq!(desk.pay(&page, &form("Weg 1", "4000000000000002")).await.status, 402);
    assert_eq!(desk.pay(&page, &form("Weg 2", "4242424242424242")).await.status, 303);
    let charge = desk.get("/v1/charges?expand[]=data.payment_intent").await["data"][0].clone();
    for paid in [&charge, &charge["payment_intent"]] {
        assert_eq!(paid["shipping"]["address"]["line1"], "Weg 2");
    }
}

#[tokio::test]
async fn an_amount_is_read_as_the_page_writes_it() {
    let desk = Desk::new();
    let price = [
        ("currency", "kwd"),
        ("product_data[name]", "Gift"),
        ("custom_unit_amount[enabled]", "true"),
        ("custom_unit_amount[preset]", "1250"),
    ];
    let price = desk.post("/v1/prices", &price).await.json();
    let form =
        [("line_items[0][price]", price["id"].as_str().unwrap()), ("line_items[0][quantity]", "1")];
    let link = desk.post("/v1/payment_links", &form).await.json();
    for (locale, written) in [("en", "1.250"), ("de", "1,250"), ("fr", "1,250"), ("es", "1,250")] {
        let page = desk.visit(&link, &format!("?locale={locale}")).await;
        let shown = desk.look(&page).await.text;
        assert!(shown.contains(&format!("value=\"{written}\"")), "{locale}");
        let name = shown.split("name=\"amount_").nth(1).unwrap().split('"').next().unwrap();
        desk.pay(&page, &[(format!("amount_{name}").as_str(), written)]).await;
        assert_eq!(desk.session(&page).await["amount_total"], 1250, "{locale}");
    }
}
