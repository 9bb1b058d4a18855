//! The beginning of a subscription.

use serde_json::{Value, json};

use super::super::agenda::Due;
use super::super::api::Origin;
use super::super::methods::Means;
use super::super::object::Members;
use super::super::store::State;
use super::super::{events, identifier, object};
use super::{next_end, period};

/// How long before its end a trial is spoken of.
const TRIAL_NOTICE_S: i64 = 3 * DAY_S;
const DAY_S: i64 = 24 * 60 * 60;

/// A subscription to begin.
#[derive(Debug)]
pub(in crate::sandbox) struct Beginning<'a> {
    /// Who subscribes, by identifier.
    pub(in crate::sandbox) customer: &'a str,
    /// The currency of all amounts.
    pub(in crate::sandbox) currency: &'a str,
    /// Recurring `price` objects, and how many of each.
    pub(in crate::sandbox) prices: Vec<(Value, i64)>,
    /// What the link says about its subscriptions; null if nothing.
    pub(in crate::sandbox) data: &'a Value,
    /// How many days are free at first.
    pub(in crate::sandbox) trial_days: Option<i64>,
    /// What pays for later periods, if anything does.
    pub(in crate::sandbox) means: Option<&'a Means>,
    /// The `discount` object of the first period; null without one.
    pub(in crate::sandbox) discount: &'a Value,
    /// The first invoice, by identifier.
    pub(in crate::sandbox) invoice: &'a str,
    /// Whether taxes are calculated.
    pub(in crate::sandbox) taxed: bool,
}

/// Begins a subscription and tells of it.
pub(in crate::sandbox) fn begin(state: &mut State, beginning: &Beginning) -> Value {
    let now = state.clock.now();
    let id = identifier::fresh("sub_1", 23);
    let trial_end = beginning.trial_days.map(|days| now.saturating_add(days * DAY_S));
    let items: Vec<Value> = beginning
        .prices
        .iter()
        .map(|(price, quantity)| item(&id, price, *quantity, now, trial_end))
        .collect();
    let later = later_discount(state, beginning.discount, now);
    let discount = later.at("discount").at("id");
    let mut subscription = blank();
    let described = json!({
        "id": id,
        "automatic_tax": { "enabled": beginning.taxed },
        "billing_cycle_anchor": trial_end.unwrap_or(now),
        "means": beginning.means,
        "created": now,
        "currency": beginning.currency,
        "customer": beginning.customer,
        "description": beginning.data.at("description"),
        "discounts": Value::from_iter((!discount.is_null()).then(|| discount.clone())),
        "items": {
            "object": "list",
            "data": items,
            "has_more": false,
            "url": format!("/v1/subscription_items?subscription={id}"),
        },
        "later_discount": later,
        "latest_invoice": beginning.invoice,
        "metadata": object::metadata(beginning.data.get("metadata")),
        "start_date": now,
        "status": if trial_end.is_some() { "trialing" } else { "active" },
        "trial_end": trial_end,
        "trial_settings": trial_settings(beginning.data.at("trial_settings")),
        "trial_start": trial_end.map(|_| now),
    });
    object::overlay(&mut subscription, &described);
    state.subscriptions.insert(&id, subscription.clone());
    events::emit(state, "customer.subscription.created", &subscription, &Origin::default());
    if let Some(end) = trial_end {
        let notice = (end - TRIAL_NOTICE_S).max(now);
        state.agenda.note(notice, Due::WarnOfTrialEnd(id.clone()));
    }
    state.agenda.note(next_end(&subscription), Due::RenewSubscription(id));
    subscription
}

fn item(
    subscription: &str,
    price: &Value,
    quantity: i64,
    now: i64,
    trial_end: Option<i64>,
) -> Value {
    let first_end = trial_end.unwrap_or_else(|| period::end(now, price.at("recurring"), 1));
    json!({
        "id": identifier::fresh("si_", 14),
        "object": "subscription_item",
        "billing_thresholds": null,
        "created": now,
        "current_period_end": first_end,
        "current_period_start": now,
        "discounts": [],
        "metadata": {},
        "periods": i32::from(trial_end.is_none()),
        "price": price,
        "quantity": quantity,
        "subscription": subscription,
        "tax_rates": [],
    })
}

/// The discount of later periods, and when it ends: a coupon may be for the first one only. Its
/// coupon is kept with it, for who has a discount keeps it when the coupon is deleted.
fn later_discount(state: &State, discount: &Value, now: i64) -> Value {
    let coupon = discount.at("source").at("coupon").as_str().and_then(|id| state.coupons.get(id));
    let Some(coupon) = coupon else {
        return Value::Null;
    };
    let months = json!({
        "interval": "month",
        "interval_count": coupon.at("duration_in_months").as_i64().unwrap_or(1),
    });
    match coupon.at("duration").as_str() {
        Some("forever") => json!({ "coupon": coupon, "discount": discount, "end": null }),
        Some("repeating") => {
            let end = period::end(now, &months, 1);
            json!({ "coupon": coupon, "discount": discount, "end": end })
        }
        _ => Value::Null,
    }
}

fn trial_settings(sent: &Value) -> Value {
    let end = sent.at("end_behavior").at("missing_payment_method");
    let missing = end.as_str().unwrap_or("create_invoice");
    json!({ "end_behavior": { "missing_payment_method": missing } })
}

/// What is the same for every new subscription.
fn blank() -> Value {
    json!({
        "object": "subscription",
        "application": null,
        "application_fee_percent": null,
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
        "billing_cycle_anchor_config": null,
        "billing_mode": { "flexible": null, "type": "classic" },
        "billing_schedules": [],
        "billing_thresholds": null,
        "cancel_at": null,
        "cancel_at_period_end": false,
        "canceled_at": null,
        "cancellation_details": { "comment": null, "feedback": null, "reason": null },
        "collection_method": "charge_automatically",
        "customer_account": null,
        "days_until_due": null,
        "default_payment_method": null,
        "default_source": null,
        "default_tax_rates": [],
        "ended_at": null,
        "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
        "livemode": false,
        "next_pending_invoice_item_invoice": null,
        "on_behalf_of": null,
        "pause_collection": null,
        "payment_settings": {
            "payment_method_options": null,
            "payment_method_types": null,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": null,
        "pending_setup_intent": null,
        "pending_update": null,
        "schedule": null,
        "test_clock": null,
        "transfer_data": null,
    })
}
