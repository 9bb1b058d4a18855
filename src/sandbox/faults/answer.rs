//! What a caller is answered when something goes wrong.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::super::refusal::Refusal;
use super::{RequestEffect, RequestFault};

const HTML: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
                    <center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";

/// In the extensions of an answer: no answer is sent, the connection ends instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Cut;

/// The answer that a fault gives in place of the true one.
pub(super) fn error(fault: &RequestFault, request_id: &str) -> Response {
    let refusal = match fault.effect {
        RequestEffect::RateLimited => Refusal::rate_limited("global-rate"),
        RequestEffect::LockTimeout => lock_timeout(),
        RequestEffect::Unavailable => {
            Refusal { status: StatusCode::SERVICE_UNAVAILABLE, ..Refusal::internal() }
        }
        RequestEffect::BadGateway => return bad_gateway(),
        _ => Refusal::internal(),
    };
    let mut response = refused(&refusal, request_id);
    if fault.effect == RequestEffect::RateLimited {
        tell(response.headers_mut(), "stripe-rate-limited-reason", &fault.reason);
    }
    response
}

/// A request that is refused before it is looked at.
pub(super) fn refused(refusal: &Refusal, request_id: &str) -> Response {
    let mut response = Response::new(Body::from(refusal.body(request_id).to_string()));
    *response.status_mut() = refusal.status;
    tell(response.headers_mut(), "content-type", "application/json");
    tell(response.headers_mut(), "request-id", request_id);
    response
}

/// The headers that a fault adds to whatever is answered.
pub(super) fn advise(fault: &RequestFault, headers: &mut HeaderMap) {
    if let Some(seconds) = &fault.retry_after {
        tell(headers, "retry-after", seconds);
    }
    if let Some(should) = fault.should_retry {
        tell(headers, "stripe-should-retry", if should { "true" } else { "false" });
    }
}

/// No answer: the connection is reset.
pub(super) fn cut() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

/// The head of an answer and the first half of its body, after which the connection ends.
pub(super) fn truncated(response: Response, body: &Bytes) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.insert("content-length", HeaderValue::from(body.len()));
    let half = Half { rest: Some(body.slice(..body.len() / 2)), length: body.len(), sent: false };
    Response::from_parts(parts, Body::new(half))
}

fn lock_timeout() -> Refusal {
    let message = "This object cannot be accessed right now because another API request or Stripe \
                   process is currently accessing it. If you see this error intermittently, retry \
                   the request.";
    let refusal = Refusal::invalid(message).code("lock_timeout");
    Refusal { status: StatusCode::TOO_MANY_REQUESTS, ..refusal }
}

fn bad_gateway() -> Response {
    let mut response = Response::new(Body::from(HTML));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    tell(response.headers_mut(), "content-type", "text/html");
    response
}

fn tell(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A body that promises more than it has.
struct Half {
    rest: Option<Bytes>,
    length: usize,
    sent: bool,
}

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut off on request")]
struct CutOff;

// === impl Half ===

impl HttpBody for Half {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if let Some(half) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.sent {
            // What was given so far is on its way before the connection ends.
            self.sent = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(CutOff)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length as u64)
    }
}
