//! The end of patience with a caller that does not read.
//!
//! HTTP/2 asks a stream for more only while the caller has room. A caller that
//! has none never asks again, and what was read for it would be held for ever.
//! A stream of changes has reason to be asked every second, so one that is not
//! asked for long is stuck: its page and its place are given to others. Should
//! the caller come back, it is told where to go on.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use super::Changes;
use crate::error::PaymentError;
use crate::pb;

/// A stream that is given up when its caller does not read.
pub(super) struct Patient {
    shared: Arc<Mutex<Shared>>,
    _guard: AbortOnDropHandle<()>,
}

struct Shared {
    /// Empty once it was given up, or has ended.
    changes: Option<Changes>,
    asked_at: Instant,
    /// The last position that was given; empty once the stream has ended.
    position: String,
}

// === impl Patient ===

impl Patient {
    pub(super) fn new(changes: Changes, patience: Duration, position: String) -> Self {
        let shared = Shared { changes: Some(changes), asked_at: Instant::now(), position };
        let shared = Arc::new(Mutex::new(shared));
        let guard = tokio::spawn(guard(Arc::downgrade(&shared), patience));
        Self { shared, _guard: AbortOnDropHandle::new(guard) }
    }
}

impl Stream for Patient {
    type Item = Result<pb::WatchPaymentsResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut shared = lock(&self.shared);
        shared.asked_at = Instant::now();
        let Some(changes) = &mut shared.changes else {
            let position = std::mem::take(&mut shared.position);
            let is_told = position.is_empty();
            let slow = || Err(PaymentError::SlowConsumer { position }.into());
            return Poll::Ready((!is_told).then(slow));
        };
        let next = changes.poll_next_unpin(cx);
        match &next {
            Poll::Ready(Some(Ok(message))) => shared.position.clone_from(&message.position),
            Poll::Ready(_) => {
                shared.changes = None;
                shared.position.clear();
            }
            Poll::Pending => {}
        }
        next
    }
}

/// Gives a stream up that was not asked in time. It looks twice, so that a
/// process which stood still itself blames nobody.
async fn guard(shared: Weak<Mutex<Shared>>, patience: Duration) {
    let (mut asked_at, mut missed) = (None, 0);
    loop {
        sleep(patience / 2).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut shared = lock(&shared);
        if asked_at != Some(shared.asked_at) {
            (asked_at, missed) = (Some(shared.asked_at), 0);
            continue;
        }
        missed += 1;
        if missed == 2 {
            shared.changes = None;
            tracing::info!("A stream of payments was not read for too long and was given up");
            return;
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
