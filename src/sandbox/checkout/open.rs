//! The visit of a link, which makes a session.

use serde_json::{Value, json};

use super::super::line_items::Line;
use super::super::object::Members;
use super::super::payment_links::Link;
use super::super::prices;
use super::super::store::State;
use super::super::{identifier, object};
use super::Session;

/// How long a session can be paid.
const LIFETIME_S: i64 = 24 * 60 * 60;
/// The longest reference of a client.
const REFERENCE_CHARS_MAX: usize = 200;
/// The longest value that describes where a visitor came from.
const SOURCE_CHARS_MAX: usize = 150;
/// The parameters that describe where a visitor came from.
const SOURCES: [&str; 5] = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"];

/// What the address of a link said. What is not valid in it is passed over: the page works anyway.
#[derive(Debug, Clone, Default)]
pub(in crate::sandbox) struct Visit {
    /// An e-mail address to begin with.
    pub(in crate::sandbox) email: Option<String>,
    /// Whether the buyer may change that address.
    pub(in crate::sandbox) email_locked: bool,
    /// The seller's own reference.
    pub(in crate::sandbox) reference: Option<String>,
    /// Where the visitor came from, to be passed on to the page after the payment.
    pub(in crate::sandbox) sources: Vec<(String, String)>,
    /// The days of a trial, from the link.
    pub(in crate::sandbox) trial_days: Option<i64>,
}

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
        lines: link.lines.iter().map(Line::copied).collect(),
        visit,
        redirects: link.object.at("after_completion").at("type") == "redirect",
        intent: None,
        challenge: None,
    };
    preset(state, &mut session);
    let reference = session.visit.reference.clone();
    object::set(&mut session.object, "client_reference_id", reference);
    session.choose(state, &[]);
    let expires_at = state.clock.now() + LIFETIME_S;
    state.expire_at(expires_at, &id);
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

fn describe(state: &State, link: &Value, id: &str, recurring: bool) -> Value {
    let now = state.clock.now();
    let mut automatic_tax = json!({ "provider": null, "status": null });
    object::overlay(&mut automatic_tax, link.at("automatic_tax"));
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
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
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

// === impl Visit ===

impl Visit {
    /// Reads the parameters of a link's address.
    pub(in crate::sandbox) fn parse(query: &str) -> Self {
        let mut visit = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "prefilled_email" if plausible_email(&value) && !visit.email_locked => {
                    visit.email = Some(value.into_owned());
                }
                "locked_prefilled_email" if plausible_email(&value) => {
                    visit.email = Some(value.into_owned());
                    visit.email_locked = true;
                }
                "client_reference_id" if plain(&value, REFERENCE_CHARS_MAX) => {
                    visit.reference = Some(value.into_owned());
                }
                source if SOURCES.contains(&source) && plain(&value, SOURCE_CHARS_MAX) => {
                    visit.sources.push((name.into_owned(), value.into_owned()));
                }
                _ => {}
            }
        }
        visit
    }
}

/// Whether a text could be an e-mail address.
pub(in crate::sandbox) fn plausible_email(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    let domain_ok =
        |domain: &str| domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.');
    parts.is_some_and(|(local, domain)| !local.is_empty() && domain_ok(domain))
        && !text.contains(char::is_whitespace)
        && text.len() <= 254
}

fn plain(text: &str, chars_max: usize) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.chars().count() <= chars_max && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_parameters_of_the_address_are_taken_over() {
        let visit = Visit::parse(
            "prefilled_email=a%40b.example&client_reference_id=order_1-x&utm_source=news",
        );
        assert_eq!(visit.email.as_deref(), Some("a@b.example"));
        assert_eq!(visit.reference.as_deref(), Some("order_1-x"));
        assert_eq!(visit.sources, [("utm_source".to_owned(), "news".to_owned())]);
    }

    #[test]
    fn invalid_parameters_of_the_address_are_passed_over() {
        let visit = Visit::parse("prefilled_email=nobody&client_reference_id=a%20b&utm_source=a.b");
        assert_eq!((visit.email, visit.reference), (None, None));
        assert!(visit.sources.is_empty());
    }

    #[test]
    fn a_locked_address_wins() {
        let visit = Visit::parse("locked_prefilled_email=a@b.example&prefilled_email=c@d.example");
        assert_eq!(visit.email.as_deref(), Some("a@b.example"));
        assert!(visit.email_locked);
    }
}
