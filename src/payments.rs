//! The truth about payments: what Stripe reported, put together and told.
//!
//! An event is safe in the `inbox` before Stripe gets its answer. The
//! `projector` lets the pure `ledger` add it to its payment, and appends the
//! change to the `feed`. Every method reads what was written so, and
//! never asks Stripe.

mod feed;
mod inbox;
mod ledger;
mod list;
mod position;
mod projector;

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use self::feed::Feed;
use self::projector::Projector;
use crate::contract;
use crate::error::Error;
use crate::pb;
use crate::pb::payment_service_server::PaymentService;
use crate::storage::Storage;
use crate::stripe;

/// How payments are kept up to date and told, and the bounds of both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How long a stream of payments is silent before a heartbeat, in
    /// milliseconds. Belongs below the idle limits of proxies on the way.
    pub heartbeat_ms: NonZeroU64,
    /// How many streams of payments may be open at the same time.
    pub watchers_max: u32,
    /// How many changes a stream reads at once, and so holds.
    pub watch_page_max: NonZeroU32,
    /// How many events one transaction adds to their payments.
    pub project_batch_max: NonZeroU32,
    /// How many questions for line items are with Stripe at the same time.
    pub line_item_reads_max: NonZeroU32,
    /// How long an event waits after the first failed question, in
    /// milliseconds; each further failure doubles it.
    pub retry_first_ms: NonZeroU32,
    /// The longest wait between two questions for one event, in milliseconds.
    pub retry_max_ms: NonZeroU32,
}

/// All that is known of payments. Clones share it.
#[derive(Debug, Clone)]
pub struct Payments {
    config: Config,
    storage: Storage,
    stripe: stripe::Client,
    stop: CancellationToken,
    feed: Feed,
    arrival: Arc<Notify>,
    changed: Arc<watch::Sender<()>>,
}

// === impl Payments ===

impl Payments {
    /// Tells of the payments that storage holds. When `stop` is cancelled,
    /// streams end, so that a server which waits for them can end too.
    #[must_use]
    pub fn new(
        config: &Config,
        storage: Storage,
        stripe: stripe::Client,
        stop: CancellationToken,
    ) -> Self {
        let (changed, news) = watch::channel(());
        Self {
            feed: Feed::new(config, storage.clone(), news, stop.clone()),
            config: config.clone(),
            storage,
            stripe,
            stop,
            arrival: Arc::new(Notify::new()),
            changed: Arc::new(changed),
        }
    }

    /// Adds arriving events to their payments until it is stopped. Runs once in
    /// a process. What it has not finished then, it does after the next start.
    pub async fn run(self) {
        let projector = Projector::new(&self, self.stripe.clone()).run(self.stop.clone());
        tokio::join!(projector, self.relay());
    }

    /// Wakes whoever waits here when another replica has written something.
    async fn relay(&self) {
        let mut heard = self.storage.heard();
        while let Some(Ok(())) = self.stop.run_until_cancelled(heard.changed()).await {
            self.arrival.notify_one();
            self.changed.send_replace(());
        }
    }
}

#[tonic::async_trait]
impl PaymentService for Payments {
    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::Payment>, Status> {
        let request = request.into_inner();
        contract::check(&request).pass()?;
        let payment = self.storage.payment(&request.id).await?;
        Ok(Response::new(payment.ok_or(Error::PaymentNotFound { id: request.id })?))
    }

    async fn list_payments(
        &self,
        request: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        Ok(Response::new(list::list(&self.storage, &request.into_inner()).await?))
    }

    type WatchPaymentsStream = feed::Changes;

    async fn watch_payments(
        &self,
        request: Request<pb::WatchPaymentsRequest>,
    ) -> Result<Response<Self::WatchPaymentsStream>, Status> {
        let request = request.into_inner();
        contract::check(&request).pass()?;
        Ok(Response::new(self.feed.watch(request).await?))
    }
}

/// The time of recording. No rule depends on it; order comes from sequences.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests;
