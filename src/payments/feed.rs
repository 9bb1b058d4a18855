//! The stream of changes: from a durable position on, without an end.
//!
//! A watcher reads pages from the memory at its caller's pace. Nothing is
//! pushed to it, so a slow caller costs a page and holds nobody up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{Config, position};
use crate::error::Error;
use crate::pb;
use crate::pb::watch_payments_response::{Content, Heartbeat};
use crate::storage::{PageLimit, Place, Storage};

/// How often a watcher looks by itself, in case it was not woken.
const POLL: Duration = Duration::from_secs(1);
/// After how many bytes of payments a page ends.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// A stream of changes.
pub(super) type Changes = BoxStream<'static, Result<pb::WatchPaymentsResponse, Status>>;

/// The feed, and how it is told.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    storage: Storage,
    changes: watch::Receiver<()>,
    stop: CancellationToken,
    heartbeat: Duration,
    limit: PageLimit,
    places: Arc<Semaphore>,
}

/// One stream.
struct Watcher {
    feed: Feed,
    payment_link: Option<String>,
    /// What was read and not yet sent.
    page: VecDeque<pb::PaymentEvent>,
    /// The place up to which all was read.
    through: Place,
    greeted: bool,
    heartbeat_at: Instant,
    _place: OwnedSemaphorePermit,
}

// === impl Feed ===

impl Feed {
    pub(super) fn new(
        config: &Config,
        storage: Storage,
        changes: watch::Receiver<()>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            storage,
            changes,
            stop,
            heartbeat: Duration::from_millis(config.heartbeat_ms.get()),
            limit: PageLimit { changes: config.watch_page_max.get(), bytes: PAGE_BYTES_MAX },
            places: Arc::new(Semaphore::new(config.watchers_max as usize)),
        }
    }

    /// Starts a stream. It ends with an error only; the last position it gave
    /// continues it exactly there.
    pub(super) async fn watch(&self, request: pb::WatchPaymentsRequest) -> Result<Changes, Status> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Error::TooManyStreams)?;
        let through = position::find(&request.position, &self.storage).await?;
        let watcher = Watcher {
            feed: self.clone(),
            payment_link: Some(request.payment_link).filter(|link| !link.is_empty()),
            page: VecDeque::new(),
            through,
            greeted: false,
            heartbeat_at: Instant::now() + self.heartbeat,
            _place: place,
        };
        let changes = stream::unfold(Some(watcher), async |watcher| {
            let mut watcher = watcher?;
            match watcher.next().await {
                Ok(message) => Some((Ok(message), Some(watcher))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(Box::pin(changes))
    }
}

// === impl Watcher ===

impl Watcher {
    async fn next(&mut self) -> Result<pb::WatchPaymentsResponse, Status> {
        loop {
            if self.feed.stop.is_cancelled() {
                return Err(Error::Draining.into());
            }
            if let Some(event) = self.page.pop_front() {
                let place = Place::after(&event)?;
                return Ok(self.message(Content::Event(event), place));
            }
            self.read().await?;
            if !self.page.is_empty() {
                continue;
            }
            if !self.greeted || self.sleep().await? {
                return Ok(self.message(Content::Heartbeat(Heartbeat {}), self.through));
            }
        }
    }

    /// Reads the next page; none when everything was read.
    async fn read(&mut self) -> Result<(), Status> {
        // What is committed from here on wakes the sleep after this read.
        self.feed.changes.mark_unchanged();
        let link = self.payment_link.as_deref();
        let page = self.feed.storage.feed_after(self.through, link, self.feed.limit).await?;
        self.page = page.changes.into();
        self.through = page.through;
        Ok(())
    }

    /// Waits for something to read, or until a heartbeat is due, which it says.
    async fn sleep(&mut self) -> Result<bool, Error> {
        tokio::select! {
            biased;
            () = self.feed.stop.cancelled() => Err(Error::Draining),
            () = sleep_until(self.heartbeat_at) => Ok(true),
            changed = self.feed.changes.changed() => match changed {
                Ok(()) => Ok(false),
                // Nobody is left who could write.
                Err(_) => Err(Error::Draining),
            },
            () = sleep(POLL) => Ok(false),
        }
    }

    fn message(&mut self, content: Content, place: Place) -> pb::WatchPaymentsResponse {
        self.greeted = true;
        self.heartbeat_at = Instant::now() + self.feed.heartbeat;
        let position = position::write(self.feed.storage.epoch(), place);
        pb::WatchPaymentsResponse { content: Some(content), position }
    }
}

#[cfg(test)]
mod tests;
