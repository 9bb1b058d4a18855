//! Prices: what a product costs, once or at intervals.

mod amount;
mod tiers;

use serde_json::{Map, Value, json};

use super::api::{Call, Origin};
use super::object::Members;
use super::refusal::Refusal;
use super::search::{self, Kind};
use super::store::State;
use super::{events, identifier, list as lists, object, products};
pub(super) use amount::{in_currency, total};

/// How long the longest interval is: three years, in each unit.
const INTERVAL_COUNTS_MAX: [(&str, &str, i64); 4] = [
    ("day", "daily", 1095),
    ("week", "weekly", 156),
    ("month", "monthly", 36),
    ("year", "yearly", 3),
];

/// What can be searched for.
const SEARCHED: search::Fields = &[
    ("active", Kind::Token),
    ("currency", Kind::Token),
    ("lookup_key", Kind::Text),
    ("metadata", Kind::Metadata),
    ("product", Kind::Text),
    ("type", Kind::Token),
];

/// `POST /v1/prices`.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let new_product = call.params.get("product_data").and_then(Value::as_object);
    let price = match (call.text("product"), new_product) {
        (Some(_), Some(_)) => return Err(Refusal::only_one_of("product", "product_data")),
        (None, None) => {
            let message =
                "You must specify either `product` or `product_data` when creating a price.";
            return Err(Refusal::invalid(message).code("parameter_missing").param("product"));
        }
        (Some(id), None) => {
            state.products.referred(id, "product")?;
            build(state, &call.params, id, "")?
        }
        (None, Some(sent)) => {
            let product = products::build(state, sent);
            let id = product.at("id").as_str().unwrap_or_default().to_owned();
            let price = build(state, &call.params, &id, "")?;
            check_lookup_key(state, call, "")?;
            products::keep(state, product, &call.origin);
            price
        }
    };
    check_lookup_key(state, call, "")?;
    claim_lookup_key(state, call, "");
    keep(state, price.clone(), &call.origin);
    Ok(price)
}

/// `GET /v1/prices/{price}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.prices.named(&call.id).cloned()
}

/// `POST /v1/prices/{price}`.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let before = state.prices.named(&call.id)?.clone();
    if call.params.get("active") == Some(&Value::Bool(false)) && is_default(state, &before) {
        return Err(Refusal::invalid(
            "This price cannot be archived because it is the default price of its product.",
        ));
    }
    let fixed = ["inclusive", "exclusive"].iter().any(|word| before.at("tax_behavior") == *word);
    if fixed && call.text("tax_behavior").is_some_and(|new| before.at("tax_behavior") != new) {
        let message =
            "You cannot change `tax_behavior` once it is set to `exclusive` or `inclusive`.";
        return Err(Refusal::invalid(message).param("tax_behavior"));
    }
    check_lookup_key(state, call, &call.id)?;
    claim_lookup_key(state, call, &call.id);
    let mut after = before.clone();
    let names = ["active", "lookup_key", "nickname", "tax_behavior"];
    object::assign(&mut after, &call.params, &names);
    let merged = object::merge_metadata(before.at("metadata"), call.params.get("metadata"));
    object::set(&mut after, "metadata", merged);
    if let Some(sent) = call.params.get("currency_options") {
        let mut options = after.at("currency_options").clone();
        let known = amount::currency_options(sent.as_object())?;
        if sent.is_null() {
            options = known;
        } else {
            object::overlay(&mut options, &known);
        }
        object::set(&mut after, "currency_options", options);
    }
    *state.prices.named_mut(&call.id)? = after.clone();
    events::emit_updated(state, "price.updated", &before, &after, &call.origin);
    Ok(after)
}

/// `GET /v1/prices`. Inline prices are never listed, and inactive ones only on request.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let keys = call.params.get("lookup_keys").and_then(Value::as_array);
    let recurring = call.params.get("recurring").and_then(Value::as_object);
    let active = call.params.get("active").and_then(Value::as_bool).unwrap_or(true);
    lists::page(&state.prices, call, "/v1/prices", |price| {
        !inline(price)
            && price.at("active") == active
            && ["currency", "product", "type"]
                .iter()
                .all(|name| lists::matches(&call.params, name, price))
            && keys.is_none_or(|keys| keys.contains(price.at("lookup_key")))
            && recurring.is_none_or(|wanted| {
                wanted.keys().all(|name| lists::matches(wanted, name, price.at("recurring")))
            })
            && lists::in_range(call.params.get("created"), price.at("created"))
    })
}

/// `GET /v1/prices/search`. Inline prices are never found.
pub(super) fn search(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    search::page(&state.prices, call, "/v1/prices/search", SEARCHED, |price| !inline(price))
}

/// A new price of those parameters, not yet kept. `prefix` names where they stand in the request.
pub(super) fn build(
    state: &State,
    params: &Map<String, Value>,
    product: &str,
    prefix: &str,
) -> Result<Value, Refusal> {
    amount::check(params)?;
    let recurring = match params.get("recurring") {
        Some(sent) => recurring(sent, prefix)?,
        None => Value::Null,
    };
    let custom = amount::custom(params.get("custom_unit_amount"))?;
    if !recurring.is_null() && !custom.is_null() {
        let message = "Prices with `custom_unit_amount` cannot be recurring.";
        return Err(Refusal::invalid(message).param("custom_unit_amount"));
    }
    let (unit_amount, unit_amount_decimal) = amount::unit(params);
    let tiered = params.get("billing_scheme").is_some_and(|scheme| scheme == "tiered");
    if tiered && recurring.is_null() {
        let message = "Prices with `type=one_time` are not supported with tiered billing.";
        return Err(Refusal::invalid(message).param("interval"));
    }
    let word = |name: &str| params.get(name).cloned().unwrap_or_default();
    let behavior = params.get("tax_behavior").cloned();
    Ok(json!({
        "id": identifier::fresh("price_1", 23),
        "object": "price",
        "active": params.get("active").and_then(Value::as_bool).unwrap_or(true),
        "billing_scheme": if tiered { "tiered" } else { "per_unit" },
        "created": state.clock.now(),
        "currency": word("currency"),
        "currency_options": amount::currency_options(
            params.get("currency_options").and_then(Value::as_object),
        )?,
        "custom_unit_amount": custom,
        "inline": false,
        "livemode": false,
        "lookup_key": word("lookup_key"),
        "metadata": object::metadata(params.get("metadata")),
        "nickname": word("nickname"),
        "product": product,
        "tax_behavior": behavior.unwrap_or_else(|| "unspecified".into()),
        "tiers": tiers::shown(params.get("tiers"), "tiers")?,
        "tiers_mode": word("tiers_mode"),
        "transform_quantity": word("transform_quantity"),
        "type": if recurring.is_null() { "one_time" } else { "recurring" },
        "recurring": recurring,
        "unit_amount": unit_amount,
        "unit_amount_decimal": unit_amount_decimal,
    }))
}

/// Keeps a new price and tells of it.
pub(super) fn keep(state: &mut State, price: Value, origin: &Origin) {
    let id = price.at("id").as_str().unwrap_or_default().to_owned();
    events::emit(state, "price.created", &price, origin);
    state.prices.insert(&id, price);
}

/// Whether a price was made for one line item only.
pub(super) fn inline(price: &Value) -> bool {
    price.at("inline") == true
}

fn recurring(sent: &Value, prefix: &str) -> Result<Value, Refusal> {
    let count = sent.at("interval_count").as_i64().unwrap_or(1);
    let limit = INTERVAL_COUNTS_MAX.iter().find(|(interval, ..)| sent.at("interval") == *interval);
    if let Some((_, adverb, max)) = limit
        && count > *max
    {
        let param = match prefix {
            "" => "recurring[interval_count]".to_owned(),
            prefix => format!("{prefix}[recurring][interval_count]"),
        };
        let message = format!("The interval_count for {adverb} prices can't be greater than {max}");
        return Err(Refusal::invalid(message).param(param));
    }
    if sent.at("usage_type") == "metered" && sent.at("meter").is_null() {
        return Err(Refusal::invalid(
            "Starting with Stripe version `2025-03-31.basil`, metered prices must be backed by \
             meters.",
        ));
    }
    Ok(json!({
        "interval": sent.at("interval"),
        "interval_count": count,
        "meter": sent.at("meter"),
        "trial_period_days": null,
        "usage_type": sent.at("usage_type").as_str().unwrap_or("licensed"),
    }))
}

fn is_default(state: &State, price: &Value) -> bool {
    let product = price.at("product").as_str().and_then(|id| state.products.get(id));
    product.is_some_and(|product| product.at("default_price") == price.at("id"))
}

fn lookup_key_holder(state: &State, call: &Call, own: &str) -> Option<String> {
    let key = call.text("lookup_key")?;
    let holds = |price: &&Value| price.at("lookup_key") == key && price.at("id") != own;
    let holder = state.prices.newest().find(holds)?;
    holder.at("id").as_str().map(str::to_owned)
}

/// A lookup key belongs to one price at a time, active or not.
fn check_lookup_key(state: &State, call: &Call, own: &str) -> Result<(), Refusal> {
    match lookup_key_holder(state, call, own) {
        Some(holder) if !call.flag("transfer_lookup_key") => {
            let message = format!("A price (`{holder}`) already uses that lookup key.");
            Err(Refusal::invalid(message).param("lookup_key"))
        }
        _ => Ok(()),
    }
}

fn claim_lookup_key(state: &mut State, call: &Call, own: &str) {
    let Some(holder) = lookup_key_holder(state, call, own) else {
        return;
    };
    let Some(price) = state.prices.get_mut(&holder) else {
        return;
    };
    let before = price.clone();
    object::set(price, "lookup_key", Value::Null);
    let after = price.clone();
    events::emit_updated(state, "price.updated", &before, &after, &call.origin);
}
