//! What a method says of a call beside its answer, for the layers around it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::future::BoxFuture;
use uuid::Uuid;

/// What a method says of a call beside its answer. Clones are of the same call.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    id: OnceLock<Uuid>,
    form: OnceLock<String>,
    trail: Mutex<Trail>,
    keep: OnceLock<Keep>,
}

/// What is known of a call for the record that it leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// Whether the call leaves a record: it is known who calls, or that nobody has to say
    /// so, and it was not turned away unseen.
    pub is_kept: bool,
    /// Who calls, where that was proved.
    pub identity: Option<Arc<str>>,
    /// Whose is what the caller makes.
    pub owner: Option<Arc<str>>,
    /// The Stripe account that the caller works at.
    pub account: Arc<str>,
    /// What the call is about.
    pub object: String,
    /// What it has made.
    pub made: String,
    /// Stripe's id of its last request.
    pub stripe_request: String,
    /// Whether it only asks what would be done.
    pub validate_only: bool,
}

/// How a call or a part of it has ended: the name of its code, and the stable reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The name of the code, such as `OK`.
    pub code: &'static str,
    /// The stable reason; empty of a success.
    pub reason: String,
}

/// Keeps the record of a part of a call. The record is on its way when this returns; what
/// it gives waits for it.
#[derive(Clone)]
struct Keep(Arc<dyn Fn(Notes, Ended) -> BoxFuture<'static, ()> + Send + Sync>);

// === impl Ended ===

impl Ended {
    /// Says that nobody was there any more to be told.
    #[must_use]
    pub fn untold() -> Self {
        Self { code: "CANCELLED", reason: String::new() }
    }
}

// === impl Notes ===

impl Notes {
    /// Gives the id of the call, making one where the method named none.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        *self.0.id.get_or_init(Uuid::now_v7)
    }

    /// Puts the call under an id. Only the first counts: answers and logs name one.
    pub(super) fn go_by(&self, request_id: Uuid) {
        let _ = self.0.id.set(request_id);
    }

    /// Gives the form that Stripe would be sent, where the call was to show it.
    #[must_use]
    pub fn form(&self) -> Option<&str> {
        self.0.form.get().map(String::as_str)
    }

    pub(super) fn would_send(&self, form: String) {
        let _ = self.0.form.set(form);
    }

    /// Gives what is known of the call by now.
    #[must_use]
    pub fn trail(&self) -> Trail {
        self.0.trail().clone()
    }

    /// Says how records of parts of the call are kept.
    pub fn keep_parts(
        &self,
        keep: impl Fn(Self, Ended) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) {
        let _ = self.0.keep.set(Keep(Arc::new(keep)));
    }

    /// Begins a part of the call, which has an id, an object and an outcome of its own.
    pub(super) fn part(&self) -> Self {
        let Trail { is_kept, identity, owner, account, .. } = self.trail();
        let trail = Trail { is_kept, identity, owner, account, ..Trail::default() };
        let part = Self::default();
        *part.0.trail() = trail;
        part
    }

    /// Keeps the record of a part that has ended, where records are kept.
    pub(super) fn keep(&self, part: &Self, ended: Ended) -> BoxFuture<'static, ()> {
        match self.0.keep.get() {
            Some(Keep(keep)) => keep(part.clone(), ended),
            None => Box::pin(std::future::ready(())),
        }
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut Trail)) {
        change(&mut self.0.trail());
    }
}

// === impl Noted ===

impl Noted {
    /// Nothing under the lock can leave half a note behind.
    fn trail(&self) -> MutexGuard<'_, Trail> {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keep")
    }
}
