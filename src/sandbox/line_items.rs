//! Line items: a price and how many of it, in a link and in the sessions that it makes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::object::Members;
use super::store::State;
use super::taxes::Tax;
use super::{identifier, prices};

/// The quantities between which a buyer chooses unless the link says otherwise.
const ADJUSTABLE_DEFAULT: (i64, i64) = (0, 99);

/// One line item.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Line {
    /// `li_…`.
    pub(super) id: String,
    /// The price, by its identifier.
    pub(super) price: String,
    /// The currency of the link.
    pub(super) currency: String,
    /// How many.
    pub(super) quantity: i64,
    /// Whether the buyer may change the quantity, as Stripe shows it; null if nothing was said.
    pub(super) adjustable_quantity: Value,
    /// What the buyer chose to pay, in minor units, where the price leaves that open.
    pub(super) chosen_amount: Option<i64>,
    /// What a discount takes off it, in minor units.
    pub(super) discount: i64,
    /// The tax on it, where taxes are calculated.
    pub(super) tax: Option<Tax>,
    /// How many are added at first, if the buyer adds the line at all.
    pub(super) offered: Option<i64>,
}

// === impl Line ===

impl Line {
    /// The same line for a new session, with an identifier of its own.
    pub(super) fn copied(&self) -> Self {
        Self { id: identifier::fresh("li_1", 23), ..self.clone() }
    }

    /// Takes over the parameters of a line item: a quantity and whether it can be changed.
    pub(super) fn adjust(&mut self, sent: &Value) {
        if let Some(quantity) = sent.at("quantity").as_i64() {
            self.quantity = quantity;
        }
        if sent.at("adjustable_quantity").is_object() {
            self.adjustable_quantity = adjustable(sent.at("adjustable_quantity"));
        }
    }

    /// The quantities between which the buyer may choose.
    pub(super) fn range(&self) -> Option<(i64, i64)> {
        let adjustable = &self.adjustable_quantity;
        (adjustable.at("enabled") == true).then(|| {
            let bound = |name: &str, default| adjustable.at(name).as_i64().unwrap_or(default);
            let low = bound("minimum", ADJUSTABLE_DEFAULT.0);
            (low, bound("maximum", ADJUSTABLE_DEFAULT.1).max(low))
        })
    }

    /// What the line costs, in minor units.
    pub(super) fn amount(&self, state: &State) -> i64 {
        if let Some(chosen) = self.chosen_amount {
            return chosen;
        }
        let price = state.prices.get(&self.price);
        let priced = price.and_then(|price| prices::in_currency(price, &self.currency));
        priced.map_or(0, |priced| prices::total(priced, self.quantity))
    }

    /// The product's name, which describes the line.
    pub(super) fn product<'a>(&self, state: &'a State) -> Option<&'a Value> {
        let price = state.prices.get(&self.price)?;
        state.products.get(price.at("product").as_str()?)
    }

    /// The `item` object, with the discount that was given on its order.
    pub(super) fn item(&self, state: &State, discount: Option<&Value>) -> Value {
        let amount = self.amount(state);
        let taken = discount.filter(|_| self.discount > 0);
        let taken = taken.map(|discount| json!({ "amount": self.discount, "discount": discount }));
        json!({
            "id": self.id,
            "object": "item",
            "adjustable_quantity": self.adjustable_quantity,
            "amount_discount": self.discount,
            "amount_subtotal": amount,
            "amount_tax": self.tax.map_or(0, |tax| tax.amount),
            "amount_total": amount
                .saturating_sub(self.discount)
                .saturating_add(self.tax.map_or(0, Tax::added)),
            "currency": self.currency,
            "description": self.product(state).map(|product| product.at("name").clone()),
            "discounts": Value::from_iter(taken),
            "metadata": {},
            "price": state.prices.get(&self.price).cloned(),
            "quantity": self.quantity,
            "taxes": Value::from_iter(self.tax.map(Tax::of_session)),
        })
    }
}

/// Whether all is still kept by which an order is priced: its lines, and its ways of shipping as a
/// link and its sessions list them. Nobody is to buy for nothing what is kept no more.
pub(super) fn are_priced<'a>(
    state: &State,
    mut prices: impl Iterator<Item = &'a str>,
    shipping_options: &Value,
) -> bool {
    let options = shipping_options.as_array().into_iter().flatten();
    let mut rates = options.filter_map(|option| option.at("shipping_rate").as_str());
    prices.all(|price| state.prices.get(price).is_some())
        && rates.all(|rate| state.shipping_rates.get(rate).is_some())
}

/// Whether a quantity can be changed, as the API shows it: what was not said has its default where
/// it can be.
pub(super) fn adjustable(sent: &Value) -> Value {
    let enabled = sent.at("enabled") == true;
    let bound = |name: &str, default: i64| match sent.at(name) {
        Value::Null if enabled => default.into(),
        sent => sent.clone(),
    };
    json!({
        "enabled": enabled,
        "maximum": bound("maximum", ADJUSTABLE_DEFAULT.1),
        "minimum": bound("minimum", ADJUSTABLE_DEFAULT.0),
    })
}
