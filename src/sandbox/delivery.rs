//! The delivery of events: signed, at least once, again and again until the receiver says yes.

mod outbox;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::object::Members;
use super::webhook_endpoints::Receiver;
use super::{Config, Shared, object, signature};
pub(super) use outbox::{Outbox, Parcel};

/// Delivers events for as long as it is polled.
pub(super) async fn run(shared: Arc<Shared>) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let wake = shared.with(|state| state.outbox.wake());
    let in_flight_max = shared.config.webhook_concurrency_max.max(1);
    let mut in_flight = JoinSet::new();
    loop {
        let mut next_due = None;
        while in_flight.len() < in_flight_max {
            match take(&shared) {
                Next::Ready(parcel, target, body) => {
                    let (client, config) = (client.clone(), shared.config.clone());
                    in_flight.spawn(async move {
                        (parcel, post(&client, &config, &target, body).await)
                    });
                }
                Next::Due(at) => {
                    next_due = at;
                    break;
                }
            }
        }
        let due = next_due.unwrap_or_else(|| Instant::now() + Duration::from_hours(1));
        tokio::select! {
            () = wake.notified() => {}
            Some(landed) = in_flight.join_next() => {
                if let Ok((parcel, outcome)) = landed {
                    settle(&shared, parcel, outcome);
                }
            }
            () = tokio::time::sleep_until(due) => {}
        }
    }
}

/// Where an event goes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The receiver's address.
    pub(super) url: String,
    /// What its events are signed with.
    pub(super) secret: String,
}

enum Next {
    /// A delivery whose time has come.
    Ready(Parcel, Target, Bytes),
    /// Nothing until then, if anything is waiting at all.
    Due(Option<Instant>),
}

fn take(shared: &Shared) -> Next {
    shared.with(|state| {
        loop {
            let Some(parcel) = state.outbox.take_due(Instant::now()) else {
                return Next::Due(state.outbox.next_due());
            };
            let target = match &parcel.endpoint {
                None => state.outbox.url().map(|url| Target {
                    url: url.to_owned(),
                    secret: shared.config.webhook_secret.clone(),
                }),
                Some(id) => state.receivers.get(id).and_then(Receiver::target),
            };
            // What the store has forgotten meanwhile, or nobody listens to any more, is dropped.
            if let (Some(target), Some(event)) = (target, state.events.get(&parcel.event)) {
                return Next::Ready(parcel, target, Bytes::from(event.to_string()));
            }
        }
    })
}

async fn post(
    client: &Client<HttpConnector, Full<Bytes>>,
    config: &Config,
    target: &Target,
    body: Bytes,
) -> Result<(), String> {
    // Receivers compare the signature's time with their own clock, so it is never the sandbox's.
    let now = Timestamp::now().as_second();
    let request = http::Request::post(&target.url)
        .header("content-type", "application/json; charset=utf-8")
        .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", signature::header(&target.secret, now, &body))
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let timeout = Duration::from_millis(config.webhook_timeout_ms);
    match tokio::time::timeout(timeout, client.request(request)).await {
        Err(_) => Err(format!("no answer within {} ms", config.webhook_timeout_ms)),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(response)) if response.status().is_success() => Ok(()),
        Ok(Ok(response)) => Err(format!("answered {}", response.status())),
    }
}

fn settle(shared: &Shared, parcel: Parcel, outcome: Result<(), String>) {
    let attempts = parcel.attempts + 1;
    match outcome {
        Ok(()) => shared.with(|state| {
            if let Some(event) = state.events.get_mut(&parcel.event) {
                let pending = event.at("pending_webhooks").as_i64().unwrap_or_default();
                object::set(event, "pending_webhooks", pending.saturating_sub(1));
            }
        }),
        Err(reason) if attempts >= shared.config.webhook_attempts_max => {
            tracing::warn!(event.id = parcel.event, attempts, reason, "webhook given up");
        }
        Err(reason) => {
            tracing::debug!(event.id = parcel.event, attempts, reason, "webhook will be retried");
            let due = Instant::now() + backoff(&shared.config, attempts);
            shared.with(|state| state.outbox.put_back(Parcel { attempts, ..parcel }, due));
        }
    }
}

/// Doubles from the first wait to the longest.
fn backoff(config: &Config, attempts: u32) -> Duration {
    let doubled = config.webhook_backoff_first_ms.saturating_mul(1 << (attempts.clamp(1, 20) - 1));
    Duration::from_millis(doubled.min(config.webhook_backoff_max_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let config = Config::default();
        let wait_ms = |attempts| backoff(&config, attempts).as_millis();
        assert_eq!((wait_ms(1), wait_ms(2), wait_ms(3)), (200, 400, 800));
        assert_eq!(wait_ms(100), 30_000);
    }
}
