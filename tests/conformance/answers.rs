//! What the contract reads, against what Stripe gives.

use std::collections::BTreeMap;

use paylink::pb;
use paylink::pb::plan::{self, Kind, Message, Shape};

use crate::facts;

/// Members of every object that say what the object is.
const OWN: [&str; 1] = ["object"];

/// Lays out the kinds of what a message reads, by path.
fn read(message: &'static Message) -> BTreeMap<String, (&'static str, Vec<String>)> {
    let mut kinds = BTreeMap::new();
    add(message, "", &mut kinds);
    kinds
}

fn add(
    message: &'static Message,
    at: &str,
    kinds: &mut BTreeMap<String, (&'static str, Vec<String>)>,
) {
    let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let names = message.choices.iter().filter_map(|choice| choice.discriminator.as_ref());
    for name in names.chain(message.constant.as_ref().map(|(name, _)| name)) {
        kinds.insert(path(name), ("word", Vec::new()));
    }
    let fields = message
        .fields
        .iter()
        .filter(|field| !field.local && field.noted_as.is_none() && !field.input_only);
    for field in fields {
        let mut here = path(&field.wire_name);
        match field.shape {
            Shape::Single => {}
            Shape::Repeated => {
                kinds.insert(here.clone(), ("list", Vec::new()));
                here.push_str("[]");
            }
            Shape::Map => {
                kinds.insert(here.clone(), ("map", Vec::new()));
                here.push_str("{}");
            }
        }
        let kind = match field.kind {
            Kind::Bool => "boolean",
            Kind::Int => "integer",
            Kind::String => "text",
            Kind::Timestamp => "time",
            Kind::Enum(_) => "word",
            Kind::Message(inner) if inner.get().fields.is_empty() => continue,
            Kind::Message(inner) => {
                add(inner.get(), &here, kinds);
                "object"
            }
        };
        let mut words = match field.kind {
            Kind::Enum(of) => of.words.iter().map(|(_, word)| word.clone()).collect(),
            _ => Vec::new(),
        };
        words.sort();
        kinds.insert(here, (kind, words));
    }
}

/// Compares a message with an object. `elsewhere` names what is deliberately not
/// read, with everything below it, and why; `shared` what the message has for the
/// sake of another object.
pub fn check<M: prost::Name>(object: &str, elsewhere: &[(&str, &str)], shared: &[&str]) {
    let ours = read(plan::of::<M>());
    let theirs = facts::section(facts::OBJECTS, object);
    let left_out = |path: &str| {
        OWN.contains(&path)
            || elsewhere.iter().any(|(left, _)| {
                path == *left
                    || path.strip_prefix(left).is_some_and(|rest| rest.starts_with(['.', '[', '{']))
            })
    };
    let mut wrong = Vec::new();
    for (path, fact) in theirs.iter().filter(|(path, _)| !left_out(path)) {
        let Some((kind, words)) = ours.get(path) else {
            wrong.push(format!("{path} is missing"));
            continue;
        };
        let texts =
            ["text", "url", "alnum", "decimal", "number", "currency", "id", "resource", "word"];
        let alike = (*kind == "text" && texts.contains(&&*fact.kind))
            || (*kind == "word" && fact.kind == "text")
            // A number, or nothing for infinity.
            || path.ends_with("tiers[].up_to");
        if *kind != fact.kind && !alike {
            wrong.push(format!("{path} is {kind}, and {} at Stripe", fact.kind));
        }
        if !words.is_empty() && !fact.words.is_empty() && *words != fact.words {
            wrong.push(format!("{path} has {words:?}, and {:?} at Stripe", fact.words));
        }
    }
    let plain = |path: &str| path.ends_with("{}") || left_out(path) || shared.contains(&path);
    let invented = ours.keys().filter(|path| !theirs.contains_key(*path) && !plain(path));
    wrong.extend(invented.map(|path| format!("{path} is invented")));
    for (left, why) in elsewhere {
        assert!(theirs.contains_key(*left) && !why.is_empty(), "{left} is no member of {object}");
    }
    assert!(wrong.is_empty(), "{object}:\n  {}", wrong.join("\n  "));
}

#[test]
fn catalogue_objects_are_read_whole() {
    check::<pb::Product>("product", &[], &[]);
    check::<pb::Price>("price", &[], &[]);
}

#[test]
fn discounts_and_shipping_rates_are_read_whole() {
    check::<pb::Coupon>("coupon", &[], &[]);
    check::<pb::PromotionCode>("promotion_code", &[], &[]);
    check::<pb::ShippingRate>("shipping_rate", &[], &[]);
}

#[test]
fn payment_links_are_read_whole() {
    let values =
        ["dropdown", "numeric", "text"].map(|kind| format!("custom_fields[].{kind}.value"));
    check::<pb::PaymentLink>(
        "payment_link",
        &[("line_items", "a list of items, which are compared by themselves")],
        &values.each_ref().map(String::as_str),
    );
}

#[test]
fn line_items_are_read_as_far_as_amounts_go() {
    let elsewhere =
        [("discounts", "their sum is amount_discount"), ("taxes", "their sum is amount_tax")];
    check::<pb::LineItem>("item", &elsewhere, &[]);
}

#[test]
fn checkout_sessions_are_read_as_far_as_payments_go() {
    let settings = "a setting of the link, which GetPaymentLink gives";
    let page = "how the page was shown, which no payment needs";
    let elsewhere = [
        ("allow_promotion_codes", settings),
        ("billing_address_collection", settings),
        ("consent_collection", settings),
        ("custom_text", settings),
        ("customer_creation", settings),
        ("invoice_creation", settings),
        ("managed_payments", settings),
        ("name_collection", settings),
        ("optional_items", settings),
        ("payment_method_collection", settings),
        ("payment_method_options", settings),
        ("phone_number_collection", settings),
        ("shipping_address_collection", settings),
        ("shipping_options", settings),
        ("submit_type", settings),
        ("tax_id_collection", settings),
        ("automatic_tax.liability", settings),
        ("automatic_tax.provider", settings),
        ("adaptive_pricing", page),
        ("after_expiration", page),
        ("branding_settings", page),
        ("cancel_url", page),
        ("client_secret", page),
        ("excluded_payment_method_types", page),
        ("integration_identifier", page),
        ("origin_context", page),
        ("payment_method_configuration_details", page),
        ("permissions", page),
        ("redirect_on_completion", page),
        ("return_url", page),
        ("saved_payment_method_options", page),
        ("success_url", page),
        ("ui_mode", page),
        ("url", page),
        ("wallet_options", page),
        ("currency_conversion", "presentment_details has replaced it"),
        ("customer_email", "what was prefilled; customer_details has what was given"),
        ("line_items", "a list of items, which are compared by themselves"),
        ("shipping_cost.taxes", "their sum is amount_tax"),
        ("total_details.breakdown", "its sums are beside it"),
    ];
    check::<pb::Payment>("checkout.session", &elsewhere, &[]);
}
