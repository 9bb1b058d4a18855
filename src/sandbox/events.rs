//! Events: what happened, with the object as it was then.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::api::{Call, Origin};
use super::delivery::Departure;
use super::faults::EventEffect;
use super::refusal::Refusal;
use super::store::{Held, State};
use super::{API_VERSION, expand, identifier, list, object, webhook_endpoints};

/// An event. Its members are those of the API's object, in the same words.
///
/// What it tells about stays a text: nobody changes it, and a tree takes several times the memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Event {
    id: String,
    object: Cow<'static, str>,
    /// The connected account in which it happened; absent for the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    api_version: Cow<'static, str>,
    created: i64,
    data: Box<RawValue>,
    livemode: bool,
    pending_webhooks: usize,
    request: Origin,
    #[serde(rename = "type")]
    kind: String,
}

/// What an event tells about.
#[derive(Serialize)]
struct Data<'a> {
    object: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_attributes: Option<&'a Value>,
}

/// Records an event and hands it to the webhooks.
pub(super) fn emit(state: &mut State, kind: &str, object: &Value, origin: &Origin) {
    let data = Data { object: &expand::shown(object), previous_attributes: None };
    record(state, kind, &data, origin);
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
        let data = Data { object: &after, previous_attributes: Some(&previous) };
        record(state, kind, &data, origin);
    }
}

/// `GET /v1/events`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let kinds = call.params.get("types").and_then(Value::as_array);
    if kinds.is_some() && call.params.contains_key("type") {
        return Err(Refusal::only_one_of("type", "types"));
    }
    list::page(&state.events, call, "/v1/events", |event| {
        list::in_range(call.params.get("created"), &event.created.into())
            && call.text("type").is_none_or(|wanted| is_kind(&event.kind, wanted))
            && kinds.is_none_or(|kinds| kinds.iter().any(|wanted| *wanted == *event.kind))
            && (!call.params.contains_key("delivery_success")
                || call.flag("delivery_success") == (event.pending_webhooks == 0))
    })
}

/// `GET /v1/events/{id}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.events.named(&call.id).map(|event| event.object().into_owned())
}

fn record(state: &mut State, kind: &str, data: &Data<'_>, origin: &Origin) {
    let fault = state.faults.strike_event(kind);
    if fault == Some(EventEffect::NotGenerated) {
        return;
    }
    // Every value of the sandbox is one that JSON has.
    let Ok(data) = to_raw_value(data) else { return };
    let mut created = state.clock.now();
    if fault == Some(EventEffect::SameSecond)
        && let Some(before) = state.events.newest().next()
    {
        created = before.created;
    }
    let configured = state.outbox.configured().is_some().then_some(None);
    let registered = webhook_endpoints::wanting(state, kind).into_iter().map(Some);
    let receivers: Vec<Option<String>> = configured.into_iter().chain(registered).collect();
    let event = Event {
        id: String::new(),
        object: Cow::Borrowed("event"),
        account: state.account.clone(),
        api_version: Cow::Borrowed(API_VERSION),
        created,
        data,
        livemode: false,
        pending_webhooks: receivers.len(),
        request: origin.clone(),
        kind: kind.to_owned(),
    };
    if fault == Some(EventEffect::GeneratedTwice) {
        keep(state, event.clone(), &receivers, fault);
    }
    keep(state, event, &receivers, fault);
}

/// Keeps an event under an identifier of its own, and hands it over to delivery.
fn keep(
    state: &mut State,
    mut event: Event,
    receivers: &[Option<String>],
    fault: Option<EventEffect>,
) {
    event.id = identifier::fresh("evt_1", 23);
    for endpoint in receivers {
        dispatch(state, &event, endpoint.as_deref(), fault);
    }
    let id = event.id.clone();
    state.events.insert(&id, event);
}

/// Hands an event over to delivery, in the way that a fault wants it.
fn dispatch(state: &mut State, event: &Event, endpoint: Option<&str>, fault: Option<EventEffect>) {
    let now_ms = state.clock.now_ms();
    let departure = match fault {
        Some(EventEffect::Dropped) => Departure::Never,
        Some(EventEffect::Reordered) => Departure::AfterTheNext,
        Some(EventEffect::Delayed { delay_ms }) => Departure::At(now_ms.saturating_add(delay_ms)),
        _ => Departure::At(now_ms),
    };
    let sent = if fault == Some(EventEffect::Duplicated) { 2 } else { 1 };
    for _ in 0..sent {
        state.outbox.push(&event.id, &event.kind, endpoint, departure, now_ms);
    }
}

/// Whether a type is the one asked for, or begins as a pattern such as `checkout.session.*` does.
fn is_kind(kind: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => kind == wanted,
    }
}

// === impl Event ===

impl Held for Event {
    fn object(&self) -> Cow<'_, Value> {
        Cow::Owned(serde_json::to_value(self).unwrap_or_default())
    }
}

impl Event {
    /// The event as it is sent to webhooks.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Notes that one of its webhooks has taken it.
    pub(super) fn count_delivered(&mut self) {
        self.pending_webhooks = self.pending_webhooks.saturating_sub(1);
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
