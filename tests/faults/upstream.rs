//! The sandbox without a network, and what goes wrong on the way to it.

use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use paylink::sandbox::{Config, Sandbox};
use paylink::stripe::call::{Answer, Call};
use paylink::stripe::transport::exchange;
use paylink::stripe::{Error, Transport};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::fault::Fault;

const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A Stripe that fails as it is told to. Clones share it.
#[derive(Debug, Clone)]
pub struct Upstream {
    routes: Router,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    /// What goes wrong with the next calls.
    next: VecDeque<Option<Fault>>,
    /// What goes wrong with all calls after these.
    then: Option<Fault>,
    calls: Vec<Call>,
    /// The ids of what was made.
    made: BTreeSet<String>,
}

/// What was asked of Stripe since it was told how to fail.
#[derive(Debug)]
pub struct Seen {
    pub calls: Vec<Call>,
    pub made: BTreeSet<String>,
}

// === impl Upstream ===

impl Upstream {
    /// An empty account.
    pub async fn start() -> Self {
        let config = Config { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..Config::default() };
        let sandbox: Sandbox = config.build().await.unwrap();
        Self { routes: sandbox.router(), script: Arc::default() }
    }

    /// The way to it.
    pub fn transport(&self) -> Transport {
        let upstream = self.clone();
        Transport::over(tower::service_fn(move |call| upstream.clone().carry(call)))
    }

    /// Lets the next calls fail as told, and all calls after them.
    pub fn fail(&self, next: impl IntoIterator<Item = Option<Fault>>, then: Option<Fault>) {
        let next = next.into_iter().collect();
        *self.script.lock().unwrap() = Script { next, then, ..Script::default() };
    }

    /// What was asked since then.
    pub fn seen(&self) -> Seen {
        let script = self.script.lock().unwrap();
        Seen { calls: script.calls.clone(), made: script.made.clone() }
    }

    async fn carry(self, call: Call) -> Result<Answer, Error> {
        let fault = {
            let mut script = self.script.lock().unwrap();
            script.calls.push(call.clone());
            script.next.pop_front().unwrap_or(script.then)
        };
        match fault {
            None => self.ask(&call).await,
            Some(fault) => {
                let whole = if fault.acts() { Some(self.ask(&call).await) } else { None };
                fault.answer(&call, whole).await
            }
        }
    }

    async fn ask(&self, call: &Call) -> Result<Answer, Error> {
        let mut request = exchange::request("http://sandbox", call).unwrap().map(Body::from);
        let key = "Bearer sk_test_sandbox".parse().unwrap();
        request.headers_mut().insert(AUTHORIZATION, key);
        let (parts, body) = self.routes.clone().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, ANSWER_BYTES_MAX).await.unwrap();
        let answer = exchange::answer(call, parts.status, &parts.headers, body);
        if let (true, Ok(answer)) = (call.method == Method::POST, &answer) {
            let object: Value = serde_json::from_slice(&answer.body).unwrap();
            let id = object["id"].as_str().unwrap().to_owned();
            self.script.lock().unwrap().made.insert(id);
        }
        answer
    }
}

/// An answer of that status, as Stripe or something on the way gives it.
pub fn refusal(
    call: &Call,
    status: u16,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Result<Answer, Error> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .chain([("request-id".parse().unwrap(), "req_fault".parse().unwrap())])
        .collect();
    let body = Bytes::from(body.to_owned());
    exchange::answer(call, StatusCode::from_u16(status).unwrap(), &headers, body)
}
