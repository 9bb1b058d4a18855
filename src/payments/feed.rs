//! The stream of changes: from a durable position on, without an end.
//!
//! A watcher reads pages from the memory at its caller's pace. Nothing is
//! pushed to it, so a slow caller costs a page and holds nobody up; one that is
//! too slow does not cost even that (`patience`). Watchers who are at the same
//! place share what one of them has read (`pages`).

mod pages;
mod patience;
mod seats;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::pages::Pages;
use self::patience::Patient;
use self::seats::{Seat, Seats};
use super::filter::Filter;
use super::{Config, now_ms, position};
use crate::caller::Caller;
use crate::error::Error;
use crate::pb;
use crate::pb::watch_payments_response::{Content, Heartbeat};
use crate::storage::{Page, Place, Storage};

/// How often a watcher looks by itself, in case it was not woken.
const POLL: Duration = Duration::from_secs(1);

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
    pages: Pages,
    places: Arc<Semaphore>,
    seats: Seats,
}

/// One stream.
struct Watcher {
    feed: Feed,
    filter: Filter,
    /// What was read last, perhaps by another, and how much of it was looked at.
    page: Arc<Page>,
    looked_at: usize,
    greeted: bool,
    /// Whether the last position was told.
    parted: bool,
    heartbeat_at: Instant,
    _place: OwnedSemaphorePermit,
    seat: Seat,
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
            pages: Pages::new(storage.clone(), config.watch_page_max.get()),
            storage,
            changes,
            stop,
            heartbeat: Duration::from_millis(config.heartbeat_ms.get()),
            patience: Duration::from_millis(config.slow_consumer_ms.get()),
            places: Arc::new(Semaphore::new(config.watchers_max as usize)),
            seats: Seats::default(),
        }
    }

    /// Says how many streams are open, and how far the slowest has come.
    pub(super) fn watchers(&self) -> (i64, Option<i64>) {
        self.seats.told()
    }

    /// Starts a stream. It ends with an error only; the last position it gave
    /// continues it exactly there.
    pub(super) async fn watch(
        &self,
        caller: &Caller,
        request: pb::WatchPaymentsRequest,
    ) -> Result<Changes, Status> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Error::TooManyStreams)?;
        let through = self.start(caller, &request).await?;
        let watcher = Watcher {
            feed: self.clone(),
            filter: Filter::new(request.payment_link, request.filter).seen_by(caller),
            page: Arc::new(Page { changes: Vec::new(), through }),
            looked_at: 0,
            greeted: false,
            parted: false,
            heartbeat_at: Instant::now() + self.heartbeat,
            _place: place,
            seat: self.seats.take(through.sequence),
        };
        let last = position::write(self.storage.epoch(), through);
        let changes = stream::unfold(Some(watcher), async |watcher| {
            let mut watcher = watcher?;
            match watcher.next().await {
                Ok(message) => Some((Ok(message), Some(watcher))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(Box::pin(Patient::new(Box::pin(changes), self.patience, last)))
    }

    /// Finds where a stream starts.
    async fn start(
        &self,
        caller: &Caller,
        request: &pb::WatchPaymentsRequest,
    ) -> Result<Place, Status> {
        if request.from_now {
            return Ok(self.storage.feed_ends().await?.head);
        }
        if request.consumer.is_empty() {
            return position::find(&request.position, &self.storage).await;
        }
        let consumer = caller.own_name(&request.consumer);
        let acknowledged = self.storage.acknowledged(&consumer, now_ms()).await?;
        position::find(&acknowledged.unwrap_or_default(), &self.storage).await
    }
}

// === impl Watcher ===

impl Watcher {
    async fn next(&mut self) -> Result<pb::WatchPaymentsResponse, Status> {
        loop {
            if self.feed.stop.is_cancelled() {
                return self.part().map_err(Status::from);
            }
            if let Some(event) = self.next_of_page() {
                let place = Place::after(&event)?;
                return Ok(self.message(Content::Event(event), place));
            }
            // What was read and not asked for still moves the position on.
            let is_due = self.greeted && Instant::now() >= self.heartbeat_at;
            if !is_due && self.read().await? {
                continue;
            }
            if is_due || !self.greeted || self.sleep().await? {
                return Ok(self.message(Content::Heartbeat(Heartbeat {}), self.page.through));
            }
        }
    }

    /// Ends the stream. What it has looked at and not told of, since nobody asked for
    /// it, need not be looked at again: so a last heartbeat gives the position first.
    fn part(&mut self) -> Result<pb::WatchPaymentsResponse, Error> {
        let is_through = self.looked_at >= self.page.changes.len();
        if std::mem::replace(&mut self.parted, true) || !is_through {
            return Err(Error::Draining);
        }
        Ok(self.message(Content::Heartbeat(Heartbeat {}), self.page.through))
    }

    /// Gives the next change of the page that is asked for.
    fn next_of_page(&mut self) -> Option<pb::PaymentEvent> {
        let rest = self.page.changes.get(self.looked_at..)?;
        let fits = |event: &pb::PaymentEvent| {
            event.payment.as_ref().is_some_and(|payment| self.filter.fits(payment))
        };
        let found = rest.iter().position(fits);
        self.looked_at += found.map_or(rest.len(), |at| at + 1);
        rest.get(found?).cloned()
    }

    /// Reads the next page; says whether there was anything to read.
    async fn read(&mut self) -> Result<bool, Status> {
        // What is committed from here on wakes the sleep after this read.
        self.feed.changes.mark_unchanged();
        let link = self.filter.only_link();
        self.page = self.feed.pages.after(self.page.through, link).await?;
        self.looked_at = 0;
        // What it holds is still to be given.
        if self.page.changes.is_empty() {
            self.seat.reach(self.page.through.sequence);
        } else if let Some(first) = self.page.changes.first() {
            self.seat.reach(first.sequence.saturating_sub(1));
        }
        Ok(!self.page.changes.is_empty())
    }

    /// Waits for something to read or for the stop, or until a heartbeat is due, which
    /// it says.
    async fn sleep(&mut self) -> Result<bool, Error> {
        tokio::select! {
            biased;
            () = self.feed.stop.cancelled() => Ok(false),
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
