//! Which spans are exported, and how.
//!
//! A trace is taken or left as its caller has decided, or by chance where nobody
//! has. Of a trace that is left, the spans that failed are exported all the same.
//! So every span is recorded, and its end decides.

use std::time::Duration;

use opentelemetry::trace::{Link, SpanContext, SpanKind, Status, TraceFlags, TraceId};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_otlp::{Protocol as Wire, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample,
    Span, SpanData, SpanProcessor,
};

use super::{Error, Protocol};

/// What a sampler leaves is recorded, in case it fails.
#[derive(Debug, Clone)]
struct Recording(Sampler);

/// Passes on what was sampled and what failed.
#[derive(Debug)]
struct Failures<P>(P);

/// Sets up the export of spans.
pub(super) fn exporting(
    protocol: Protocol,
    ratio: f64,
    resource: Resource,
) -> Result<SdkTracerProvider, Error> {
    let exporter = match protocol {
        Protocol::Grpc => SpanExporter::builder().with_tonic().build()?,
        Protocol::Http => {
            SpanExporter::builder().with_http().with_protocol(Wire::HttpBinary).build()?
        }
    };
    let provider = provider(BatchSpanProcessor::builder(exporter).build(), ratio, resource);
    global::set_tracer_provider(provider.clone());
    Ok(provider)
}

fn provider(
    processor: impl SpanProcessor + 'static,
    ratio: f64,
    resource: Resource,
) -> SdkTracerProvider {
    let by_chance = Sampler::TraceIdRatioBased(ratio);
    SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Recording(Sampler::ParentBased(Box::new(by_chance))))
        .with_span_processor(Failures(processor))
        .build()
}

// === impl Recording ===

impl ShouldSample for Recording {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        span_kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampled =
            self.0.should_sample(parent_context, trace_id, name, span_kind, attributes, links);
        let decision = match sampled.decision {
            SamplingDecision::Drop => SamplingDecision::RecordOnly,
            decision => decision,
        };
        SamplingResult { decision, ..sampled }
    }
}

// === impl Failures ===

impl<P: SpanProcessor> SpanProcessor for Failures<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        let context = &span.span_context;
        if !context.is_sampled() {
            if !matches!(span.status, Status::Error { .. }) {
                return;
            }
            // The exporter passes over what is not marked as sampled.
            span.span_context = SpanContext::new(
                context.trace_id(),
                context.span_id(),
                context.trace_flags() | TraceFlags::SAMPLED,
                context.is_remote(),
                context.trace_state().clone(),
            );
        }
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use opentelemetry::trace::{Span as _, TraceContextExt as _, Tracer as _, TracerProvider as _};

    use super::*;

    /// Counts what comes through and is marked for export.
    #[derive(Debug, Clone, Default)]
    struct Exported(Arc<AtomicUsize>);

    impl SpanProcessor for Exported {
        fn on_start(&self, _: &mut Span, _: &Context) {}

        fn on_end(&self, span: SpanData) {
            self.0.fetch_add(span.span_context.is_sampled().into(), Ordering::Relaxed);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;

    /// Ends a span below a caller who has decided, or below nobody; says whether it
    /// was exported, and what its children were told.
    fn check(ratio: f64, caller: Option<TraceFlags>, failed: bool) -> (bool, bool) {
        let exported = Exported::default();
        let provider = provider(exported.clone(), ratio, Resource::builder_empty().build());
        let context = caller.map_or_else(Context::new, |flags| {
            Context::new().with_remote_span_context(SpanContext::new(
                TRACE.into(),
                7_u64.into(),
                flags,
                true,
                <_>::default(),
            ))
        });
        let mut span = provider.tracer("test").start_with_context("span", &context);
        if failed {
            span.set_status(Status::error("it failed"));
        }
        let told = span.span_context().is_sampled();
        span.end();
        (exported.0.load(Ordering::Relaxed) == 1, told)
    }

    #[test]
    fn a_trace_is_taken_or_left_as_its_caller_says_or_by_chance() {
        assert_eq!(check(0.0, Some(TraceFlags::SAMPLED), false), (true, true));
        assert_eq!(check(1.0, Some(TraceFlags::NOT_SAMPLED), false), (false, false));
        assert_eq!(check(1.0, None, false), (true, true));
        assert_eq!(check(0.0, None, false), (false, false));
    }

    #[test]
    fn a_span_that_failed_is_exported_though_its_trace_is_left() {
        assert_eq!(check(0.0, None, true), (true, false));
        assert_eq!(check(1.0, Some(TraceFlags::NOT_SAMPLED), true), (true, false));
    }
}
