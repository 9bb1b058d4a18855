//! What a session leaves behind beside its payment: a subscription, and an invoice.

use serde_json::Value;

use super::super::identifier;
use super::super::invoices::{self, Bill, Entry};
use super::super::line_items::Line;
use super::super::object::Members;
use super::super::payment_intents;
use super::super::store::State;
use super::super::subscriptions::{self, Beginning};
use super::Session;
use super::pay::Payer;

/// What was made, by identifiers; null for what was not.
#[derive(Debug, Default)]
pub(super) struct Billed {
    /// `sub_…`.
    pub(super) subscription: Value,
    /// `in_…`.
    pub(super) invoice: Value,
}

/// Makes what follows from a session that is about to be complete.
/// An invoice stays open while a bank takes its time.
pub(super) fn bill(state: &mut State, id: &str, payer: &Payer, intent: Option<&str>) -> Billed {
    let Some(session) = state.sessions.get(id).cloned() else {
        return Billed::default();
    };
    let subscribes = session.object.at("mode") == "subscription";
    if !subscribes && session.object.at("invoice_creation").at("enabled") != true {
        return Billed::default();
    }
    let invoice = identifier::fresh("in_1", 23);
    let subscription =
        if subscribes { subscribe(state, &session, payer, &invoice) } else { Value::Null };
    let bill = Bill {
        customer: session.object.at("customer").as_str().unwrap_or_default(),
        currency: session.currency(),
        reason: if subscribes { "subscription_create" } else { "manual" },
        subscription: &subscription,
        entries: entries(state, &session, &subscription),
        discount: session.promotion.discount.as_ref().unwrap_or(&Value::Null),
        shipping: session.object.at("shipping_cost"),
        settings: session.object.at("invoice_creation").at("invoice_data"),
        taxed: session.is_taxed(),
    };
    invoices::make(state, &invoice, &bill);
    if intent.is_none_or(|intent| !payment_intents::is_processing(state, intent)) {
        invoices::pay(state, &invoice, intent);
    }
    Billed { subscription: subscription.at("id").clone(), invoice: invoice.into() }
}

fn subscribe(state: &mut State, session: &Session, payer: &Payer, invoice: &str) -> Value {
    let data = session.link(state).map(|link| link.object.at("subscription_data").clone());
    let prices = session.bought().filter_map(|line| {
        let price = state.prices.get(&line.price)?;
        (price.at("type") == "recurring").then(|| (price.clone(), line.quantity))
    });
    let beginning = Beginning {
        customer: session.object.at("customer").as_str().unwrap_or_default(),
        currency: session.currency(),
        prices: prices.collect(),
        data: &data.unwrap_or_default(),
        trial_days: session.visit.trial_days,
        means: payer.means.as_ref(),
        discount: session.promotion.discount.as_ref().unwrap_or(&Value::Null),
        invoice,
        taxed: session.is_taxed(),
    };
    subscriptions::begin(state, &beginning)
}

fn entries(state: &State, session: &Session, subscription: &Value) -> Vec<Entry> {
    session.bought().map(|line| entry(state, session, line, subscription)).collect()
}

fn entry(state: &State, session: &Session, line: &Line, subscription: &Value) -> Entry {
    let now = state.clock.now();
    let price = state.prices.get(&line.price).cloned().unwrap_or_default();
    let product = line.product(state).and_then(|product| product.at("name").as_str());
    let name = product.unwrap_or_default();
    let items = subscription.at("items").at("data").as_array();
    let recurs = price.at("type") == "recurring";
    let mut of_price = items.into_iter().flatten().filter(|_| recurs);
    let item = of_price.find(|item| item.at("price").at("id") == price.at("id"));
    let due = session.is_due_now(state, line);
    let description = match item {
        Some(_) if !due => format!("Trial period for {name}"),
        Some(_) => invoices::recurring_words(line.quantity, name, &price, session.currency()),
        None => name.to_owned(),
    };
    let end = item.and_then(|item| item.at("current_period_end").as_i64());
    Entry {
        description,
        quantity: line.quantity,
        amount: if due { line.amount(state) } else { 0 },
        discount: if due { line.discount } else { 0 },
        period: (now, end.unwrap_or(now)),
        item: item.map(|item| item.at("id").clone()).unwrap_or_default(),
        tax: line.tax.filter(|_| due),
        price,
    }
}
