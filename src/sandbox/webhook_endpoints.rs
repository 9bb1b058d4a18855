//! Webhook endpoints: who else is told of events, beside the receiver of the configuration.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::Call;
use super::delivery::Target;
use super::object::Members;
use super::refusal::Refusal;
use super::store::{Held, State};
use super::{API_VERSION, identifier, list as lists, object};

/// How many endpoints an account has at most.
const ENDPOINTS_MAX: usize = 16;

/// A registered endpoint, with what its object does not show.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Receiver {
    /// The object of the API.
    object: Value,
    /// What events to it are signed with. Only the answer to its creation tells.
    secret: String,
    /// The connected account that has it; none for the platform.
    #[serde(default)]
    account: Option<String>,
    /// Whether it is told of what happens in connected accounts, and not in its own.
    #[serde(default)]
    connect: bool,
}

/// `POST /v1/webhook_endpoints`.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    check_url(call)?;
    check_version(call)?;
    if of_account(state).count() >= ENDPOINTS_MAX {
        let message = format!("You have reached the maximum of {ENDPOINTS_MAX} webhook endpoints.");
        return Err(Refusal::invalid(message));
    }
    let id = identifier::fresh("we_1", 23);
    let mut object = json!({
        "id": id,
        "object": "webhook_endpoint",
        "api_version": call.params.get("api_version"),
        "application": null,
        "created": state.clock.now(),
        "description": call.params.get("description"),
        "enabled_events": call.params.get("enabled_events"),
        "livemode": false,
        "metadata": object::metadata(call.params.get("metadata")),
        "status": "enabled",
        "url": call.params.get("url"),
    });
    let secret = identifier::fresh("whsec_", 32);
    let receiver = Receiver {
        object: object.clone(),
        secret: secret.clone(),
        account: state.account.clone(),
        connect: call.flag("connect"),
    };
    state.receivers.insert(&id, receiver);
    object::set(&mut object, "secret", secret);
    Ok(object)
}

/// `GET /v1/webhook_endpoints/{webhook_endpoint}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    own(state, &call.id).map(|receiver| receiver.object.clone())
}

/// `GET /v1/webhook_endpoints`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.receivers, call, "/v1/webhook_endpoints", |receiver| {
        receiver.account == state.account
    })
}

/// `POST /v1/webhook_endpoints/{webhook_endpoint}`.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    check_url(call)?;
    own(state, &call.id)?;
    let endpoint = &mut state.receivers.named_mut(&call.id)?.object;
    object::assign(endpoint, &call.params, &["description", "enabled_events", "url"]);
    if let Some(disabled) = call.params.get("disabled") {
        let status = if *disabled == true { "disabled" } else { "enabled" };
        object::set(endpoint, "status", status);
    }
    let merged = object::merge_metadata(endpoint.at("metadata"), call.params.get("metadata"));
    object::set(endpoint, "metadata", merged);
    Ok(endpoint.clone())
}

/// `DELETE /v1/webhook_endpoints/{webhook_endpoint}`.
pub(super) fn delete(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    own(state, &call.id)?;
    state.receivers.remove(&call.id);
    Ok(json!({ "id": call.id, "object": "webhook_endpoint", "deleted": true }))
}

/// The endpoints that want events of a type, by their identifiers.
pub(super) fn wanting(state: &State, kind: &str) -> Vec<String> {
    let wants = |receiver: &&Receiver| {
        let kinds = receiver.object.at("enabled_events").as_array();
        receiver.is_enabled()
            && receiver.hears(state.account.as_deref())
            && kinds.into_iter().flatten().any(|wanted| wanted == "*" || wanted == kind)
    };
    let wanting = state.receivers.newest().filter(wants);
    wanting.filter_map(|receiver| Some(receiver.object.at("id").as_str()?.to_owned())).collect()
}

/// The endpoints of the account whose store this is.
fn of_account(state: &State) -> impl Iterator<Item = &Receiver> {
    state.receivers.newest().filter(|receiver| receiver.account == state.account)
}

/// The endpoint that a request's path names, if it belongs to the account.
fn own<'a>(state: &'a State, id: &str) -> Result<&'a Receiver, Refusal> {
    let receiver = state.receivers.named(id)?;
    let is_own = receiver.account == state.account;
    is_own.then_some(receiver).ok_or_else(|| Refusal::missing("webhook endpoint", id))
}

fn check_url(call: &Call) -> Result<(), Refusal> {
    let refuse = |message: &str| Err(Refusal::invalid(message).code("url_invalid").param("url"));
    match call.text("url") {
        Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
            refuse("Invalid URL: An explicit scheme (such as https) must be provided.")
        }
        Some(url) if url.parse::<http::Uri>().is_err() => refuse("Invalid URL"),
        _ => Ok(()),
    }
}

/// Events are written in the one version that the sandbox speaks.
fn check_version(call: &Call) -> Result<(), Refusal> {
    match call.text("api_version") {
        Some(version) if version != API_VERSION => {
            let message = format!("This sandbox writes events of version {API_VERSION} only.");
            Err(Refusal::invalid(message).param("api_version"))
        }
        _ => Ok(()),
    }
}

// === impl Receiver ===

impl Held for Receiver {
    fn object(&self) -> Cow<'_, Value> {
        Cow::Borrowed(&self.object)
    }
}

impl Receiver {
    /// Where its events go, and what signs them, unless it is switched off.
    pub(super) fn target(&self) -> Option<Target> {
        let url = self.object.at("url").as_str().filter(|_| self.is_enabled())?;
        Some(Target { url: url.to_owned(), secret: self.secret.clone() })
    }

    /// Whether it is told of what happens in an account; none is the platform's own.
    fn hears(&self, account: Option<&str>) -> bool {
        match account {
            Some(_) if self.connect => self.account.is_none(),
            account => !self.connect && self.account.as_deref() == account,
        }
    }

    fn is_enabled(&self) -> bool {
        self.object.at("status") == "enabled"
    }
}
