use serde_json::json;

use super::*;
use crate::pb::{self, custom_field, payment_link};

fn check<M: Message + Name + Default>(json: &serde_json::Value) -> Read<M> {
    read(json.to_string().as_bytes()).unwrap()
}

#[test]
fn scalars_words_maps_and_times_are_read_by_name() {
    let price = check::<pb::Price>(&json!({
        "id": "price_1",
        "object": "price",
        "active": false,
        "created": 1_700_000_000,
        "currency": "usd",
        "lookup_key": null,
        "metadata": {"order": "7"},
        "recurring": {
            "interval": "month", "interval_count": 3, "meter": null, "usage_type": "licensed"
        },
        "tax_behavior": "unspecified",
        "type": "recurring",
        "unit_amount": 2500,
        "unit_amount_decimal": "2500"
    }));
    let expected = pb::Price {
        id: "price_1".into(),
        active: Some(false),
        created: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        currency: "usd".into(),
        metadata: [("order".into(), "7".into())].into(),
        recurring: Some(pb::Recurring {
            interval: pb::recurring::Interval::Month.into(),
            interval_count: Some(3),
            usage_type: pb::recurring::UsageType::Licensed.into(),
            meter: String::new(),
        }),
        r#type: pb::price::Type::Recurring.into(),
        tax_behavior: Some(pb::TaxBehavior::Unspecified.into()),
        unit_amount: Some(2500),
        unit_amount_decimal: "2500".into(),
        ..Default::default()
    };
    assert_eq!(price.message, expected);
}

#[test]
fn an_expanded_object_reads_as_its_id_and_a_list_object_as_its_data() {
    let link = check::<pb::PaymentLink>(&json!({
        "id": "plink_1",
        "line_items": {
            "object": "list",
            "data": [{"id": "li_1", "price": {"object": "price", "id": "price_1"}, "quantity": 2}],
            "has_more": true
        }
    }));
    let item = pb::LineItem {
        id: "li_1".into(),
        price: "price_1".into(),
        quantity: Some(2),
        ..Default::default()
    };
    assert_eq!(link.message.line_items, [item]);
}

#[test]
fn a_page_of_a_list_says_whether_it_goes_on() {
    let page =
        json!({"object": "list", "data": [{"id": "prod_1"}, {"id": "prod_2"}], "has_more": true});
    let read = check::<pb::ListProductsResponse>(&page);
    let ids: Vec<_> = read.message.products.iter().map(|product| product.id.as_str()).collect();
    assert_eq!((ids, read.has_more), (vec!["prod_1", "prod_2"], true));
}

#[test]
fn a_case_is_read_with_and_without_options() {
    let fields = check::<pb::PaymentLink>(&json!({
        "custom_fields": [
            {"key": "a", "type": "numeric", "numeric": {"maximum_length": 4}, "text": null},
            {"key": "b", "type": "text", "text": null},
            {"key": "c", "type": "hologram"}
        ],
        "after_completion": {
            "type": "hosted_confirmation",
            "hosted_confirmation": {"custom_message": null}
        }
    }));
    let cases: Vec<_> =
        fields.message.custom_fields.into_iter().map(|field| field.r#type).collect();
    let four = custom_field::Text { maximum_length: Some(4), ..Default::default() };
    assert_eq!(
        cases,
        [
            Some(custom_field::Type::Numeric(four)),
            Some(custom_field::Type::Text(custom_field::Text::default())),
            None
        ]
    );
    assert!(matches!(
        fields.message.after_completion.unwrap().r#type,
        Some(payment_link::after_completion::Type::HostedConfirmation(_))
    ));
}

#[test]
fn what_is_not_known_is_counted_and_breaks_nothing() {
    let read = check::<pb::Price>(&json!({
        "id": "price_1",
        "type": "per_seat",
        "unit_amount": [1],
        "active": "yes",
        "shiny": {"new": ["thing"]},
        "currency": "eur"
    }));
    assert_eq!((read.message.id.as_str(), read.message.currency.as_str()), ("price_1", "eur"));
    assert_eq!(read.unknown, 3);
}

#[test]
fn a_number_reads_as_text_where_the_contract_has_a_decimal() {
    let read = check::<pb::Price>(&json!({"unit_amount_decimal": 12.5}));
    assert_eq!(read.message.unit_amount_decimal, "12.5");
}

#[test]
fn text_that_is_no_object_is_refused() {
    for text in ["", "[]", "{\"id\":", "{} x", "<html>"] {
        assert!(read::<pb::Price>(text.as_bytes()).is_err(), "{text}");
    }
}
