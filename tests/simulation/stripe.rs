//! Stripe: the sandbox, which misbehaves as it is told to.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use paylink::config::{Config, Profile, Sources};
use paylink::dice;
use paylink::sandbox;
use paylink::stripe::call::{Answer, Call};
use paylink::stripe::transport::exchange;
use paylink::stripe::{Client, Error, Transport};
use serde_json::Value;
use tower::{Service, ServiceExt as _};

const API_KEY: &str = "sk_test_sandbox";
/// More than any answer has.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// It is carried out, and the answer is lost.
    Unheard,
    /// It is not carried out, and a failure is answered.
    Failed,
    /// It is carried out, and a failure is answered, again and again.
    FailedForGood,
    /// It is not carried out, and a failure is answered, again and again.
    RefusedForGood,
    /// It is refused for a moment: too many requests.
    Limited,
    /// The key is not accepted for a moment.
    Unauthorized,
    /// It is carried out later than anyone waits for it.
    Late,
}

/// A Stripe. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Stripe(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    router: Router,
    handle: sandbox::Handle,
    failed_for_good: Mutex<BTreeSet<String>>,
    is_hidden: AtomicBool,
    are_events_hidden: AtomicBool,
}

/// A whole response.
#[derive(Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The configuration of the replicas.
pub static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = vec![
        set("PAYLINK__STRIPE__API_KEY", API_KEY),
        set("PAYLINK__STRIPE__WEBHOOK_SECRETS", "whsec_sandbox"),
    ];
    Sources { profile: Profile::Serve, file: None, environment }.load().unwrap()
});

// === impl Fate ===

impl Fate {
    /// Throws the fate of one request.
    pub fn thrown() -> Self {
        match dice::between(0.0, 100.0) {
            throw if throw < 70.0 => Fate::Answered,
            throw if throw < 78.0 => Fate::Unheard,
            throw if throw < 86.0 => Fate::Failed,
            throw if throw < 89.0 => Fate::FailedForGood,
            throw if throw < 92.0 => Fate::Limited,
            throw if throw < 95.0 => Fate::Unauthorized,
            _ => Fate::Late,
        }
    }
}

// === impl Stripe ===

impl Stripe {
    /// Makes an empty account. Its port is not used.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = sandbox::Config {
            listen,
            api_key: API_KEY.to_owned(),
            public_url: Some("http://stripe".to_owned()),
            ..sandbox::Config::default()
        };
        let sandbox = runtime.block_on(config.build()).unwrap();
        let (router, handle) = (sandbox.router(), sandbox.handle());
        Self(Arc::new(Inner {
            router,
            handle,
            failed_for_good: Mutex::default(),
            is_hidden: AtomicBool::default(),
            are_events_hidden: AtomicBool::default(),
        }))
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        self.0.handle.advance_clock(u32::try_from(time.as_secs()).unwrap());
    }

    /// Hides all events and links from those who look for them.
    pub fn hide(&self, is_hidden: bool) {
        self.0.is_hidden.store(is_hidden, Ordering::Relaxed);
        self.hide_events(is_hidden);
    }

    /// Hides all events, as if Stripe had failed to make them.
    pub fn hide_events(&self, are_hidden: bool) {
        self.0.are_events_hidden.store(are_hidden, Ordering::Relaxed);
    }

    /// Answers a request as its fate has it. `None` is no answer.
    pub async fn answer(&self, request: Request<Bytes>, fate: Fate) -> Option<Response> {
        let key = request.headers().get("idempotency-key");
        let key = key.map(|key| key.to_str().unwrap().to_owned()).unwrap_or_default();
        if !key.is_empty() && self.0.failed_for_good.lock().unwrap().contains(&key) {
            return Some(failure(500, Some("false")));
        }
        let is_hidden = match (request.method(), request.uri().path()) {
            (&Method::GET, "/v1/events") => &self.0.are_events_hidden,
            (&Method::GET, "/v1/payment_links") => &self.0.is_hidden,
            _ => &AtomicBool::new(false),
        };
        if is_hidden.load(Ordering::Relaxed) {
            let body = Bytes::from_static(br#"{"object": "list", "data": [], "has_more": false}"#);
            return Some(Response { status: StatusCode::OK, headers: HeaderMap::new(), body });
        }
        match fate {
            Fate::Answered => Some(self.carry_out(request).await),
            Fate::Failed => Some(failure(503, None)),
            Fate::Limited => Some(failure(429, None)),
            Fate::Unauthorized => Some(failure(401, None)),
            Fate::Unheard => {
                self.carry_out(request).await;
                None
            }
            Fate::FailedForGood | Fate::RefusedForGood => {
                if fate == Fate::FailedForGood {
                    let answer = self.carry_out(request).await;
                    if !answer.status.is_success() {
                        return Some(answer);
                    }
                }
                self.0.failed_for_good.lock().unwrap().insert(key);
                Some(failure(500, Some("false")))
            }
            Fate::Late => {
                tokio::time::sleep(Duration::from_secs_f64(dice::between(1.0, 20.0))).await;
                Some(self.carry_out(request).await)
            }
        }
    }

    /// Answers a call as its fate has it.
    pub async fn answer_call(&self, call: &Call, fate: Fate) -> Result<Answer, Error> {
        let request = exchange::request("http://stripe", call).unwrap();
        read(self.answer(request, fate).await, call)
    }

    /// Every object of a list, newest first.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let mut uri = format!("{path}{joint}limit=100");
            if let Some(last) = all.last() {
                uri = format!("{uri}&starting_after={}", last["id"].as_str().unwrap());
            }
            let request = Request::get(uri).body(Bytes::new()).unwrap();
            let response = self.carry_out(request).await;
            let page: Value = serde_json::from_slice(&response.body).unwrap();
            all.extend(page["data"].as_array().unwrap().iter().cloned());
            if page["has_more"] != true {
                return all;
            }
        }
    }

    async fn carry_out(&self, request: Request<Bytes>) -> Response {
        let mut request = request.map(Body::from);
        let key = format!("Bearer {API_KEY}").parse().unwrap();
        request.headers_mut().insert("authorization", key);
        let response = self.0.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, ANSWER_BYTES_MAX).await.unwrap();
        Response { status: parts.status, headers: parts.headers, body }
    }
}

/// A client of the true stack over any service.
pub fn client<S>(service: S) -> Client
where
    S: Service<Call, Response = Answer, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    CONFIG.stripe.client_over(Transport::over(service))
}

/// A client of the same stack that does not pause between its attempts, and has no
/// limits to what it asks: for lives in the machine's own time.
pub fn hasty_client<S>(service: S) -> Client
where
    S: Service<Call, Response = Answer, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let mut config = CONFIG.stripe.clone();
    (config.backoff_ms, config.backoff_max_ms) = (1, 2);
    (config.breaker_open_ms, config.breaker_open_ms_max) = (1, 2);
    (config.rate_test, config.rate_endpoint) = (0, 0);
    config.client_over(Transport::over(service))
}

/// Reads a response as the transport does.
pub fn read(response: Option<Response>, call: &Call) -> Result<Answer, Error> {
    match response {
        None => Err(Error::AnswerLost { write: call.is_write() }),
        Some(Response { status, headers, body }) => exchange::answer(call, status, &headers, body),
    }
}

fn failure(status: u16, should_retry: Option<&'static str>) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(word) = should_retry {
        headers.insert("stripe-should-retry", word.parse().unwrap());
    }
    let body = r#"{"error": {"type": "api_error", "message": "Something went wrong"}}"#;
    let status = StatusCode::from_u16(status).unwrap();
    Response { status, headers, body: Bytes::from_static(body.as_bytes()) }
}
