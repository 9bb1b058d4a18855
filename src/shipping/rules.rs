//! Rules that several fields of a shipping rate make together. They are pure.

use crate::contract::{Reason, Violation};
use crate::pb;

/// Finds what the fields of a new shipping rate contradict each other in.
pub(super) fn check(rate: Option<&pb::ShippingRate>) -> Vec<Violation> {
    let Some(rate) = rate else { return Vec::new() };
    let mut found = Vec::new();
    if rate.fixed_amount.is_none() {
        let text = "is required: every rate has a fixed amount";
        found.push(Violation::new("shipping_rate.fixed_amount", Reason::Required, text));
    }
    if let Some(estimate) = &rate.delivery_estimate
        && let (Some(minimum), Some(maximum)) = (&estimate.minimum, &estimate.maximum)
        && minimum.unit == maximum.unit
        && minimum.value > maximum.value
    {
        let field = "shipping_rate.delivery_estimate.minimum";
        found.push(Violation::new(field, Reason::Conflict, "must be at most the maximum"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::shipping_rate::delivery_estimate::{Bound, bound::Unit};
    use crate::pb::shipping_rate::{DeliveryEstimate, FixedAmount};

    #[test]
    fn a_rate_costs_something_and_takes_no_longer_than_it_takes() {
        let days = |value| Bound { unit: Unit::Day.into(), value: Some(value) };
        let estimate = |minimum, maximum| DeliveryEstimate {
            minimum: Some(days(minimum)),
            maximum: Some(days(maximum)),
        };
        let mut rate =
            pb::ShippingRate { delivery_estimate: Some(estimate(5, 3)), ..Default::default() };
        let fields: Vec<_> = check(Some(&rate)).into_iter().map(|v| v.field).collect();
        assert_eq!(
            fields,
            ["shipping_rate.fixed_amount", "shipping_rate.delivery_estimate.minimum"]
        );
        rate.fixed_amount = Some(FixedAmount::default());
        rate.delivery_estimate = Some(estimate(3, 5));
        assert!(check(Some(&rate)).is_empty());
    }
}
