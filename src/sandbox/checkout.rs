//! Checkout Sessions: one buyer at a link, from the first look to the payment.

mod bill;
mod complete;
mod delayed;
mod open;
mod order;
mod pay;
mod promotion;
mod visit;

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::{Call, Origin};
use super::line_items::Line;
use super::object::Members;
use super::payment_links::Link;
use super::refusal::Refusal;
use super::store::{Held, State};
use super::{events, line_items, list as lists, object};
pub(super) use delayed::settle as settle_delayed;
pub(super) use open::open;
pub(super) use order::{Choice, Choices};
pub(super) use pay::{Charging, Outcome, Payer, answer_challenge, pay};
pub(super) use promotion::Promotion;
pub(super) use visit::{Visit, plausible_email};

/// A session, with what its object does not show.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    /// The object of the API, without its line items.
    pub(super) object: Value,
    /// What is bought, and what can be added.
    pub(super) lines: Vec<Line>,
    /// The promotion code that the buyer typed.
    pub(super) promotion: Promotion,
    /// What the link's address said when it was opened.
    pub(super) visit: Visit,
    /// Whether the buyer goes to the seller's page after the payment.
    pub(super) redirects: bool,
    /// What the buyer entered last, by the names of the page's fields; nothing that is secret.
    pub(super) entered: HashMap<String, String>,
    /// The payment intent of the first try, which later tries use again.
    pub(super) intent: Option<String>,
    /// A payment that waits for the buyer's bank to be convinced.
    pub(super) challenge: Option<Charging>,
    /// A payment that the buyer has finished and their bank has not, with its charge.
    pub(super) underway: Option<(Charging, String)>,
}

/// `GET /v1/checkout/sessions/{session}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.sessions.named(&call.id).map(|session| session.object.clone())
}

/// `POST /v1/checkout/sessions/{session}`, which changes nothing but metadata.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let session = &mut state.sessions.named_mut(&call.id)?.object;
    let merged = object::merge_metadata(session.at("metadata"), call.params.get("metadata"));
    object::set(session, "metadata", merged);
    retrieve(state, call)
}

/// `GET /v1/checkout/sessions`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let details = call.params.get("customer_details");
    let email = details.map(|details| details.at("email").clone()).unwrap_or_default();
    lists::page(&state.sessions, call, "/v1/checkout/sessions", |held| {
        let session = &held.object;
        let names = ["customer", "payment_intent", "payment_link", "status", "subscription"];
        names.iter().all(|name| lists::matches(&call.params, name, session))
            && lists::in_range(call.params.get("created"), session.at("created"))
            && (email.is_null() || session.pointer("/customer_details/email") == Some(&email))
    })
}

/// `GET /v1/checkout/sessions/{session}/line_items`.
pub(super) fn line_items(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let session = state.sessions.named(&call.id)?;
    let items = session.items(state);
    let url = format!("/v1/checkout/sessions/{}/line_items", call.id);
    lists::page_in_order(items, "line item", &call.params, &url)
}

/// `POST /v1/checkout/sessions/{session}/expire`.
pub(super) fn expire(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let status = state.sessions.named(&call.id)?.status().to_owned();
    if status != "open" {
        return Err(Refusal::invalid(format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout \
             Session has a status of `{status}`."
        )));
    }
    end(state, &call.id, &call.origin);
    retrieve(state, call)
}

/// Why a session cannot be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// There is no such session, or a price of its is kept no more.
    Unknown,
    /// It is paid, or on its way to be.
    Complete,
    /// Its time is over.
    Expired,
    /// Its link is switched off.
    Inactive,
}

/// The session if it can be paid.
pub(super) fn standing<'a>(state: &'a State, id: &str) -> Result<&'a Session, Closed> {
    let session = state.sessions.get(id).ok_or(Closed::Unknown)?;
    match session.status() {
        "complete" => Err(Closed::Complete),
        "expired" => Err(Closed::Expired),
        _ => match session.link(state) {
            Some(link) if link.object.at("active") != true => Err(Closed::Inactive),
            _ if session.is_priced(state) => Ok(session),
            _ => Err(Closed::Unknown),
        },
    }
}

/// Whether a buyer may still pay a payment intent, on the page of an open session.
pub(super) fn may_pay(state: &State, intent: &str) -> bool {
    by_intent(state, intent).is_some_and(|session| session.status() == "open")
}

/// Notes that the money of a payment intent has been taken, in the session that it paid.
pub(super) fn note_captured(state: &mut State, intent: &str) {
    let found = by_intent(state, intent).map(|session| session.object.at("id"));
    let id = found.and_then(Value::as_str).map(str::to_owned);
    if let Some(session) = id.and_then(|id| state.sessions.get_mut(&id)) {
        object::set(&mut session.object, "payment_status", "paid");
    }
}

fn by_intent<'a>(state: &'a State, intent: &str) -> Option<&'a Session> {
    state.sessions.newest().find(|session| session.intent.as_deref() == Some(intent))
}

/// Ends a session whose time has come, if it is still open.
pub(super) fn expire_unpaid(state: &mut State, id: &str) {
    if state.sessions.get(id).is_some_and(|session| session.status() == "open") {
        end(state, id, &Origin::default());
    }
}

fn end(state: &mut State, id: &str, origin: &Origin) {
    let Some(session) = state.sessions.get_mut(id) else {
        return;
    };
    object::set(&mut session.object, "status", "expired");
    object::set(&mut session.object, "url", Value::Null);
    session.challenge = None;
    let object = session.object.clone();
    events::emit(state, "checkout.session.expired", &object, origin);
}

// === impl Session ===

impl Held for Session {
    fn object(&self) -> Cow<'_, Value> {
        Cow::Borrowed(&self.object)
    }
}

impl Session {
    /// `open`, `complete` or `expired`.
    pub(super) fn status(&self) -> &str {
        self.object.at("status").as_str().unwrap_or_default()
    }

    /// Whether a bank has yet to answer to its payment.
    pub(super) fn is_underway(&self) -> bool {
        self.underway.is_some()
    }

    /// Whether all is still kept by which it is priced.
    fn is_priced(&self, state: &State) -> bool {
        let prices = self.lines.iter().map(|line| line.price.as_str());
        line_items::are_priced(state, prices, self.object.at("shipping_options"))
    }

    /// The link that it came from.
    pub(super) fn link<'a>(&self, state: &'a State) -> Option<&'a Link> {
        state.links.get(self.object.at("payment_link").as_str()?)
    }

    /// The currency of everything in it.
    pub(super) fn currency(&self) -> &str {
        self.object.at("currency").as_str().unwrap_or_default()
    }
}
