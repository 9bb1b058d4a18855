//! The Stripe of a test: a sandbox that the test owns, behind a gate.

use std::net::{Ipv4Addr, SocketAddr};

use paylink::sandbox::{Config, Handle};
use serde_json::Value;

use super::Gate;

/// The key of the account.
pub const API_KEY: &str = "sk_test_sandbox";
/// The secret of the webhook endpoint.
pub const WEBHOOK_SECRET: &str = "whsec_sandbox";

/// A running Stripe.
#[derive(Debug)]
pub struct Stripe {
    /// The only way from the service to it.
    pub gate: Gate,
    address: SocketAddr,
    handle: Handle,
    key: String,
}

// === impl Stripe ===

impl Stripe {
    /// Starts an empty account.
    pub async fn start() -> Self {
        Self::start_as(API_KEY, WEBHOOK_SECRET).await
    }

    /// Starts an empty account with a key, and a secret of its webhook endpoint.
    pub async fn start_as(key: &str, secret: &str) -> Self {
        let config = Config {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            api_key: key.to_owned(),
            webhook_secret: secret.to_owned(),
            webhook_backoff_first_ms: 20,
            webhook_backoff_max_ms: 100,
            ..Config::default()
        };
        let sandbox = config.build().await.unwrap();
        let (address, handle) = (sandbox.local_addr(), sandbox.handle());
        tokio::spawn(sandbox.run(std::future::pending()));
        let gate = Gate::open_before(address).await;
        Self { gate, address, handle, key: key.to_owned() }
    }

    /// Sends webhooks to that address from now on.
    pub fn tell(&self, address: SocketAddr) {
        self.handle.set_webhook(format!("http://{address}/webhooks/stripe"));
    }

    /// Moves its clock.
    pub fn advance_clock(&self, seconds: u32) {
        self.handle.advance_clock(seconds);
    }

    /// Reads from the account, past the gate.
    pub async fn get(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.address);
        let answer = reqwest::Client::new().get(url).bearer_auth(&self.key).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Changes something in the account, past the gate, as its owner does in the Dashboard.
    pub async fn post(&self, path: &str, form: &str) -> Value {
        let url = format!("http://{}{path}", self.address);
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let request =
            reqwest::Client::new().post(url).bearer_auth(&self.key).header(kind.0, kind.1);
        let answer = request.body(form.to_owned()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Reads a list of up to a hundred objects.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = self.get(&format!("{path}{joint}limit=100")).await;
        assert_eq!(page["has_more"], false, "{path} is read whole");
        page["data"].as_array().unwrap().clone()
    }

    /// Reads the one event of a type.
    pub async fn event(&self, kind: &str) -> Value {
        let mut events = self.list(&format!("/v1/events?type={kind}")).await;
        assert_eq!(events.len(), 1, "{kind} has happened once");
        events.remove(0)
    }
}
