//! What is to be changed at Stripe, said once, and sent as often as it takes.

use bytes::Bytes;
use http::Method;
use tokio::time::Instant;

use super::call::{Answer, Call, Place};
use super::error::Error;
use super::param;
use super::wire::form;
use super::{Client, Resourceful, expand};
use crate::contract::Draft;
use crate::pb::{self, plan};

/// What the metadata of a link says of the operation that made it.
pub const OPERATION_METADATA: &str = "pl_op";
/// What it says of its owner. Stripe copies it to the payments of the link.
const OWNER_METADATA: &str = "pl_owner";
/// The parameter that clears the metadata of a resource.
const METADATA_CLEARED: &str = "metadata=";

/// One change, before it is sent. Every attempt sends these bytes.
#[derive(Debug, Clone)]
pub struct Write {
    /// POST or DELETE.
    pub method: Method,
    /// What is changed, or where something is made.
    pub place: Place,
    /// The parameters.
    pub form: Bytes,
}

/// What a change makes of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It makes one.
    Create,
    /// It changes one.
    Update,
    /// It takes one away.
    Delete,
}

/// Names the event that Stripe makes of a change, where it makes one:
/// <https://docs.stripe.com/api/events/types>. It makes none of shipping rates.
#[must_use]
pub fn event_kind(write: &Write) -> Option<String> {
    let object = &plan::resource_at(&write.place.path)?.object;
    let verb = match write.effect() {
        _ if object == "shipping_rate" => return None,
        Effect::Create => "created",
        Effect::Update => "updated",
        // It can be repeated, key or not.
        Effect::Delete => return None,
    };
    Some(format!("{object}.{verb}"))
}

// === impl Write ===

impl Write {
    /// Creates the draft's resource. A link carries the name of the operation
    /// that makes it, by which it can be found when its answer was lost, and that
    /// of its owner.
    #[must_use]
    pub fn create<R: Resourceful>(draft: &Draft, operation: &str, owner: Option<&str>) -> Self {
        let mut form = form::write(draft.part());
        if R::resource().collection == pb::PaymentLink::resource().collection {
            form::push(&mut form, &format!("metadata[{OPERATION_METADATA}]"), operation);
            if let Some(owner) = owner {
                form::push(&mut form, &format!("metadata[{OWNER_METADATA}]"), owner);
            }
        }
        Self::post::<R>(R::collection(), form)
    }

    /// Updates the draft's resource.
    #[must_use]
    pub fn update<R: Resourceful>(draft: &Draft) -> Self {
        Self::post::<R>(R::item(draft.resource_id()), form::write(draft.part()))
    }

    /// Whether the metadata of the resource is to be cleared.
    #[must_use]
    pub fn clears_metadata(&self) -> bool {
        self.form.split(|byte| *byte == b'&').any(|one| one == METADATA_CLEARED.as_bytes())
    }

    /// Clears these keys alone where all metadata was to be cleared: Stripe would
    /// take that for the service's own as well.
    #[must_use]
    pub fn clearing<'a>(mut self, keys: impl Iterator<Item = &'a str>) -> Self {
        if self.clears_metadata() {
            let text = String::from_utf8_lossy(&self.form);
            let others = text.split('&').filter(|one| *one != METADATA_CLEARED);
            let mut form = others.collect::<Vec<_>>().join("&");
            for key in keys {
                let key = form_urlencoded::byte_serialize(key.as_bytes()).collect::<String>();
                form::push(&mut form, &format!("metadata[{key}]"), "");
            }
            self.form = form.into();
        }
        self
    }

    /// Sets parameters of a resource that no field of a draft stands for.
    #[must_use]
    pub fn set<R: Resourceful>(id: &str, parameters: &[(&str, &str)]) -> Self {
        let mut form = String::new();
        for (parameter, value) in parameters {
            form::push(&mut form, parameter, value);
        }
        Self::post::<R>(R::item(id), form)
    }

    /// Deletes a resource.
    #[must_use]
    pub fn delete<R: Resourceful>(id: &str) -> Self {
        Self { method: Method::DELETE, place: R::item(id), form: Bytes::new() }
    }

    /// Takes up a change that was stored: a DELETE where it has no form.
    #[must_use]
    pub fn stored(path: String, form: Bytes) -> Self {
        // Every POST asks at least for what is to be expanded, or says what is set.
        let method = if form.is_empty() { Method::DELETE } else { Method::POST };
        Self { method, place: Place::stored(path), form }
    }

    /// What the change makes of its resource.
    #[must_use]
    pub fn effect(&self) -> Effect {
        if self.method == Method::DELETE {
            Effect::Delete
        } else if self.place.is_collection() {
            Effect::Create
        } else {
            Effect::Update
        }
    }

    fn post<R: Resourceful>(place: Place, mut form: String) -> Self {
        expand(&mut form, R::resource(), "");
        Self { method: Method::POST, place, form: form.into() }
    }
}

// === impl Client ===

impl Client {
    /// Sends a change to an account under a key, as often as it can help until `deadline`.
    /// Stripe remembers the keys of POST; a DELETE may be repeated as it is.
    pub async fn write(
        &self,
        account: &str,
        write: &Write,
        key: Option<String>,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let change = self.at(account)?.reads.change(write.place.path.clone());
        let outcome = self
            .send(
                account,
                Call {
                    method: write.method.clone(),
                    place: write.place.clone(),
                    form: write.form.clone(),
                    idempotency_key: key,
                    deadline,
                },
            )
            .await;
        if let Ok(answer) = &outcome {
            // Other changes may have come after the time that a replayed answer tells of.
            let is_now = write.effect() == Effect::Update && !answer.replayed;
            change.answered(is_now.then(|| answer.clone()));
        }
        outcome
    }
}

// === impl Error ===

impl Error {
    /// Says which field of the draft a refused parameter is.
    #[must_use]
    pub fn in_words_of(mut self, draft: &Draft) -> Self {
        if let Error::Refused(refusal) = &mut self
            && let Some(param) = &refusal.error.param
        {
            refusal.field = param::path(draft, param);
        }
        self
    }
}
