//! The opening of a link, which makes a session.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::super::agenda::Due;
use super::super::line_items::Line;
use super::super::object::Members;
use super::super::payment_links::Link;
use super::super::prices;
use super::super::store::State;
use super::super::{identifier, object};
use super::{Choices, Promotion, Session, Visit};

/// How long a session can be paid.
const LIFETIME_S: i64 = 24 * 60 * 60;

/// Opens a session at a link; the answer is its identifier.
pub(in crate::sandbox) fn open(state: &mut State, link: &Link, mut visit: Visit) -> String {
    let id = identifier::fresh("cs_test_a1", 56);
    let recurring = link.recurring(state);
    visit.trial_days = link
        .object
        .pointer("/subscription_data/trial_period_days")
        .and_then(Value::as_i64)
        .filter(|_| recurring);
    let mut session = Session {
        object: describe(state, &link.object, &id, recurring),
        lines: link.lines.iter().map(Line::copied).chain(optional(&link.object)).collect(),
        promotion: Promotion { entered: visit.code.clone(), ..Promotion::default() },
        visit,
        redirects: link.object.at("after_completion").at("type") == "redirect",
        entered: HashMap::new(),
        intent: None,
        challenge: None,
        underway: None,
    };
    preset(state, &mut session);
    let reference = session.visit.reference.clone();
    object::set(&mut session.object, "client_reference_id", reference);
    let locale = session.visit.locale.clone();
    object::set(&mut session.object, "locale", locale.unwrap_or_else(|| "auto".to_owned()));
    session.choose(state, &Choices::default());
    // A code that was not typed here is no mistake of the buyer's.
    session.promotion.error = None;
    let expires_at = state.clock.now() + LIFETIME_S;
    state.agenda.note(expires_at, Due::ExpireSession(id.clone()));
    state.sessions.insert(&id, session);
    id
}

/// Where the buyer chooses the price, the session begins with the one that was preset.
fn preset(state: &State, session: &mut Session) {
    for line in &mut session.lines {
        let price = state.prices.get(&line.price);
        let priced = price.and_then(|price| prices::in_currency(price, &line.currency));
        if let Some(custom) = priced.map(|priced| priced.at("custom_unit_amount"))
            && custom.is_object()
        {
            line.chosen_amount = custom.at("preset").as_i64().or(Some(0));
        }
    }
}

/// The optional items of a link, none of them added yet.
fn optional(link: &Value) -> impl Iterator<Item = Line> {
    let currency = link.at("currency").as_str().unwrap_or_default();
    let items = link.at("optional_items").as_array().into_iter().flatten();
    items.map(move |item| Line {
        id: identifier::fresh("li_1", 23),
        price: item.at("price").as_str().unwrap_or_default().to_owned(),
        currency: currency.to_owned(),
        quantity: 0,
        adjustable_quantity: item.at("adjustable_quantity").clone(),
        chosen_amount: None,
        discount: 0,
        tax: None,
        offered: Some(item.at("quantity").as_i64().unwrap_or(1).max(1)),
    })
}

fn describe(state: &State, link: &Value, id: &str, recurring: bool) -> Value {
    let now = state.clock.now();
    let mut automatic_tax = json!({ "provider": null, "status": null });
    object::overlay(&mut automatic_tax, link.at("automatic_tax"));
    if automatic_tax.at("enabled") == true {
        object::set(&mut automatic_tax, "status", "requires_location_inputs");
    }
    let types = if link.at("payment_method_types").is_array() {
        link.at("payment_method_types").clone()
    } else {
        json!(["card"])
    };
    let once = |value: Value| if recurring { Value::Null } else { value };
    let mut session = blank();
    let described = json!({
        "id": id,
        "adaptive_pricing": { "enabled": false },
        "automatic_tax": automatic_tax,
        "branding_settings": {
            "background_color": "#ffffff",
            "border_style": "rounded",
            "button_color": "#4f46e5",
            "display_name": "Sandbox",
            "font_family": "default",
            "icon": null,
            "logo": null,
        },
        "created": now,
        "custom_fields": session_fields(link.at("custom_fields")),
        "customer_creation": once(link.at("customer_creation").clone()),
        "expires_at": now + LIFETIME_S,
        "mode": if recurring { "subscription" } else { "payment" },
        "payment_link": link.at("id"),
        "payment_method_types": types,
        "success_url": success_url(link),
        "url": format!("{}/c/pay/{id}", state.public_url),
    });
    object::overlay(&mut session, &described);
    for name in COPIED {
        if let Some(value) = link.get(*name) {
            object::set(&mut session, name, value.clone());
        }
    }
    let mut options = json!({ "card": { "request_three_d_secure": "automatic" } });
    if link.at("payment_method_options").is_object() {
        object::overlay(&mut options, link.at("payment_method_options"));
    }
    object::set(&mut session, "payment_method_options", options);
    session
}

/// What is the same for every new session.
fn blank() -> Value {
    json!({
        "object": "checkout.session",
        "after_expiration": null,
        "amount_subtotal": 0,
        "amount_total": 0,
        "cancel_url": "https://stripe.com",
        "client_reference_id": null,
        "client_secret": null,
        "collected_information": null,
        "consent": null,
        "currency_conversion": null,
        "customer": null,
        "customer_account": null,
        "customer_details": null,
        "customer_email": null,
        "discounts": [],
        "integration_identifier": null,
        "invoice": null,
        "livemode": false,
        "locale": "auto",
        "origin_context": null,
        "payment_intent": null,
        "payment_method_configuration_details": null,
        "payment_status": "unpaid",
        "permissions": null,
        "recovered_from": null,
        "saved_payment_method_options": null,
        "setup_intent": null,
        "shipping_cost": null,
        "status": "open",
        "subscription": null,
        "ui_mode": "hosted_page",
        "wallet_options": null,
    })
}

/// What a session takes over from its link as it is.
const COPIED: &[&str] = &[
    "allow_promotion_codes",
    "billing_address_collection",
    "consent_collection",
    "currency",
    "custom_text",
    "invoice_creation",
    "managed_payments",
    "metadata",
    "name_collection",
    "optional_items",
    "payment_method_collection",
    "phone_number_collection",
    "shipping_address_collection",
    "shipping_options",
    "submit_type",
    "tax_id_collection",
];

fn success_url(link: &Value) -> Value {
    let url = link.pointer("/after_completion/redirect/url");
    url.cloned().unwrap_or_else(|| "https://stripe.com".into())
}

/// The link's custom fields, each with room for a value.
fn session_fields(fields: &Value) -> Value {
    let with_room = |field: &Value| {
        let mut field = field.clone();
        let kind = field.at("type").as_str().unwrap_or_default().to_owned();
        if let Some(detail) = field.get_mut(&kind) {
            object::set(detail, "value", Value::Null);
        }
        field
    };
    fields.as_array().into_iter().flatten().map(with_room).collect()
}
