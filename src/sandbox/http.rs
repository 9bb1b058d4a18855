//! The API over HTTP: who asks, what is asked, and whether it was asked before.

mod auth;
mod limits;
mod version;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State as Extract};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, request};
use axum::middleware;
use axum::response::Response;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::api::{self, Call, Endpoint, Origin};
use super::faults::layer::{self, Committed, Inside, RequestId};
use super::form::{self, Node};
use super::idempotency::Saved;
use super::refusal::Refusal;
use super::store::State;
use super::{API_VERSION, Shared, connected, expand, page, params};
pub(super) use auth::masked;
pub(super) use limits::Limits;

/// Everything the sandbox answers: the pages of its buyers, and Stripe's API.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let acts = middleware::from_fn_with_state(Arc::clone(&shared), layer::act);
    let pages = page::router().fallback(serve).method_not_allowed_fallback(serve);
    pages.with_state(shared).layer(acts)
}

/// A request on its way through.
struct Exchange<'a> {
    shared: &'a Shared,
    endpoint: &'static Endpoint,
    id: String,
    /// The connected account that it is for; none for the platform's own.
    account: Option<String>,
    node: Node,
    origin: Origin,
}

/// Whether a request under a key is a new one.
enum Begun {
    /// It is, in the state of that generation.
    Now(u64),
    /// It was answered before.
    Before(Saved),
}

async fn serve(Extract(shared): Extract<Arc<Shared>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let request_id = parts.extensions.remove::<RequestId>().map(|id| id.0).unwrap_or_default();
    let inside = parts.extensions.remove::<Inside>().unwrap_or_default();
    // The layer before has read it, and within the bounds.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let saved = match receive(&shared, &parts, &body, &request_id) {
        Err(refusal) => Err(refusal),
        Ok(exchange) => exchange.run(&request_id, inside).await,
    };
    let limit = saved.as_ref().err().and_then(|refusal| refusal.limit);
    let saved = saved
        .unwrap_or_else(|refusal| save(refusal.status, &refusal.body(&request_id), &request_id));
    let mut response = respond(&parts.headers, saved, &request_id);
    if let Some(reason) = limit {
        let headers = response.headers_mut();
        headers.insert("stripe-rate-limited-reason", HeaderValue::from_static(reason));
    }
    response
}

/// Checks everything about a request but the meaning of its parameters.
fn receive<'a>(
    shared: &'a Shared,
    parts: &request::Parts,
    body: &Bytes,
    request_id: &str,
) -> Result<Exchange<'a>, Refusal> {
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let key = auth::check(&parts.headers, &shared.config.api_key)?;
    // The limits are of the true time: a clock that stands still would let nobody in again.
    if let Some(reason) = shared.limits.count(&key, path, Timestamp::now().as_second()) {
        return Err(Refusal::rate_limited(reason));
    }
    auth::permit(&key, &parts.method, path)?;
    let (endpoint, id) = api::find(method, path).ok_or_else(|| unrecognized(method, path))?;
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if !body.is_empty() && header("content-type").is_some_and(|kind| kind.contains("json")) {
        return Err(Refusal::invalid(
            "Invalid request (check that your POST content type is \
             application/x-www-form-urlencoded). If you have any questions, we can help at \
             https://support.stripe.com/.",
        ));
    }
    let account = match header("stripe-account") {
        Some(account) => shared.look(|state| connected::connect(state, account, &key))?,
        None => None,
    };
    version::check(&shared.tables, header("stripe-version"))?;
    let query = parts.uri.query().unwrap_or_default();
    let node = form::decode(&[query.as_bytes(), body])?;
    // Only POST has keys: the other methods can be repeated as they are.
    let key = header("idempotency-key").filter(|_| parts.method == Method::POST);
    let origin =
        Origin { request_id: Some(request_id.to_owned()), idempotency_key: key.map(str::to_owned) };
    Ok(Exchange { shared, endpoint, id: id.to_owned(), account, node, origin })
}

fn unrecognized(method: &str, path: &str) -> Refusal {
    let slash = if path.ends_with('/') {
        " If you are trying to list objects, remove the trailing slash. If you are trying to \
         retrieve an object, make sure you passed a valid (non-empty) identifier in your code."
    } else {
        ""
    };
    let message = format!(
        "Unrecognized request URL ({method}: {path}).{slash} Please see https://stripe.com/docs or \
         we can help at https://support.stripe.com/. This is a sandbox: of Stripe's API it serves \
         payment links and what is around them."
    );
    Refusal { status: StatusCode::NOT_FOUND, ..Refusal::invalid(message) }
}

fn save(status: StatusCode, body: &Value, request_id: &str) -> Saved {
    Saved { status, body: Bytes::from(body.to_string()), request_id: request_id.to_owned() }
}

fn respond(asked: &HeaderMap, saved: Saved, request_id: &str) -> Response {
    let replayed = saved.request_id != request_id;
    let mut response = Response::new(Body::from(saved.body));
    *response.status_mut() = saved.status;
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let mut tell = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    tell("request-id", request_id);
    if replayed {
        tell("idempotent-replayed", "true");
        tell("original-request", &saved.request_id);
    }
    let echo = |name: &str| asked.get(name).and_then(|value| value.to_str().ok());
    tell("stripe-version", echo("stripe-version").unwrap_or(API_VERSION));
    for name in ["idempotency-key", "stripe-account"] {
        if let Some(value) = echo(name) {
            tell(name, value);
        }
    }
    response
}

// === impl Exchange ===

impl Exchange<'_> {
    /// Carries a request out, unless its key shows that this was done before.
    async fn run(self, request_id: &str, inside: Inside) -> Result<Saved, Refusal> {
        let generation = match self.begin()? {
            Begun::Before(saved) => return Ok(saved),
            Begun::Now(generation) => generation,
        };
        if !inside.delay.is_zero() {
            // Meanwhile its key is in use.
            tokio::time::sleep(inside.delay).await;
        }
        self.commit(request_id, inside.error, generation)
    }

    /// Notes that the key is in use, or finds the answer that it was given before.
    fn begin(&self) -> Result<Begun, Refusal> {
        let Some(key) = &self.origin.idempotency_key else {
            return Ok(Begun::Now(self.shared.look(|state| state.outbox.generation())));
        };
        let fingerprint =
            format!("{} {} {}", self.endpoint.name(), self.id, self.node.fingerprint());
        self.shared.with(|state| {
            let (now, generation) = (state.clock.now(), state.outbox.generation());
            let account = self.account.as_deref();
            let saved = state.within(account, |state| state.ledger.begin(key, fingerprint, now))?;
            Ok(saved.map_or(Begun::Now(generation), Begun::Before))
        })
    }

    fn commit(
        self,
        request_id: &str,
        error: Option<Committed>,
        generation: u64,
    ) -> Result<Saved, Refusal> {
        let (shared, account) = (self.shared, self.account.clone());
        let checked = self.check();
        shared.with(|state| {
            if state.outbox.generation() != generation {
                // It was asked of a state that is no more.
                return Err(Refusal::internal());
            }
            super::expire_due(state);
            state.within(account.as_deref(), |state| match checked {
                Ok(params) => Ok(self.carry_out(state, params, request_id, error)),
                Err(refusal) => {
                    if let Some(key) = &self.origin.idempotency_key {
                        state.ledger.forget(key);
                    }
                    Err(refusal)
                }
            })
        })
    }

    fn carry_out(
        self,
        state: &mut State,
        params: Map<String, Value>,
        request_id: &str,
        error: Option<Committed>,
    ) -> Saved {
        let call = Call { id: self.id, params, origin: self.origin };
        let carried_out = match error {
            Some(Committed(false)) => Err(Refusal::internal()),
            Some(Committed(true)) => {
                (self.endpoint.run)(state, &call).and(Err(Refusal::internal()))
            }
            None => (self.endpoint.run)(state, &call),
        };
        let saved = match carried_out {
            Ok(mut value) => {
                expand::apply(state, self.endpoint.answer, &mut value, &call.params);
                save(StatusCode::OK, &value, request_id)
            }
            Err(refusal) => save(refusal.status, &refusal.body(request_id), request_id),
        };
        if let Some(key) = &call.origin.idempotency_key {
            state.ledger.finish(key, saved.clone());
        }
        saved
    }

    fn check(&self) -> Result<Map<String, Value>, Refusal> {
        let known = self.shared.tables.endpoint(&self.endpoint.name());
        let params = params::check(known.ok_or_else(Refusal::internal)?, &self.node)?;
        expand::validate(self.endpoint.answer, &params)?;
        Ok(params)
    }
}
