//! Rules that several fields of a link make together. They are pure: what they
//! cannot know without asking Stripe is left to Stripe.

mod mode;

use std::collections::HashSet;

use super::ends;
use crate::contract::{Reason, Violation, pricing};
use crate::pb::{self, custom_field};

/// The most items that a link sells and offers together.
const ITEMS_MAX: usize = 20;

/// What a link is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Create,
    Update,
}

/// Finds what the fields of a link contradict each other in.
pub(super) fn check(link: Option<&pb::PaymentLink>, purpose: Purpose) -> Vec<Violation> {
    let Some(link) = link else { return Vec::new() };
    let mut found = Vec::new();
    line_items(&link.line_items, purpose, &mut found);
    custom_fields(&link.custom_fields, &mut found);
    if link.line_items.len() <= ITEMS_MAX
        && link.line_items.len() + link.optional_items.len() > ITEMS_MAX
    {
        let text = format!("must be at most {ITEMS_MAX} together with the line items");
        found.push(Violation::new("payment_link.optional_items", Reason::Count, text));
    }
    if link.application_fee_amount.is_some() && !link.application_fee_percent.is_empty() {
        let text = "does not go with application_fee_amount";
        let field = "payment_link.application_fee_percent";
        found.push(Violation::new(field, Reason::Conflict, text));
    }
    found.extend(ends::check_ttl(link.ttl.as_ref(), "payment_link.ttl"));
    if purpose == Purpose::Create {
        currencies(link, &mut found);
        mode::check(link, &mut found);
    }
    found
}

/// Prices made on the spot, and the link, have one currency.
fn currencies(link: &pb::PaymentLink, found: &mut Vec<Violation>) {
    // A code that is none is reported as such, and agrees with anything.
    let is_code = |text: &&str| text.len() == 3 && text.bytes().all(|b| b.is_ascii_lowercase());
    let mut agreed = Some(link.currency.as_str()).filter(is_code);
    for (index, item) in link.line_items.iter().enumerate() {
        let currency = item.price_data.as_ref().map(|price| price.currency.as_str());
        let Some(currency) = currency.filter(is_code) else { continue };
        if currency != *agreed.get_or_insert(currency) {
            let text = "must be the currency of the link and of its other prices";
            let field = format!("payment_link.line_items[{index}].price_data.currency");
            found.push(Violation::new(field, Reason::Conflict, text));
        }
    }
}

fn line_items(items: &[pb::LineItem], purpose: Purpose, found: &mut Vec<Violation>) {
    let mut ids = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let at = format!("payment_link.line_items[{index}]");
        if purpose == Purpose::Update && item.id.is_empty() {
            let text = "is required: an update changes items that exist";
            found.push(Violation::new(format!("{at}.id"), Reason::Required, text));
        } else if purpose == Purpose::Update && !ids.insert(&item.id) {
            let text = "must be unique in the link";
            found.push(Violation::new(format!("{at}.id"), Reason::Duplicate, text));
        }
        let price = item.price_data.as_ref();
        if let Some(recurring) = price.and_then(|price| price.recurring.as_ref()) {
            let at = format!("{at}.price_data.recurring");
            found.extend(pricing::interval(&at, recurring.interval(), recurring.interval_count));
        }
        let Some(adjustable) = &item.adjustable_quantity else { continue };
        if let (Some(minimum), Some(maximum)) = (adjustable.minimum, adjustable.maximum)
            && minimum > maximum
        {
            let text = "must be at most the maximum";
            let field = format!("{at}.adjustable_quantity.minimum");
            found.push(Violation::new(field, Reason::Conflict, text));
        }
    }
}

fn custom_fields(fields: &[pb::CustomField], found: &mut Vec<Violation>) {
    let mut keys = HashSet::new();
    for (index, field) in fields.iter().enumerate() {
        let at = format!("payment_link.custom_fields[{index}]");
        if !field.key.is_empty() && !keys.insert(&field.key) {
            let text = "must be unique in the link";
            found.push(Violation::new(format!("{at}.key"), Reason::Duplicate, text));
        }
        match &field.r#type {
            Some(custom_field::Type::Dropdown(dropdown)) => choices(dropdown, &at, found),
            Some(custom_field::Type::Numeric(text)) => lengths(text, &at, "numeric", found),
            Some(custom_field::Type::Text(text)) => lengths(text, &at, "text", found),
            None => {}
        }
    }
}

fn choices(dropdown: &custom_field::Dropdown, at: &str, found: &mut Vec<Violation>) {
    let mut values = HashSet::new();
    for (index, option) in dropdown.options.iter().enumerate() {
        if !values.insert(option.value.as_str()) {
            let field = format!("{at}.dropdown.options[{index}].value");
            found.push(Violation::new(field, Reason::Duplicate, "must be unique in the field"));
        }
    }
    let default = dropdown.default_value.as_str();
    if !default.is_empty() && !values.contains(default) {
        let text = "must be the value of one of the options";
        let field = format!("{at}.dropdown.default_value");
        found.push(Violation::new(field, Reason::Conflict, text));
    }
}

fn lengths(text: &custom_field::Text, at: &str, kind: &str, found: &mut Vec<Violation>) {
    if let (Some(minimum), Some(maximum)) = (text.minimum_length, text.maximum_length)
        && minimum > maximum
    {
        let field = format!("{at}.{kind}.minimum_length");
        found.push(Violation::new(field, Reason::Conflict, "must be at most the maximum_length"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::line_item::AdjustableQuantity;

    fn violations(link: &pb::PaymentLink, purpose: Purpose) -> Vec<String> {
        let found = check(Some(link), purpose);
        found.iter().map(|v| format!("{} {}", v.field, v.reason.as_str())).collect()
    }

    fn dropdown(key: &str, values: &[&str], default: &str) -> pb::CustomField {
        let option = |value: &&str| custom_field::dropdown::Option {
            label: value.to_uppercase(),
            value: (*value).to_owned(),
        };
        pb::CustomField {
            key: key.into(),
            r#type: Some(custom_field::Type::Dropdown(custom_field::Dropdown {
                options: values.iter().map(option).collect(),
                default_value: default.into(),
                ..Default::default()
            })),
            ..Default::default()
        }
    }

    #[test]
    fn keys_and_choices_are_unique_and_a_default_is_a_choice() {
        let link = pb::PaymentLink {
            custom_fields: vec![
                dropdown("size", &["s", "m", "s"], "m"),
                dropdown("size", &["s"], "xl"),
            ],
            ..Default::default()
        };
        assert_eq!(
            violations(&link, Purpose::Create),
            [
                "payment_link.custom_fields[0].dropdown.options[2].value DUPLICATE",
                "payment_link.custom_fields[1].key DUPLICATE",
                "payment_link.custom_fields[1].dropdown.default_value CONFLICT",
            ]
        );
    }

    #[test]
    fn a_minimum_is_at_most_its_maximum() {
        let item = pb::LineItem {
            adjustable_quantity: Some(AdjustableQuantity {
                enabled: Some(true),
                minimum: Some(3),
                maximum: Some(2),
            }),
            ..Default::default()
        };
        let text = custom_field::Text {
            minimum_length: Some(9),
            maximum_length: Some(8),
            ..Default::default()
        };
        let field =
            pb::CustomField { r#type: Some(custom_field::Type::Text(text)), ..Default::default() };
        let link = pb::PaymentLink {
            line_items: vec![item],
            custom_fields: vec![field],
            ..Default::default()
        };
        assert_eq!(
            violations(&link, Purpose::Create),
            [
                "payment_link.line_items[0].adjustable_quantity.minimum CONFLICT",
                "payment_link.custom_fields[0].text.minimum_length CONFLICT",
            ]
        );
    }

    #[test]
    fn prices_made_on_the_spot_have_one_currency() {
        let item = |currency: &str| pb::LineItem {
            price_data: Some(pb::line_item::PriceData {
                currency: currency.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut link = pb::PaymentLink {
            line_items: vec![item("usd"), item("usd"), item("eur")],
            ..Default::default()
        };
        let refused = "payment_link.line_items[2].price_data.currency CONFLICT";
        assert_eq!(violations(&link, Purpose::Create), [refused]);
        link.currency = "eur".into();
        assert_eq!(violations(&link, Purpose::Create).len(), 2);
    }

    #[test]
    fn what_is_sold_and_offered_is_at_most_twenty() {
        let link = pb::PaymentLink {
            line_items: vec![pb::LineItem::default(); 15],
            optional_items: vec![pb::payment_link::OptionalItem::default(); 6],
            ..Default::default()
        };
        let refused = ["payment_link.optional_items COUNT_OUT_OF_RANGE"];
        assert_eq!(violations(&link, Purpose::Create), refused);
    }

    #[test]
    fn a_connect_fee_is_an_amount_or_a_percentage() {
        let link = pb::PaymentLink {
            application_fee_amount: Some(1),
            application_fee_percent: "1".into(),
            ..Default::default()
        };
        let refused = ["payment_link.application_fee_percent CONFLICT"];
        assert_eq!(violations(&link, Purpose::Create), refused);
    }

    #[test]
    fn an_update_says_which_line_item_it_changes() {
        let item = |id: &str| pb::LineItem { id: id.into(), ..Default::default() };
        let link = pb::PaymentLink {
            line_items: vec![item("li_1"), item(""), item("li_1")],
            ..Default::default()
        };
        assert_eq!(violations(&link, Purpose::Create), Vec::<String>::new());
        assert_eq!(
            violations(&link, Purpose::Update),
            [
                "payment_link.line_items[1].id FIELD_REQUIRED",
                "payment_link.line_items[2].id DUPLICATE",
            ]
        );
    }
}
