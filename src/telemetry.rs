//! Signals: logs for people and collectors, traces over OTLP, metrics for
//! Prometheus, and the W3C trace context that ties them to those of others.

use http::HeaderMap;
use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::TextEncoder;
use serde::Deserialize;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// The bounds of duration histograms in seconds, as OpenTelemetry's
/// conventions advise: <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// How signals are given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether log lines are for people or for collectors.
    pub log_format: LogFormat,
    /// Which log events are written, in the form of `RUST_LOG`, such as
    /// `info,paylink=debug`.
    pub log_filter: String,
    /// Whether traces are exported over OTLP. The standard `OTEL_EXPORTER_OTLP_*`
    /// variables say where to.
    pub otlp: bool,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The running signals.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    tracer: Option<SdkTracerProvider>,
}

/// What Prometheus reads. Clones share one registry.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: prometheus::Registry,
    // Dropping the provider would stop the instruments.
    _provider: SdkMeterProvider,
}

/// The signals cannot be given as configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log filter is malformed.
    #[error("telemetry.log_filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The OTLP exporter cannot be built.
    #[error("the OTLP exporter cannot be set up: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The metrics registry cannot be built.
    #[error("metrics cannot be set up: {0}")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
}

// === impl Config ===

impl Config {
    /// Starts the signals of this process. Called inside the runtime, because
    /// the exporter needs one. A second start in one process, as in tests, has
    /// metrics of its own and leaves the log as it is.
    pub fn start(&self) -> Result<Telemetry, Error> {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let metrics = Metrics::new()?;
        let tracer = if self.otlp { Some(exporting_tracer()?) } else { None };
        let spans = tracer.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("paylink"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
        });
        let lines = match self.log_format {
            LogFormat::Text => fmt::layer().with_target(false).boxed(),
            LogFormat::Json => fmt::layer().json().flatten_event(true).boxed(),
        };
        let filter = EnvFilter::try_new(&self.log_filter)?;
        let log = tracing_subscriber::registry().with(spans).with(lines.with_filter(filter));
        // Fails only where a log was started before, which then goes on.
        let _ = log.try_init();
        Ok(Telemetry { metrics, tracer })
    }
}

// === impl Telemetry ===

impl Telemetry {
    /// Gives what Prometheus reads.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Sends what has not been sent. Blocks while it does.
    pub fn stop(self) {
        if let Some(tracer) = self.tracer
            && let Err(error) = tracer.shutdown()
        {
            tracing::warn!(%error, "The last traces could not be exported");
        }
    }
}

// === impl Metrics ===

impl Metrics {
    fn new() -> Result<Self, Error> {
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        global::set_meter_provider(provider.clone());
        Ok(Self { registry, _provider: provider })
    }

    /// Writes all metrics in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

/// Puts a span into the trace that a request came with.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    let parent =
        global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(headers)));
    // Fails only where no tracer listens, and then nobody asks for the parent.
    let _ = span.set_parent(parent);
}

/// Gives the headers that let the receiver of a request continue our trace.
#[must_use]
pub fn outgoing_context() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let context = Span::current().context();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut HeaderInjector(&mut headers));
    });
    headers
}

fn exporting_tracer() -> Result<SdkTracerProvider, Error> {
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().build()?;
    let provider = SdkTracerProvider::builder()
        .with_resource(opentelemetry_sdk::Resource::builder().with_service_name("paylink").build())
        .with_batch_exporter(exporter)
        .build();
    global::set_tracer_provider(provider.clone());
    Ok(provider)
}
