//! Gives every call a deadline, and ends it there.
//!
//! `grpc-timeout` is part of gRPC's protocol:
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>. A method that
//! is cut off here has already handed its writes to tasks of their own.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName};
use tokio::time::Instant;

use crate::caller::{self, Caller, Notes};
use crate::error::{self, Error};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// With less time than this, no answer would come in time.
const TIME_MIN: Duration = Duration::from_millis(50);

/// How long unary calls may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    default: Duration,
    max: Duration,
}

/// When the caller of a stream wants it to end, if ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamEnd(pub(super) Instant);

// === impl Limits ===

impl Limits {
    pub(super) fn new(default_ms: u64, max_ms: u64) -> Self {
        Self { default: Duration::from_millis(default_ms), max: Duration::from_millis(max_ms) }
    }
}

/// Runs a call until its deadline. What has streamed by then is left to
/// [`super::streams`].
pub(super) async fn enforce(
    State(limits): State<Limits>,
    mut request: Request,
    next: Next,
) -> Response {
    let Ok(asked) = timeout(request.headers()) else {
        return error::response(Error::BadTimeout);
    };
    let start = Instant::now();
    if asked.is_some_and(|asked| asked < TIME_MIN) {
        return error::response(Error::Deadline);
    }
    let deadline = start + asked.unwrap_or(limits.default).min(limits.max);
    let notes = request.extensions().get::<Notes>().cloned().unwrap_or_default();
    request.extensions_mut().insert(Caller::new(deadline, notes));
    let run = caller::until(deadline, next.run(request));
    match tokio::time::timeout_at(deadline, run).await {
        Ok(mut response) => {
            if let Some(end) = asked.and_then(|asked| start.checked_add(asked)) {
                response.extensions_mut().insert(StreamEnd(end));
            }
            response
        }
        Err(_) => error::response(Error::Deadline),
    }
}

/// Reads `grpc-timeout`: up to eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, ()> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else { return Ok(None) };
    let text = value.to_str().map_err(drop)?;
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(())?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(());
    }
    let amount: u64 = digits.parse().map_err(drop)?;
    let timeout = match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return Err(()),
    };
    Ok(Some(timeout))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::any;
    use tower::ServiceExt as _;

    use super::*;

    async fn check(timeout: Option<&str>) -> (Response, Duration) {
        let limits = Limits::new(15_000, 60_000);
        let routes = Router::new()
            .fallback(any(std::future::pending::<()>))
            .layer(axum::middleware::from_fn_with_state(limits, enforce));
        let mut request = Request::builder();
        if let Some(timeout) = timeout {
            request = request.header(GRPC_TIMEOUT, timeout);
        }
        let start = Instant::now();
        let response = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        (response, start.elapsed())
    }

    fn status(response: &Response) -> &str {
        response.headers()["grpc-status"].to_str().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_its_deadline_and_never_after_the_longest() {
        for (timeout, millis) in
            [(Some("250m"), 250), (Some("2S"), 2000), (Some("99999999H"), 60_000), (None, 15_000)]
        {
            let (response, elapsed) = check(timeout).await;
            assert_eq!((status(&response), elapsed.as_millis()), ("4", millis), "{timeout:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_or_is_too_near_ends_the_call_before_it_starts() {
        for timeout in ["0m", "1n", "49m", "49999u"] {
            let (response, elapsed) = check(Some(timeout)).await;
            assert_eq!((status(&response), elapsed), ("4", Duration::ZERO), "{timeout}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_the_call_waits_for_can_know_its_deadline() {
        let start = Instant::now();
        let told = move || async move {
            assert_eq!(caller::deadline(), Some(start + Duration::from_secs(2)));
        };
        let routes = Router::new()
            .fallback(any(told))
            .layer(axum::middleware::from_fn_with_state(Limits::new(15_000, 60_000), enforce));
        let request = Request::builder().header(GRPC_TIMEOUT, "2S").body(Body::empty()).unwrap();
        assert!(routes.oneshot(request).await.unwrap().status().is_success());
        assert_eq!(caller::deadline(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_malformed_timeout_is_refused() {
        for timeout in ["", "S", "5", "-5S", "123456789S", "5s", "5 S", "1.5S"] {
            let (response, elapsed) = check(Some(timeout)).await;
            assert_eq!((status(&response), elapsed), ("3", Duration::ZERO), "{timeout:?}");
        }
    }
}
