//! What a price charges: by the unit, to the fraction of a minor unit, in several currencies, or as
//! the buyer chooses.

use serde_json::{Map, Value, json};

use super::super::object;
use super::super::object::Members;
use super::super::refusal::Refusal;
use super::tiers;

/// The decimal places of a decimal amount.
const PLACES: usize = 12;

/// Refuses parameters that name no amount, or two.
pub(super) fn check(params: &Map<String, Value>) -> Result<(), Refusal> {
    let sent = |name: &str| params.contains_key(name);
    if sent("unit_amount") && sent("unit_amount_decimal") {
        return Err(Refusal::only_one_of("unit_amount", "unit_amount_decimal"));
    }
    let tiered = params.get("billing_scheme").is_some_and(|scheme| scheme == "tiered");
    if tiered && !(sent("tiers") && sent("tiers_mode")) {
        let missing = if sent("tiers") { "tiers_mode" } else { "tiers" };
        return Err(Refusal::required(missing));
    }
    let by_unit = sent("unit_amount") || sent("unit_amount_decimal");
    if custom_is_on(params.get("custom_unit_amount")) && by_unit {
        return Err(Refusal::only_one_of("unit_amount", "custom_unit_amount"));
    }
    if !by_unit && !tiered && !custom_is_on(params.get("custom_unit_amount")) {
        return Err(Refusal::invalid(
            "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.",
        )
        .code("parameter_missing")
        .param("unit_amount"));
    }
    Ok(())
}

/// The amount per unit: whole minor units if it is whole, and its decimal form.
pub(super) fn unit(params: &Map<String, Value>) -> (Value, Value) {
    both(params.get("unit_amount"), params.get("unit_amount_decimal"))
}

/// Both forms of an amount of which one was sent at most.
pub(super) fn both(whole: Option<&Value>, decimal: Option<&Value>) -> (Value, Value) {
    if let Some(whole) = whole.and_then(Value::as_i64) {
        return (whole.into(), whole.to_string().into());
    }
    let Some(text) = decimal.and_then(Value::as_str) else {
        return (Value::Null, Value::Null);
    };
    let plain = match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
        None => text,
    };
    let whole = plain.parse::<i64>().map_or(Value::Null, Value::from);
    (whole, plain.into())
}

/// A price that the buyer chooses, without the switch that turned it on.
pub(super) fn custom(sent: Option<&Value>) -> Result<Value, Refusal> {
    let Some(sent) = sent.filter(|sent| custom_is_on(Some(sent))) else {
        return Ok(Value::Null);
    };
    let bound = |name: &str| sent.at(name).as_i64();
    let low = bound("minimum").unwrap_or(0);
    let high = bound("maximum").unwrap_or(i64::MAX);
    let preset = bound("preset").unwrap_or(low);
    if low > high || preset < low || preset > high {
        let message =
            "`custom_unit_amount[preset]` must lie between `minimum` and `maximum`, in that order.";
        return Err(Refusal::invalid(message).param("custom_unit_amount"));
    }
    Ok(json!({
        "maximum": sent.at("maximum"),
        "minimum": sent.at("minimum"),
        "preset": sent.at("preset"),
    }))
}

/// The prices in other currencies, in the shape in which the API shows them.
pub(super) fn currency_options(sent: Option<&Map<String, Value>>) -> Result<Value, Refusal> {
    let empty = Map::new();
    sent.unwrap_or(&empty)
        .iter()
        .map(|(currency, option)| {
            let none = Map::new();
            let params = option.as_object().unwrap_or(&none);
            let (unit_amount, unit_amount_decimal) = unit(params);
            let mut shown = json!({
                "custom_unit_amount": custom(params.get("custom_unit_amount"))?,
                "tax_behavior": option.at("tax_behavior").as_str().unwrap_or("unspecified"),
                "unit_amount": unit_amount,
                "unit_amount_decimal": unit_amount_decimal,
            });
            if params.contains_key("tiers") {
                let name = format!("currency_options[{currency}][tiers]");
                object::set(&mut shown, "tiers", tiers::shown(params.get("tiers"), &name)?);
            }
            Ok((currency.clone(), shown))
        })
        .collect::<Result<Map<_, _>, _>>()
        .map(Value::Object)
}

/// What a price charges in a currency: the price itself, or its option for that currency.
pub(in crate::sandbox) fn in_currency<'a>(price: &'a Value, currency: &str) -> Option<&'a Value> {
    if price.at("currency") == currency {
        return Some(price);
    }
    price.at("currency_options").get(currency)
}

/// What so many units cost, in minor units, with half a unit rounded up.
pub(in crate::sandbox) fn total(priced: &Value, quantity: i64) -> i64 {
    if let Some(amount) = priced.at("unit_amount").as_i64() {
        return amount.saturating_mul(quantity);
    }
    let text = priced.at("unit_amount_decimal").as_str().unwrap_or("0");
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let unit = 10_i128.pow(u32::try_from(PLACES).unwrap_or_default());
    let scaled: i128 = format!("{whole}{places:0<PLACES$}").parse().unwrap_or_default();
    let total = scaled.saturating_mul(i128::from(quantity)).saturating_add(unit / 2) / unit;
    i64::try_from(total).unwrap_or(i64::MAX)
}

fn custom_is_on(sent: Option<&Value>) -> bool {
    sent.is_some_and(|sent| sent.at("enabled") == true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(decimal: &str, quantity: i64, expected: i64) {
        let priced = json!({ "unit_amount": null, "unit_amount_decimal": decimal });
        assert_eq!(total(&priced, quantity), expected);
    }

    #[test]
    fn fractions_of_a_minor_unit_add_up_before_they_are_rounded() {
        check("0.5", 3, 2);
        check("0.05", 7, 0);
        check("1.25", 100, 125);
        check("0.000000000001", 1, 0);
    }

    #[test]
    fn a_decimal_without_fraction_is_whole() {
        let params = json!({ "unit_amount_decimal": "10.50" });
        assert_eq!(unit(params.as_object().unwrap()), (Value::Null, "10.5".into()));
        let params = json!({ "unit_amount_decimal": "10.00" });
        assert_eq!(unit(params.as_object().unwrap()), (10.into(), "10".into()));
    }
}
