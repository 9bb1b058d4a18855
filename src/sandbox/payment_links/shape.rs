//! The members of a link as Stripe shows them: its defaults, and what a parameter makes of them.

use serde_json::{Map, Value, json};

use super::super::object::Members;
use super::super::{line_items, object};

/// A link about which nothing was said.
pub(super) fn defaults() -> Value {
    json!({
        "id": null,
        "object": "payment_link",
        "active": true,
        "after_completion": default("after_completion"),
        "allow_promotion_codes": false,
        "application": null,
        "application_fee_amount": null,
        "application_fee_percent": null,
        "automatic_tax": default("automatic_tax"),
        "billing_address_collection": "auto",
        "consent_collection": null,
        "currency": null,
        "custom_fields": [],
        "custom_text": default("custom_text"),
        "customer_creation": "if_required",
        "inactive_message": null,
        "invoice_creation": default("invoice_creation"),
        "livemode": false,
        "managed_payments": null,
        "metadata": {},
        "on_behalf_of": null,
        "optional_items": null,
        "payment_intent_data": null,
        "payment_method_collection": "always",
        "payment_method_options": null,
        "payment_method_types": null,
        "phone_number_collection": default("phone_number_collection"),
        "restrictions": null,
        "shipping_address_collection": null,
        "shipping_options": [],
        "submit_type": "auto",
        "subscription_data": default("subscription_data"),
        "tax_id_collection": default("tax_id_collection"),
        "transfer_data": null,
        "url": null,
    })
}

/// Takes over every parameter that has a place of its own in the object.
pub(super) fn assign(link: &mut Value, params: &Map<String, Value>) {
    for (name, sent) in params {
        let current = match name.as_str() {
            "line_items" | "shipping_options" | "active" | "metadata" | "expand" | "currency" => {
                continue;
            }
            _ => link.at(name).clone(),
        };
        object::set(link, name, member(name, &current, sent));
    }
    // The published schema has this member absent rather than null.
    if let Value::Object(members) = link
        && members.get("name_collection").is_some_and(Value::is_null)
    {
        members.remove("name_collection");
    }
}

/// What a member is when nothing was said, or when it was unset.
fn default(name: &str) -> Value {
    match name {
        "after_completion" => json!({
            "type": "hosted_confirmation",
            "hosted_confirmation": { "custom_message": null },
        }),
        "custom_fields" => json!([]),
        "automatic_tax"
        | "custom_text"
        | "invoice_creation"
        | "phone_number_collection"
        | "subscription_data"
        | "tax_id_collection" => shape(name),
        _ => Value::Null,
    }
}

fn member(name: &str, current: &Value, sent: &Value) -> Value {
    if sent.is_null() {
        return default(name);
    }
    match name {
        "after_completion" => after_completion(sent),
        "custom_fields" => elements(sent, custom_field),
        "optional_items" => elements(sent, optional_item),
        "name_collection" => name_collection(sent),
        "restrictions" => {
            let count = current.pointer("/completed_sessions/count").cloned();
            let limit = sent.at("completed_sessions").at("limit");
            json!({ "completed_sessions": { "count": count.unwrap_or(0.into()), "limit": limit } })
        }
        _ if sent.is_object() => merged(name, current, sent),
        _ => sent.clone(),
    }
}

/// What is declared as a whole, so that a change replaces it whole.
const DECLARED: [&str; 5] = [
    "/metadata",
    "/liability",
    "/invoice_data/metadata",
    "/invoice_data/issuer",
    "/invoice_settings/issuer",
];

/// Merges what was sent into what is there.
fn merged(name: &str, current: &Value, sent: &Value) -> Value {
    let mut merged = if current.is_null() { shape(name) } else { current.clone() };
    for pointer in DECLARED.iter().filter(|pointer| sent.pointer(pointer).is_some()) {
        if let Some(declared) = merged.pointer_mut(pointer) {
            *declared = json!({});
        }
    }
    object::overlay(&mut merged, sent);
    for metadata in ["/metadata", "/invoice_data/metadata"] {
        if let (Some(shown), Some(sent)) = (merged.pointer_mut(metadata), sent.pointer(metadata)) {
            *shown = object::metadata(Some(sent));
        }
    }
    match name {
        "invoice_creation" => {
            if let Some(options @ Value::Object(_)) =
                merged.pointer_mut("/invoice_data/rendering_options")
            {
                let mut whole = json!({ "amount_tax_display": null, "template": null });
                object::overlay(&mut whole, options);
                *options = whole;
            }
        }
        "payment_method_options" if merged.pointer("/card/restrictions").is_none() => {
            object::overlay(&mut merged, &json!({ "card": { "restrictions": null } }));
        }
        _ => {}
    }
    merged
}

fn shape(name: &str) -> Value {
    match name {
        "automatic_tax" => json!({ "enabled": false, "liability": null }),
        "consent_collection" => json!({
            "payment_method_reuse_agreement": null, "promotions": null, "terms_of_service": null,
        }),
        "custom_text" => json!({
            "after_submit": null,
            "shipping_address": null,
            "submit": null,
            "terms_of_service_acceptance": null,
        }),
        "invoice_creation" => json!({
            "enabled": false,
            "invoice_data": {
                "account_tax_ids": null,
                "custom_fields": null,
                "description": null,
                "footer": null,
                "issuer": null,
                "metadata": {},
                "rendering_options": null,
            },
        }),
        "payment_intent_data" => json!({
            "capture_method": null,
            "description": null,
            "metadata": {},
            "setup_future_usage": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "transfer_group": null,
        }),
        "phone_number_collection" => json!({ "enabled": false }),
        "subscription_data" => json!({
            "description": null,
            "invoice_settings": { "issuer": { "type": "self" } },
            "metadata": {},
            "trial_period_days": null,
            "trial_settings": null,
        }),
        "tax_id_collection" => json!({ "enabled": false, "required": "never" }),
        "transfer_data" => json!({ "amount": null, "destination": null }),
        _ => json!({}),
    }
}

fn elements(sent: &Value, show: impl Fn(&Value) -> Value) -> Value {
    sent.as_array().into_iter().flatten().map(show).collect()
}

fn after_completion(sent: &Value) -> Value {
    let kind = sent.at("type");
    if kind == "redirect" {
        return json!({ "type": kind, "redirect": { "url": sent.at("redirect").at("url") } });
    }
    let message = sent.at("hosted_confirmation").at("custom_message");
    json!({ "type": kind, "hosted_confirmation": { "custom_message": message } })
}

fn custom_field(sent: &Value) -> Value {
    let kind = sent.at("type").as_str().unwrap_or_default();
    let detail = match kind {
        "dropdown" => json!({ "default_value": null, "options": [] }),
        _ => json!({ "default_value": null, "maximum_length": null, "minimum_length": null }),
    };
    let mut field = json!({
        "key": sent.at("key"),
        "label": sent.at("label"),
        "optional": sent.at("optional").as_bool().unwrap_or_default(),
        "type": kind,
    });
    object::set(&mut field, kind, detail);
    if let (Some(detail), Some(sent)) = (field.get_mut(kind), sent.get(kind)) {
        object::overlay(detail, sent);
    }
    field
}

fn optional_item(sent: &Value) -> Value {
    let mut item = json!({
        "adjustable_quantity": null, "price": sent.at("price"), "quantity": sent.at("quantity"),
    });
    if sent.at("adjustable_quantity").is_object() {
        let adjustable = line_items::adjustable(sent.at("adjustable_quantity"));
        object::set(&mut item, "adjustable_quantity", adjustable);
    }
    item
}

fn name_collection(sent: &Value) -> Value {
    let mut shown = sent.clone();
    for kind in ["business", "individual"] {
        if let Some(part) = shown.get_mut(kind)
            && part.get("optional").is_none()
        {
            object::set(part, "optional", false);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(params: &Value, name: &str, expected: &Value) {
        let mut link = defaults();
        assign(&mut link, params.as_object().unwrap());
        assert_eq!(&link[name], expected);
    }

    #[test]
    fn a_part_that_was_not_sent_is_null() {
        let sent = json!({ "custom_text": { "submit": { "message": "Hi" } } });
        check(
            &sent,
            "custom_text",
            &json!({
                "after_submit": null,
                "shipping_address": null,
                "submit": { "message": "Hi" },
                "terms_of_service_acceptance": null,
            }),
        );
    }

    #[test]
    fn a_member_that_is_unset_returns_to_its_default() {
        let mut link = defaults();
        assign(&mut link, json!({ "custom_fields": [{ "key": "a" }] }).as_object().unwrap());
        assign(&mut link, json!({ "custom_fields": null }).as_object().unwrap());
        assert_eq!(link, defaults());
    }

    #[test]
    fn metadata_inside_is_replaced_whole() {
        let mut link = defaults();
        let first = json!({ "payment_intent_data": { "metadata": { "a": "1" } } });
        assign(&mut link, first.as_object().unwrap());
        let second = json!({ "payment_intent_data": { "metadata": { "b": "2" } } });
        assign(&mut link, second.as_object().unwrap());
        assert_eq!(link["payment_intent_data"]["metadata"], json!({ "b": "2" }));
    }

    #[test]
    fn a_custom_field_shows_the_details_of_its_type_only() {
        let field = json!({ "key": "k", "label": { "type": "custom", "custom": "K" },
            "type": "text", "text": { "maximum_length": 9 } });
        check(
            &json!({ "custom_fields": [field] }),
            "custom_fields",
            &json!([{
                "key": "k",
                "label": { "type": "custom", "custom": "K" },
                "optional": false,
                "text": { "default_value": null, "maximum_length": 9, "minimum_length": null },
                "type": "text",
            }]),
        );
    }
}
