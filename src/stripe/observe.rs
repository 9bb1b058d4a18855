//! Makes each attempt at Stripe seen: a span, its trace context on the wire, and
//! a duration. It stands inside the retries, so that every attempt has its own.

use std::sync::LazyLock;
use std::time::Instant;

use http::Method;
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use tracing::{Instrument as _, field::Empty, info_span, record_all};

use super::call::{Answer, Call};
use super::error::Error;
use super::way::Way;
use crate::telemetry;

/// Observes each attempt.
#[derive(Debug)]
pub struct Observe<W> {
    inner: W,
}

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("paylink")
        .f64_histogram("http.client.request.duration")
        .with_unit("s")
        .with_description("How long attempts at Stripe take.")
        .with_boundaries(telemetry::DURATION_BUCKETS.to_vec())
        .build()
});

// === impl Observe ===

impl<W> Observe<W> {
    /// Observes what goes this way.
    #[must_use]
    pub fn new(inner: W) -> Self {
        Self { inner }
    }
}

impl<W: Way> Way for Observe<W> {
    async fn carry(&self, call: &Call) -> Result<Answer, Error> {
        let (method, route) = (word(&call.method), call.place.route);
        let span = info_span!(
            "stripe",
            otel.name = %format_args!("{method} {route}"),
            otel.kind = "client",
            http.request.method = method,
            url.template = route,
            http.response.status_code = Empty,
            stripe.request_id = Empty,
            error.type = Empty,
            otel.status_code = Empty,
        );
        let start = Instant::now();
        let outcome = self.inner.carry(call).instrument(span.clone()).await;
        let status = status(&outcome);
        let (request_id, kind) = match &outcome {
            Ok(answer) => (answer.request_id.as_deref(), None),
            Err(error) => (error.request_id(), Some(error.kind())),
        };
        // At once: each time that something is recorded, the log writes all fields anew.
        record_all!(
            span,
            http.response.status_code = status,
            stripe.request_id = request_id,
            error.type = kind,
            otel.status_code = kind.map(|_| "ERROR"),
        );
        record(start.elapsed().as_secs_f64(), method, route, status, kind);
        outcome
    }
}

fn record(
    seconds: f64,
    method: &'static str,
    route: &'static str,
    status: Option<u16>,
    kind: Option<&'static str>,
) {
    let attributes =
        [KeyValue::new("http.request.method", method), KeyValue::new("url.template", route)];
    let status = status.map(|code| KeyValue::new("http.response.status_code", i64::from(code)));
    let kind = kind.map(|kind| KeyValue::new("error.type", kind));
    let [method, route] = attributes;
    // On the stack: this is done for each attempt.
    match (status, kind) {
        (Some(status), None) => DURATION.record(seconds, &[method, route, status]),
        (Some(status), Some(kind)) => DURATION.record(seconds, &[method, route, status, kind]),
        (None, Some(kind)) => DURATION.record(seconds, &[method, route, kind]),
        (None, None) => DURATION.record(seconds, &[method, route]),
    }
}

/// The methods that a call can have, as text that is there already.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::DELETE => "DELETE",
        _ => "POST",
    }
}

fn status(outcome: &Result<Answer, Error>) -> Option<u16> {
    match outcome {
        Ok(_) => Some(200),
        Err(Error::Refused(refusal)) => Some(refusal.status),
        Err(_) => None,
    }
}
