//! What an invoice is made of.

use serde_json::{Value, json};

use super::super::object::Members;
use super::super::taxes::Tax;
use super::super::{identifier, money};

/// An invoice to be made.
#[derive(Debug)]
pub(in crate::sandbox) struct Bill<'a> {
    /// Who pays, by identifier.
    pub(in crate::sandbox) customer: &'a str,
    /// The currency of all amounts.
    pub(in crate::sandbox) currency: &'a str,
    /// Stripe's word for why it is made.
    pub(in crate::sandbox) reason: &'static str,
    /// The subscription that it is for; null if it is for one purchase.
    pub(in crate::sandbox) subscription: &'a Value,
    /// What it lists.
    pub(in crate::sandbox) entries: Vec<Entry>,
    /// The `discount` object that takes something off; null if none does.
    pub(in crate::sandbox) discount: &'a Value,
    /// A session's cost of shipping; null if nothing is shipped.
    pub(in crate::sandbox) shipping: &'a Value,
    /// The link's words for its invoices; null if it has none.
    pub(in crate::sandbox) settings: &'a Value,
    /// Whether taxes are calculated.
    pub(in crate::sandbox) taxed: bool,
}

/// One line of an invoice.
#[derive(Debug)]
pub(in crate::sandbox) struct Entry {
    /// What it is, for people.
    pub(in crate::sandbox) description: String,
    /// The `price` object.
    pub(in crate::sandbox) price: Value,
    /// How many.
    pub(in crate::sandbox) quantity: i64,
    /// What it costs, in minor units.
    pub(in crate::sandbox) amount: i64,
    /// What is taken off that, in minor units.
    pub(in crate::sandbox) discount: i64,
    /// The tax on the rest, where taxes are calculated.
    pub(in crate::sandbox) tax: Option<Tax>,
    /// When what it pays for begins and ends, in Unix seconds.
    pub(in crate::sandbox) period: (i64, i64),
    /// The subscription item that it comes from; null for what is bought once.
    pub(in crate::sandbox) item: Value,
}

// === impl Entry ===

impl Entry {
    /// The `line_item` object.
    pub(super) fn line(&self, bill: &Bill, invoice: &str) -> Value {
        let discount = bill.discount.at("id");
        let taken =
            (self.discount > 0).then(|| json!({ "amount": self.discount, "discount": discount }));
        let discounts = taken.is_some().then_some(discount);
        json!({
            "id": identifier::fresh("il_1", 23),
            "object": "line_item",
            "amount": self.amount,
            "currency": bill.currency,
            "description": self.description,
            "discount_amounts": Value::from_iter(taken.clone()),
            "discountable": true,
            "discounts": Value::from_iter(discounts.cloned()),
            "invoice": invoice,
            "livemode": false,
            "metadata": {},
            "parent": self.parent(bill),
            "period": { "end": self.period.1, "start": self.period.0 },
            "pretax_credit_amounts": [],
            "pricing": {
                "price_details": {
                    "price": self.price.at("id"),
                    "product": self.price.at("product"),
                },
                "type": "price_details",
                "unit_amount_decimal": self.price.at("unit_amount_decimal"),
            },
            "quantity": self.quantity,
            "quantity_decimal": self.quantity.to_string(),
            "subscription": bill.subscription.at("id"),
            "subtotal": self.amount,
            "taxes": Value::from_iter(self.tax.map(Tax::of_invoice)),
        })
    }

    fn parent(&self, bill: &Bill) -> Value {
        let subscription = bill.subscription.at("id");
        if self.item.is_null() {
            return json!({
                "invoice_item_details": {
                    "invoice_item": identifier::fresh("ii_1", 23),
                    "proration": false,
                    "proration_details": { "credited_items": null },
                    "subscription": subscription,
                },
                "subscription_item_details": null,
                "type": "invoice_item_details",
            });
        }
        json!({
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null,
                "proration": false,
                "proration_details": { "credited_items": null },
                "subscription": subscription,
                "subscription_item": self.item,
            },
            "type": "subscription_item_details",
        })
    }
}

/// What recurs, in words: `2 × Thing (at $10.00 / month)`.
pub(in crate::sandbox) fn recurring_words(
    quantity: i64,
    name: &str,
    price: &Value,
    currency: &str,
) -> String {
    let unit = price.at("unit_amount").as_i64();
    let at = unit.map(|unit| format!("at {} / ", money::format(unit, currency)));
    let interval = price.at("recurring").at("interval").as_str().unwrap_or("month");
    let count = price.at("recurring").at("interval_count").as_i64().unwrap_or(1);
    let every = if count == 1 { interval.to_owned() } else { format!("{count} {interval}s") };
    format!("{quantity} × {name} ({}{every})", at.unwrap_or_default())
}
