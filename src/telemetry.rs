//! Signals: logs for people and collectors, traces and metrics over OTLP, metrics
//! for Prometheus, and the W3C trace context that ties them to those of others.

mod context;
mod filter;
mod line;
mod lines;
mod metrics;
mod ratio;
mod repeats;
mod traces;

use std::num::NonZeroU32;
use std::path::PathBuf;

use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::Deserialize;
use tokio::task::AbortHandle;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use self::context::{continue_trace, outgoing_context, refer, remember, resume};
use self::lines::{Lines, Wanted};
pub use self::metrics::{DURATION_BUCKETS, Metrics};
pub use self::ratio::Ratio;

/// How signals are given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether log lines are for people or for collectors.
    pub log_format: LogFormat,
    /// Which log events are written, in the form of `RUST_LOG`, such as
    /// `info,paylink=debug`.
    pub log_filter: String,
    /// A file whose content takes the filter's place for as long as it is there.
    pub log_filter_file: Option<PathBuf>,
    /// How many lines one place in the source may write in ten seconds.
    pub log_repeats_max: NonZeroU32,
    /// Whether traces and metrics are exported over OTLP. The standard
    /// `OTEL_EXPORTER_OTLP_*` variables say where to.
    pub otlp: bool,
    /// Over what OTLP is spoken.
    pub otlp_protocol: Protocol,
    /// Whether metrics are exported beside traces.
    pub otlp_metrics: bool,
    /// Which share of the traces is exported that begin here.
    pub trace_ratio: Ratio,
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

/// What carries OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// HTTP, with protobuf in it.
    Http,
}

/// The running signals.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    tracer: Option<SdkTracerProvider>,
    following: Option<AbortHandle>,
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
    /// the exporters need one. A second start in one process, as in tests, has
    /// metrics of its own and leaves the log as it is.
    pub fn start(&self) -> Result<Telemetry, Error> {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource =
            Resource::builder().with_service_name("paylink").with_attribute(version).build();
        let otlp = self.otlp.then_some(self.otlp_protocol);
        let metrics = Metrics::start(otlp.filter(|_| self.otlp_metrics), resource.clone())?;
        let exporting =
            |protocol| traces::exporting(protocol, self.trace_ratio.get(), resource.clone());
        let tracer = otlp.map(exporting).transpose()?;
        // What libraries say of their insides is in no trace of ours.
        let ours = Targets::new().with_target("paylink", LevelFilter::INFO);
        let spans = tracer.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("paylink"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                // Nobody asks OpenTelemetry where it is, and a span that was entered could
                // no longer be put into the trace that it is found to belong to.
                .with_context_activation(false)
                .with_filter(ours)
        });
        let wanted = Wanted(filter::parse(&self.log_filter)?);
        let (wanted, change) = reload::Layer::new(wanted);
        let lines = Lines::new(self.log_format, self.log_repeats_max.get()).with_filter(wanted);
        let log = tracing_subscriber::registry().with(spans).with(lines);
        // Fails only where a log was started before, which then goes on.
        let is_ours = log.try_init().is_ok();
        let file = self.log_filter_file.clone().filter(|_| is_ours);
        let following = file.map(|path| {
            let following = filter::follow(path, self.log_filter.clone(), move |filter| {
                // Fails only once the log has ended.
                let _ = change.reload(Wanted(filter));
            });
            tokio::spawn(following).abort_handle()
        });
        Ok(Telemetry { metrics, tracer, following })
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
        if let Some(following) = self.following {
            following.abort();
        }
        if let Some(tracer) = self.tracer
            && let Err(error) = tracer.shutdown()
        {
            tracing::warn!(%error, "The last traces could not be exported");
        }
        self.metrics.stop();
    }
}
