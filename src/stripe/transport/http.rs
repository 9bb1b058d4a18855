//! Carries one attempt over HTTP, within bounds, and tells what became of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Proxy, redirect, tls};
use secrecy::ExposeSecret as _;

use super::connect::{self, Resolver};
use super::{Attempt, exchange};
use crate::stripe::accounts;
use crate::stripe::call::{Answer, Call};
use crate::stripe::credentials::Credentials;
use crate::stripe::error::{Error, Phase};
use crate::stripe::stack::Config;
use crate::telemetry;

/// Connecting includes the name look-up and the TLS handshake.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
/// An answer that has begun comes at once, or not at all.
const READ_TIME_MAX: Duration = Duration::from_secs(5);
/// Stripe closes idle connections after a minute.
const POOL_IDLE_TIME_MAX: Duration = Duration::from_secs(55);
/// The largest answer that is read. Stripe's are far smaller.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Names the connected account that a key is used for.
const STRIPE_ACCOUNT: HeaderName = HeaderName::from_static("stripe-account");
/// A call that makes no request is a fault of ours, and has no effect.
const NOT_A_REQUEST: Error = Error::Unreachable { phase: Phase::Connect };

/// The connections to Stripe. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    base_url: Arc<str>,
    credentials: Credentials,
}

/// The settings do not make a client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A setting of an account is not usable. The text names the key, and no value.
    #[error("{key} {what}")]
    Setting {
        /// The key of the setting.
        key: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Plain http would show the key to everyone on the way.
    #[error("stripe.base_url must be an https URL, or an http URL of this machine")]
    BaseUrl,
    /// The proxy's URL is none.
    #[error("stripe.proxy_url must be the URL of a proxy")]
    ProxyUrl,
    /// TLS could not be set up.
    #[error("no HTTP client could be made: {0}")]
    Client(#[from] reqwest::Error),
}

// === impl Http ===

impl Http {
    /// Makes a client of one account. Opens no connection.
    pub(super) fn new(
        config: &Config,
        account: &accounts::Config,
        credentials: Credentials,
    ) -> Result<Self, SetupError> {
        let plain = is_own_machine(&config.base_url)?;
        let connected = account.stripe_account.as_deref().map(HeaderValue::try_from).transpose();
        let connected = connected
            .map_err(|_| SetupError::Setting { key: "stripe_account".into(), what: "is no id" })?;
        let headers: HeaderMap = connected.map(|id| (STRIPE_ACCOUNT, id)).into_iter().collect();
        let builder = bare(config)?
            .default_headers(headers)
            .pool_idle_timeout(POOL_IDLE_TIME_MAX)
            .pool_max_idle_per_host(config.in_flight_max)
            .https_only(!plain);
        let base_url = config.base_url.trim_end_matches('/').into();
        Ok(Self { client: builder.build()?, base_url, credentials })
    }

    /// Makes an attempt, in the trace of the span that is current now.
    pub(super) fn attempt(&self, call: Call) -> Attempt {
        Box::pin(self.clone().send(call, telemetry::outgoing_context()))
    }

    async fn send(self, call: Call, trace: HeaderMap) -> Result<Answer, Error> {
        let key = self.credentials.authorization();
        match self.exchange(&call, &trace, &key).await {
            // The key may have been rolled since its file was looked at. What Stripe
            // refuses for its key has had no effect.
            Err(Error::Refused(refusal))
                if refusal.status == StatusCode::UNAUTHORIZED
                    && self.credentials.has_newer(&key).await =>
            {
                self.exchange(&call, &trace, &self.credentials.authorization()).await
            }
            outcome => outcome,
        }
    }

    async fn exchange(
        &self,
        call: &Call,
        trace: &HeaderMap,
        key: &HeaderValue,
    ) -> Result<Answer, Error> {
        let write = call.is_write();
        let mut request = exchange::request(&self.base_url, call)
            .map_err(|_| NOT_A_REQUEST)?
            .map(reqwest::Body::from);
        request.headers_mut().extend(trace.clone());
        request.headers_mut().insert(AUTHORIZATION, key.clone());
        let request = reqwest::Request::try_from(request).map_err(|_| NOT_A_REQUEST)?;
        let response = self.client.execute(request).await.map_err(|error| lost(&error, write))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response, write).await?;
        exchange::answer(call, status, &headers, body)
    }
}

/// Begins an HTTP client that knows no key of the account.
pub(in crate::stripe) fn bare(config: &Config) -> Result<reqwest::ClientBuilder, SetupError> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("paylink/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIME_MAX)
        .tls_version_min(tls::Version::TLS_1_2)
        .dns_resolver(Resolver)
        // A redirect would carry the key to a host that nobody configured.
        .redirect(redirect::Policy::none())
        // The retry layer is the only one that retries.
        .retry(reqwest::retry::never())
        // Nobody's environment sends the key another way than the configuration says.
        .no_proxy();
    match &config.proxy_url {
        None => Ok(builder),
        Some(url) => {
            let proxy = Proxy::all(url.expose_secret()).map_err(|_| SetupError::ProxyUrl)?;
            Ok(builder.proxy(proxy))
        }
    }
}

async fn read(mut response: reqwest::Response, write: bool) -> Result<Bytes, Error> {
    if response.content_length().is_some_and(|length| length > ANSWER_BYTES_MAX as u64) {
        return Err(Error::TooLarge { write });
    }
    let mut body = BytesMut::new();
    loop {
        let chunk = tokio::time::timeout(READ_TIME_MAX, response.chunk()).await;
        let chunk = chunk.map_err(|_| Error::TimedOut { write })?;
        let Some(chunk) = chunk.map_err(|error| lost(&error, write))? else {
            return Ok(body.freeze());
        };
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Error::TooLarge { write });
        }
        body.extend_from_slice(&chunk);
    }
}

fn lost(error: &reqwest::Error, write: bool) -> Error {
    if error.is_connect() {
        Error::Unreachable { phase: connect::phase(error) }
    } else {
        Error::AnswerLost { write }
    }
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
}
