//! Webhooks that a test sends in Stripe's place, signed by its own code.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::Client;
use serde_json::{Value, json};
use sha2::Sha256;

use super::Paylink;
use super::stripe::WEBHOOK_SECRET;

/// A webhook about to be sent.
#[derive(Debug, Clone)]
pub struct Hook {
    body: Vec<u8>,
    path: String,
    signature: Option<String>,
}

/// The time, in unix seconds.
pub fn now_secs() -> i64 {
    Timestamp::now().as_second()
}

/// An event about the checkout session `session`, which no Stripe knows.
pub fn event(id: &str, kind: &str, session: &str, payment_status: &str) -> Value {
    json!({
        "id": id, "object": "event", "type": kind, "created": now_secs(),
        "api_version": "2026-05-27.dahlia", "livemode": false,
        "data": { "object": {
            "id": session, "object": "checkout.session", "payment_link": "plink_1",
            "payment_status": payment_status, "created": 1_700_000_000,
        } },
    })
}

// === impl Hook ===

impl Hook {
    /// A webhook that carries an event, rightly signed.
    pub fn of(event: &Value) -> Self {
        Self::raw(event.to_string())
    }

    /// A webhook that carries anything, rightly signed.
    pub fn raw(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), path: "/webhooks/stripe".into(), signature: None }
            .signed(WEBHOOK_SECRET, now_secs())
    }

    /// Signs it with another secret, or at another time.
    pub fn signed(mut self, secret: &str, at_secs: i64) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{at_secs}.").as_bytes());
        mac.update(&self.body);
        let signature = hex::encode(mac.finalize().into_bytes());
        self.signature = Some(format!("t={at_secs},v1={signature}"));
        self
    }

    /// Sends it to the address of an account.
    pub fn of_account(mut self, account: &str) -> Self {
        self.path = format!("/webhooks/stripe/{account}");
        self
    }

    /// Gives it that header in the signature's place, or none.
    pub fn with_signature(mut self, signature: Option<&str>) -> Self {
        self.signature = signature.map(str::to_owned);
        self
    }

    /// Sends it, and gives the status of the answer.
    pub async fn send(self, paylink: &Paylink) -> u16 {
        self.send_to(paylink.addresses.webhook).await
    }

    /// Sends it to an address, and gives the status of the answer.
    pub async fn send_to(self, address: SocketAddr) -> u16 {
        let url = format!("http://{address}{}", self.path);
        let mut request = Client::new().post(url).body(self.body);
        if let Some(signature) = self.signature {
            request = request.header("stripe-signature", signature);
        }
        request.send().await.unwrap().status().as_u16()
    }
}
