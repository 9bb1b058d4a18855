//! Writes whose outcome is certain, whatever happens on the way.
//!
//! A change of anything at Stripe is an operation: its exact bytes and its
//! idempotency key are on disk before the first of them is sent. It is carried
//! out in a task of its own, with its own time, and whoever asks for it again,
//! here or in another process, waits for the same outcome. What is not known in
//! the end, the [`resolver`] finds out.
//!
//! | state | what it means | what the same `request_id` brings |
//! |---|---|---|
//! | `NEW` | it certainly had no effect | it is sent |
//! | `SENT` | it is on its way, or was when its process died | a share of the outcome |
//! | `UNKNOWN` | it may have had its effect | it is sent again, under the same key |
//! | `DONE` | it had its effect | the same answer |
//! | `REJECTED` | Stripe refused it for what it is | the same error |
//! | `LOST` | it could not be found out | an error that says so |

mod error;
mod key;
mod memory;
mod origin;
mod resolver;
mod run;
mod signals;
mod state;

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

pub use self::error::Error;
pub use self::key::is_key;
use self::key::{KEY_PREFIX, key};
pub use self::memory::Memory;
pub use self::origin::Origin;
use crate::caller::Caller;
use crate::clock::Clock;
use crate::contract::Draft;
use crate::storage::{Operation, OperationState};
use crate::stripe::call::Answer;
use crate::stripe::{self, Resourceful, Write};
use crate::telemetry;

/// How writes are carried out, and the bounds of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether callers must give a `request_id`. Without one, a write whose
    /// answer is lost between us and the caller cannot be asked for again.
    pub require_request_id: bool,
    /// How long a write may take, whatever time its caller has, in milliseconds.
    pub time_ms: NonZeroU64,
    /// How many writes are under way at the same time; further ones are refused.
    pub running_max: NonZeroUsize,
    /// How long results are kept, for those who ask again, in days; 7 at least.
    pub keep_days: NonZeroU32,
}

/// The operations of this process. Clones share them.
#[derive(Debug, Clone)]
pub struct Operations(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Config,
    memory: Arc<dyn Memory>,
    stripe: stripe::Client,
    clock: Clock,
    /// The name under which this process holds operations.
    holder: String,
    running: Mutex<HashMap<String, Running>>,
    tasks: TaskTracker,
    news: mpsc::Sender<stripe::Made>,
    heard: Mutex<Option<mpsc::Receiver<stripe::Made>>>,
}

/// A resource as a write has left it.
#[derive(Debug, Clone)]
pub struct Changed<R> {
    /// The resource, as Stripe's answer to the write shows it.
    pub resource: R,
    /// When the write was sent: the resource was like this then, or later. That can be
    /// long ago, where the caller has asked for an answer again.
    pub sent_at_ms: i64,
}

/// The answer to an operation that had its effect.
#[derive(Debug, Clone)]
struct Done {
    answer: Answer,
    sent_at_ms: i64,
}

/// An operation that a task of this process carries out.
#[derive(Debug)]
struct Running {
    fingerprint: Vec<u8>,
    progress: watch::Receiver<Progress>,
}

/// How far a task has come.
#[derive(Debug, Clone)]
enum Progress {
    /// Nothing was sent.
    Recording,
    /// It may have had its effect.
    Sent,
    /// This is what became of it.
    Ended(Result<Done, Error>),
}

/// How long results must be kept at least, in days.
const KEEP_DAYS_MIN: u32 = 7;
/// How many reports of webhooks may wait for the resolver. It finds the others
/// by itself.
const NEWS_MAX: usize = 1_024;

// === impl Config ===

impl Config {
    /// How long a result is kept.
    fn keep(&self) -> Duration {
        Duration::from_hours(24) * self.keep_days.get().max(KEEP_DAYS_MIN)
    }

    /// How long a write may take.
    fn time(&self) -> Duration {
        Duration::from_millis(self.time_ms.get())
    }
}

// === impl Operations ===

impl Operations {
    /// Carries out writes at the client's account, and remembers them.
    #[must_use]
    pub fn new(
        config: &Config,
        memory: Arc<dyn Memory>,
        stripe: stripe::Client,
        clock: Clock,
    ) -> Self {
        let (news, heard) = mpsc::channel(NEWS_MAX);
        Self(Arc::new(Shared {
            config: config.clone(),
            memory,
            stripe,
            clock,
            holder: Uuid::now_v7().to_string(),
            running: Mutex::default(),
            tasks: TaskTracker::new(),
            news,
            heard: Mutex::new(Some(heard)),
        }))
    }

    /// Creates the draft's resource.
    pub async fn create<R: Resourceful>(&self, draft: &Draft, caller: &Caller) -> Result<R, Error> {
        let write = Write::create::<R>(draft, &key(draft, caller), caller.owner());
        self.change(write, draft, caller).await
    }

    /// Updates the draft's resource.
    pub async fn update<R: Resourceful>(&self, draft: &Draft, caller: &Caller) -> Result<R, Error> {
        self.change(Write::update::<R>(draft), draft, caller).await
    }

    /// Creates a resource as it is `written`, for the request of the draft: what
    /// depends on the time is known to the one, and the request is the other. It is
    /// the owner's, whoever calls; nobody's where the name is empty.
    pub async fn create_as<R: Resourceful>(
        &self,
        written: &Draft,
        owner: &str,
        draft: &Draft,
        caller: &Caller,
    ) -> Result<Changed<R>, Error> {
        let owner = Some(owner).filter(|owner| !owner.is_empty());
        let write = Write::create::<R>(written, &key(draft, caller), owner);
        self.changed(write, draft, caller).await
    }

    /// Whether the caller's request was made before: then it gets the same answer,
    /// whatever has changed since. One that certainly had no effect was not made.
    pub async fn is_known(&self, draft: &Draft, caller: &Caller) -> Result<bool, Error> {
        if !draft.is_callers_id() {
            return Ok(false);
        }
        let known = self.0.memory.get(&key(draft, caller)).await?;
        Ok(known.is_some_and(|known| known.state != OperationState::New))
    }

    /// Deletes a resource.
    pub async fn delete<R: Resourceful>(
        &self,
        id: &str,
        draft: &Draft,
        caller: &Caller,
    ) -> Result<(), Error> {
        self.admit(draft, caller)?;
        self.carried_out(Write::delete::<R>(id), draft, caller).await.map(drop)
    }

    /// Puts the call under the draft's id, where that is one to go by.
    pub fn admit(&self, draft: &Draft, caller: &Caller) -> Result<(), Error> {
        caller.goes_by(draft.request_id());
        caller.is_about(draft.object());
        if draft.validate_only() {
            caller.only_validates();
        }
        let must = self.0.config.require_request_id && !draft.validate_only();
        if must && !draft.is_callers_id() { Err(Error::IdMissing) } else { Ok(()) }
    }

    /// Takes in what an event says of the request that caused it: an operation
    /// whose answer was lost is found so.
    pub fn hear(&self, event: &[u8]) {
        let text = str::from_utf8(event).unwrap_or_default();
        if text.contains(KEY_PREFIX)
            && let Some(made) = stripe::Made::of_event(event)
        {
            // Where there is no room, the resolver finds it by itself.
            drop(self.0.news.try_send(made));
        }
    }

    /// Waits for what is under way, up to `time`. What is not finished then, the
    /// next process takes up.
    pub async fn drain(&self, time: Duration) {
        self.0.tasks.close();
        if tokio::time::timeout(time, self.0.tasks.wait()).await.is_err() {
            let count = self.0.running.lock().unwrap_or_else(PoisonError::into_inner).len();
            tracing::warn!(count, "Writes are left to the next process");
        }
    }

    /// Does in a task of its own what belongs to a write. A caller who leaves does not cut
    /// it off, and the end of the process waits for it as for the write.
    pub fn beside<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.tasks.spawn(work.in_current_span())
    }

    /// Makes a change under the draft's request id. A draft that is only to be
    /// validated is given back as it is, and its form shown to the caller.
    pub async fn change<R: Resourceful>(
        &self,
        write: Write,
        draft: &Draft,
        caller: &Caller,
    ) -> Result<R, Error> {
        self.changed(write, draft, caller).await.map(|changed| changed.resource)
    }

    /// Makes a change as [`Self::change`] does, and says how old its answer is.
    pub async fn changed<R: Resourceful>(
        &self,
        write: Write,
        draft: &Draft,
        caller: &Caller,
    ) -> Result<Changed<R>, Error> {
        self.admit(draft, caller)?;
        if draft.validate_only() {
            caller.would_send(String::from_utf8_lossy(&write.form).into_owned());
            let resource = R::decode(draft.part().bytes).unwrap_or_default();
            return Ok(Changed { resource, sent_at_ms: self.0.clock.now_ms() });
        }
        let Done { answer, sent_at_ms } = self.carried_out(write, draft, caller).await?;
        let done = |error| Error::Stripe { state: OperationState::Done, error };
        Ok(Changed { resource: R::of(&answer).map_err(done)?, sent_at_ms })
    }

    /// Waits for the outcome as long as the caller does.
    async fn carried_out(
        &self,
        write: Write,
        draft: &Draft,
        caller: &Caller,
    ) -> Result<Done, Error> {
        if caller.time_left().is_zero() {
            return Err(Error::Deadline { state: OperationState::New });
        }
        let new = Operation {
            key: key(draft, caller),
            account: caller.account().to_owned(),
            owner: caller.owner().unwrap_or_default().to_owned(),
            method: draft.method().to_owned(),
            request_id: draft.request_id().to_string(),
            fingerprint: draft.fingerprint().to_vec(),
            path: write.place.path,
            traceparent: telemetry::remember(&Span::current()),
            form: write.form,
            ..self.unsent()
        };
        let mut progress = self.start(new, run::Start::Asked)?;
        let outcome = match tokio::time::timeout_at(caller.deadline, outcome(&mut progress)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Deadline { state: progress.borrow().state() }),
        };
        match &outcome {
            Ok(Done { answer, .. }) => {
                caller.has_changed(&answer.resource, answer.request_id.as_deref());
            }
            Err(Error::Stripe { error, .. }) => {
                caller.was_refused(error.request_id().unwrap_or_default());
            }
            Err(_) => {}
        }
        outcome.map_err(|error| error.in_words_of(draft))
    }

    /// An operation of this process that is about to be sent for the first time.
    fn unsent(&self) -> Operation {
        let now_ms = self.0.clock.now_ms();
        Operation {
            key: String::new(),
            account: String::new(),
            owner: String::new(),
            method: String::new(),
            request_id: String::new(),
            fingerprint: Vec::new(),
            path: String::new(),
            form: Bytes::new(),
            state: OperationState::Sent,
            generation: 0,
            attempts: 1,
            created_at_ms: now_ms,
            sent_at_ms: now_ms,
            due_at_ms: state::lease_end(now_ms),
            holder: self.0.holder.clone(),
            in_doubt: false,
            is_failure_stored: false,
            searches: 0,
            searched_at_ms: 0,
            resource: String::new(),
            answer: Bytes::new(),
            version: 0,
            traceparent: String::new(),
        }
    }
}

// === impl Progress ===

impl Progress {
    fn state(&self) -> OperationState {
        match self {
            // Nothing was sent yet, but it will be, whether or not anyone waits.
            Progress::Recording | Progress::Sent => OperationState::Sent,
            Progress::Ended(_) => OperationState::Done,
        }
    }
}

/// Waits until an operation has ended.
async fn outcome(progress: &mut watch::Receiver<Progress>) -> Result<Done, Error> {
    match progress.wait_for(|progress| matches!(progress, Progress::Ended(_))).await.as_deref() {
        Ok(Progress::Ended(outcome)) => outcome.clone(),
        // Its task has ended without a word.
        Ok(Progress::Recording | Progress::Sent) | Err(_) => Err(Error::Pending),
    }
}

#[cfg(test)]
mod tests;
