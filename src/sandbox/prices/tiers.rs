//! Tiers: prices that depend on the quantity.

use serde_json::{Value, json};

use super::super::object::Members;
use super::super::refusal::Refusal;
use super::amount;

/// The tiers as the API shows them; null if there are none. Each ends above the one before, and the
/// last has no end. `name` is where they stand in the request.
pub(super) fn shown(sent: Option<&Value>, name: &str) -> Result<Value, Refusal> {
    let Some(sent) = sent.and_then(Value::as_array) else {
        return Ok(Value::Null);
    };
    let mut before = 0;
    for (index, tier) in sent.iter().enumerate() {
        let end = tier.at("up_to").as_i64();
        let is_last = index + 1 == sent.len();
        let message = match end {
            None if !is_last => "Only the last tier can have `up_to` set to `inf`.",
            Some(_) if is_last => "The last tier must have `up_to` set to `inf`.",
            Some(end) if end <= before => "`up_to` must grow from each tier to the next.",
            _ => {
                before = end.unwrap_or(before);
                continue;
            }
        };
        return Err(Refusal::invalid(message).param(format!("{name}[{index}][up_to]")));
    }
    sent.iter()
        .enumerate()
        .map(|(index, tier)| self::tier(tier, &format!("{name}[{index}]")))
        .collect()
}

fn tier(sent: &Value, name: &str) -> Result<Value, Refusal> {
    let pair = |whole: &str, decimal: &str| {
        if sent.get(whole).is_some() && sent.get(decimal).is_some() {
            return Err(Refusal::only_one_of(whole, decimal).param(name));
        }
        Ok(amount::both(sent.get(whole), sent.get(decimal)))
    };
    let (flat_amount, flat_amount_decimal) = pair("flat_amount", "flat_amount_decimal")?;
    let (unit_amount, unit_amount_decimal) = pair("unit_amount", "unit_amount_decimal")?;
    Ok(json!({
        "flat_amount": flat_amount,
        "flat_amount_decimal": flat_amount_decimal,
        "unit_amount": unit_amount,
        "unit_amount_decimal": unit_amount_decimal,
        "up_to": sent.at("up_to").as_i64(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ends: &Value, expected: &str) {
        let tiers: Vec<Value> = ends
            .as_array()
            .unwrap()
            .iter()
            .map(|end| json!({ "unit_amount": 5, "up_to": end }))
            .collect();
        let told = match shown(Some(&tiers.into()), "tiers") {
            Ok(_) => String::new(),
            Err(refusal) => format!("{} {}", refusal.param.unwrap(), refusal.message),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn tiers_grow_and_the_last_has_no_end() {
        check(&json!([5, 10, "inf"]), "");
        check(&json!([5, 10]), "tiers[1][up_to] The last tier must have `up_to` set to `inf`.");
        check(
            &json!(["inf", "inf"]),
            "tiers[0][up_to] Only the last tier can have `up_to` set to `inf`.",
        );
        check(
            &json!([5, 5, "inf"]),
            "tiers[1][up_to] `up_to` must grow from each tier to the next.",
        );
    }

    #[test]
    fn an_amount_is_shown_in_both_forms() {
        let sent = json!([{ "flat_amount_decimal": "7", "unit_amount": 5, "up_to": "inf" }]);
        let expected = json!([{
            "flat_amount": 7,
            "flat_amount_decimal": "7",
            "unit_amount": 5,
            "unit_amount_decimal": "5",
            "up_to": null,
        }]);
        assert_eq!(shown(Some(&sent), "tiers").unwrap(), expected);
    }
}
