//! The promotion code that a buyer typed, and the discount that it gives.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::object::Members;
use super::super::store::State;
use super::super::{coupons, identifier, money, promotion_codes};
use super::Session;

/// What came of a promotion code.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::sandbox) struct Promotion {
    /// What the buyer typed.
    pub(in crate::sandbox) entered: String,
    /// The `discount` object, if the code gives one.
    pub(in crate::sandbox) discount: Option<Value>,
    /// Why the code gives nothing.
    pub(in crate::sandbox) error: Option<String>,
}

// === impl Promotion ===

impl Promotion {
    /// Looks a code up and makes its discount. A code that gave one before keeps it.
    pub(super) fn enter(state: &State, session: &Session, entered: &str) -> Self {
        let entered = entered.to_owned();
        if entered.is_empty() || session.object.at("allow_promotion_codes") != true {
            return Self { entered, ..Self::default() };
        }
        let code = match check(state, session, &entered) {
            Ok(code) => code,
            Err(error) => return Self { entered, error: Some(error), ..Self::default() },
        };
        let before = session.promotion.discount.as_ref();
        let discount = match before.filter(|before| before.at("promotion_code") == code.at("id")) {
            Some(before) => before.clone(),
            None => discount(state, session, code),
        };
        Self { entered, discount: Some(discount), error: None }
    }

    /// The coupon behind the discount.
    pub(in crate::sandbox) fn coupon<'a>(&self, state: &'a State) -> Option<&'a Value> {
        let discount = self.discount.as_ref()?;
        state.coupons.get(discount.at("source").at("coupon").as_str()?)
    }

    /// The promotion code behind the discount, by its identifier.
    pub(super) fn code(&self) -> Option<&str> {
        self.discount.as_ref()?.at("promotion_code").as_str()
    }

    /// The discount as a session shows it: by the code, not by the coupon behind it.
    pub(super) fn shown(&self) -> Option<Value> {
        Some(json!({ "coupon": null, "promotion_code": self.code()? }))
    }
}

/// The code that was typed, or what the buyer is told.
fn check<'a>(state: &'a State, session: &Session, entered: &str) -> Result<&'a Value, String> {
    let invalid = || "This code is invalid.".to_owned();
    let code = promotion_codes::typed(state, entered).ok_or_else(invalid)?;
    let restrictions = code.at("restrictions");
    // Nobody knows of a guest whether they have bought before.
    if restrictions.at("first_time_transaction") == true {
        return Err("This code is for first-time customers only.".to_owned());
    }
    let currency = session.currency();
    match minimum(restrictions, currency) {
        Some(minimum) if session.subtotal(state) < minimum => {
            let minimum = money::format(minimum, currency);
            return Err(format!("This code is for orders of at least {minimum}."));
        }
        None if !restrictions.at("minimum_amount").is_null() => return Err(invalid()),
        _ => {}
    }
    let coupon = code.at("promotion").at("coupon").as_str();
    let coupon = coupon.and_then(|id| state.coupons.get(id)).ok_or_else(invalid)?;
    let pays =
        coupon.at("amount_off").is_null() || coupons::in_currency(coupon, currency).is_some();
    if pays && session.bought().any(|line| line.is_covered(state, coupon)) {
        return Ok(code);
    }
    Err("This code does not apply to your order.".to_owned())
}

/// The least subtotal of an order that a code is for, in minor units of the order's currency.
fn minimum(restrictions: &Value, currency: &str) -> Option<i64> {
    if restrictions.at("minimum_amount_currency") == currency {
        return restrictions.at("minimum_amount").as_i64();
    }
    restrictions.at("currency_options").at(currency).at("minimum_amount").as_i64()
}

fn discount(state: &State, session: &Session, code: &Value) -> Value {
    json!({
        "id": identifier::fresh("di_1", 23),
        "object": "discount",
        "checkout_session": session.object.at("id"),
        "customer": null,
        "customer_account": null,
        "end": null,
        "invoice": null,
        "invoice_item": null,
        "promotion_code": code.at("id"),
        "source": { "coupon": code.at("promotion").at("coupon"), "type": "coupon" },
        "start": state.clock.now(),
        "subscription": null,
        "subscription_item": null,
    })
}
