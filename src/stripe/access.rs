//! Learns from every attempt whether Stripe accepts the account's key, and asks
//! by itself while it does not.
//!
//! A key is refused where the configuration names a wrong one, or where it was
//! rolled or revoked. Callers learn that from their own calls; whoever runs the
//! service learns it from readiness, and when it is over.

use std::time::Duration;

use http::{Method, StatusCode};
use opentelemetry::metrics::ObservableGauge;
use opentelemetry::{KeyValue, global};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Client;
use super::call::{Answer, Call, Place};
use super::error::Error;
use super::way::Way;

/// How often to ask while the key is refused.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// How long a question may take.
const PROBE_TIME: Duration = Duration::from_secs(10);

/// What is known of the account's key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Key {
    /// Stripe was not asked yet.
    #[default]
    Untried,
    /// Stripe accepts it.
    Accepted,
    /// Stripe refuses it, and has never accepted it from this process.
    Refused,
    /// Stripe accepted it once, and refuses it now.
    Revoked,
}

/// How the account's key stands with Stripe. Clones are of the same key.
#[derive(Debug, Clone)]
pub struct Standing(watch::Sender<Key>);

/// Learns from attempts how the key stands.
#[derive(Debug)]
pub struct Access<W> {
    inner: W,
    account: KeyValue,
    standing: Standing,
    /// What reads the standing lives as long as it does.
    _gauge: ObservableGauge<u64>,
}

// === impl Key ===

impl Key {
    /// Whether Stripe refuses the key.
    #[must_use]
    pub fn is_refused(self) -> bool {
        matches!(self, Key::Refused | Key::Revoked)
    }

    /// What an answer makes of what is known. Stripe says 401 of the key alone;
    /// whatever else it says, it has let the key in.
    fn after(self, is_accepted: bool) -> Self {
        match (is_accepted, self) {
            (true, _) => Key::Accepted,
            (false, Key::Accepted | Key::Revoked) => Key::Revoked,
            (false, Key::Untried | Key::Refused) => Key::Refused,
        }
    }
}

// === impl Standing ===

impl Default for Standing {
    fn default() -> Self {
        Self(watch::Sender::new(Key::default()))
    }
}

impl Standing {
    /// How the key stands now.
    #[must_use]
    pub fn now(&self) -> Key {
        *self.0.borrow()
    }

    /// Takes note of what Stripe has said.
    fn learn(&self, account: &KeyValue, is_accepted: bool) {
        let mut before = Key::default();
        let is_news = self.0.send_if_modified(|key| {
            before = *key;
            *key = before.after(is_accepted);
            *key != before
        });
        if is_news && !is_accepted {
            tracing::error!(account = %account.value, "Stripe refuses the account's key");
        } else if is_news && before.is_refused() {
            tracing::info!(account = %account.value, "Stripe accepts the account's key again");
        }
    }
}

// === impl Access ===

impl<W> Access<W> {
    /// Tells `standing` what Stripe says of the key to what goes this way. What is told
    /// of it names the account.
    #[must_use]
    pub fn new(inner: W, account: KeyValue, standing: Standing) -> Self {
        let (seen, told_of) = (standing.0.subscribe(), account.clone());
        let gauge = global::meter("paylink")
            .u64_observable_gauge("paylink.stripe.key.refused")
            .with_unit("1")
            .with_description("Whether Stripe refuses the account's key: 1 if so.")
            .with_callback(move |observer| {
                let is_refused = u64::from(seen.borrow().is_refused());
                observer.observe(is_refused, std::slice::from_ref(&told_of));
            })
            .build();
        Self { inner, account, standing, _gauge: gauge }
    }
}

impl<W: Way> Way for Access<W> {
    async fn carry(&self, call: &Call) -> Result<Answer, Error> {
        let outcome = self.inner.carry(call).await;
        match &outcome {
            Ok(_) => self.standing.learn(&self.account, true),
            Err(Error::Refused(refusal)) => match StatusCode::from_u16(refusal.status) {
                Ok(StatusCode::UNAUTHORIZED) => self.standing.learn(&self.account, false),
                // What is no client error may be of something on the way.
                Ok(status) if status.is_client_error() => self.standing.learn(&self.account, true),
                _ => {}
            },
            Err(_) => {}
        }
        outcome
    }
}

// === impl Client ===

impl Client {
    /// Asks whether the key of an account is accepted again, while it is refused,
    /// until it is stopped.
    pub(super) async fn mind_key(self, account: String, stop: CancellationToken) {
        let Some(standing) = self.accounts.get(&account).map(|known| known.standing.clone()) else {
            return;
        };
        let mut seen = standing.0.subscribe();
        let minding = async {
            while seen.wait_for(|key| key.is_refused()).await.is_ok() {
                tokio::time::sleep(PROBE_EVERY).await;
                if standing.now().is_refused() {
                    self.probe(&account).await;
                }
            }
        };
        let _ = stop.run_until_cancelled(minding).await;
    }

    /// Asks for something small. What is said of the key is learnt on the way.
    async fn probe(&self, account: &str) {
        let call = Call {
            method: Method::GET,
            place: Place { path: "/v1/events".into(), route: "/v1/events" },
            form: "limit=1".into(),
            idempotency_key: None,
            deadline: Instant::now() + PROBE_TIME,
        };
        if let Err(error) = self.send(account, call).await {
            tracing::debug!(%error, "Stripe was asked whether it accepts the key");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

    use super::*;
    use crate::caller::DEFAULT_ACCOUNT;
    use crate::stripe::error::Refusal;
    use crate::stripe::tests::answer;
    use crate::stripe::{Config, Transport};

    /// A client of a Stripe that answers with that status, and how often it was asked.
    fn client(status: &Arc<AtomicU16>) -> (Client, Arc<AtomicUsize>) {
        let (asked, status) = (Arc::new(AtomicUsize::new(0)), status.clone());
        let counted = asked.clone();
        let answering = move |_: Call| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(match status.load(Ordering::Relaxed) {
                200 => Ok(answer(r#"{"object": "list", "data": []}"#)),
                status => Err(Error::Refused(Box::new(Refusal { status, ..Refusal::default() }))),
            })
        };
        (Config::testing().client_over(Transport::over(tower::service_fn(answering))), asked)
    }

    /// Asks a Stripe that answers with one status after the other how the key stands.
    async fn check(statuses: &[u16], expected: Key) {
        let status = Arc::new(AtomicU16::new(0));
        let (client, _) = client(&status);
        for next in statuses {
            status.store(*next, Ordering::Relaxed);
            client.probe(DEFAULT_ACCOUNT).await;
        }
        assert_eq!(client.key(), expected, "{statuses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn every_answer_tells_how_the_key_stands() {
        check(&[], Key::Untried).await;
        check(&[200], Key::Accepted).await;
        check(&[401], Key::Refused).await;
        check(&[401, 200], Key::Accepted).await;
        check(&[200, 401], Key::Revoked).await;
        check(&[401, 200, 401, 401], Key::Revoked).await;
        // It is let in, and may not do this.
        check(&[401, 403], Key::Accepted).await;
        // Whoever says this may not have looked at it.
        check(&[401, 302], Key::Refused).await;
        check(&[503], Key::Untried).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_key_is_tried_every_half_minute_until_it_works_again() {
        let status = Arc::new(AtomicU16::new(401));
        let (client, asked) = client(&status);
        let stop = CancellationToken::new();
        let minding = tokio::spawn(client.clone().mind_keys(stop.clone()));
        tokio::time::sleep(PROBE_EVERY * 4).await;
        assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing is wrong, so nothing is asked");
        client.probe(DEFAULT_ACCOUNT).await;
        tokio::time::sleep(PROBE_EVERY * 7 / 2).await;
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        status.store(200, Ordering::Relaxed);
        tokio::time::sleep(PROBE_EVERY).await;
        assert_eq!(client.key(), Key::Accepted);
        tokio::time::sleep(PROBE_EVERY * 4).await;
        assert_eq!(asked.load(Ordering::Relaxed), 5);
        stop.cancel();
        minding.await.unwrap();
    }
}
