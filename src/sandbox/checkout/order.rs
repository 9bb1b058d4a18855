//! The order of a session: what the buyer chose, and what it comes to.

use serde_json::{Value, json};

use super::super::line_items::Line;
use super::super::object::Members;
use super::super::store::State;
use super::super::taxes::{self, Tax};
use super::super::{coupons, object, prices, shipping_rates};
use super::Session;
use super::promotion::Promotion;

/// What a buyer chose. What was not asked for, or not answered, is none.
#[derive(Debug, Clone, Default)]
pub(in crate::sandbox) struct Choices {
    /// Line by line.
    pub(in crate::sandbox) lines: Vec<Choice>,
    /// The shipping rate, by its identifier.
    pub(in crate::sandbox) shipping_rate: Option<String>,
    /// The promotion code; empty to do without.
    pub(in crate::sandbox) code: Option<String>,
}

/// What a buyer chose for one line.
#[derive(Debug, Clone, Default)]
pub(in crate::sandbox) struct Choice {
    /// The line, by its identifier.
    pub(in crate::sandbox) line: String,
    /// How many.
    pub(in crate::sandbox) quantity: Option<i64>,
    /// How much, in minor units.
    pub(in crate::sandbox) amount: Option<i64>,
}

// === impl Session ===

impl Session {
    /// What is bought: the line items, and the optional items that the buyer added.
    pub(in crate::sandbox) fn bought(&self) -> impl Iterator<Item = &Line> + Clone {
        self.lines.iter().filter(|line| line.offered.is_none() || line.quantity > 0)
    }

    /// What is bought, as `item` objects.
    pub(in crate::sandbox) fn items(&self, state: &State) -> Vec<Value> {
        let discount = self.promotion.discount.as_ref();
        self.bought().map(|line| line.item(state, discount)).collect()
    }

    /// What is to be paid now, in minor units.
    pub(in crate::sandbox) fn due(&self) -> i64 {
        self.object.at("amount_total").as_i64().unwrap_or_default()
    }

    /// Takes over what the buyer chose, within the link's bounds, and sums it up.
    pub(in crate::sandbox) fn choose(&mut self, state: &State, choices: &Choices) {
        for choice in &choices.lines {
            if let Some(line) = self.lines.iter_mut().find(|line| line.id == choice.line) {
                line.choose(state, choice);
            }
        }
        // A payment that waits for the bank was for the order as it stood before.
        self.challenge = None;
        self.ship(state, choices.shipping_rate.as_deref());
        let entered = choices.code.clone().unwrap_or_else(|| self.promotion.entered.clone());
        self.promotion = Promotion::enter(state, self, &entered);
        self.take_off(state);
        self.tax(state);
        self.sum_up(state);
    }

    /// Whether a line is paid now: a trial puts off what recurs.
    pub(super) fn is_due_now(&self, state: &State, line: &Line) -> bool {
        let price = state.prices.get(&line.price);
        self.visit.trial_days.is_none() || price.is_none_or(|price| price.at("type") != "recurring")
    }

    /// What the lines cost that are paid now, in minor units, before anything is taken off.
    pub(super) fn subtotal(&self, state: &State) -> i64 {
        let due_now = self.bought().filter(|line| self.is_due_now(state, line));
        due_now.map(|line| line.amount(state)).fold(0, i64::saturating_add)
    }

    /// Sets the shipping rate: the one that was chosen, or the one from before, or the first.
    fn ship(&mut self, state: &State, chosen: Option<&str>) {
        let offered = self.object.at("shipping_options").as_array();
        let offered = offered.into_iter().flatten().map(|option| option.at("shipping_rate"));
        let before = self.object.at("shipping_cost").at("shipping_rate").as_str();
        let wanted = chosen.or(before);
        let rate = offered.clone().find(|rate| rate.as_str() == wanted).or(offered.clone().next());
        let rate = rate.and_then(Value::as_str).and_then(|id| state.shipping_rates.get(id));
        let cost = rate.map(|rate| {
            let amount = shipping_rates::amount(rate, self.currency()).unwrap_or_default();
            let tax = self.is_taxed().then(|| Tax::on(amount, rate));
            json!({
                "amount_subtotal": amount,
                "amount_tax": tax.map_or(0, |tax| tax.amount),
                "amount_total": amount.saturating_add(tax.map_or(0, Tax::added)),
                "shipping_rate": rate.at("id"),
                "taxes": Value::from_iter(tax.map(Tax::of_session)),
            })
        });
        object::set(&mut self.object, "shipping_cost", cost);
    }

    /// Spreads the discount over the lines that it is for.
    fn take_off(&mut self, state: &State) {
        let coupon = self.promotion.coupon(state).cloned();
        let eligible: Vec<bool> = self
            .lines
            .iter()
            .map(|line| {
                let covers = coupon.as_ref().is_some_and(|coupon| line.is_covered(state, coupon));
                covers && self.is_due_now(state, line)
            })
            .collect();
        let lines = self.lines.iter().zip(&eligible);
        let amounts: Vec<i64> =
            lines.map(|(line, eligible)| if *eligible { line.amount(state) } else { 0 }).collect();
        let off = coupon.and_then(|coupon| coupons::off(&coupon, self.currency(), &amounts));
        let mut off = off.unwrap_or_default().into_iter();
        for line in &mut self.lines {
            line.discount = off.next().unwrap_or_default();
        }
    }

    /// Whether taxes are calculated.
    pub(in crate::sandbox) fn is_taxed(&self) -> bool {
        self.object.at("automatic_tax").at("enabled") == true
    }

    /// What is taxed: the lines, and the shipping.
    pub(in crate::sandbox) fn taxes(&self, state: &State) -> Vec<Tax> {
        let cost = self.object.at("shipping_cost");
        let rate = cost.at("shipping_rate").as_str().and_then(|id| state.shipping_rates.get(id));
        let shipped = cost.at("amount_subtotal").as_i64().zip(rate);
        let shipped = shipped.map(|(amount, rate)| Tax::on(amount, rate));
        let lines = self.bought().filter_map(|line| line.tax);
        lines.chain(shipped.filter(|_| self.is_taxed())).collect()
    }

    /// Taxes each line that is paid now, for what a discount leaves of it.
    fn tax(&mut self, state: &State) {
        let taxed = self.is_taxed();
        let due: Vec<bool> = self.lines.iter().map(|line| self.is_due_now(state, line)).collect();
        for (line, due) in self.lines.iter_mut().zip(due) {
            line.tax = (taxed && due).then(|| line.tax_on(state));
        }
    }

    fn sum_up(&mut self, state: &State) {
        let subtotal = self.subtotal(state);
        let lines = self.bought().filter_map(|line| line.tax);
        let added = lines.map(Tax::added).fold(0, i64::saturating_add);
        let taxes = taxes::sums(&self.taxes(state).into_iter());
        let tax = taxes.iter().map(|tax| tax.amount).fold(0, i64::saturating_add);
        let taxes: Vec<Value> = taxes.into_iter().map(Tax::of_session).collect();
        let cost = self.object.at("shipping_cost");
        let shipping_alone = cost.at("amount_subtotal").as_i64().unwrap_or_default();
        let off = self.lines.iter().map(|line| line.discount).fold(0, i64::saturating_add);
        let shipping = cost.at("amount_total").as_i64().unwrap_or_default();
        let total = subtotal.saturating_sub(off).saturating_add(added).saturating_add(shipping);
        let discount = self.promotion.discount.as_ref();
        let broken_down = discount.map(|discount| json!({ "amount": off, "discount": discount }));
        let sums = json!({
            "amount_subtotal": subtotal,
            "amount_total": total,
            "discounts": Value::from_iter(self.promotion.shown()),
            "total_details": {
                "amount_discount": off,
                "amount_shipping": shipping_alone,
                "amount_tax": tax,
                "breakdown": { "discounts": Value::from_iter(broken_down), "taxes": taxes },
            },
        });
        object::overlay(&mut self.object, &sums);
    }
}

// === impl Line ===

impl Line {
    fn choose(&mut self, state: &State, choice: &Choice) {
        match (choice.quantity, self.range(), self.offered) {
            (Some(0), _, Some(_)) => self.quantity = 0,
            (Some(quantity), Some((low, high)), _) => self.quantity = quantity.clamp(low, high),
            (Some(_), None, Some(offered)) => self.quantity = offered,
            _ => {}
        }
        let price = state.prices.get(&self.price);
        let open = price.and_then(|price| prices::in_currency(price, &self.currency));
        if open.is_some_and(|price| price.at("custom_unit_amount").is_object())
            && choice.amount.is_some()
        {
            self.chosen_amount = choice.amount;
        }
    }

    /// The tax on what a discount leaves of it.
    pub(in crate::sandbox) fn tax_on(&self, state: &State) -> Tax {
        let price = state.prices.get(&self.price).unwrap_or(&Value::Null);
        Tax::on(self.amount(state).saturating_sub(self.discount), price)
    }

    /// Whether a coupon is for what the line sells.
    pub(super) fn is_covered(&self, state: &State, coupon: &Value) -> bool {
        let products = coupon.at("applies_to").at("products").as_array();
        let product = self.product(state).map(|product| product.at("id"));
        products.is_none_or(|products| product.is_some_and(|id| products.contains(id)))
    }
}
