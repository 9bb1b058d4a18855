//! The layers between a call and the wire.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use tower::ServiceBuilder;
use tower::retry::{self, RetryLayer};

use super::observe::{Observe, ObserveLayer};
use super::retry::Retry;
use super::timeout::{Timeout, TimeoutLayer};
use super::transport::Transport;

/// How Stripe is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where Stripe's API is: https, or http on this machine.
    pub base_url: String,
    /// The account's secret or restricted key.
    pub api_key: SecretString,
    /// The secrets of the webhook endpoint; several while one is being rolled.
    pub webhook_secrets: Vec<SecretString>,
    /// How many attempts a call makes at most.
    pub attempts_max: u32,
    /// How long one attempt may take, in milliseconds.
    pub attempt_timeout_ms: u64,
    /// The pause before the second attempt, in milliseconds; it doubles from there.
    pub backoff_ms: u64,
    /// The longest pause between attempts, in milliseconds.
    pub backoff_max_ms: u64,
}

/// A client's whole path to Stripe.
pub type Stack = retry::Retry<Retry, Observe<Timeout<Transport>>>;

// === impl Config ===

impl Config {
    /// Builds the path to Stripe. What comes out of it has been tried as often as
    /// it can help and no longer than the caller waits, and is an answer of
    /// status 2xx or a typed error.
    pub(super) fn build(&self, transport: Transport) -> Stack {
        let millis = Duration::from_millis;
        let (first, longest) = (millis(self.backoff_ms), millis(self.backoff_max_ms));
        ServiceBuilder::new()
            // Outermost: one call, however many attempts it takes.
            .layer(RetryLayer::new(Retry::new(self.attempts_max, first, longest)))
            // Inside the retries, so that each attempt is seen by itself.
            .layer(ObserveLayer)
            // Next to the wire: a silent connection costs one attempt, not the call.
            .layer(TimeoutLayer { attempt_max: millis(self.attempt_timeout_ms) })
            .service(transport)
    }
}

#[cfg(test)]
impl Config {
    /// A configuration for tests, with the defaults of the program.
    pub(crate) fn testing() -> Self {
        Self {
            base_url: "https://stripe.invalid".to_owned(),
            api_key: "sk_test_1".into(),
            webhook_secrets: Vec::new(),
            attempts_max: 3,
            attempt_timeout_ms: 12_000,
            backoff_ms: 500,
            backoff_max_ms: 5_000,
        }
    }
}
