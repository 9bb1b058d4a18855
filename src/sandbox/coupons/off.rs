//! What a coupon takes off the lines of an order.

use serde_json::Value;

use super::super::object::Members;

/// How many shares make a whole: four decimal places of a percentage are told apart.
const SHARES: i128 = 1_000_000;
/// How many of those shares make a percent.
const SHARES_A_PERCENT: f64 = 10_000.0;

/// What a coupon takes off each of some amounts, in minor units. A share is taken of each amount by
/// itself, half a unit rounded up; a fixed amount is spread over all in proportion, and is never
/// more than they add up to. None if the coupon knows no amount in the currency.
pub(in crate::sandbox) fn off(coupon: &Value, currency: &str, amounts: &[i64]) -> Option<Vec<i64>> {
    if let Some(percent) = coupon.at("percent_off").as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "a percentage is at most 100")]
        let shares = (percent * SHARES_A_PERCENT).round() as i128;
        let share = |amount: &i64| {
            let taken = (i128::from(*amount) * shares + SHARES / 2) / SHARES;
            i64::try_from(taken).unwrap_or(i64::MAX)
        };
        return Some(amounts.iter().map(share).collect());
    }
    let whole: i64 = amounts.iter().copied().fold(0, i64::saturating_add);
    Some(spread(in_currency(coupon, currency)?.min(whole), whole, amounts))
}

/// The fixed amount that a coupon takes off in a currency; none if it has no such amount.
pub(in crate::sandbox) fn in_currency(coupon: &Value, currency: &str) -> Option<i64> {
    if coupon.at("currency") == currency {
        return coupon.at("amount_off").as_i64();
    }
    coupon.at("currency_options").at(currency).at("amount_off").as_i64()
}

/// Each part is what the amounts so far are owed, less what they have been given: so the parts add
/// up to the whole, and none is more than its amount.
fn spread(taken: i64, whole: i64, amounts: &[i64]) -> Vec<i64> {
    let (mut passed, mut given) = (0_i128, 0_i64);
    let part = |amount: &i64| {
        passed += i128::from(*amount);
        let owed = passed * i128::from(taken) / i128::from(whole.max(1));
        let part = i64::try_from(owed).unwrap_or(i64::MAX) - given;
        given += part;
        part
    };
    amounts.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(coupon: &Value, amounts: &[i64], expected: Option<&[i64]>) {
        assert_eq!(off(coupon, "usd", amounts).as_deref(), expected);
    }

    #[test]
    fn a_share_is_taken_of_each_line() {
        check(&json!({ "percent_off": 25.0 }), &[1000, 10, 1], Some(&[250, 3, 0]));
        check(&json!({ "percent_off": 33.33 }), &[10_000], Some(&[3333]));
        check(&json!({ "percent_off": 100.0 }), &[7, 0], Some(&[7, 0]));
    }

    #[test]
    fn an_amount_is_spread_over_the_lines() {
        let coupon = json!({ "amount_off": 100, "currency": "usd" });
        check(&coupon, &[300, 100], Some(&[75, 25]));
        check(&coupon, &[50, 20], Some(&[50, 20]));
        check(&coupon, &[], Some(&[]));
    }

    #[test]
    fn an_amount_has_a_currency() {
        let options = json!({ "usd": { "amount_off": 9 } });
        check(&json!({ "amount_off": 100, "currency": "eur" }), &[300], None);
        let coupon = json!({ "amount_off": 5, "currency": "eur", "currency_options": options });
        check(&coupon, &[300], Some(&[9]));
    }

    proptest! {
        #[test]
        fn the_parts_add_up_and_none_exceeds_its_line(
            amounts in proptest::collection::vec(0_i64..1_000_000, 1..20),
            amount in 1_i64..2_000_000,
        ) {
            let coupon = json!({ "amount_off": amount, "currency": "usd" });
            let parts = off(&coupon, "usd", &amounts).unwrap();
            let whole: i64 = amounts.iter().sum();
            prop_assert_eq!(parts.iter().sum::<i64>(), amount.min(whole));
            prop_assert!(parts.iter().zip(&amounts).all(|(part, line)| 0 <= *part && part <= line));
        }
    }
}
