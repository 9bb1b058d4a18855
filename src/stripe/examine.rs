//! Looks at the account and at the way to it without changing anything: what
//! `paylink doctor` tells of Stripe.

use std::time::Duration;

use http::Method;
use http::header::DATE;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use uuid::Uuid;

use super::call::{Call, Place};
use super::error::Error;
use super::stack::Config;
use super::transport::{SetupError, bare};
use super::webhook::{self, sign};
use super::{Client, PAGE_ITEMS_MAX};
use crate::caller::Caller;

/// How long one question to the outside may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// As much of the answer to a canary as is read, in bytes.
const ANSWER_BYTES_MAX: usize = 256;
/// A form that Stripe accepts nowhere: to be refused for it, a key must be let in.
const UNACCEPTABLE: &[u8] = b"paylink_doctor=asks";

/// What the service needs of the key: to read a kind of object, and perhaps to change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Where the objects are.
    pub path: &'static str,
    /// Where they are changed, if they are.
    pub changed_at: Option<&'static str>,
}

/// All that the service needs of the key. Line items are read with their links and sessions.
pub const NEEDS: [Need; 9] = [
    Need::both("/v1/products"),
    Need::both("/v1/prices"),
    Need::both("/v1/payment_links"),
    Need::both("/v1/coupons"),
    Need::both("/v1/promotion_codes"),
    Need::both("/v1/shipping_rates"),
    Need::both("/v1/refunds"),
    // Open pages of a link that has ended are closed; nobody's is not there, for those who may.
    Need {
        path: "/v1/checkout/sessions",
        changed_at: Some("/v1/checkout/sessions/cs_nobodys/expire"),
    },
    Need { path: "/v1/events", changed_at: None },
];

/// An endpoint that Stripe sends events to:
/// <https://docs.stripe.com/api/webhook_endpoints/object>.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Endpoint {
    /// Stripe's id, `we_…`.
    pub id: String,
    /// Where events are sent.
    pub url: String,
    /// `enabled` or `disabled`.
    pub status: String,
    /// The kinds of events that are sent; `*` stands for all.
    pub enabled_events: Vec<String>,
    /// The version in whose words they are written; the account's own where there is none.
    pub api_version: Option<String>,
}

/// What became of a canary: an event of nobody's, with a true signature or a wrong one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canary {
    /// This service, or a replica of it, has taken it.
    Taken,
    /// It was refused for its signature.
    Refused,
    /// Somebody else has answered, with this status.
    Misled(u16),
    /// Nobody has answered.
    Lost,
}

/// The way to the outside without the account's key.
#[derive(Debug, Clone)]
pub struct Outside {
    http: reqwest::Client,
    base_url: String,
}

// === impl Need ===

impl Need {
    /// To read objects, and to make and change them at the same path.
    const fn both(path: &'static str) -> Self {
        Self { path, changed_at: Some(path) }
    }
}

fn question(method: Method, path: &'static str, form: &'static [u8], caller: &Caller) -> Call {
    Call {
        method,
        place: Place { path: path.to_owned(), route: path },
        form: form.into(),
        idempotency_key: None,
        deadline: caller.deadline,
    }
}

// === impl Client ===

impl Client {
    /// Asks whether the key may read what is needed.
    pub async fn may_read(&self, need: Need, caller: &Caller) -> Result<bool, Error> {
        let call = question(Method::GET, need.path, b"limit=1", caller);
        permitted(self.send(caller.account(), call).await.map(drop))
    }

    /// Asks whether the key may change what is needed, by a change that is refused
    /// to every key: Stripe looks at permissions first.
    pub async fn may_write(&self, need: Need, caller: &Caller) -> Result<bool, Error> {
        let Some(path) = need.changed_at else { return Ok(true) };
        let call = question(Method::POST, path, UNACCEPTABLE, caller);
        match permitted(self.send(caller.account(), call).await.map(drop)) {
            Err(Error::Refused(refusal)) if matches!(refusal.status, 400 | 404) => Ok(true),
            outcome => outcome,
        }
    }

    /// Lists where Stripe sends the account's events.
    pub async fn webhook_endpoints(&self, caller: &Caller) -> Result<Vec<Endpoint>, Error> {
        let route = "/v1/webhook_endpoints";
        let place = Place { path: route.into(), route };
        let query = format!("limit={PAGE_ITEMS_MAX}");
        let page =
            self.listed(place, query, caller, |raw| serde_json::from_str::<Endpoint>(raw).ok());
        Ok(page.await?.items)
    }
}

fn permitted(outcome: Result<(), Error>) -> Result<bool, Error> {
    match outcome {
        Ok(()) => Ok(true),
        Err(Error::Refused(refusal)) if refusal.status == 403 => Ok(false),
        Err(error) => Err(error),
    }
}

// === impl Outside ===

impl Outside {
    /// Makes a way to the outside, through the proxy that the configuration names.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        Ok(Self {
            http: bare(config)?.timeout(ANSWER_TIME_MAX).build()?,
            base_url: config.base_url.trim_end_matches('/').to_owned(),
        })
    }

    /// Tells by how many seconds this machine's clock is ahead of Stripe's; `None`
    /// where Stripe does not say what time it is there.
    pub async fn seconds_ahead(&self) -> Option<i64> {
        let before = Timestamp::now().as_second();
        // Whatever it says to somebody without a key, it says when.
        let answer = self.http.get(format!("{}/v1/account", self.base_url)).send().await.ok()?;
        let after = Timestamp::now().as_second();
        let date = answer.headers().get(DATE)?.to_str().ok()?;
        let there = httpdate::parse_http_date(date).ok()?;
        let there = i64::try_from(there.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs());
        let there = there.ok()?;
        Some(ahead(before, after, there))
    }

    /// Sends a canary to an endpoint, signed as Stripe signs with these secrets, or, where
    /// there are none, with one that nobody knows.
    pub async fn send_canary(&self, url: &str, secrets: Option<&[SecretString]>) -> Canary {
        let id = format!("evt_canary_{}", Uuid::new_v4().simple());
        let body = format!(r#"{{"id":"{id}","object":"event","type":"{}"}}"#, webhook::CANARY);
        let stranger = [SecretString::from(Uuid::new_v4().to_string())];
        let secrets = secrets.unwrap_or(&stranger);
        let signature = sign(body.as_bytes(), secrets, Timestamp::now().as_second());
        let request = self.http.post(url).header("stripe-signature", signature).body(body);
        let Ok(mut answer) = request.send().await else { return Canary::Lost };
        match answer.status().as_u16() {
            400 => Canary::Refused,
            200 => {
                let mut told = Vec::new();
                while let Ok(Some(chunk)) = answer.chunk().await
                    && told.len() < ANSWER_BYTES_MAX
                {
                    told.extend_from_slice(&chunk);
                }
                if told == id.as_bytes() { Canary::Taken } else { Canary::Misled(200) }
            }
            status => Canary::Misled(status),
        }
    }
}

/// By how much a clock is ahead that showed `before` and `after` while another,
/// which tells whole seconds alone, showed `there`.
fn ahead(before: i64, after: i64, there: i64) -> i64 {
    if before > there + 1 {
        before - there - 1
    } else if after < there {
        after - there
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_only_by_what_no_delay_explains() {
        for (before, after, there, expected) in [
            (100, 100, 100, 0),
            (100, 103, 101, 0),
            (101, 101, 100, 0),
            (100, 103, 105, -2),
            (110, 111, 100, 9),
        ] {
            assert_eq!(ahead(before, after, there), expected, "{before} {after} {there}");
        }
    }
}
