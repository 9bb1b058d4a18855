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
//! | `store`, `connected`, `agenda`, `clock`, `identifier`, `object` | memory, time, names, changes |
//! | `passage`                               | what happens when the clock is moved               |
//! | `control`                               | `SandboxService`, by which tests steer all of it   |
//! | `faults`, `journal`                     | what is to go wrong, and what was asked            |
//! | `snapshot`, `disk`, `objects`           | the state as a text, in a file, and to begin with  |
//! | `listener`                              | connections, and how they are cut                  |

mod account;
mod agenda;
mod api;
mod balance;
mod cards;
mod charges;
mod checkout;
mod clock;
mod config;
mod connected;
pub mod control;
mod coupons;
mod customers;
mod delivery;
mod disk;
mod disputes;
mod early_fraud_warnings;
mod events;
mod expand;
mod faults;
mod form;
mod http;
mod idempotency;
mod identifier;
mod invoices;
mod journal;
mod line_items;
mod list;
mod listener;
mod methods;
mod money;
mod object;
mod objects;
mod page;
mod params;
mod passage;
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
mod snapshot;
mod store;
mod subscriptions;
mod tax_rates;
mod taxes;
mod webhook_endpoints;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;

pub use config::Config;
use identifier::Source;
use params::Tables;
use store::State;

/// The version of Stripe's API that the sandbox speaks.
pub const API_VERSION: &str = "2026-05-27.dahlia";

/// How often the sandbox looks whether anything is due.
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
    /// A file that the state is kept in, or begins with, cannot be used.
    #[error("{}: {what}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The services that steer the sandbox cannot describe themselves.
    #[error("the descriptors of the sandbox's services")]
    Descriptors(#[source] control::ReflectionError),
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
    /// How buyers reach the sandbox, without a slash at the end.
    url: String,
    tables: Tables,
    /// How many requests each key may make.
    limits: http::Limits,
    state: Mutex<State>,
    /// Notified when the state may have changed.
    changes: Notify,
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

    /// Serves until `shutdown` completes, then finishes the requests under way and writes the state
    /// to disk, if it is kept there.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let control = control::routes(&self.shared).map_err(Error::Descriptors)?;
        let router = self.router().merge(control);
        tokio::select! {
            () = listener::serve(self.listener, router, shutdown) => {}
            () = delivery::run(Arc::clone(&self.shared)) => {}
            () = disk::keep(&self.shared) => {}
            () = sweep(&self.shared) => {}
        }
        disk::flush(&self.shared).await
    }
}

// === impl Handle ===

impl Handle {
    /// Sends events to that URL from now on, but not those that happened while nobody listened.
    pub fn set_webhook(&self, url: String) {
        self.shared.with(|state| state.outbox.configure(url));
    }

    /// Moves the sandbox's clock forward; what is due by then happens at once.
    pub fn advance_clock(&self, seconds: u32) {
        self.shared.with(|state| {
            state.clock.advance(seconds);
            expire_due(state);
            state.outbox.signals().wake.notify_one();
        });
    }
}

// === impl Shared ===

impl Shared {
    /// Works on the state alone. Nothing here waits, so the lock is held for microseconds.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let done = self.look(work);
        self.changes.notify_one();
        done
    }

    /// Works on the state in a way that need not be kept on disk.
    fn look<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // A panic under the lock leaves a state that is at worst odd, and the sandbox still serves.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic keeps the source; what takes its place must not repeat itself.
        let mut identifiers = std::mem::replace(&mut state.identifiers, Source::random());
        let done = identifiers.lend(|| work(&mut state));
        state.identifiers = identifiers;
        done
    }

    /// Reads the whole state, as it is between two pieces of work: its identifiers are lent to
    /// nobody.
    fn read<T>(&self, work: impl FnOnce(&State) -> T) -> T {
        work(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another state in the place of the present one.
    fn replace(&self, mut state: State) {
        let mut present = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.outbox.succeed(&present.outbox);
        *present = state;
        drop(present);
        self.changes.notify_one();
    }
}

async fn sweep(shared: &Shared) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        let is_due = |state: &mut State| {
            connected::next_due(state).is_some_and(|due| due <= state.clock.now())
        };
        if shared.look(is_due) {
            shared.with(expire_due);
        }
    }
}

/// Brings the state up to its clock.
fn expire_due(state: &mut State) {
    connected::run_due(state);
}

#[cfg(test)]
mod tests;
