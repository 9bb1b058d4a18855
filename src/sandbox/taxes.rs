//! The sandbox's one tax: a plain share of everything, wherever a link has taxes calculated.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::object::Members;

/// The share that is taken, in per cent: one that is easily checked by hand.
pub(super) const PERCENT: i64 = 10;
/// When the rates were made: 2026-01-01.
const CREATED: i64 = 1_767_225_600;

/// The tax on one amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tax {
    /// What it comes to, in minor units.
    pub(super) amount: i64,
    /// What it is taken of, in minor units, without the tax.
    pub(super) base: i64,
    /// Whether it is a part of the price rather than added to it.
    pub(super) inclusive: bool,
}

// === impl Tax ===

impl Tax {
    /// The tax on an amount of a `price` or a shipping rate, by its `tax_behavior`. What is not
    /// said to be inclusive is not.
    pub(super) fn on(amount: i64, of: &Value) -> Self {
        let inclusive = of.at("tax_behavior") == "inclusive";
        let of_hundred = if inclusive { 100 + PERCENT } else { 100 };
        // Half a minor unit and more is a whole one.
        let tax = amount.saturating_mul(PERCENT).saturating_add(of_hundred / 2) / of_hundred;
        let base = if inclusive { amount - tax } else { amount };
        Self { amount: tax, base, inclusive }
    }

    /// What it adds to the price.
    pub(super) fn added(self) -> i64 {
        if self.inclusive { 0 } else { self.amount }
    }

    /// As sessions and line items show it.
    pub(super) fn of_session(self) -> Value {
        json!({
            "amount": self.amount,
            "rate": rate(self.inclusive),
            "taxability_reason": "standard_rated",
            "taxable_amount": self.base,
        })
    }

    /// As invoices show it.
    pub(super) fn of_invoice(self) -> Value {
        json!({
            "amount": self.amount,
            "tax_behavior": if self.inclusive { "inclusive" } else { "exclusive" },
            "tax_rate_details": { "tax_rate": id(self.inclusive) },
            "taxability_reason": "standard_rated",
            "taxable_amount": self.base,
            "type": "tax_rate_details",
        })
    }
}

/// The sums of taxes: at most one of those that are added, and one of those that are included.
pub(super) fn sums(taxes: &(impl Iterator<Item = Tax> + Clone)) -> Vec<Tax> {
    let sum = |inclusive: bool| {
        let add = |sum: Option<Tax>, tax: Tax| {
            let sum = sum.unwrap_or(Tax { inclusive, ..Tax::default() });
            let amount = sum.amount.saturating_add(tax.amount);
            Some(Tax { amount, base: sum.base.saturating_add(tax.base), inclusive })
        };
        taxes.clone().filter(|tax| tax.inclusive == inclusive).fold(None, add)
    };
    [sum(false), sum(true)].into_iter().flatten().collect()
}

fn id(inclusive: bool) -> &'static str {
    if inclusive { "txr_1SandboxTaxIsIncluded01" } else { "txr_1SandboxTaxIsAddedTo001" }
}

/// The `tax_rate` object.
fn rate(inclusive: bool) -> Value {
    json!({
        "id": id(inclusive),
        "object": "tax_rate",
        "active": false,
        "country": "US",
        "created": CREATED,
        "description": null,
        "display_name": "Sales Tax",
        "effective_percentage": PERCENT,
        "flat_amount": null,
        "inclusive": inclusive,
        "jurisdiction": null,
        "jurisdiction_level": null,
        "livemode": false,
        "metadata": {},
        "percentage": PERCENT,
        "rate_type": "percentage",
        "state": null,
        "tax_type": "sales_tax",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(amount: i64, behavior: &str, tax: i64, base: i64) {
        let taxed = Tax::on(amount, &json!({ "tax_behavior": behavior }));
        assert_eq!((taxed.amount, taxed.base), (tax, base));
    }

    #[test]
    fn a_tax_is_added_or_included_and_rounds_half_up() {
        check(1000, "exclusive", 100, 1000);
        check(1005, "unspecified", 101, 1005);
        check(1004, "exclusive", 100, 1004);
        check(1100, "inclusive", 100, 1000);
        check(0, "exclusive", 0, 0);
    }

    #[test]
    fn taxes_are_summed_up_by_whether_they_are_included() {
        let (added, included) =
            (Tax::on(1000, &Value::Null), json!({ "tax_behavior": "inclusive" }));
        let all = [added, Tax::on(1100, &included), added];
        let sums = sums(&all.into_iter());
        assert_eq!(sums.iter().map(|tax| tax.amount).collect::<Vec<_>>(), [200, 100]);
    }
}
