//! The layers between a call and the wire.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use secrecy::SecretString;
use serde::Deserialize;

use super::access::{Access, Standing};
use super::accounts::{self, Mode};
use super::breaker::Breaker;
use super::observe::Observe;
use super::queue::Queue;
use super::rate_limit::RateLimit;
use super::retry::Retry;
use super::timeout::Timeout;
use super::transport::Transport;
use crate::caller::account_name;

/// How Stripe is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where Stripe's API is: https, or http on this machine.
    pub base_url: String,
    /// The account's secret or restricted key.
    pub api_key: SecretString,
    /// The file that the key was read from, which is followed.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// The secrets of the webhook endpoint; several while one is being rolled.
    pub webhook_secrets: Vec<SecretString>,
    /// The file that they were read from, which is followed.
    #[serde(default)]
    pub webhook_secrets_file: Option<PathBuf>,
    /// The connected account, `acct_…`, that the key is used for, where it is not
    /// the key's own.
    pub stripe_account: Option<String>,
    /// Whether the money of the account is real; where it is not said, the key says it.
    pub mode: Option<Mode>,
    /// Whether real money may be taken.
    pub allow_live: bool,
    /// How often the files of keys and secrets are looked at, in milliseconds.
    pub reload_ms: NonZeroU64,
    /// Further accounts, by names of the operator's choice.
    #[serde(default)]
    pub accounts: BTreeMap<String, accounts::Config>,
    /// A proxy on the way to Stripe, which sees the name of the host and no more. Its URL
    /// can hold a password.
    pub proxy_url: Option<SecretString>,
    /// How many attempts a call makes at most.
    pub attempts_max: u32,
    /// How long one attempt at a read may take, in milliseconds.
    pub attempt_timeout_ms_read: u64,
    /// How long one attempt at a write may take, in milliseconds.
    pub attempt_timeout_ms_write: u64,
    /// The pause before the second attempt, in milliseconds; it doubles from there.
    pub backoff_ms: u64,
    /// The longest pause between attempts, in milliseconds.
    pub backoff_max_ms: u64,
    /// How long Stripe is left alone when it fails, in milliseconds; it doubles
    /// each time that it fails again.
    pub breaker_open_ms: u64,
    /// The longest time that it is left alone, in milliseconds.
    pub breaker_open_ms_max: u64,
    /// How many calls a second a live account is sent at most, by this process;
    /// zero sets no limit.
    pub rate_live: u32,
    /// The same for a test account.
    pub rate_test: u32,
    /// The same for one endpoint.
    pub rate_endpoint: u32,
    /// How many calls are with Stripe at the same time.
    pub in_flight_max: usize,
    /// How many calls wait to be sent; further ones are refused.
    pub queue_max: usize,
    /// How old what is told of a product, a price or a payment link may be, in
    /// milliseconds; zero always asks Stripe.
    pub cache_age_ms: u64,
    /// How many of these answers are kept.
    pub cache_items_max: usize,
}

/// A client's whole way to Stripe. Clones are the same one.
pub type Stack = Arc<Retry<Breaker<RateLimit<Queue<Access<Observe<Timeout<Transport>>>>>>>>;

// === impl Config ===

impl Config {
    /// Builds the way to Stripe, from the wire up. What comes out of it has been
    /// tried as often as it can help and no longer than the caller waits, and is
    /// an answer of status 2xx or a typed error. What is refused on the way was
    /// never sent. What it learns of the account's key goes to `standing`; how often
    /// it may ask depends on whether the account's money is real.
    #[must_use]
    pub fn stack(
        &self,
        name: &str,
        transport: Transport,
        standing: Standing,
        livemode: Option<bool>,
    ) -> Stack {
        let millis = Duration::from_millis;
        let (read_max, write_max) =
            (millis(self.attempt_timeout_ms_read), millis(self.attempt_timeout_ms_write));
        let (open, open_max) = (millis(self.breaker_open_ms), millis(self.breaker_open_ms_max));
        let (backoff, backoff_max) = (millis(self.backoff_ms), millis(self.backoff_max_ms));
        let account = told_of(name);
        let rate = if livemode == Some(true) { self.rate_live } else { self.rate_test };
        // Next to the wire: a silent connection costs one attempt, not the call.
        let way = Timeout::new(transport, read_max, write_max);
        // Each attempt is seen by itself, and without the time that it waited for its turn.
        let way = Observe::new(way);
        // Learns from every attempt, whatever becomes of its call.
        let way = Access::new(way, account.clone(), standing);
        // The last door: what passes it is sent.
        let way = Queue::new(way, &account, self.in_flight_max, self.queue_max);
        // Before a place is taken, so that who waits for a turn holds up nobody.
        let way = RateLimit::new(way, account.clone(), rate, self.rate_endpoint);
        // Before anything that waits: while Stripe fails, nobody waits for it.
        let way = Breaker::new(way, account.clone(), open, open_max);
        // Outermost: one call, however many attempts it takes.
        Arc::new(Retry::new(way, account, self.attempts_max, backoff, backoff_max))
    }
}

/// Names an account in what is told of its way.
#[must_use]
pub fn told_of(account: &str) -> KeyValue {
    KeyValue::new("stripe.account", account_name(account).to_owned())
}

#[cfg(test)]
impl Config {
    /// A configuration for tests, with the defaults of the program.
    pub(crate) fn testing() -> Self {
        Self {
            base_url: "https://stripe.invalid".to_owned(),
            api_key: "sk_test_1".into(),
            api_key_file: None,
            webhook_secrets: Vec::new(),
            webhook_secrets_file: None,
            stripe_account: None,
            mode: None,
            allow_live: false,
            reload_ms: NonZeroU64::MIN,
            accounts: BTreeMap::new(),
            proxy_url: None,
            attempts_max: 3,
            attempt_timeout_ms_read: 8_000,
            attempt_timeout_ms_write: 12_000,
            backoff_ms: 500,
            backoff_max_ms: 5_000,
            breaker_open_ms: 1_000,
            breaker_open_ms_max: 30_000,
            rate_live: 80,
            rate_test: 20,
            rate_endpoint: 20,
            in_flight_max: 32,
            queue_max: 64,
            cache_age_ms: 30_000,
            cache_items_max: 4_096,
        }
    }
}
