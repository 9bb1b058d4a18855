//! Rules that several fields of a coupon or promotion code make together. They are pure.

use crate::contract::{Reason, Violation};
use crate::pb::{self, coupon::Duration};

/// Finds what the fields of a new coupon contradict each other in.
pub(super) fn coupon(coupon: Option<&pb::Coupon>) -> Vec<Violation> {
    let Some(coupon) = coupon else { return Vec::new() };
    let mut found = Vec::new();
    let mut refuse = |field: &str, reason, text: &str| {
        found.push(Violation::new(format!("coupon.{field}"), reason, text));
    };
    let percent = coupon.percent_off.as_str();
    if !percent.is_empty() && percent.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
        refuse("percent_off", Reason::Range, "must be above 0");
    }
    match (coupon.amount_off.is_some(), !coupon.currency.is_empty()) {
        (true, false) => refuse("currency", Reason::Required, "is required with amount_off"),
        (false, true) => refuse("currency", Reason::Conflict, "goes with amount_off alone"),
        _ => {}
    }
    match (coupon.duration() == Duration::Repeating, coupon.duration_in_months.is_some()) {
        (true, false) => {
            refuse("duration_in_months", Reason::Required, "is required with REPEATING");
        }
        (false, true) => {
            refuse("duration_in_months", Reason::Conflict, "goes with REPEATING alone");
        }
        _ => {}
    }
    found
}

/// Finds what the fields of a new promotion code contradict each other in.
pub(super) fn promotion_code(code: Option<&pb::PromotionCode>) -> Vec<Violation> {
    let Some(restrictions) = code.and_then(|code| code.restrictions.as_ref()) else {
        return Vec::new();
    };
    let at = "promotion_code.restrictions";
    let has_currency = !restrictions.minimum_amount_currency.is_empty();
    match (restrictions.minimum_amount.is_some(), has_currency) {
        (true, false) => {
            let field = format!("{at}.minimum_amount_currency");
            vec![Violation::new(field, Reason::Required, "is required with minimum_amount")]
        }
        (false, true) => {
            let field = format!("{at}.minimum_amount_currency");
            vec![Violation::new(field, Reason::Conflict, "goes with minimum_amount alone")]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(candidate: &pb::Coupon) -> Vec<String> {
        let found = coupon(Some(candidate));
        found.iter().map(|v| format!("{} {}", v.field, v.reason.as_str())).collect()
    }

    #[test]
    fn an_amount_has_a_currency_and_a_repetition_its_months() {
        let coupon = pb::Coupon { amount_off: Some(100), ..Default::default() };
        assert_eq!(check(&coupon), ["coupon.currency FIELD_REQUIRED"]);
        let coupon = pb::Coupon {
            percent_off: "0.0".into(),
            currency: "usd".into(),
            duration: Duration::Repeating.into(),
            ..Default::default()
        };
        assert_eq!(
            check(&coupon),
            [
                "coupon.percent_off VALUE_OUT_OF_RANGE",
                "coupon.currency CONFLICT",
                "coupon.duration_in_months FIELD_REQUIRED"
            ]
        );
        let coupon = pb::Coupon {
            percent_off: "12.5".into(),
            duration_in_months: Some(3),
            ..Default::default()
        };
        assert_eq!(check(&coupon), ["coupon.duration_in_months CONFLICT"]);
    }

    #[test]
    fn a_least_order_has_a_currency() {
        let restrictions =
            pb::promotion_code::Restrictions { minimum_amount: Some(100), ..Default::default() };
        let code = pb::PromotionCode { restrictions: Some(restrictions), ..Default::default() };
        let found = promotion_code(Some(&code));
        assert_eq!(found[0].field, "promotion_code.restrictions.minimum_amount_currency");
    }
}
