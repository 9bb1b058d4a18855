//! The delivery of events: signed, at least once, again and again until the receiver says yes.
//!
//! When a delivery is due is a matter of the sandbox's clock, so moving the clock brings retries
//! forward.

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

use super::store::State;
use super::webhook_endpoints::Receiver;
use super::{Config, Shared, signature};
pub(super) use outbox::{Delivery, Departure, Outbox, Outcome, Ticket};

/// What the receiver of the configuration is called, which is no registered endpoint.
pub(super) const CONFIGURED: &str = "configured";

/// The longest that delivery sleeps without looking whether anything is due.
const NAP_MS_MAX: i64 = 60 * 60 * 1000;

/// Delivers events for as long as it is polled.
pub(super) async fn run(shared: Arc<Shared>) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let wake = shared.with(|state| state.outbox.signals().wake);
    let in_flight_max = shared.config.webhook_concurrency_max.max(1);
    let mut in_flight = JoinSet::new();
    loop {
        let mut nap = None;
        while in_flight.len() < in_flight_max {
            match take(&shared) {
                Next::Ready(ticket, target, body) => {
                    let (client, config) = (client.clone(), shared.config.clone());
                    in_flight.spawn(async move {
                        (ticket, post(&client, &config, &target, body).await)
                    });
                }
                Next::In(wait) => {
                    nap = wait;
                    break;
                }
            }
        }
        tokio::select! {
            () = wake.notified() => {}
            Some(landed) = in_flight.join_next() => {
                if let Ok((ticket, answered)) = landed {
                    settle(&shared, ticket, answered);
                }
            }
            () = tokio::time::sleep(nap.unwrap_or(Duration::MAX)) => {}
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
    Ready(Ticket, Target, Bytes),
    /// Nothing for so long, or until the clock is moved.
    In(Option<Duration>),
}

fn take(shared: &Shared) -> Next {
    shared.look(|state| {
        let now_ms = state.clock.now_ms();
        while let Some((ticket, delivery)) = state.outbox.take_due(now_ms) {
            let target = target(state, &shared.config, delivery.endpoint.as_deref());
            if let (Some(target), Some(event)) = (target, state.event_mut(&delivery.event)) {
                return Next::Ready(ticket, target, Bytes::from(event.text()));
            }
            let gone = Err("the endpoint, or the event, is no longer there".to_owned());
            state.outbox.settle(ticket, gone, now_ms, None);
        }
        let wait_ms = state.outbox.next_due().map(|due_ms| (due_ms - now_ms).clamp(1, NAP_MS_MAX));
        Next::In(wait_ms.filter(|_| state.clock.runs()).and_then(milliseconds))
    })
}

/// Where the events of an endpoint go, or those of the configured receiver.
pub(super) fn target(state: &State, config: &Config, endpoint: Option<&str>) -> Option<Target> {
    let Some(id) = endpoint else {
        let url = state.outbox.configured()?.to_owned();
        return Some(Target { url, secret: config.webhook_secret.clone() });
    };
    state.receivers.get(id).and_then(Receiver::target)
}

async fn post(
    client: &Client<HttpConnector, Full<Bytes>>,
    config: &Config,
    target: &Target,
    body: Bytes,
) -> Result<u16, String> {
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
        Ok(Err(error)) => Err(whole(&error)),
        Ok(Ok(response)) => Ok(response.status().as_u16()),
    }
}

/// An error with all that caused it.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn settle(shared: &Shared, ticket: Ticket, answered: Result<u16, String>) {
    shared.with(|state| {
        let now_ms = state.clock.now_ms();
        let attempts = state.outbox.attempts(ticket) + 1;
        let again = attempts < shared.config.webhook_attempts_max;
        let retry_ms = again.then(|| now_ms.saturating_add(backoff_ms(&shared.config, attempts)));
        let Some(delivery) = state.outbox.settle(ticket, answered, now_ms, retry_ms) else {
            return;
        };
        match delivery.outcome {
            Outcome::Delivered => {
                let event = delivery.event.clone();
                if let Some(event) = state.event_mut(&event) {
                    event.count_delivered();
                }
            }
            Outcome::GivenUp => {
                tracing::warn!(event.id = delivery.event, attempts, "a webhook was given up");
            }
            Outcome::Pending | Outcome::Dropped => {
                tracing::debug!(event.id = delivery.event, attempts, "a webhook will be retried");
            }
        }
    });
}

/// Doubles from the first wait to the longest.
fn backoff_ms(config: &Config, attempts: u32) -> i64 {
    let doubled = config.webhook_backoff_first_ms.saturating_mul(1 << (attempts.clamp(1, 20) - 1));
    i64::try_from(doubled.min(config.webhook_backoff_max_ms)).unwrap_or(i64::MAX)
}

fn milliseconds(wait_ms: i64) -> Option<Duration> {
    u64::try_from(wait_ms).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let config = Config::default();
        let wait_ms = |attempts| backoff_ms(&config, attempts);
        assert_eq!((wait_ms(1), wait_ms(2), wait_ms(3)), (200, 400, 800));
        assert_eq!(wait_ms(100), 30_000);
    }
}
