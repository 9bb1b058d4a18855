//! What the contract sends, against what Stripe takes.

use std::collections::BTreeMap;

use paylink::pb;
use paylink::pb::plan::{self, Field, Kind, Message, Rules, Shape};

use crate::facts::{self, Fact, Facts};

/// Parameters that every endpoint takes and the client adds by itself.
const OWN: [&str; 5] = ["expand", "expand[]", "limit", "starting_after", "ending_before"];

/// Texts whose words are left open, so that Stripe's next one works without a release.
const OPEN: [&str; 6] = [
    "currency",
    "minimum_amount_currency",
    "payment_method_types[]",
    "shipping_address_collection.allowed_countries[]",
    "up_to",
    "lookup_keys[]",
];

/// Where the contract demands more than Stripe, and why.
const STRICTER: [(&str, &str); 1] =
    [("fixed_amount.currency_options{}.amount", "an option without an amount says nothing")];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Create,
    Update,
    Filter,
}

/// Lays out what the contract sends for a message.
fn sent(message: &'static Message, purpose: Purpose) -> Facts {
    let mut facts = BTreeMap::new();
    add(message, "", purpose, &mut facts);
    facts
}

fn add(message: &'static Message, at: &str, purpose: Purpose, facts: &mut Facts) {
    let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let word = |words: Vec<String>, required| Fact {
        kind: "word".into(),
        required,
        words,
        ..Fact::default()
    };
    if let Some((name, value)) = &message.constant {
        facts.insert(path(name), word(vec![value.clone()], true));
    }
    for (nth, choice) in message.choices.iter().enumerate() {
        let cases = message.fields.iter().filter(|field| field.choice == Some(nth));
        let mut words: Vec<String> = cases.map(|field| field.wire_name.clone()).collect();
        words.sort();
        if let Some(name) = &choice.discriminator {
            facts.insert(path(name), word(words, choice.required));
        }
    }
    for field in message.fields.iter().filter(|field| is_sent(field, at, purpose)) {
        let here = path(&field.wire_name);
        // What is updated is named by its id, and requires nothing else.
        let by_id = purpose == Purpose::Update && message.has_identifier();
        let required = if by_id { field.identifier } else { field.required };
        let one = |kind: &str| Fact { kind: kind.into(), ..Fact::default() };
        match field.shape {
            Shape::Single => {
                let fact = value(field.kind, &field.rules, &here, purpose, facts);
                if let Some(fact) = fact {
                    facts.insert(here, Fact { required, clear: field.clearable, ..fact });
                }
            }
            Shape::Repeated => {
                let max = field.rules.max_items.map(u64::cast_signed);
                let list = Fact { required, clear: field.clearable, max, ..one("list") };
                facts.insert(here.clone(), list);
                let items = field.rules.items.as_deref();
                let item = format!("{here}[]");
                let fact =
                    value(field.kind, items.unwrap_or(&Rules::default()), &item, purpose, facts);
                facts.extend(fact.map(|fact| (item, fact)));
            }
            Shape::Map => {
                facts.insert(here.clone(), Fact { clear: field.clearable, ..one("map") });
                let entry = format!("{here}{{}}");
                // Plain texts of maps are not told apart.
                if matches!(field.kind, Kind::Message(_)) {
                    let fact = value(field.kind, &Rules::default(), &entry, purpose, facts);
                    facts.extend(fact.map(|fact| (entry, fact)));
                }
            }
        }
    }
}

fn is_sent(field: &Field, at: &str, purpose: Purpose) -> bool {
    if field.output_only || field.local || field.noted_as.is_some() {
        return false;
    }
    match purpose {
        Purpose::Create => !field.update_only && (!field.identifier || field.chosen),
        Purpose::Update => !field.immutable && (!field.identifier || !at.is_empty()),
        Purpose::Filter => true,
    }
}

fn value(
    kind: Kind,
    rules: &Rules,
    here: &str,
    purpose: Purpose,
    facts: &mut Facts,
) -> Option<Fact> {
    let max_len = rules.max_len.map(u64::cast_signed);
    let (kind, min, max, words) = match kind {
        Kind::Bool => ("boolean", None, None, Vec::new()),
        Kind::Int => ("integer", rules.gte, rules.lte, Vec::new()),
        Kind::String => ("text", None, max_len, Vec::new()),
        Kind::Timestamp => ("time", None, None, Vec::new()),
        Kind::Enum(of) => {
            let mut words: Vec<_> = of.words.iter().map(|(_, word)| word.clone()).collect();
            words.sort();
            ("word", None, None, words)
        }
        // A case without options is said by its word alone.
        Kind::Message(inner) if inner.get().fields.is_empty() => return None,
        Kind::Message(inner) if inner.get().name.ends_with(".TimeRange") => {
            ("range", None, None, Vec::new())
        }
        Kind::Message(inner) => {
            add(inner.get(), here, purpose, facts);
            ("object", None, None, Vec::new())
        }
    };
    Some(Fact { kind: kind.into(), min, max, words, ..Fact::default() })
}

/// Says how a parameter of the contract differs from Stripe's.
fn differences(path: &str, ours: &Fact, theirs: &Fact, purpose: Purpose) -> Vec<String> {
    let mut found = Vec::new();
    let is_open = OPEN.iter().any(|open| path == *open || path.ends_with(&format!(".{open}")));
    let texts = ["text", "url", "alnum", "decimal", "number", "currency"];
    let alike = ours.kind == theirs.kind
        || (ours.kind == "text" && texts.contains(&&*theirs.kind))
        || (ours.kind == "text" && is_open);
    if !alike {
        found.push(format!("{path} is {}, and {} at Stripe", ours.kind, theirs.kind));
    }
    let stricter = STRICTER.iter().any(|(strict, _)| *strict == path) && ours.required;
    if ours.required != theirs.required && purpose != Purpose::Filter && !stricter {
        found
            .push(format!("{path} is required: {}; at Stripe: {}", ours.required, theirs.required));
    }
    if purpose == Purpose::Update && ours.clear != theirs.clear {
        found.push(format!("{path} is clearable: {}; at Stripe: {}", ours.clear, theirs.clear));
    }
    if !is_open && ours.words != theirs.words {
        found.push(format!("{path} has {:?}, and {:?} at Stripe", ours.words, theirs.words));
    }
    // Numbers in texts have their bounds in a pattern.
    let counted = matches!(&*ours.kind, "text" | "list") && theirs.kind != "number" && !is_open;
    // Stripe states some limits of texts for creation alone; they hold all the same.
    let unstated = purpose == Purpose::Update && ours.kind == "text" && theirs.max.is_none();
    if counted && !unstated && ours.max != theirs.max {
        found.push(format!("{path} has at most {:?}, and {:?} at Stripe", ours.max, theirs.max));
    }
    if ours.kind == "integer" && (ours.min, ours.max) != (theirs.min, theirs.max) {
        found.push(format!(
            "{path} is {:?} to {:?}, and {:?} to {:?} at Stripe",
            ours.min, ours.max, theirs.min, theirs.max
        ));
    }
    found
}

fn check(endpoint: &str, message: &'static Message, purpose: Purpose, beside: &[&str]) {
    let ours = sent(message, purpose);
    let mut theirs = facts::section(facts::PARAMETERS, endpoint);
    theirs.retain(|path, _| !OWN.contains(&path.as_str()) && !beside.contains(&path.as_str()));
    let mut wrong = Vec::new();
    for (path, fact) in &theirs {
        match ours.get(path) {
            None => wrong.push(format!("{path} is missing")),
            Some(own) => wrong.extend(differences(path, own, fact, purpose)),
        }
    }
    let invented = ours.keys().filter(|path| !theirs.contains_key(*path));
    wrong.extend(invented.map(|path| format!("{path} is invented")));
    assert!(wrong.is_empty(), "{endpoint}:\n  {}", wrong.join("\n  "));
}

fn resource<R: prost::Name>(create: &str, update: &str, beside: &[&str]) {
    check(create, plan::of::<R>(), Purpose::Create, beside);
    check(update, plan::of::<R>(), Purpose::Update, beside);
}

fn list<R: prost::Name>(endpoint: &str, beside: &[&str]) {
    check(endpoint, plan::of::<R>(), Purpose::Filter, beside);
}

#[test]
fn products_take_what_stripe_takes() {
    resource::<pb::Product>("POST /v1/products", "POST /v1/products/{id}", &[]);
}

#[test]
fn prices_take_what_stripe_takes() {
    resource::<pb::Price>("POST /v1/prices", "POST /v1/prices/{price}", &[]);
}

#[test]
fn payment_links_take_what_stripe_takes() {
    // The state has methods of its own.
    let update = "POST /v1/payment_links/{payment_link}";
    resource::<pb::PaymentLink>("POST /v1/payment_links", update, &["active"]);
}

#[test]
fn coupons_take_what_stripe_takes() {
    resource::<pb::Coupon>("POST /v1/coupons", "POST /v1/coupons/{coupon}", &[]);
}

#[test]
fn promotion_codes_take_what_stripe_takes() {
    let update = "POST /v1/promotion_codes/{promotion_code}";
    resource::<pb::PromotionCode>("POST /v1/promotion_codes", update, &[]);
}

#[test]
fn shipping_rates_take_what_stripe_takes() {
    let update = "POST /v1/shipping_rates/{shipping_rate_token}";
    resource::<pb::ShippingRate>("POST /v1/shipping_rates", update, &[]);
}

#[test]
fn lists_filter_by_what_stripe_filters_by() {
    list::<pb::ListProductsRequest>("GET /v1/products", &[]);
    list::<pb::ListPricesRequest>("GET /v1/prices", &[]);
    list::<pb::ListPaymentLinksRequest>("GET /v1/payment_links", &[]);
    list::<pb::ListCouponsRequest>("GET /v1/coupons", &[]);
    list::<pb::ListPromotionCodesRequest>("GET /v1/promotion_codes", &[]);
    list::<pb::ListShippingRatesRequest>("GET /v1/shipping_rates", &[]);
    list::<pb::ListLineItemsRequest>("GET /v1/payment_links/{payment_link}/line_items", &[]);
}

#[test]
fn searches_ask_what_stripe_answers() {
    // Pages are Stripe's own.
    list::<pb::SearchProductsRequest>("GET /v1/products/search", &["page"]);
    list::<pb::SearchPricesRequest>("GET /v1/prices/search", &["page"]);
}
