//! Rules that several fields of a link make together. They are pure: what they
//! cannot know without asking Stripe is left to Stripe.

use std::collections::HashSet;

use crate::contract::{Reason, Violation};
use crate::pb::{self, custom_field};

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
    found
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
