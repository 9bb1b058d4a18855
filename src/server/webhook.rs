//! Stripe's way in: one route for each account, which says yes only to what is kept
//! for good.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header::RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tracing::{Instrument as _, Span, field::Empty, info_span};

use super::listener::{Entrance, Speaks, network};
use super::places::{Place, Places};
use super::tls::{self, Plaintext};
use crate::caller::{DEFAULT_ACCOUNT, Peer, account_name, account_named};
use crate::stripe;
use crate::stripe::webhook::{BadSignature, CANARY, Event, verify};

/// The route of the default account, and that of any other.
const ROUTE: &str = "/webhooks/stripe";
const ROUTE_OF_ACCOUNT: &str = "/webhooks/stripe/{account}";

/// What one address may hold of all the room that there is: a fourth. Where all come by one
/// proxy that is enough for thousands of webhooks, which have a few KiB.
const SHARE_OF_ADDRESS: usize = 4;
/// What a webhook holds at least before anything of its body has come, in bytes: the call,
/// and the task that waits.
const HEAD_BYTES_MIN: usize = 1_024;
/// What the largest webhook holds beside its body, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// What a line of the headers holds beside its text, in bytes.
const LINE_BYTES: usize = 64;

const STRIPE_SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");

/// What becomes of what Stripe sends, and of nothing that somebody else can send without
/// meaning to.
const OF_STRIPE: [&str; 7] =
    ["kept", "mismatch", "stale", "future", "not_kept", "overloaded", "not_an_event"];

/// How webhooks are received.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where connections without TLS are accepted.
    pub plaintext: Plaintext,
    /// TLS.
    pub tls: tls::Config,
    /// The largest body that is read, in bytes.
    pub body_bytes_max: usize,
    /// How long a body may take to arrive, in milliseconds.
    pub body_timeout_ms: u64,
    /// How many webhooks are stored at the same time. Of what has arrived of others, as
    /// much is held as so many of the largest bodies.
    pub in_flight_max: usize,
    /// How many connections may be of one address, or of one /64 of IPv6.
    pub connections_max_of_address: usize,
    /// How old, or how far in the future, a signature may be, in seconds.
    pub tolerance_secs: i64,
}

/// Keeps an event of an account, with the body it was read from, for good; or says
/// that it could not.
pub type Keep =
    Arc<dyn Fn(String, Event, Bytes) -> BoxFuture<'static, Result<(), NotKept>> + Send + Sync>;

/// The event could not be stored; Stripe will send it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotKept;

#[derive(Clone)]
struct Webhook {
    config: Config,
    stripe: stripe::Client,
    keep: Keep,
    /// The bytes of webhooks that are held.
    bytes: Places<IpAddr>,
    /// Who proves to be Stripe needs one, to be stored.
    permits: Arc<Semaphore>,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    /// Too much is held already, of all or of this address.
    NoRoom,
    TooLarge,
    /// The connection has failed.
    Broken,
}

static RECEIVED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.webhook.requests")
        .with_unit("{request}")
        .with_description("Webhook requests, by what became of them.")
        .build()
});

// === impl Config ===

impl Config {
    /// What is to be listened on.
    pub(crate) fn entrance(&self) -> Entrance {
        Entrance {
            name: "webhook",
            address: self.listen,
            speaks: Speaks::Http,
            plaintext: self.plaintext,
            tls: Some(self.tls.clone()),
            connections_max_of_address: Some(self.connections_max_of_address),
        }
    }
}

/// Routes `POST /webhooks/stripe`, and the same with the name of an account behind it.
pub fn routes(config: Config, stripe: stripe::Client, keep: Keep) -> Router {
    // What is not there yet cannot be seen to rise, by whoever waits for it.
    for outcome in OF_STRIPE {
        RECEIVED.add(0, &[KeyValue::new("outcome", outcome)]);
    }
    let permits = Arc::new(Semaphore::new(config.in_flight_max));
    let largest = config.body_bytes_max.saturating_add(HEAD_BYTES_MAX);
    let bytes_max = config.in_flight_max.saturating_mul(largest);
    let bytes = Places::new(bytes_max, (bytes_max / SHARE_OF_ADDRESS).max(largest));
    let webhook = Webhook { config, stripe, keep, bytes, permits };
    Router::new()
        .route(ROUTE, post(receive))
        .route(ROUTE_OF_ACCOUNT, post(receive))
        .with_state(webhook)
}

/// Answers 200 once the event is stored, and only then. The body of any other
/// answer says nothing that would help to forge one.
async fn receive(
    State(webhook): State<Webhook>,
    account: Option<Path<String>>,
    request: Request,
) -> Response {
    let (route, account) = match &account {
        Some(Path(name)) => (ROUTE_OF_ACCOUNT, account_named(name)),
        None => (ROUTE, DEFAULT_ACCOUNT),
    };
    let span = info_span!(
        "webhook",
        otel.name = %format_args!("POST {route}"),
        otel.kind = "server",
        http.request.method = "POST",
        http.route = route,
        stripe.account = Empty,
        http.response.status_code = Empty,
        messaging.message.id = Empty,
        stripe.event.type = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    );
    let (outcome, response) = webhook.take(account, request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    if !response.status().is_success() {
        span.record("error.type", outcome);
    }
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    RECEIVED.add(1, &[KeyValue::new("outcome", outcome)]);
    response
}

// === impl Webhook ===

impl Webhook {
    async fn take(&self, account: &str, request: Request) -> (&'static str, Response) {
        if !self.stripe.has_account(account) {
            return ("no_account", StatusCode::NOT_FOUND.into_response());
        }
        // Only now: the names of other accounts are whatever somebody makes up.
        Span::current().record("stripe.account", account_name(account));
        let (head, body) = request.into_parts();
        let headers = head.headers;
        let peer = head.extensions.get::<Peer>().map(|peer| network(peer.address.ip()));
        let Ok(mut room) = self.bytes.enter(peer) else { return ("overloaded", later()) };
        let time = Duration::from_millis(self.config.body_timeout_ms);
        let body = self.read(&headers, body, &mut room);
        let body = match tokio::time::timeout(time, body).await {
            Ok(Ok(body)) => body,
            Ok(Err(unread)) => return unread.told(),
            Err(_) => return ("slow", StatusCode::REQUEST_TIMEOUT.into_response()),
        };
        if let Err(bad) = self.verify(account, &headers, &body) {
            let (reason, account) = (reason(bad), account_name(account));
            tracing::warn!(reason, account, "A webhook was refused");
            return (reason, StatusCode::BAD_REQUEST.into_response());
        }
        let Ok(event) = Event::parse(&body) else {
            tracing::error!("A signed webhook is not an event, and was refused");
            return ("not_an_event", StatusCode::BAD_REQUEST.into_response());
        };
        // It asks whether this is the way to us. Nobody can but who has a secret of ours.
        if event.kind == CANARY {
            return ("canary", event.id.into_response());
        }
        let account = self.addressee(account, &event, &headers, &body).to_owned();
        // Who has proved nothing keeps nobody from being stored.
        let Ok(_permit) = self.permits.try_acquire() else { return ("overloaded", later()) };
        match (self.keep)(account, event, body).await {
            Ok(()) => ("kept", StatusCode::OK.into_response()),
            Err(NotKept) => ("not_kept", later()),
        }
    }

    /// Reads a body, for which room is taken as it arrives: who only waits takes little.
    async fn read(
        &self,
        headers: &HeaderMap,
        mut body: Body,
        room: &mut Place<IpAddr>,
    ) -> Result<Bytes, Unread> {
        let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let head = HEAD_BYTES_MIN + lines.map(|line| line + LINE_BYTES).sum::<usize>();
        room.take(head).map_err(|_| Unread::NoRoom)?;
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
            if data.len() > self.config.body_bytes_max.saturating_sub(read.len()) {
                return Err(Unread::TooLarge);
            }
            room.take(data.len()).map_err(|_| Unread::NoRoom)?;
            read.extend_from_slice(&data);
        }
        Ok(read.into())
    }

    /// Whose an event is that came by an account's address. An endpoint for connected
    /// accounts hears of all of them: one that another account is, and could have sent
    /// to its own address just as well, is that one's.
    fn addressee<'a>(
        &'a self,
        account: &'a str,
        event: &Event,
        headers: &HeaderMap,
        body: &[u8],
    ) -> &'a str {
        if self.stripe.is_of(account, event) {
            return account;
        }
        let mut others = self.stripe.accounts().filter(|other| self.stripe.is_of(other, event));
        others.find(|other| self.verify(other, headers, body).is_ok()).unwrap_or(account)
    }

    fn verify(&self, account: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), BadSignature> {
        let mut signatures = headers.get_all(STRIPE_SIGNATURE).iter();
        let (Some(signature), None) = (signatures.next(), signatures.next()) else {
            return Err(BadSignature::Malformed);
        };
        let now_secs = Timestamp::now().as_second();
        let secrets = self.stripe.webhook_secrets(account).unwrap_or_default();
        verify(signature.as_bytes(), body, &secrets, now_secs, self.config.tolerance_secs)
    }
}

// === impl Unread ===

impl Unread {
    fn told(self) -> (&'static str, Response) {
        match self {
            Self::NoRoom => ("overloaded", later()),
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE.into_response()),
            Self::Broken => ("broken", StatusCode::BAD_REQUEST.into_response()),
        }
    }
}

fn reason(bad: BadSignature) -> &'static str {
    match bad {
        BadSignature::Malformed => "malformed",
        BadSignature::Mismatch => "mismatch",
        BadSignature::Stale => "stale",
        BadSignature::Future => "future",
    }
}

fn later() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response()
}
