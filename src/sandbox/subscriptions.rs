//! Subscriptions: begun by links whose prices recur, renewed as the clock moves.

mod begin;
mod period;
mod renew;

use serde_json::{Map, Value, json};

use super::api::{Call, Origin};
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{events, list as lists, object};
pub(super) use begin::{Beginning, begin};
pub(super) use renew::{Unpaid, fail, renew, retry, try_payment, warn_of_trial_end};

/// `GET /v1/subscriptions/{subscription_exposed_id}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.subscriptions.named(&call.id).cloned()
}

/// `GET /v1/subscriptions`. What is canceled is only listed on request.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.subscriptions, call, "/v1/subscriptions", |subscription| {
        let status = subscription.at("status").as_str().unwrap_or_default();
        let fits = match call.text("status") {
            None => status != "canceled",
            Some("all") => true,
            Some("ended") => matches!(status, "canceled" | "incomplete_expired"),
            Some(wanted) => status == wanted,
        };
        fits && lists::matches(&call.params, "customer", subscription)
            && call.text("price").is_none_or(|wanted| {
                items(subscription).any(|item| item.at("price").at("id") == wanted)
            })
            && lists::in_range(call.params.get("created"), subscription.at("created"))
    })
}

/// `POST /v1/subscriptions/{subscription_exposed_id}`.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let before = state.subscriptions.named(&call.id)?.clone();
    let kept = ["cancellation_details", "expand", "metadata"];
    if is_over(&before) && call.params.keys().any(|name| !kept.contains(&name.as_str())) {
        let message =
            "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(Refusal::invalid(message));
    }
    let mut after = before.clone();
    object::assign(&mut after, &call.params, &["description"]);
    let merged = object::merge_metadata(before.at("metadata"), call.params.get("metadata"));
    object::set(&mut after, "metadata", merged);
    note_feedback(&mut after, &call.params);
    if let Some(ends) = call.params.get("cancel_at_period_end") {
        let ends = *ends == true;
        let (at, now) = (next_end(&after), state.clock.now());
        let canceled = json!({
            "cancel_at": ends.then_some(at),
            "cancel_at_period_end": ends,
            "canceled_at": ends.then_some(now),
            "cancellation_details": { "reason": ends.then_some("cancellation_requested") },
        });
        object::overlay(&mut after, &canceled);
    }
    replace(state, &call.id, &after, &call.origin);
    Ok(after)
}

/// `DELETE /v1/subscriptions/{subscription_exposed_id}`: it ends at once.
pub(super) fn cancel(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let subscription = state.subscriptions.named_mut(&call.id)?;
    if is_over(subscription) {
        return Err(Refusal::missing("subscription", &call.id));
    }
    note_feedback(subscription, &call.params);
    end(state, &call.id, "cancellation_requested", &call.origin);
    retrieve(state, call)
}

/// `GET /v1/subscription_items/{item}`.
pub(super) fn item(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let mut all = state.subscriptions.newest().flat_map(items);
    let found = all.find(|item| item.at("id") == call.id.as_str());
    found.cloned().ok_or_else(|| Refusal::missing("subscription_item", &call.id))
}

/// `GET /v1/subscription_items`.
pub(super) fn item_list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let id = call.text("subscription").unwrap_or_default();
    let subscription = state.subscriptions.referred(id, "subscription")?;
    let items = items(subscription).cloned().collect();
    lists::page_in_order(items, "subscription_item", &call.params, "/v1/subscription_items")
}

/// Ends the subscriptions of a customer who is no more.
pub(super) fn end_all_of(state: &mut State, customer: &str, origin: &Origin) {
    let of_customer = |held: &&Value| held.at("customer") == customer && !is_over(held);
    let found = state.subscriptions.newest().filter(of_customer);
    let ids: Vec<String> = found.filter_map(|held| Some(held.at("id").as_str()?.into())).collect();
    for id in ids {
        end(state, &id, "cancellation_requested", origin);
    }
}

/// Ends a subscription, for one of Stripe's reasons.
fn end(state: &mut State, id: &str, reason: &str, origin: &Origin) {
    let now = state.clock.now();
    let Some(subscription) = state.subscriptions.get_mut(id) else {
        return;
    };
    let canceled_at = subscription.at("canceled_at").as_i64().unwrap_or(now);
    let ended = json!({
        "canceled_at": canceled_at,
        "cancellation_details": { "reason": reason },
        "ended_at": now,
        "status": "canceled",
    });
    object::overlay(subscription, &ended);
    let subscription = subscription.clone();
    events::emit(state, "customer.subscription.deleted", &subscription, origin);
}

/// Puts a changed subscription in its place and tells of it.
fn replace(state: &mut State, id: &str, after: &Value, origin: &Origin) {
    let Some(kept) = state.subscriptions.get_mut(id) else {
        return;
    };
    let before = std::mem::replace(kept, after.clone());
    events::emit_updated(state, "customer.subscription.updated", &before, after, origin);
}

fn note_feedback(subscription: &mut Value, params: &Map<String, Value>) {
    if let (Some(kept), Some(sent)) =
        (subscription.get_mut("cancellation_details"), params.get("cancellation_details"))
    {
        object::overlay(kept, sent);
    }
}

fn items(subscription: &Value) -> impl Iterator<Item = &Value> {
    subscription.at("items").at("data").as_array().into_iter().flatten()
}

/// When the first of the current periods ends.
fn next_end(subscription: &Value) -> i64 {
    let ends = items(subscription).filter_map(|item| item.at("current_period_end").as_i64());
    ends.min().unwrap_or(i64::MAX)
}

fn is_over(subscription: &Value) -> bool {
    ["canceled", "incomplete_expired"].iter().any(|status| subscription.at("status") == *status)
}
