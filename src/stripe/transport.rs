//! Carries one attempt over HTTP, within bounds, and tells what became of it.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect;
use secrecy::{ExposeSecret as _, SecretString};
use tower::Service;

use super::call::{Answer, Call};
use super::error::{Error, Refusal};
use crate::telemetry;

/// The version of Stripe's API that the contract was written against. It is
/// named in every request, so that an account's own default does not matter.
pub const STRIPE_VERSION: &str = "2026-05-27.dahlia";

/// Connecting includes the name look-up and the TLS handshake.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
/// Stripe closes idle connections after a minute.
const POOL_IDLE_TIME_MAX: Duration = Duration::from_secs(55);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest wait that Stripe can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

const STRIPE_VERSION_HEADER: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");
const RATE_LIMITED_REASON: HeaderName = HeaderName::from_static("stripe-rate-limited-reason");

/// The connections to Stripe. Clones share them.
#[derive(Debug, Clone)]
pub struct Transport {
    http: reqwest::Client,
    base_url: String,
}

/// The settings do not make a client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The key has characters that no header can carry.
    #[error("stripe.api_key has characters that an HTTP header cannot carry")]
    ApiKey,
    /// Plain http would show the key to everyone on the way.
    #[error("stripe.base_url must be an https URL, or an http URL of this machine")]
    BaseUrl,
    /// TLS could not be set up.
    #[error("no HTTP client could be made: {0}")]
    Client(#[from] reqwest::Error),
}

// === impl Transport ===

impl Transport {
    /// Makes a client of one account. Opens no connection.
    pub fn new(base_url: &str, api_key: &SecretString) -> Result<Self, SetupError> {
        let plain = is_own_machine(base_url)?;
        let mut key = HeaderValue::try_from(format!("Bearer {}", api_key.expose_secret()))
            .map_err(|_| SetupError::ApiKey)?;
        key.set_sensitive(true);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, key),
            (STRIPE_VERSION_HEADER, HeaderValue::from_static(STRIPE_VERSION)),
            (CONTENT_TYPE, form),
        ]);
        let http = reqwest::Client::builder()
            .user_agent(concat!("paylink/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_TIME_MAX)
            .pool_idle_timeout(POOL_IDLE_TIME_MAX)
            // A redirect would carry the key to a host that nobody configured.
            .redirect(redirect::Policy::none())
            // The retry layer is the only one that retries.
            .retry(reqwest::retry::never())
            .https_only(!plain)
            .build()?;
        Ok(Self { http, base_url: base_url.trim_end_matches('/').to_owned() })
    }

    async fn attempt(self, call: Call, trace: HeaderMap) -> Result<Answer, Error> {
        let mut url = format!("{}{}", self.base_url, call.place.path);
        let body = if call.method == http::Method::POST {
            call.form.clone()
        } else {
            if let (false, Ok(query)) = (call.form.is_empty(), str::from_utf8(&call.form)) {
                url.push('?');
                url.push_str(query);
            }
            Bytes::new()
        };
        let mut request = self.http.request(call.method.clone(), url).headers(trace).body(body);
        if let Some(key) = &call.idempotency_key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let write = call.is_write();
        let response = request.send().await.map_err(|error| lost(&error, write))?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = read(response, write).await?;
        let request_id = text(&headers, &REQUEST_ID);
        if status.is_success() {
            return Ok(Answer { body, request_id });
        }
        let refusal = Refusal {
            status: status.as_u16(),
            request_id,
            should_retry: text(&headers, &SHOULD_RETRY).and_then(|word| word.parse().ok()),
            rate_limited_reason: text(&headers, &RATE_LIMITED_REASON),
            retry_after: text(&headers, &RETRY_AFTER)
                .and_then(|seconds| seconds.parse().ok())
                .map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX)),
            attempts: 1,
            write,
            ..Refusal::default()
        };
        Err(Error::Refused(Box::new(refusal.read(&body))))
    }
}

impl Service<Call> for Transport {
    type Response = Answer;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answer, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        Box::pin(self.clone().attempt(call, telemetry::outgoing_context()))
    }
}

async fn read(mut response: reqwest::Response, write: bool) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error, write))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Error::AnswerLost { write });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn lost(error: &reqwest::Error, write: bool) -> Error {
    if error.is_connect() { Error::Unreachable } else { Error::AnswerLost { write } }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(Into::into)
}

/// Tells an http URL of this machine from an https URL, and refuses all else.
fn is_own_machine(base_url: &str) -> Result<bool, SetupError> {
    let url = reqwest::Url::parse(base_url).map_err(|_| SetupError::BaseUrl)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let own = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(false),
        "http" if own => Ok(true),
        _ => Err(SetupError::BaseUrl),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for (url, plain) in [
            ("https://api.stripe.com", Some(false)),
            ("http://127.0.0.1:12111", Some(true)),
            ("http://localhost:12111/", Some(true)),
            ("http://[::1]:12111", Some(true)),
            ("http://api.stripe.com", None),
            ("http://localhost.example", None),
            ("ftp://127.0.0.1", None),
            ("api.stripe.com", None),
        ] {
            assert_eq!(is_own_machine(url).ok(), plain, "{url}");
        }
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_refused_without_being_shown() {
        let error = Transport::new("https://api.stripe.com", &"sk_test_\n1".into()).unwrap_err();
        assert!(matches!(error, SetupError::ApiKey));
        assert!(!error.to_string().contains("sk_test"));
    }
}
