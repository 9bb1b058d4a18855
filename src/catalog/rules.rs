//! Rules that several fields of a product or price make together. They are pure.

use crate::contract::{Reason, Violation, pricing};
use crate::pb::{self, price::BillingScheme};

/// Finds what the fields of a new product contradict each other in.
pub(super) fn product(product: Option<&pb::Product>) -> Vec<Violation> {
    let mut found = Vec::new();
    if let Some(price) = product.and_then(|product| product.default_price_data.as_ref()) {
        let at = "product.default_price_data";
        if let Some(recurring) = &price.recurring {
            let at = format!("{at}.recurring");
            found.extend(pricing::interval(&at, recurring.interval(), recurring.interval_count));
        }
        chosen(at, price.custom_unit_amount.as_ref(), price.recurring.is_some(), &mut found);
    }
    found
}

/// Finds what the fields of a new price contradict each other in.
pub(super) fn price(price: Option<&pb::Price>) -> Vec<Violation> {
    let mut found = Vec::new();
    let Some(price) = price else { return found };
    amount(price, &mut found);
    if let Some(recurring) = &price.recurring {
        let at = "price.recurring";
        found.extend(pricing::interval(at, recurring.interval(), recurring.interval_count));
    }
    chosen("price", price.custom_unit_amount.as_ref(), price.recurring.is_some(), &mut found);
    found.extend(lookup_key(price));
    found
}

/// Finds what an update of a price contradicts itself in.
pub(super) fn price_update(price: Option<&pb::Price>) -> Vec<Violation> {
    price.and_then(lookup_key).into_iter().collect()
}

fn lookup_key(price: &pb::Price) -> Option<Violation> {
    let lacking = price.transfer_lookup_key == Some(true) && price.lookup_key.is_empty();
    lacking.then(|| {
        let text = "must be given with transfer_lookup_key";
        Violation::new("price.lookup_key", Reason::Conflict, text)
    })
}

/// A tiered price has its amounts in its tiers; any other has exactly one amount.
fn amount(price: &pb::Price, found: &mut Vec<Violation>) {
    let mut refuse = |field: &str, reason, text: &str| {
        found.push(Violation::new(format!("price{field}"), reason, text));
    };
    let has_amount = price.unit_amount.is_some()
        || !price.unit_amount_decimal.is_empty()
        || price.custom_unit_amount.is_some();
    if price.billing_scheme() == BillingScheme::Tiered {
        if has_amount {
            refuse("", Reason::Conflict, "a tiered price has its amounts in its tiers alone");
        }
        if price.tiers.is_empty() {
            refuse(".tiers", Reason::Required, "is required of a tiered price");
        }
        if price.tiers_mode() == pb::price::TiersMode::Unspecified {
            refuse(".tiers_mode", Reason::Required, "is required of a tiered price");
        }
        if price.transform_quantity.is_some() {
            refuse(".transform_quantity", Reason::Conflict, "does not go with tiers");
        }
        return;
    }
    if !has_amount {
        let text =
            "exactly one of unit_amount, unit_amount_decimal, custom_unit_amount must be given";
        refuse("", Reason::OneOf, text);
    }
    if !price.tiers.is_empty() {
        refuse(".tiers", Reason::Conflict, "goes with BILLING_SCHEME_TIERED alone");
    }
    if price.tiers_mode() != pb::price::TiersMode::Unspecified {
        refuse(".tiers_mode", Reason::Conflict, "goes with BILLING_SCHEME_TIERED alone");
    }
}

/// An amount that buyers choose is paid once, and lies within its own bounds.
fn chosen(
    at: &str,
    custom: Option<&pb::CustomUnitAmount>,
    recurring: bool,
    found: &mut Vec<Violation>,
) {
    let Some(custom) = custom else { return };
    let mut refuse = |field: &str, text: &str| {
        let field = format!("{at}.custom_unit_amount{field}");
        found.push(Violation::new(field, Reason::Conflict, text));
    };
    if custom.enabled == Some(false) {
        refuse(".enabled", "must be true; leave custom_unit_amount out instead");
    }
    if recurring {
        refuse("", "does not go with recurring");
    }
    let above = |low: Option<i64>, high: Option<i64>| low.zip(high).is_some_and(|(l, h)| l > h);
    if above(custom.minimum, custom.maximum) {
        refuse(".minimum", "must be at most the maximum");
    }
    if above(custom.minimum, custom.preset) || above(custom.preset, custom.maximum) {
        refuse(".preset", "must lie between the minimum and the maximum");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::recurring::Interval;

    fn check(candidate: &pb::Price) -> Vec<String> {
        let found = price(Some(candidate));
        found.iter().map(|v| format!("{} {}", v.field, v.reason.as_str())).collect()
    }

    fn flat() -> pb::Price {
        pb::Price { unit_amount: Some(1), ..Default::default() }
    }

    #[test]
    fn a_price_has_one_amount_or_tiers() {
        assert_eq!(check(&flat()), Vec::<String>::new());
        assert_eq!(check(&pb::Price::default()), ["price ONE_OF_REQUIRED"]);
        let tiers = vec![pb::PriceTier::default()];
        assert_eq!(check(&pb::Price { tiers: tiers.clone(), ..flat() }), ["price.tiers CONFLICT"]);
        let mut tiered = pb::Price { billing_scheme: BillingScheme::Tiered.into(), ..flat() };
        assert_eq!(
            check(&tiered),
            ["price CONFLICT", "price.tiers FIELD_REQUIRED", "price.tiers_mode FIELD_REQUIRED"]
        );
        tiered.unit_amount = None;
        tiered.tiers = tiers;
        tiered.tiers_mode = pb::price::TiersMode::Volume.into();
        assert_eq!(check(&tiered), Vec::<String>::new());
    }

    #[test]
    fn an_interval_is_at_most_three_years() {
        let every = |interval: Interval, count| pb::Price {
            recurring: Some(pb::Recurring {
                interval: interval.into(),
                interval_count: Some(count),
                ..Default::default()
            }),
            ..flat()
        };
        assert_eq!(check(&every(Interval::Month, 36)), Vec::<String>::new());
        let refused = ["price.recurring.interval_count VALUE_OUT_OF_RANGE"];
        assert_eq!(check(&every(Interval::Month, 37)), refused);
        assert_eq!(check(&every(Interval::Year, 4)), refused);
    }

    #[test]
    fn a_chosen_amount_lies_within_its_bounds_and_is_paid_once() {
        let custom = pb::CustomUnitAmount {
            enabled: Some(true),
            minimum: Some(500),
            maximum: Some(400),
            preset: Some(450),
        };
        let price = pb::Price {
            custom_unit_amount: Some(custom),
            recurring: Some(pb::Recurring::default()),
            ..Default::default()
        };
        assert_eq!(
            check(&price),
            [
                "price.custom_unit_amount CONFLICT",
                "price.custom_unit_amount.minimum CONFLICT",
                "price.custom_unit_amount.preset CONFLICT"
            ]
        );
    }

    #[test]
    fn a_lookup_key_is_transferred_by_its_name() {
        let price = pb::Price { transfer_lookup_key: Some(true), ..flat() };
        assert_eq!(check(&price), ["price.lookup_key CONFLICT"]);
    }
}
