//! Events: what happened, with the object as it was then.

use serde_json::{Value, json};

use super::api::{Call, Origin};
use super::delivery::Departure;
use super::faults::EventEffect;
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{API_VERSION, expand, identifier, list, object, webhook_endpoints};

/// Records an event and hands it to the webhook.
pub(super) fn emit(state: &mut State, kind: &str, object: &Value, origin: &Origin) {
    record(state, kind, &json!({ "object": expand::shown(object) }), origin);
}

/// Records an `updated` event, unless nothing that is shown is different.
pub(super) fn emit_updated(
    state: &mut State,
    kind: &str,
    before: &Value,
    after: &Value,
    origin: &Origin,
) {
    let after = expand::shown(after);
    let previous = object::previous_attributes(&expand::shown(before), &after);
    if previous.as_object().is_some_and(|previous| !previous.is_empty()) {
        record(state, kind, &json!({ "object": after, "previous_attributes": previous }), origin);
    }
}

/// `GET /v1/events`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let kinds = call.params.get("types").and_then(Value::as_array);
    if kinds.is_some() && call.params.contains_key("type") {
        return Err(Refusal::only_one_of("type", "types"));
    }
    list::page(&state.events, call, "/v1/events", |event| {
        let kind = event.at("type").as_str().unwrap_or_default();
        let delivered = event.at("pending_webhooks") == 0;
        list::in_range(call.params.get("created"), event.at("created"))
            && call.text("type").is_none_or(|wanted| is_kind(kind, wanted))
            && kinds.is_none_or(|kinds| kinds.iter().any(|wanted| wanted == kind))
            && (!call.params.contains_key("delivery_success")
                || call.flag("delivery_success") == delivered)
    })
}

/// `GET /v1/events/{id}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.events.named(&call.id).cloned()
}

fn record(state: &mut State, kind: &str, data: &Value, origin: &Origin) {
    let fault = state.faults.strike_event(kind);
    if fault == Some(EventEffect::NotGenerated) {
        return;
    }
    let mut created = state.clock.now();
    if fault == Some(EventEffect::SameSecond)
        && let Some(before) = state.events.newest().next()
    {
        created = before.at("created").as_i64().unwrap_or(created);
    }
    let configured = state.outbox.configured().is_some().then_some(None);
    let registered = webhook_endpoints::wanting(state, kind).into_iter().map(Some);
    let receivers: Vec<Option<String>> = configured.into_iter().chain(registered).collect();
    let event = json!({
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": data,
        "livemode": false,
        "pending_webhooks": receivers.len(),
        "request": { "id": origin.request_id, "idempotency_key": origin.idempotency_key },
        "type": kind,
    });
    let generated = if fault == Some(EventEffect::GeneratedTwice) { 2 } else { 1 };
    for _ in 0..generated {
        let id = identifier::fresh("evt_1", 23);
        let mut event = event.clone();
        object::set(&mut event, "id", id.clone());
        state.events.insert(&id, event);
        for endpoint in &receivers {
            dispatch(state, &id, kind, endpoint.as_deref(), fault);
        }
    }
}

/// Hands an event over to delivery, in the way that a fault wants it.
fn dispatch(
    state: &mut State,
    event: &str,
    kind: &str,
    endpoint: Option<&str>,
    fault: Option<EventEffect>,
) {
    let now_ms = state.clock.now_ms();
    let departure = match fault {
        Some(EventEffect::Dropped) => Departure::Never,
        Some(EventEffect::Reordered) => Departure::AfterTheNext,
        Some(EventEffect::Delayed { delay_ms }) => Departure::At(now_ms.saturating_add(delay_ms)),
        _ => Departure::At(now_ms),
    };
    let sent = if fault == Some(EventEffect::Duplicated) { 2 } else { 1 };
    for _ in 0..sent {
        state.outbox.push(event, kind, endpoint, departure, now_ms);
    }
}

/// Whether a type is the one asked for, or begins as a pattern such as `checkout.session.*` does.
fn is_kind(kind: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => kind == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_may_end_in_a_star() {
        assert!(is_kind("checkout.session.completed", "checkout.session.*"));
        assert!(is_kind("price.created", "price.created"));
        assert!(!is_kind("price.created", "price.updated"));
        assert!(!is_kind("product.created", "price.*"));
    }
}
