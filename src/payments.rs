//! The truth about payments: what Stripe reported, put together and told.
//!
//! An event is safe in the `inbox` before Stripe gets its answer. The
//! `projector` lets the pure `ledger` add it to its payment, and appends the
//! change to the `feed`. Reads see what was written so, and never ask Stripe.
//! `fulfillment` says who ships, `refund` gives money back, and `reconcile`
//! finds what no webhook has told.

mod books;
mod feed;
mod filter;
mod fulfillment;
mod give_back;
mod inbox;
mod ledger;
mod links;
mod list;
mod look;
mod position;
mod projector;
mod reconcile;
mod refund;
mod signals;
mod standing;

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::{Arc, LazyLock};

use opentelemetry::global;
use opentelemetry::metrics::Counter;
use serde::Deserialize;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use self::books::Added;
use self::feed::Feed;
use self::projector::Projector;
use self::reconcile::Schedule;
use crate::caller::Caller;
use crate::contract;
use crate::endings::Endings;
use crate::error::{Error, PaymentError};
use crate::operations::Operations;
use crate::pb;
use crate::pb::payment_service_server::PaymentService;
use crate::storage::{Consumer, Storage};
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
    /// How many questions for payments in full are with Stripe at the same time.
    pub detail_reads_max: NonZeroU32,
    /// How long an event waits after the first failed question, in
    /// milliseconds; each further failure doubles it.
    pub retry_first_ms: NonZeroU32,
    /// The longest wait between two questions for one event, in milliseconds.
    pub retry_max_ms: NonZeroU32,
    /// How long a stream may leave unread what is ready for it, in milliseconds.
    pub slow_consumer_ms: NonZeroU64,
    /// How many consumers each owner may have at each account, and all that have no owner.
    pub consumers_max: u32,
    /// How this installation learns of payments.
    pub source: Source,
    /// How often Stripe's events are polled beside webhooks, in milliseconds.
    pub poll_interval_ms: NonZeroU64,
    /// How often they are polled where there are no webhooks, in milliseconds.
    pub poll_only_interval_ms: NonZeroU64,
    /// How often they are polled for a while after something went wrong, in milliseconds.
    pub hurry_interval_ms: NonZeroU64,
    /// How often the sessions of the last two hours are compared, in milliseconds.
    pub sweep_interval_ms: NonZeroU64,
    /// How often the sessions of the last three days are compared, in milliseconds.
    pub far_sweep_interval_ms: NonZeroU64,
    /// How often Stripe's links are compared with the index of links, in milliseconds;
    /// 0 is never, unless a caller asks for it.
    pub link_sweep_interval_ms: u64,
    /// How many reads all of this may take in a month.
    pub reads_per_month_max: u32,
}

/// How an installation learns of payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Stripe tells, by webhooks. Polling finds what they have missed.
    Webhook,
    /// Polling alone.
    Poll,
}

static LATE: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.orders.duplicates")
        .with_unit("{payment}")
        .with_description("Payments whose order was paid or closed before they came.")
        .build()
});

/// All that is known of payments. Clones share it.
#[derive(Debug, Clone)]
pub struct Payments {
    config: Config,
    storage: Storage,
    stripe: stripe::Client,
    writes: Operations,
    endings: Endings,
    /// Whether payments that came too late for their orders are given back.
    refunds_duplicates: bool,
    stop: CancellationToken,
    feed: Feed,
    arrival: Arc<Notify>,
    /// What each account is compared with Stripe by.
    desks: Arc<BTreeMap<String, Desk>>,
    changed: Arc<watch::Sender<()>>,
}

/// Where one account is compared with Stripe.
#[derive(Debug, Default)]
struct Desk {
    /// Rung when Stripe says that it has failed to make events.
    alarm: Notify,
    /// Held while this process reconciles.
    reconciling: Arc<Mutex<()>>,
}

// === impl Config ===

impl Config {
    /// Names the kinds of events that a webhook endpoint must send, so that nothing
    /// has to be found out by asking; `None` where no webhooks are expected.
    #[must_use]
    pub fn event_kinds(&self) -> Option<Vec<&'static str>> {
        let tells = |kind: &&str| *kind != ledger::TOLD_TWICE;
        let kinds = || ledger::KINDS.into_iter().filter(tells).chain(links::KINDS).collect();
        (self.source == Source::Webhook).then(kinds)
    }
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
        writes: Operations,
        endings: Endings,
        refunds_duplicates: bool,
        stop: CancellationToken,
    ) -> Self {
        let (changed, news) = watch::channel(());
        let desks = stripe.accounts().map(|account| (account.to_owned(), Desk::default()));
        Self {
            desks: Arc::new(desks.collect()),
            feed: Feed::new(config, storage.clone(), news, stop.clone()),
            config: config.clone(),
            storage,
            stripe,
            writes,
            endings,
            refunds_duplicates,
            stop,
            arrival: Arc::new(Notify::new()),
            changed: Arc::new(changed),
        }
    }

    /// Adds arriving events to their payments, and compares them with Stripe,
    /// until it is stopped. Runs once in a process. What it has not finished
    /// then, it does after the next start.
    pub async fn run(self) {
        inbox::count_from_zero();
        reconcile::count_from_zero();
        LATE.add(0, &[]);
        let projector = Projector::new(&self, self.stripe.clone());
        let stop = self.stop.clone();
        let mut schedules = JoinSet::new();
        for account in self.desks.keys() {
            let schedule = Schedule::new(self.clone(), account.clone());
            schedules.spawn(schedule.run(stop.clone()));
        }
        tokio::join!(
            projector.run(stop.clone()),
            schedules.join_all(),
            self.show(stop.clone()),
            self.give_back(stop.clone()),
            self.relay()
        );
    }

    /// Lets those know who wait for what was added.
    fn announce(&self, added: Added) {
        if added.changed {
            self.changed.send_replace(());
        }
        if added.woke {
            self.arrival.notify_one();
        }
        if added.ends {
            self.endings.wake();
        }
        if added.late > 0 {
            LATE.add(added.late.into(), &[]);
        }
    }

    async fn acknowledge(
        &self,
        caller: &Caller,
        request: pb::AcknowledgePaymentsRequest,
    ) -> Result<pb::AcknowledgePaymentsResponse, Status> {
        let place = position::find(&request.position, &self.storage).await?;
        let consumers_max = self.config.consumers_max.into();
        let consumer = Consumer {
            name: caller.own_name(&request.consumer),
            account: caller.account().to_owned(),
            owner: caller.owner().unwrap_or_default().to_owned(),
        };
        let kept = self.storage.write(move |mut transaction| {
            Box::pin(async move {
                let place = (place.sequence, request.position.as_str());
                transaction.acknowledge(&consumer, place, consumers_max, now_ms()).await
            })
        });
        let position = kept.await?.ok_or(PaymentError::TooManyConsumers)?;
        Ok(pb::AcknowledgePaymentsResponse { position })
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
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        let payment = self.storage.payment(&request.id).await?;
        let payment = payment.filter(|payment| is_seen(payment, &caller));
        Ok(Response::new(payment.ok_or(Error::PaymentNotFound { id: request.id })?))
    }

    async fn list_payments(
        &self,
        request: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        let caller = Caller::of(&request);
        Ok(Response::new(list::list(&self.storage, &caller, &request.into_inner()).await?))
    }

    type WatchPaymentsStream = feed::Changes;

    async fn watch_payments(
        &self,
        request: Request<pb::WatchPaymentsRequest>,
    ) -> Result<Response<Self::WatchPaymentsStream>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        Ok(Response::new(self.feed.watch(&caller, request).await?))
    }

    async fn acknowledge_payments(
        &self,
        request: Request<pb::AcknowledgePaymentsRequest>,
    ) -> Result<Response<pb::AcknowledgePaymentsResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        caller.is_about(contract::check(&request).pass()?.object());
        Ok(Response::new(self.acknowledge(&caller, request).await?))
    }

    async fn claim_fulfillment(
        &self,
        request: Request<pb::ClaimFulfillmentRequest>,
    ) -> Result<Response<pb::ClaimFulfillmentResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        Ok(Response::new(self.claim(&caller, request).await?))
    }

    async fn complete_fulfillment(
        &self,
        request: Request<pb::CompleteFulfillmentRequest>,
    ) -> Result<Response<pb::Payment>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        Ok(Response::new(self.complete(&caller, request).await?))
    }

    async fn release_fulfillment(
        &self,
        request: Request<pb::ReleaseFulfillmentRequest>,
    ) -> Result<Response<pb::Payment>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        Ok(Response::new(self.release(&caller, request).await?))
    }

    async fn refund_payment(
        &self,
        request: Request<pb::RefundPaymentRequest>,
    ) -> Result<Response<pb::Refund>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        Ok(Response::new(self.refund(&caller, request).await?))
    }

    async fn reconcile_payments(
        &self,
        request: Request<pb::ReconcilePaymentsRequest>,
    ) -> Result<Response<pb::ReconcilePaymentsResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        // What is compared and told are the payments of all.
        if caller.only_owner().is_some() {
            return Err(Error::NotAllowed.into());
        }
        contract::check(&request).pass()?;
        let since_secs = request.since.map(|since| since.seconds);
        Ok(Response::new(self.reconcile(caller.account(), since_secs).await?))
    }
}

/// Whether a payment is of the account that a caller works at, and one that it may see.
fn is_seen(payment: &pb::Payment, caller: &Caller) -> bool {
    payment.account == caller.account() && caller.sees(&payment.owner)
}

/// The time of recording. No rule of the ledger depends on it; order comes from
/// sequences.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests;
