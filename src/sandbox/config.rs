//! How a sandbox is set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::clock::Clock;
use super::delivery::Outbox;
use super::http::Limits;
use super::identifier::Source;
use super::params::Tables;
use super::store::State;
use super::{Error, Sandbox, Shared, disk, objects};

/// The configuration of a sandbox. Everything has a default; nothing needs to be set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the API and the payment pages are served. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The key that callers show. Any other key of a test mode is accepted too.
    pub api_key: String,
    /// Where events are sent, an `http://` URL. Without it nothing is sent until one is set.
    pub webhook_url: Option<String>,
    /// The secret with which events are signed.
    pub webhook_secret: String,
    /// How buyers reach the sandbox, for the URLs of links; by default the address that was bound.
    pub public_url: Option<String>,
    /// The largest request body that is read, in bytes.
    pub body_bytes_max: usize,
    /// How many requests a key may make in a second, 0 for as many as come. Stripe allows 25 in
    /// test mode.
    pub requests_per_second_max: u32,
    /// How many objects of each kind are remembered, in each account, and four times as many
    /// events and idempotency keys. Beyond it the oldest is forgotten.
    pub objects_max: usize,
    /// How many events may wait for the webhook. Beyond it the one due first is given up.
    pub webhook_queue_max: usize,
    /// How many events are sent at the same time.
    pub webhook_concurrency_max: usize,
    /// How often an event is sent before it is given up.
    pub webhook_attempts_max: u32,
    /// The wait after the first failed attempt, in milliseconds. It doubles with each attempt.
    pub webhook_backoff_first_ms: u64,
    /// The longest wait between two attempts, in milliseconds.
    pub webhook_backoff_max_ms: u64,
    /// How long the webhook may take to answer, in milliseconds.
    pub webhook_timeout_ms: u64,
    /// A number that decides every identifier. With it the clock stands still until it is moved,
    /// so that every run is the same.
    pub seed: Option<u64>,
    /// Where a clock that stands still begins, in Unix seconds.
    pub clock_start: i64,
    /// A file that the state is kept in from run to run. Without it the state ends with the
    /// process.
    pub data: Option<PathBuf>,
    /// How long after a change the file is written at the latest, in milliseconds.
    pub data_write_ms: u64,
    /// A file of objects to begin with, in the form that `Seed` takes. A state that goes on, from
    /// `data`, keeps its own.
    pub objects: Option<PathBuf>,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 12111)),
            api_key: "sk_test_sandbox".to_owned(),
            webhook_url: None,
            webhook_secret: "whsec_sandbox".to_owned(),
            public_url: None,
            body_bytes_max: 1024 * 1024,
            requests_per_second_max: 0,
            objects_max: 5_000,
            webhook_queue_max: 10_000,
            webhook_concurrency_max: 8,
            webhook_attempts_max: 200,
            webhook_backoff_first_ms: 200,
            webhook_backoff_max_ms: 30_000,
            webhook_timeout_ms: 10_000,
            seed: None,
            clock_start: 1_800_000_000,
            data: None,
            data_write_ms: 1_000,
            objects: None,
        }
    }
}

impl Config {
    /// Binds the address. The sandbox answers once it runs.
    pub async fn build(self) -> Result<Sandbox, Error> {
        if let Some(url) = &self.webhook_url
            && !url.starts_with("http://")
        {
            return Err(Error::WebhookUrl(url.clone()));
        }
        let address = self.listen;
        let bind = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let local_addr = listener.local_addr().map_err(bind)?;
        let shared = self.share(local_addr)?;
        let goes_on = match &shared.config.data {
            Some(path) => disk::load(&shared, path)?,
            None => false,
        };
        // A state that goes on has had its objects, and what has become of them stays.
        if let Some(path) = shared.config.objects.as_ref().filter(|_| !goes_on) {
            objects::load(&shared, path)?;
        }
        Ok(Sandbox { listener, local_addr, shared: Arc::new(shared) })
    }

    /// An empty sandbox that is reached at that address.
    pub(super) fn share(self, local_addr: SocketAddr) -> Result<Shared, Error> {
        let tables = Tables::compiled().map_err(Error::Tables)?;
        let url = self.public_url.clone().unwrap_or_else(|| format!("http://{local_addr}"));
        let url = url.trim_end_matches('/').to_owned();
        let state = Mutex::new(self.blank(&url));
        let limits = Limits::new(self.requests_per_second_max);
        Ok(Shared { config: self, url, tables, limits, state, changes: Notify::new() })
    }

    /// The state of a sandbox in which nothing has happened.
    pub(super) fn blank(&self, url: &str) -> State {
        let outbox = Outbox::new(self.webhook_url.clone(), self.webhook_queue_max);
        let mut state = State::new(url.to_owned(), self.objects_max, outbox);
        if let Some(seed) = self.seed {
            state.identifiers = Source::seeded(seed);
            state.clock = Clock::standing(self.clock_start);
        }
        state
    }
}
