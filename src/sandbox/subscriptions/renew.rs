//! The later periods of a subscription: each is billed as it begins, and charged to what paid
//! the first one.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::agenda::Due;
use super::super::api::Origin;
use super::super::cards::{Decline, Verdict};
use super::super::checkout::{Charging, Payer};
use super::super::invoices::{self, Bill, Entry};
use super::super::methods::Means;
use super::super::object::Members;
use super::super::store::State;
use super::super::taxes::Tax;
use super::super::{charges, coupons, events, identifier, object, payment_intents, prices};
use super::{end, is_over, next_end, period, replace};

/// The waits after each failed payment, in seconds; after the last one the subscription ends.
const RETRIES_AFTER_S: [i64; 3] = [3 * DAY_S, 5 * DAY_S, 7 * DAY_S];
const DAY_S: i64 = 24 * 60 * 60;

/// Why an invoice was not paid when a seller asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Unpaid {
    /// Nothing pays for its subscription.
    NoMeans,
    /// The bank said no.
    Declined(Decline),
}

/// Tells that a trial ends soon.
pub(in crate::sandbox) fn warn_of_trial_end(state: &mut State, id: &str) {
    let trialing = |held: &&Value| held.at("status") == "trialing";
    if let Some(held) = state.subscriptions.get(id).filter(trialing).cloned() {
        events::emit(state, "customer.subscription.trial_will_end", &held, &Origin::default());
    }
}

/// Begins the next period of a subscription, or ends it there.
pub(in crate::sandbox) fn renew(state: &mut State, id: &str) {
    let now = state.clock.now();
    let Some(before) = state.subscriptions.get(id).cloned() else {
        return;
    };
    if is_over(&before) || before.at("status") == "paused" || next_end(&before) > now {
        return;
    }
    let nobody = Origin::default();
    if before.at("cancel_at_period_end") == true {
        return end(state, id, "cancellation_requested", &nobody);
    }
    let trial_over = before.at("status") == "trialing";
    let way_out = before.pointer("/trial_settings/end_behavior/missing_payment_method");
    match way_out.and_then(Value::as_str).filter(|_| trial_over && before.at("means").is_null()) {
        Some("cancel") => return end(state, id, "payment_failed", &nobody),
        Some("pause") => return pause(state, id, &before),
        _ => {}
    }
    let due_at = next_end(&before);
    let mut after = before.clone();
    let renewed = advance(&mut after, due_at);
    let invoice = identifier::fresh("in_1", 23);
    object::set(&mut after, "latest_invoice", invoice.as_str());
    if trial_over {
        object::set(&mut after, "status", "active");
    }
    replace(state, id, &after, &nobody);
    bill(state, &after, &renewed, &invoice);
    state.agenda.note(next_end(&after), Due::RenewSubscription(id.to_owned()));
    collect(state, id, &invoice);
}

/// Tries once more to have an invoice paid.
pub(in crate::sandbox) fn retry(state: &mut State, invoice: &str) {
    let open = state.invoices.get(invoice).filter(|held| held.at("status") == "open");
    let Some(id) = open.and_then(invoices::subscription).map(str::to_owned) else {
        return;
    };
    if state.subscriptions.get(&id).is_some_and(|held| !is_over(held)) {
        collect(state, &id, invoice);
    }
}

/// Has an invoice paid because its seller asks for it. That changes nothing about when it is tried
/// again.
pub(in crate::sandbox) fn try_payment(state: &mut State, invoice: &str) -> Result<(), Unpaid> {
    let id = state.invoices.get(invoice).and_then(invoices::subscription);
    let id = id.ok_or(Unpaid::NoMeans)?.to_owned();
    let paid = take(state, &id, invoice);
    if matches!(paid, Err(Unpaid::Declined(_))) {
        invoices::decline(state, invoice);
    }
    paid
}

fn pause(state: &mut State, id: &str, before: &Value) {
    let mut after = before.clone();
    object::set(&mut after, "status", "paused");
    let nobody = Origin::default();
    replace(state, id, &after, &nobody);
    events::emit(state, "customer.subscription.paused", &after, &nobody);
}

/// Begins the next period of the items whose period ended then; the answer is these items.
fn advance(subscription: &mut Value, ended: i64) -> Vec<Value> {
    let anchor = subscription.at("billing_cycle_anchor").as_i64().unwrap_or(ended);
    let mut renewed = Vec::new();
    let kept = subscription.pointer_mut("/items/data").and_then(Value::as_array_mut);
    for item in kept.into_iter().flatten() {
        if item.at("current_period_end").as_i64() == Some(ended) {
            let number = item.at("periods").as_i64().unwrap_or_default() + 1;
            let next = period::end(anchor, item.at("price").at("recurring"), number);
            let period = json!({
                "current_period_end": next, "current_period_start": ended, "periods": number,
            });
            object::overlay(item, &period);
            renewed.push(item.clone());
        }
    }
    renewed
}

fn bill(state: &mut State, subscription: &Value, renewed: &[Value], invoice: &str) {
    let currency = subscription.at("currency").as_str().unwrap_or_default();
    let later = subscription.at("later_discount");
    let ended = later.at("end").as_i64().is_some_and(|end| end <= state.clock.now());
    let later = if ended { &Value::Null } else { later };
    let discount = later.at("discount");
    let mut entries: Vec<Entry> = renewed.iter().map(|item| entry(state, item, currency)).collect();
    let amounts: Vec<i64> = entries.iter().map(|entry| entry.amount).collect();
    let off = coupons::off(later.at("coupon"), currency, &amounts);
    for (entry, off) in entries.iter_mut().zip(off.unwrap_or_default()) {
        entry.discount = off;
    }
    let taxed = subscription.at("automatic_tax").at("enabled") == true;
    for entry in entries.iter_mut().filter(|_| taxed) {
        entry.tax = Some(Tax::on(entry.amount.saturating_sub(entry.discount), &entry.price));
    }
    let bill = Bill {
        customer: subscription.at("customer").as_str().unwrap_or_default(),
        currency,
        reason: "subscription_cycle",
        subscription,
        entries,
        discount,
        shipping: &Value::Null,
        settings: &Value::Null,
        taxed,
    };
    invoices::make(state, invoice, &bill);
}

fn entry(state: &State, item: &Value, currency: &str) -> Entry {
    let price = item.at("price");
    let quantity = item.at("quantity").as_i64().unwrap_or(1);
    let priced = prices::in_currency(price, currency);
    let product = price.at("product").as_str().and_then(|id| state.products.get(id));
    let name = product.and_then(|product| product.at("name").as_str()).unwrap_or_default();
    let time = |name: &str| item.at(name).as_i64().unwrap_or_default();
    Entry {
        description: invoices::recurring_words(quantity, name, price, currency),
        price: price.clone(),
        quantity,
        amount: priced.map_or(0, |priced| prices::total(priced, quantity)),
        discount: 0,
        tax: None,
        period: (time("current_period_start"), time("current_period_end")),
        item: item.at("id").clone(),
    }
}

/// Has an invoice paid when the schedule says so, and notes what came of it.
fn collect(state: &mut State, id: &str, invoice: &str) {
    invoices::count_attempt(state, invoice);
    if take(state, id, invoice).is_err() {
        fail(state, id, invoice);
    }
}

/// Has an invoice paid by what paid for the subscription, which is past due no more then.
fn take(state: &mut State, id: &str, invoice: &str) -> Result<(), Unpaid> {
    let due = state.invoices.get(invoice).map(|held| held.at("amount_due").clone());
    let due = due.and_then(|due| due.as_i64()).unwrap_or_default();
    let intent = if due == 0 { None } else { Some(charge(state, id, due)?) };
    invoices::pay(state, invoice, intent.as_deref());
    if state.subscriptions.get(id).is_some_and(|held| held.at("status") == "past_due") {
        set_status(state, id, "active");
    }
    Ok(())
}

/// Notes that an invoice of a subscription could not be paid, and when it is tried again. Where
/// either is over, nothing follows.
pub(in crate::sandbox) fn fail(state: &mut State, id: &str, invoice: &str) {
    let open = state.invoices.get(invoice).filter(|held| held.at("status") == "open");
    let goes_on = state.subscriptions.get(id).is_some_and(|held| !is_over(held));
    let Some(open) = open.filter(|_| goes_on) else {
        return invoices::fail(state, invoice, None);
    };
    let attempts = open.at("attempt_count").as_u64().and_then(|count| usize::try_from(count).ok());
    // The buyer's own attempt is counted by its failure, and those of the schedule before.
    let failed_before = attempts.unwrap_or_default().saturating_sub(1);
    let next = RETRIES_AFTER_S.get(failed_before).map(|wait| state.clock.now() + wait);
    invoices::fail(state, invoice, next);
    let Some(time) = next else {
        return end(state, id, "payment_failed", &Origin::default());
    };
    state.agenda.note(time, Due::RetryInvoice(invoice.to_owned()));
    set_status(state, id, "past_due");
}

fn set_status(state: &mut State, id: &str, status: &str) {
    if let Some(mut after) = state.subscriptions.get(id).cloned() {
        object::set(&mut after, "status", status);
        replace(state, id, &after, &Origin::default());
    }
}

/// Charges what pays for a subscription; the answer is the payment intent.
fn charge(state: &mut State, id: &str, amount: i64) -> Result<String, Unpaid> {
    let subscription = state.subscriptions.get(id).ok_or(Unpaid::NoMeans)?.clone();
    let means = Means::deserialize(subscription.at("means")).map_err(|_| Unpaid::NoMeans)?;
    let customer = subscription.at("customer").as_str().and_then(|id| state.customers.get(id));
    let payer = Payer::of_customer(customer.unwrap_or(&Value::Null));
    let intent = payment_intents::begin_later(state, &subscription, amount, &payer);
    let charging = Charging::again(payer, means, intent.clone());
    match charging.means().later_verdict() {
        Verdict::Approved => {
            let charge = charges::make(state, &charging, None);
            payment_intents::succeed(state, &intent, &charge);
            Ok(intent)
        }
        Verdict::Declined(decline) => {
            let charge = charges::make(state, &charging, Some(decline));
            payment_intents::fail(state, &intent, decline, charging.means(), Some(&charge));
            Err(Unpaid::Declined(decline))
        }
    }
}
