//! Coupons: how much a discount takes off, of what, and for how long.

mod off;

use serde_json::{Map, Value, json};

use super::api::Call;
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{events, identifier, list as lists, object, redemption};
pub(super) use off::{in_currency, off};

/// How far ahead the end of a coupon may lie, in seconds: five years.
const REDEEM_AHEAD_MAX_S: i64 = 5 * 366 * 24 * 60 * 60;

/// `POST /v1/coupons`.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let params = &call.params;
    if call.text("id").is_some_and(|id| state.coupons.get(id).is_some()) {
        let refusal = Refusal::invalid("Coupon already exists.");
        return Err(refusal.code("resource_already_exists").param("id"));
    }
    check_amount(params)?;
    check_time(params, state.clock.now())?;
    check_products(state, params)?;
    let sent = |name: &str| params.get(name).cloned().unwrap_or_default();
    let id = call.text("id").map_or_else(|| identifier::fresh("", 8), str::to_owned);
    let mut coupon = json!({
        "id": id,
        "object": "coupon",
        "amount_off": sent("amount_off"),
        "created": state.clock.now(),
        "currency": sent("currency"),
        "currency_options": params.get("currency_options").cloned().unwrap_or_else(|| json!({})),
        "duration": call.text("duration").unwrap_or("once"),
        "duration_in_months": sent("duration_in_months"),
        "livemode": false,
        "max_redemptions": sent("max_redemptions"),
        "metadata": object::metadata(params.get("metadata")),
        "name": sent("name"),
        "percent_off": sent("percent_off"),
        "redeem_by": sent("redeem_by"),
        "times_redeemed": 0,
        "valid": true,
    });
    object::assign(&mut coupon, params, &["applies_to"]);
    redemption::note_end(state, coupon.at("redeem_by"), &id);
    state.coupons.insert(&id, coupon.clone());
    events::emit(state, "coupon.created", &coupon, &call.origin);
    Ok(coupon)
}

/// `GET /v1/coupons/{coupon}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.coupons.named(&call.id).cloned()
}

/// `POST /v1/coupons/{coupon}`.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let before = state.coupons.named(&call.id)?.clone();
    if call.params.contains_key("currency_options") && before.at("amount_off").is_null() {
        return Err(options_without_amount());
    }
    let mut after = before.clone();
    object::assign(&mut after, &call.params, &["name"]);
    let merged = object::merge_metadata(before.at("metadata"), call.params.get("metadata"));
    object::set(&mut after, "metadata", merged);
    if let (Some(options), Some(sent)) =
        (after.get_mut("currency_options"), call.params.get("currency_options"))
    {
        object::overlay(options, sent);
    }
    *state.coupons.named_mut(&call.id)? = after.clone();
    events::emit_updated(state, "coupon.updated", &before, &after, &call.origin);
    Ok(after)
}

/// `DELETE /v1/coupons/{coupon}`. Discounts that it has given stay; its codes give no more.
pub(super) fn delete(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let mut coupon = state.coupons.named(&call.id)?.clone();
    object::set(&mut coupon, "valid", false);
    state.coupons.remove(&call.id);
    redemption::refresh_codes_of(state, &call.id);
    events::emit(state, "coupon.deleted", &coupon, &call.origin);
    Ok(json!({ "id": call.id, "object": "coupon", "deleted": true }))
}

/// `GET /v1/coupons`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.coupons, call, "/v1/coupons", |coupon| {
        lists::in_range(call.params.get("created"), coupon.at("created"))
    })
}

/// A coupon takes off either a share or an amount, and an amount has a currency.
fn check_amount(params: &Map<String, Value>) -> Result<(), Refusal> {
    let percent = params.get("percent_off").and_then(Value::as_f64);
    let amount = params.get("amount_off");
    match (percent, amount) {
        (None, None) => {
            Err(Refusal::invalid("Must provide percent_off or amount_off.")
                .code("parameter_missing"))
        }
        (Some(_), Some(_)) => Err(Refusal::invalid(
            "Received both percent_off and amount_off parameters. Please pass in only one.",
        )),
        (Some(percent), None) if percent <= 0.0 => {
            let message = "This value must be greater than 0.";
            Err(Refusal::invalid(message).param("percent_off"))
        }
        (Some(_), None) if params.contains_key("currency_options") => Err(options_without_amount()),
        (None, Some(_)) if !params.contains_key("currency") => {
            let message = "You must pass currency when passing amount_off";
            Err(Refusal::invalid(message).param("currency"))
        }
        _ => Ok(()),
    }
}

fn options_without_amount() -> Refusal {
    let message = "You can only pass currency_options for a coupon with amount_off.";
    Refusal::invalid(message).param("currency_options")
}

fn check_time(params: &Map<String, Value>, now: i64) -> Result<(), Refusal> {
    let repeating = params.get("duration").is_some_and(|duration| duration == "repeating");
    if repeating != params.contains_key("duration_in_months") {
        let message = if repeating {
            "The duration_in_months param must be set when creating a coupon with a repeating \
             duration"
        } else {
            "The duration_in_months param can only be set when creating a coupon with a repeating \
             duration"
        };
        return Err(Refusal::invalid(message).param("duration_in_months"));
    }
    let message = match params.get("redeem_by").and_then(Value::as_i64) {
        Some(end) if end <= now => "redeem_by must be in the future.",
        Some(end) if end > now.saturating_add(REDEEM_AHEAD_MAX_S) => {
            "redeem_by cannot be more than 5 years in the future."
        }
        _ => return Ok(()),
    };
    Err(Refusal::invalid(message).param("redeem_by"))
}

fn check_products(state: &State, params: &Map<String, Value>) -> Result<(), Refusal> {
    let products = params.get("applies_to").and_then(|sent| sent.at("products").as_array());
    for (index, id) in products.into_iter().flatten().enumerate() {
        let param = format!("applies_to[products][{index}]");
        state.products.referred(id.as_str().unwrap_or_default(), &param)?;
    }
    Ok(())
}
