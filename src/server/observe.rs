//! Makes each call seen: one server span in the caller's trace, one duration,
//! both with the status that the caller gets.

use std::sync::LazyLock;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http_body::Body as _;
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use tracing::{Instrument as _, Span, field::Empty, info_span};

use super::body::Tell;
use super::request_id::PAYLINK_REQUEST_ID;
use crate::{error, pb, telemetry};

/// The name of a call to a method that no service has: bounded, whatever comes.
const OTHER_METHOD: &str = "_OTHER";

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("paylink")
        .f64_histogram("rpc.server.call.duration")
        .with_unit("s")
        .with_description("How long gRPC calls take.")
        .with_boundaries(telemetry::DURATION_BUCKETS.to_vec())
        .build()
});

/// Observes a call to its last byte.
pub(super) async fn call(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = pb::method_named(request.uri().path()).unwrap_or(OTHER_METHOD);
    let span = info_span!(
        "rpc",
        otel.name = method,
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = Empty,
        request.id = Empty,
        error.type = Empty,
        otel.status_code = Empty,
        otel.status_description = Empty,
    );
    telemetry::continue_trace(&span, request.headers());
    let response = next.run(request).instrument(span.clone()).await;
    let id = response.headers().get(PAYLINK_REQUEST_ID).cloned();
    if let Some(id) = id.as_ref().and_then(|id| id.to_str().ok()) {
        span.record("request.id", id);
    }
    let known = error::code_name(response.headers());
    let said = known.and_then(|_| error::reason(response.headers()));
    let done = move |trailers: Option<&HeaderMap>| {
        let code = known.or_else(|| error::code_name(trailers?)).unwrap_or("CANCELLED");
        let reason = said.or_else(|| error::reason(trailers?));
        finish(&span, method, code, reason.as_deref(), start);
        let request_id = id.as_ref().and_then(|id| id.to_str().ok());
        tracing::debug!(
            parent: &span,
            rpc.method = method,
            rpc.response.status_code = code,
            error.reason = reason,
            request.id = request_id,
            "Called"
        );
    };
    if known.is_some() || response.body().is_end_stream() {
        done(None);
        return response;
    }
    response.map(|body| Body::new(Tell::new(body, done)))
}

/// Records how a call has ended. The reason is no attribute of a metric: Stripe's
/// codes are among the reasons, and nobody bounds those.
fn finish(
    span: &Span,
    method: &'static str,
    code: &'static str,
    reason: Option<&str>,
    start: Instant,
) {
    span.record("rpc.response.status_code", code);
    if code != "OK" {
        span.record("error.type", reason.unwrap_or(code));
    }
    if error::is_ours(code) {
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", reason.unwrap_or(code));
    }
    DURATION.record(
        start.elapsed().as_secs_f64(),
        &[
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method),
            KeyValue::new("rpc.response.status_code", code),
        ],
    );
}
