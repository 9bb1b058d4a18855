//! The layer before the API and the pages: it notes every request, and acts on what strikes it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State as Extract};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use super::super::journal::Asked;
use super::super::refusal::Refusal;
use super::super::{Shared, identifier};
pub(in crate::sandbox) use super::answer::Cut;
use super::{RequestEffect, RequestFault, answer};

/// The header by which a caller asks for a fault.
const HEADER: &str = "paylink-sandbox-fault";
/// How long a request hangs, or is late, at most.
const DELAY_MAX: Duration = Duration::from_mins(10);
/// The largest answer that is cut in two, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// In the extensions of a request: the identifier that it was given.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct RequestId(pub(in crate::sandbox) String);

/// In the extensions of a request: what is to go wrong while it is carried out.
#[derive(Debug, Clone, Default)]
pub(in crate::sandbox) struct Inside {
    /// How long it is under way before anything changes.
    pub(in crate::sandbox) delay: Duration,
    /// Whether it ends with an error that is kept like any answer, after its changes or in their
    /// place.
    pub(in crate::sandbox) error: Option<Committed>,
}

/// Whether what was asked for was done before an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Committed(pub(in crate::sandbox) bool);

/// Notes a request and carries it out, as far as nothing goes wrong.
pub(in crate::sandbox) async fn act(
    Extract(shared): Extract<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, shared.config.body_bytes_max).await;
    let (request_id, fault) = meet(&shared, &parts, body.as_ref().ok());
    let response = match (body, fault) {
        (Err(_), _) => too_large(shared.config.body_bytes_max, &request_id),
        (_, Err(word)) => misunderstood(&word, &request_id),
        (Ok(body), Ok(fault)) => {
            parts.extensions.insert(RequestId(request_id.clone()));
            if let Some(fault) = &fault {
                parts.extensions.insert(inside(fault));
            }
            let request = Request::from_parts(parts, Body::from(body));
            match fault {
                None => next.run(request).await,
                Some(fault) => strike(&fault, request, next, &request_id).await,
            }
        }
    };
    let cut = response.extensions().get::<Cut>().is_some();
    let status = (!cut).then(|| response.status().as_u16());
    shared.look(|state| state.journal.answered(&request_id, status));
    response
}

/// Notes a request under a new identifier, and finds out what strikes it.
fn meet(
    shared: &Shared,
    parts: &Parts,
    body: Option<&Bytes>,
) -> (String, Result<Option<RequestFault>, String>) {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let key = header("idempotency-key").unwrap_or_default();
    shared.with(|state| {
        let request_id = identifier::fresh("req_", 14);
        let fault = match header(HEADER) {
            Some(words) => super::parse(words).map(Some),
            None => Ok(state.faults.strike_request(method, path, key)),
        };
        let struck = fault.as_ref().ok().and_then(|fault| fault.as_ref().map(|it| it.effect));
        let asked = Asked::new(&request_id, state.clock.now_ms(), parts, body, struck);
        state.journal.note(asked);
        (request_id, fault)
    })
}

/// What of a fault concerns the carrying out of a request.
fn inside(fault: &RequestFault) -> Inside {
    let slow = fault.effect == RequestEffect::Slow && !fault.after_commit;
    let stored = fault.effect == RequestEffect::StoredError;
    Inside {
        delay: if slow { delay(fault) } else { Duration::ZERO },
        error: stored.then_some(Committed(fault.after_commit)),
    }
}

async fn strike(fault: &RequestFault, request: Request, next: Next, request_id: &str) -> Response {
    let goes_through = matches!(
        fault.effect,
        RequestEffect::Slow | RequestEffect::StoredError | RequestEffect::Truncated
    );
    let mut response = if goes_through || fault.after_commit {
        // A caller who leaves while it is under way does not stop it.
        let carried_out = tokio::spawn(next.run(request)).await;
        carried_out.unwrap_or_else(|_| answer::cut())
    } else {
        answer::cut()
    };
    match fault.effect {
        RequestEffect::Slow if fault.after_commit => tokio::time::sleep(delay(fault)).await,
        RequestEffect::Slow | RequestEffect::StoredError => {}
        RequestEffect::Truncated => response = truncate(response).await,
        RequestEffect::Cut => response = answer::cut(),
        RequestEffect::Hang => {
            tokio::time::sleep(delay(fault)).await;
            response = answer::cut();
        }
        _ => response = answer::error(fault, request_id),
    }
    answer::advise(fault, response.headers_mut());
    response
}

async fn truncate(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    match to_bytes(body, ANSWER_BYTES_MAX).await {
        Ok(body) => answer::truncated(Response::from_parts(parts, Body::empty()), &body),
        Err(_) => answer::cut(),
    }
}

/// How long a fault takes; a request hangs as long as any may, unless its rule says less.
fn delay(fault: &RequestFault) -> Duration {
    match fault.delay_ms {
        0 if fault.effect == RequestEffect::Hang => DELAY_MAX,
        delay_ms => Duration::from_millis(delay_ms).min(DELAY_MAX),
    }
}

fn misunderstood(word: &str, request_id: &str) -> Response {
    let refusal = Refusal::invalid(format!("{HEADER} says `{word}`, which is no fault."));
    answer::refused(&refusal, request_id)
}

fn too_large(bytes_max: usize, request_id: &str) -> Response {
    let refusal = Refusal::invalid(format!("Request bodies can have up to {bytes_max} bytes."));
    let refusal = Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, ..refusal };
    answer::refused(&refusal, request_id)
}
