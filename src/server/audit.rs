//! Leaves a record of every call that can change something, whatever it comes to.
//!
//! The record is on disk before the caller learns the outcome. A caller who goes away
//! leaves one too, in a task of its own, and so does each item of a batch.
//!
//! What has happened is told all the same where the record cannot be written: the call
//! has had its effect, and a caller who is told otherwise would do it again. The record
//! is then tried for a while, and goes to the log in the end. That takes a memory which
//! breaks within a call: a call begins by writing to the same memory, and is refused
//! where that fails.
//!
//! No record is kept of whom nobody knows, since anyone could fill the disk so, nor of
//! what is turned away because there is too much of it. Of calls that are not permitted,
//! so many are recorded at a time that they do not hold up others'.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use opentelemetry::global;
use opentelemetry::metrics::Counter;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Span;

use crate::caller::{Ended, Notes};
use crate::clock::Clock;
use crate::planted::{self, Bug};
use crate::storage::{self, Storage};
use crate::{error, pb, telemetry};

/// How long an answer waits for its record. The record goes on without it.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);
/// For how long a record is tried that cannot be written.
const TRY_TIME_MAX: Duration = Duration::from_mins(10);
/// The waits between two tries, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How many records may wait to be written. Further ones go to the log.
const WAITING_MAX: usize = 1_024;
/// How many of calls that were not permitted may.
const REFUSED_WAITING_MAX: usize = 64;
/// How many bytes of a name that a caller gives are kept.
const NAME_BYTES_MAX: usize = 256;

/// What keeps records. Clones are the same.
#[derive(Debug, Clone)]
pub struct Audit {
    storage: Storage,
    clock: Clock,
    waiting: Arc<Semaphore>,
    refused: Arc<Semaphore>,
    tasks: TaskTracker,
    /// The process stops: a record is tried once more.
    last: CancellationToken,
    /// And now it ends.
    over: CancellationToken,
}

/// A call that is under way. Dropped before its end, it leaves the record of a caller
/// who went away.
struct Under {
    audit: Audit,
    method: &'static str,
    notes: Notes,
    traceparent: String,
    is_over: bool,
}

/// An answer whose end waits for the record.
struct Recorded {
    inner: Body,
    call: Under,
    /// The last frame, and the record that goes before it.
    last: Option<(Frame<Bytes>, BoxFuture<'static, ()>)>,
}

static LOST: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.audit.lost")
        .with_unit("{record}")
        .with_description("Records of calls that are in the log alone.")
        .build()
});

/// Keeps the record of a call.
pub(super) async fn call(State(audit): State<Audit>, mut request: Request, next: Next) -> Response {
    let method = pb::method_named(request.uri().path()).filter(|method| pb::mutates(method));
    let Some(method) = method else { return next.run(request).await };
    let notes = Notes::default();
    request.extensions_mut().insert(notes.clone());
    let traceparent = telemetry::remember(&Span::current());
    let mut call = Under { audit, method, notes, traceparent, is_over: false };
    call.keep_parts();
    let response = next.run(request).await;
    if let Some(ended) = ended(response.headers()) {
        let is_late = ended.code == "DEADLINE_EXCEEDED";
        let written = call.end(ended);
        if !is_late {
            written.await;
        }
        return response;
    }
    response.map(|inner| Body::new(Recorded { inner, call, last: None }))
}

// === impl Audit ===

impl Audit {
    /// Keeps records in storage.
    #[must_use]
    pub fn new(storage: Storage, clock: Clock) -> Self {
        // What is not there yet cannot be seen to rise, by whoever waits for it.
        LOST.add(0, &[]);
        let [waiting, refused] =
            [WAITING_MAX, REFUSED_WAITING_MAX].map(|places| Arc::new(Semaphore::new(places)));
        let (tasks, last, over) =
            (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        Self { storage, clock, waiting, refused, tasks, last, over }
    }

    /// Waits for the records that are on their way, up to `time`. What is not written by
    /// then goes to the log.
    pub async fn drain(&self, time: Duration) {
        self.tasks.close();
        self.last.cancel();
        if timeout(time, self.tasks.wait()).await.is_err() {
            self.over.cancel();
            self.tasks.wait().await;
        }
    }

    /// Sets a record on its way, and gives what waits for it.
    fn keep(&self, record: pb::AuditRecord) -> BoxFuture<'static, ()> {
        let is_refused = record.code == "PERMISSION_DENIED";
        let places = if is_refused { &self.refused } else { &self.waiting };
        // Without a runtime the process is at its end.
        let is_running = Handle::try_current().is_ok();
        let place = places.clone().try_acquire_owned();
        let (true, Ok(place)) = (is_running, place) else {
            give_up(&record, &storage::Error::Busy);
            return std::future::ready(()).boxed();
        };
        let audit = self.clone();
        let written = self.tasks.spawn(async move {
            audit.write(record).await;
            drop(place);
        });
        // A panic is told of by itself.
        timeout(ANSWER_WAIT_MAX, written).map(drop).boxed()
    }

    async fn write(self, record: pb::AuditRecord) {
        let (end, now_ms) = (Instant::now() + TRY_TIME_MAX, self.clock.now_ms());
        let (mut pause, longest) = PAUSES;
        let mut is_again = false;
        loop {
            let is_last = self.last.is_cancelled();
            let written = self.storage.append_audit(record.clone(), now_ms, is_again);
            let written = self.over.run_until_cancelled(written).await;
            let Err(error) = written.unwrap_or(Err(storage::Error::Closed)) else { return };
            is_again |= matches!(error, storage::Error::Lost);
            let is_over = is_last || matches!(error, storage::Error::Closed);
            if is_over || Instant::now() + pause > end {
                return give_up(&record, &error);
            }
            let _ = self.last.run_until_cancelled(sleep(pause)).await;
            pause = (pause * 2).min(longest);
        }
    }
}

/// What is not on record is in the log, which holds the same.
fn give_up(record: &pb::AuditRecord, error: &storage::Error) {
    LOST.add(1, &[]);
    tracing::error!(%error, ?record, "The record of a call is here alone");
}

// === impl Under ===

impl Under {
    /// Lets the method keep records of parts of the call.
    fn keep_parts(&self) {
        let (audit, method) = (self.audit.clone(), self.method);
        let traceparent = self.traceparent.clone();
        self.notes
            .keep_parts(move |part, ended| audit.keep(record(method, &part, &traceparent, ended)));
    }

    /// Keeps the record, where the call is one to leave one.
    fn end(&mut self, ended: Ended) -> BoxFuture<'static, ()> {
        self.is_over = true;
        let is_missed = match ended.code {
            "PERMISSION_DENIED" => planted::is(Bug::RefusedUnrecorded),
            "CANCELLED" => planted::is(Bug::LeftUnrecorded),
            _ => false,
        };
        if !self.notes.trail().is_kept || is_missed {
            return std::future::ready(()).boxed();
        }
        let Self { audit, method, notes, traceparent, .. } = self;
        audit.keep(record(method, notes, traceparent, ended))
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        if !self.is_over {
            drop(self.end(Ended::untold()));
        }
    }
}

// === impl Recorded ===

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.last.is_none() {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
            let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
            let Some(ended) = frame.trailers_ref().and_then(ended) else {
                return Poll::Ready(Some(Ok(frame)));
            };
            let written = self.call.end(ended);
            self.last = Some((frame, written));
        }
        if let Some((_, written)) = &mut self.last {
            ready!(written.poll_unpin(cx));
        }
        Poll::Ready(self.last.take().map(|(frame, _)| Ok(frame)))
    }
}

/// Reads how a call has ended out of headers or trailers.
fn ended(headers: &HeaderMap) -> Option<Ended> {
    let code = error::code_name(headers)?;
    Some(Ended { code, reason: error::reason(headers).unwrap_or_default() })
}

fn record(method: &str, notes: &Notes, traceparent: &str, ended: Ended) -> pb::AuditRecord {
    let trail = notes.trail();
    let text = |text: Option<Arc<str>>| text.unwrap_or_default().as_ref().to_owned();
    // What a request names comes first; of one that names nothing it is what was made.
    let is_new = !trail.made.is_empty() && trail.made != trail.object;
    let (object, made) = match (trail.object.is_empty(), is_new) {
        (true, _) => (trail.made, String::new()),
        (false, true) => (trail.object, trail.made),
        (false, false) => (trail.object, String::new()),
    };
    pb::AuditRecord {
        caller: text(trail.identity),
        owner: text(trail.owner),
        account: trail.account.as_ref().to_owned(),
        method: method.to_owned(),
        object: shortened(object),
        made,
        code: ended.code.to_owned(),
        reason: shortened(ended.reason),
        request_id: notes.request_id().to_string(),
        stripe_request_id: trail.stripe_request,
        traceparent: traceparent.to_owned(),
        validate_only: trail.validate_only,
        ..pb::AuditRecord::default()
    }
}

/// Cuts a name that a caller gives.
fn shortened(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
    name
}
