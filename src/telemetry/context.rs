//! The W3C trace context: in from callers, out to Stripe, and kept with what is
//! remembered, so that work which goes on later can say what it belongs to.

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, global};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header of the W3C's recommendation that names a trace and a span of it:
/// <https://www.w3.org/TR/trace-context/#traceparent-header>.
const TRACEPARENT: &str = "traceparent";

/// A remembered context, in the place of a request's headers.
struct Remembered<'a>(&'a str);

/// The place that a context is written to, to be remembered.
struct Memo(String);

/// Puts a span into the trace that a request came with.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    let parent = extract(&HeaderExtractor(headers));
    // Fails only where no tracer listens, and then nobody asks for the parent.
    let _ = span.set_parent(parent);
}

/// Gives the headers that let the receiver of a request continue our trace.
#[must_use]
pub fn outgoing_context() -> HeaderMap {
    let mut headers = HeaderMap::new();
    inject(&Span::current(), &mut HeaderInjector(&mut headers));
    headers
}

/// Gives what has to be remembered of a span so that [`resume`] and [`refer`]
/// find it: a `traceparent`, or nothing where no tracer listens.
#[must_use]
pub fn remember(span: &Span) -> String {
    let mut memo = Memo(String::new());
    inject(span, &mut memo);
    memo.0
}

/// Puts a span below the one that was remembered, if any was.
pub fn resume(span: &Span, remembered: &str) {
    if !remembered.is_empty() {
        let _ = span.set_parent(extract(&Remembered(remembered)));
    }
}

/// Links a span to the one that was remembered, if any was, and leaves it in
/// the trace that it is in.
pub fn refer(span: &Span, remembered: &str) {
    if !remembered.is_empty() {
        let context = extract(&Remembered(remembered));
        span.add_link(context.span().span_context().clone());
    }
}

// === impl Remembered ===

impl Extractor for Remembered<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

// === impl Memo ===

impl Injector for Memo {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = value;
        }
    }
}

fn extract(carrier: &dyn Extractor) -> Context {
    global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&Context::new(), carrier)
    })
}

fn inject(span: &Span, carrier: &mut dyn Injector) {
    let context = span.context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, carrier));
}
