//! Shipping rates: what it costs to send an order, as the seller offers it. They make no events.

use serde_json::{Map, Value, json};

use super::api::Call;
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{identifier, list as lists, object};

/// `POST /v1/shipping_rates`.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let params = &call.params;
    let Some(fixed) = params.get("fixed_amount") else {
        return Err(Refusal::required("fixed_amount"));
    };
    let id = identifier::fresh("shr_1", 23);
    let sent = |name: &str| params.get(name).cloned().unwrap_or_default();
    let rate = json!({
        "id": id,
        "object": "shipping_rate",
        "active": true,
        "created": state.clock.now(),
        "delivery_estimate": params.get("delivery_estimate").map(estimate),
        "display_name": sent("display_name"),
        "fixed_amount": {
            "amount": fixed.at("amount"),
            "currency": fixed.at("currency"),
            "currency_options": options(&json!({}), fixed.at("currency_options")),
        },
        "livemode": false,
        "metadata": object::metadata(params.get("metadata")),
        "tax_behavior": call.text("tax_behavior").unwrap_or("unspecified"),
        "tax_code": sent("tax_code"),
        "type": "fixed_amount",
    });
    state.shipping_rates.insert(&id, rate.clone());
    Ok(rate)
}

/// `GET /v1/shipping_rates/{shipping_rate_token}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.shipping_rates.named(&call.id).cloned()
}

/// `POST /v1/shipping_rates/{shipping_rate_token}`.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let rate = state.shipping_rates.named_mut(&call.id)?;
    object::assign(rate, &call.params, &["active", "tax_behavior"]);
    let merged = object::merge_metadata(rate.at("metadata"), call.params.get("metadata"));
    object::set(rate, "metadata", merged);
    let sent = call.params.get("fixed_amount").map(|fixed| fixed.at("currency_options"));
    if let (Some(fixed), Some(sent)) = (rate.get_mut("fixed_amount"), sent) {
        let merged = options(fixed.at("currency_options"), sent);
        object::set(fixed, "currency_options", merged);
    }
    Ok(rate.clone())
}

/// `GET /v1/shipping_rates`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let currency = call.params.get("currency");
    lists::page(&state.shipping_rates, call, "/v1/shipping_rates", |rate| {
        lists::matches(&call.params, "active", rate)
            && currency.is_none_or(|currency| rate.at("fixed_amount").at("currency") == currency)
            && lists::in_range(call.params.get("created"), rate.at("created"))
    })
}

/// What a rate charges in a currency, in minor units; none if it knows no amount in it.
pub(super) fn amount(rate: &Value, currency: &str) -> Option<i64> {
    let fixed = rate.at("fixed_amount");
    if fixed.at("currency") == currency {
        return fixed.at("amount").as_i64();
    }
    fixed.at("currency_options").at(currency).at("amount").as_i64()
}

/// When an order arrives, in words: `2–4 business days`.
pub(super) fn arrival(rate: &Value) -> Option<String> {
    let bound = |name: &str| {
        let bound = rate.at("delivery_estimate").at(name);
        let unit = bound.at("unit").as_str()?.replace('_', " ");
        Some((bound.at("value").as_i64()?, unit))
    };
    let counted = |(value, unit): &(i64, String)| {
        let plural = if *value == 1 { "" } else { "s" };
        format!("{value} {unit}{plural}")
    };
    match (bound("minimum"), bound("maximum")) {
        (Some(low), Some(high)) if low == high => Some(counted(&high)),
        (Some(low), Some(high)) if low.1 == high.1 => Some(format!("{}–{}", low.0, counted(&high))),
        (Some(low), Some(high)) => Some(format!("{} to {}", counted(&low), counted(&high))),
        (Some(low), None) => Some(format!("At least {}", counted(&low))),
        (None, Some(high)) => Some(format!("Up to {}", counted(&high))),
        (None, None) => None,
    }
}

fn estimate(sent: &Value) -> Value {
    json!({ "maximum": sent.at("maximum"), "minimum": sent.at("minimum") })
}

/// The amounts in other currencies after a change, which adds to them and replaces them.
fn options(current: &Value, sent: &Value) -> Value {
    let mut merged: Map<String, Value> = current.as_object().cloned().unwrap_or_default();
    for (currency, option) in sent.as_object().into_iter().flatten() {
        let mut shape = merged
            .remove(currency)
            .unwrap_or_else(|| json!({ "amount": 0, "tax_behavior": "unspecified" }));
        object::overlay(&mut shape, option);
        merged.insert(currency.clone(), shape);
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(estimate: &Value, expected: Option<&str>) {
        let rate = json!({ "delivery_estimate": estimate });
        assert_eq!(arrival(&rate).as_deref(), expected);
    }

    #[test]
    fn an_arrival_is_said_as_a_person_would() {
        let bound = |value: i64, unit: &str| json!({ "unit": unit, "value": value });
        let (two, four) = (bound(2, "business_day"), bound(4, "business_day"));
        check(&json!({ "minimum": two, "maximum": four }), Some("2–4 business days"));
        check(&json!({ "minimum": two, "maximum": two }), Some("2 business days"));
        check(
            &json!({ "minimum": bound(1, "day"), "maximum": bound(1, "week") }),
            Some("1 day to 1 week"),
        );
        check(&json!({ "minimum": null, "maximum": bound(1, "month") }), Some("Up to 1 month"));
        check(&Value::Null, None);
    }
}
