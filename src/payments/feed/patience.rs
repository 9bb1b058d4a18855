//! The end of patience with a caller that does not read.
//!
//! HTTP/2 asks a stream for more only while the caller has room. A caller that
//! has none never asks again, and what was read for it would be held for ever.
//! So a watch stands beside the stream: when what was given last is not taken
//! in time, the page and the place of the watcher are given to others. Should
//! the caller come back, it is told where to go on.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use super::Watcher;
use crate::error::PaymentError;
use crate::pb;

/// A watcher that is given up when its caller does not read.
pub(super) struct Patient {
    /// Empty once it was given up.
    watcher: Arc<Mutex<Option<Watcher>>>,
    /// When something was given that the caller has not come back from.
    given: watch::Sender<Option<Instant>>,
    /// The last position that was given.
    position: String,
    _guard: AbortOnDropHandle<()>,
}

// === impl Patient ===

impl Patient {
    pub(super) fn new(watcher: Watcher, patience: Duration, position: String) -> Self {
        let watcher = Arc::new(Mutex::new(Some(watcher)));
        let (given, news) = watch::channel(None);
        let guard = tokio::spawn(guard(Arc::downgrade(&watcher), news, patience));
        Self { watcher, given, position, _guard: AbortOnDropHandle::new(guard) }
    }

    pub(super) async fn next(&mut self) -> Result<pb::WatchPaymentsResponse, Status> {
        self.given.send_replace(None);
        let mut watcher = self.watcher.lock().await;
        let Some(watcher) = watcher.as_mut() else {
            let position = self.position.clone();
            return Err(PaymentError::SlowConsumer { position }.into());
        };
        let message = watcher.next().await?;
        self.position.clone_from(&message.position);
        self.given.send_replace(Some(Instant::now()));
        Ok(message)
    }
}

/// Gives the watcher up when its caller has not come back in time.
async fn guard(
    watcher: Weak<Mutex<Option<Watcher>>>,
    mut given: watch::Receiver<Option<Instant>>,
    patience: Duration,
) {
    loop {
        let since = *given.borrow_and_update();
        let Some(since) = since else {
            if given.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            changed = given.changed() => match changed {
                Ok(()) => {}
                Err(_) => return,
            },
            () = sleep_until(since + patience) => {
                tracing::info!("A stream of payments was not read for too long and was given up");
                if let Some(watcher) = watcher.upgrade() {
                    *watcher.lock().await = None;
                }
                return;
            }
        }
    }
}
