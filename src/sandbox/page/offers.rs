//! What a buyer may choose for the whole order: the way of shipping, and a promotion code.

use serde_json::Value;

use super::super::checkout::Session;
use super::super::object::Members;
use super::super::shipping_rates;
use super::super::store::State;
use super::super::taxes::{self, PERCENT};
use super::words::Words;

/// One way of shipping.
#[derive(Debug)]
pub(super) struct Rate {
    /// The shipping rate, by its identifier.
    pub(super) id: String,
    /// What the seller calls it.
    pub(super) name: String,
    /// When the order arrives.
    pub(super) arrival: Option<String>,
    /// What it costs.
    pub(super) amount: String,
    /// Whether the buyer chose it.
    pub(super) chosen: bool,
}

/// The box for a promotion code.
#[derive(Debug)]
pub(super) struct Code {
    /// What the buyer typed.
    pub(super) entered: String,
    /// Why it gives nothing.
    pub(super) error: Option<String>,
    /// Whether it gives a discount.
    pub(super) applied: bool,
}

/// The ways of shipping among which the buyer chooses.
pub(super) fn rates(state: &State, session: &Session) -> Vec<Rate> {
    let chosen = session.object.at("shipping_cost").at("shipping_rate");
    let offered = session.object.at("shipping_options").as_array().into_iter().flatten();
    let rate = |option: &Value| {
        let id = option.at("shipping_rate");
        let rate = state.shipping_rates.get(id.as_str()?)?;
        Some(Rate {
            id: id.as_str()?.to_owned(),
            name: rate.at("display_name").as_str().unwrap_or("Shipping").to_owned(),
            arrival: shipping_rates::arrival(rate),
            amount: price(option.at("shipping_amount"), session),
            chosen: id == chosen,
        })
    };
    offered.filter_map(rate).collect()
}

/// The box for a promotion code, if the link has one.
pub(super) fn code(session: &Session) -> Option<Code> {
    let words = Words::of(session);
    (session.object.at("allow_promotion_codes") == true).then(|| Code {
        entered: session.promotion.entered.clone(),
        error: session.promotion.error.as_deref().map(|error| words.say(error).to_owned()),
        applied: session.promotion.discount.is_some(),
    })
}

/// What is added to the lines and taken off them, each with its name.
pub(super) fn sums(state: &State, session: &Session) -> Vec<(String, String)> {
    let (mut sums, words) = (Vec::new(), Words::of(session));
    let details = session.object.at("total_details");
    if session.promotion.discount.is_some() {
        let coupon = session.promotion.coupon(state);
        let name = coupon.and_then(|coupon| coupon.at("name").as_str()).map(str::to_owned);
        let name = name.unwrap_or_else(|| session.promotion.entered.to_uppercase());
        let off = details.at("amount_discount").as_i64().unwrap_or_default();
        sums.push((words.fill("Discount: {}", &[&name]), words.amount(-off, session.currency())));
    }
    let cost = session.object.at("shipping_cost");
    if cost.is_object() {
        let amount = price(cost.at("amount_subtotal"), session);
        sums.push((words.say("Shipping").to_owned(), amount));
    }
    for tax in taxes::sums(&session.taxes(state).into_iter()) {
        let percent = [&*PERCENT.to_string()];
        let name = if tax.inclusive { "Tax ({} %, included)" } else { "Tax ({} %)" };
        let name = words.fill(name, &percent);
        sums.push((name, words.amount(tax.amount, session.currency())));
    }
    sums
}

fn price(amount: &Value, session: &Session) -> String {
    match amount.as_i64().unwrap_or_default() {
        0 => Words::of(session).say("Free").to_owned(),
        amount => Words::of(session).amount(amount, session.currency()),
    }
}
