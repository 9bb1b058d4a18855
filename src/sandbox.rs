//! A pretend Stripe for payment links: API, payment page and webhooks in one process, in memory.
//!
//! It is written from Stripe's published description and nothing of the service it stands in for,
//! so that one wrong idea about Stripe cannot cancel itself out: this module imports nothing of the
//! crate outside itself.
//!
//! | module                                  | what it holds                                      |
//! |-----------------------------------------|----------------------------------------------------|
//! | `http`, `form`, `params`, `refusal`     | a request: who asks, what, and what is wrong in it |
//! | `api`, `list`, `expand`, `idempotency`  | what all endpoints share                           |
//! | `products`, `prices`, `search`          | the catalogue, and how it is searched              |
//! | `coupons`, `promotion_codes`, `redemption` | discounts, and whether they are still given     |
//! | `shipping_rates`, `tax_rates`, `payment_links` | what it costs to send, and the links that sell it all |
//! | `checkout`, `payment_intents`, `charges`, `customers` | a buyer, from visit to payment       |
//! | `subscriptions`, `invoices`             | what recurs, and what it comes to                  |
//! | `refunds`, `disputes`, `early_fraud_warnings`, `balance`, `account` | money that goes back   |
//! | `page`, `cards`, `money`                | what the buyer sees and types                      |
//! | `events`, `webhook_endpoints`, `delivery`, `signature` | what happened, and who is told                     |
//! | `store`, `agenda`, `clock`, `identifier`, `object`| memory, time, names, changes                       |

mod account;
mod agenda;
mod api;
mod balance;
mod cards;
mod charges;
mod checkout;
mod clock;
mod config;
mod coupons;
mod customers;
mod delivery;
mod disputes;
mod early_fraud_warnings;
mod events;
mod expand;
mod form;
mod http;
mod idempotency;
mod identifier;
mod invoices;
mod line_items;
mod list;
mod money;
mod object;
mod page;
mod params;
mod payment_intents;
mod payment_links;
mod prices;
mod products;
mod promotion_codes;
mod redemption;
mod refunds;
mod refusal;
mod search;
mod shipping_rates;
mod signature;
mod store;
mod subscriptions;
mod tax_rates;
mod webhook_endpoints;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;

pub use config::Config;
use params::Tables;
use store::State;

/// The version of Stripe's API that the sandbox speaks.
pub const API_VERSION: &str = "2026-05-27.dahlia";

/// How often the sandbox looks for sessions that have expired.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Why the sandbox did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not one of this machine.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address from the configuration.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Webhooks are delivered over plain HTTP only: the receiver is on the same machine.
    #[error("webhook_url is not an http:// URL: {0}")]
    WebhookUrl(String),
    /// The compiled-in facts about Stripe's parameters are damaged.
    #[error("the table of parameters: {0}")]
    Tables(String),
    /// The listener failed while it was serving.
    #[error("the sandbox stopped serving")]
    Serve(#[source] std::io::Error),
}

/// A sandbox that has bound its address and waits to run.
#[derive(Debug)]
pub struct Sandbox {
    listener: TcpListener,
    local_addr: SocketAddr,
    shared: Arc<Shared>,
}

/// A way to steer a sandbox while it runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// What every task of a sandbox shares.
#[derive(Debug)]
struct Shared {
    config: Config,
    tables: Tables,
    state: Mutex<State>,
}

/// Reads a form as one of the sandbox's endpoints would, such as
/// `POST /v1/products`: gives the parameters as typed JSON, or Stripe's words for
/// what is wrong with the first of them. For tests of clients.
pub fn read_form(endpoint: &str, form: &str) -> Result<serde_json::Value, String> {
    let tables = Tables::compiled()?;
    let endpoint = tables.endpoint(endpoint).ok_or("no such endpoint")?;
    let decoded = form::decode(&[form.as_bytes()]);
    let checked = decoded.and_then(|node| params::check(endpoint, &node));
    checked.map(serde_json::Value::Object).map_err(|refusal| refusal.message)
}

// === impl Sandbox ===

impl Sandbox {
    /// The address that was bound; its port is true even if the configuration said 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The API and the pages as a service, for tests that have no network.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.shared))
    }

    /// A handle that outlives [`Sandbox::run`].
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Serves until `shutdown` completes, then finishes the requests under way.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let router = self.router();
        let serve = axum::serve(self.listener, router).with_graceful_shutdown(shutdown);
        tokio::select! {
            ended = serve.into_future() => ended.map_err(Error::Serve),
            () = delivery::run(Arc::clone(&self.shared)) => Ok(()),
            () = sweep(&self.shared) => Ok(()),
        }
    }
}

// === impl Handle ===

impl Handle {
    /// Sends events to that URL from now on, but not those that happened while nobody listened.
    pub fn set_webhook(&self, url: String) {
        self.shared.with(|state| state.outbox.set_url(url));
    }

    /// Moves the sandbox's clock forward; sessions whose time has come expire at once.
    pub fn advance_clock(&self, seconds: u32) {
        self.shared.with(|state| {
            state.clock.advance(seconds);
            expire_due(state);
        });
    }
}

// === impl Shared ===

impl Shared {
    /// Works on the state alone. Nothing here waits, so the lock is held for microseconds.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // A panic under the lock leaves a state that is at worst odd, and the sandbox still serves.
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn sweep(shared: &Shared) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        shared.with(expire_due);
    }
}

/// Ends what lasts only so long: sessions, coupons, promotion codes; and does what has fallen due.
fn expire_due(state: &mut State) {
    checkout::expire_due(state);
    redemption::expire_due(state);
    agenda::run_due(state);
}

#[cfg(test)]
mod tests;
