//! Orders: what links and payments of one order come to, and their closing.
//!
//! Which payment took an order is decided with the payment itself, in
//! `payments`. Here it is told.

mod state;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use prost_types::Timestamp;
use serde::Deserialize;
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::clock::Clock;
use crate::contract;
use crate::endings::{self, Endings};
use crate::error::OrderError;
use crate::operations::Operations;
use crate::pb;
use crate::pb::order::CloseReason;
use crate::pb::order_service_server::OrderService;
use crate::storage::{LinkListing, Storage, Term};

/// What is done about orders.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether a payment is refunded by itself whose order was paid or closed
    /// before.
    pub refund_duplicates: bool,
}

/// Takes in what Stripe knows of the pages of links.
pub type Look =
    Arc<dyn Fn(Vec<String>, Caller) -> BoxFuture<'static, Result<(), Status>> + Send + Sync>;

/// The orders. Clones are the same.
#[derive(Clone)]
pub struct Orders {
    storage: Storage,
    endings: Endings,
    writes: Operations,
    look: Look,
    clock: Clock,
}

/// How many links of an order are told of.
const LINKS_MAX: u32 = 100;
/// How long a closing waits for its links to be ended.
const WAIT_MAX: Duration = Duration::from_secs(5);

// === impl Orders ===

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders").finish_non_exhaustive()
    }
}

impl Orders {
    /// Tells of the orders that storage knows. `look` asks Stripe first.
    #[must_use]
    pub fn new(
        storage: Storage,
        endings: Endings,
        writes: Operations,
        look: Look,
        clock: Clock,
    ) -> Self {
        Self { storage, endings, writes, look, clock }
    }

    /// Gives an order as it is known; `None` where nothing is.
    async fn order(&self, caller: &Caller, order_ref: &str) -> Result<Option<pb::Order>, Status> {
        let (account, owner) = (caller.account(), &*owner(caller));
        let links = self.links(caller, order_ref).await?;
        let payments = self.storage.payments_of_order(account, owner, order_ref).await?;
        let over = self.storage.order(account, owner, order_ref).await?;
        if links.is_empty() && payments.is_empty() && over.is_none() {
            return Ok(None);
        }
        let all = self.storage.links_of_order((account, owner), order_ref).await?;
        let links_ending = self.storage.count_ending(&all, self.clock.now_ms()).await?;
        let closed_at_ms = over.as_ref().and_then(|over| over.closed_at_ms);
        let reason = over.as_ref().map_or(CloseReason::Unspecified, |over| over.close_reason);
        Ok(Some(pb::Order {
            order_ref: order_ref.to_owned(),
            state: state::of(&payments).into(),
            payment_links: links,
            payments,
            paid_by: over.map(|over| over.taken_by).unwrap_or_default(),
            close_time: closed_at_ms
                .map(|at_ms| Timestamp { seconds: at_ms.div_euclid(1_000), nanos: 0 }),
            close_reason: reason.into(),
            links_ending: i32::try_from(links_ending).unwrap_or(i32::MAX),
        }))
    }

    async fn links(
        &self,
        caller: &Caller,
        order_ref: &str,
    ) -> Result<Vec<pb::PaymentLink>, Status> {
        let terms = vec![Term::Order(order_ref).text(), Term::Owner(&owner(caller)).text()];
        let account = caller.account().to_owned();
        let listing = LinkListing { account, terms, limit: LINKS_MAX, ..LinkListing::default() };
        let links = self.storage.links(listing).await?;
        Ok(links.into_iter().map(|seen| endings::explained(seen.link)).collect())
    }
}

#[tonic::async_trait]
impl OrderService for Orders {
    async fn get_order(
        &self,
        request: Request<pb::GetOrderRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        let order_ref = request.order_ref;
        if request.last_look {
            let whose = (caller.account(), &*owner(&caller));
            let links = self.storage.links_of_order(whose, &order_ref).await?;
            (self.look)(links, caller.clone()).await?;
        }
        let order = self.order(&caller, &order_ref).await?;
        Ok(Response::new(order.ok_or(OrderError::NotFound { order_ref })?))
    }

    async fn close_order(
        &self,
        request: Request<pb::CloseOrderRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        self.writes.admit(&draft, &caller)?;
        let whose = (caller.account().to_owned(), owner(&caller));
        let order_ref = request.order_ref.clone();
        let (reason, now_ms) = (request.reason(), self.clock.now_ms());
        let closing = self.storage.close_order(whose, order_ref.clone(), reason, now_ms);
        let links = closing.await?;
        self.endings.wake();
        self.endings.wait(&links, WAIT_MAX.min(caller.time_left() / 2)).await?;
        let order = self.order(&caller, &order_ref).await?;
        Ok(Response::new(order.ok_or(OrderError::NotFound { order_ref })?))
    }
}

/// Whose orders a caller speaks of: its own.
fn owner(caller: &Caller) -> String {
    caller.owner().unwrap_or_default().to_owned()
}
