//! The stream of changes: from a durable position on, without an end.
//!
//! A watcher reads pages from the memory at its caller's pace. Nothing is
//! pushed to it, so a slow caller costs a page and holds nobody up; one that is
//! too slow does not cost even that (`patience`).

mod patience;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::patience::Patient;
use super::filter::Filter;
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
    patience: Duration,
    limit: PageLimit,
    places: Arc<Semaphore>,
}

/// One stream.
struct Watcher {
    feed: Feed,
    filter: Filter,
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
            patience: Duration::from_millis(config.slow_consumer_ms.get()),
            limit: PageLimit { changes: config.watch_page_max.get(), bytes: PAGE_BYTES_MAX },
            places: Arc::new(Semaphore::new(config.watchers_max as usize)),
        }
    }

    /// Starts a stream. It ends with an error only; the last position it gave
    /// continues it exactly there.
    pub(super) async fn watch(&self, request: pb::WatchPaymentsRequest) -> Result<Changes, Status> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Error::TooManyStreams)?;
        let through = self.start(&request).await?;
        let watcher = Watcher {
            feed: self.clone(),
            filter: Filter::new(request.payment_link, request.filter),
            page: VecDeque::new(),
            through,
            greeted: false,
            heartbeat_at: Instant::now() + self.heartbeat,
            _place: place,
        };
        let last = position::write(self.storage.epoch(), through);
        let patient = Patient::new(watcher, self.patience, last);
        let changes = stream::unfold(Some(patient), async |patient| {
            let mut patient = patient?;
            match patient.next().await {
                Ok(message) => Some((Ok(message), Some(patient))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(Box::pin(changes))
    }

    /// Finds where a stream starts.
    async fn start(&self, request: &pb::WatchPaymentsRequest) -> Result<Place, Status> {
        if request.from_now {
            return Ok(self.storage.feed_ends().await?.head);
        }
        if request.consumer.is_empty() {
            return position::find(&request.position, &self.storage).await;
        }
        let acknowledged = self.storage.acknowledged(&request.consumer).await?;
        position::find(&acknowledged.unwrap_or_default(), &self.storage).await
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
            let has_read = self.read().await?;
            if !self.page.is_empty() {
                continue;
            }
            // What was read and not asked for still moves the position on.
            if has_read && Instant::now() < self.heartbeat_at {
                continue;
            }
            if has_read || !self.greeted || self.sleep().await? {
                return Ok(self.message(Content::Heartbeat(Heartbeat {}), self.through));
            }
        }
    }

    /// Reads the next page, and keeps what is asked for. Says whether there was
    /// anything to read.
    async fn read(&mut self) -> Result<bool, Status> {
        // What is committed from here on wakes the sleep after this read.
        self.feed.changes.mark_unchanged();
        let link = self.filter.only_link();
        let page = self.feed.storage.feed_after(self.through, link, self.feed.limit).await?;
        let has_read = !page.changes.is_empty();
        let fits = |event: &pb::PaymentEvent| {
            event.payment.as_ref().is_some_and(|payment| self.filter.fits(payment))
        };
        self.page = page.changes.into_iter().filter(fits).collect();
        self.through = page.through;
        Ok(has_read)
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
