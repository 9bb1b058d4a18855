//! Metrics: one registry, which Prometheus reads and OTLP is sent from.
//!
//! Each instrument stands where its fact arises. `docs/telemetry.md` lists them
//! all. The SDK keeps 2,000 series of each at most, and adds what comes beyond
//! into one that is marked `otel.metric.overflow`.

use opentelemetry::metrics::ObservableGauge;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{MetricExporter, Protocol as Wire, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use prometheus::TextEncoder;
use tokio::runtime::{Handle, RuntimeMetrics};

use super::{Error, Protocol};

/// The bounds of duration histograms in seconds, as OpenTelemetry's
/// conventions advise: <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What Prometheus reads. Clones share one registry.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: prometheus::Registry,
    provider: SdkMeterProvider,
    // Dropping them does no harm, but who has them can see that they are there.
    _process: [ObservableGauge<u64>; 4],
}

// === impl Metrics ===

impl Metrics {
    /// Starts the registry, which sends what it has over OTLP as well where a
    /// protocol is given.
    pub(super) fn start(otlp: Option<Protocol>, resource: Resource) -> Result<Self, Error> {
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()?;
        let mut provider =
            SdkMeterProvider::builder().with_resource(resource).with_reader(exporter);
        if let Some(protocol) = otlp {
            let exporter = match protocol {
                Protocol::Grpc => MetricExporter::builder().with_tonic().build()?,
                Protocol::Http => {
                    MetricExporter::builder().with_http().with_protocol(Wire::HttpBinary).build()?
                }
            };
            provider = provider.with_reader(PeriodicReader::builder(exporter).build());
        }
        let provider = provider.build();
        global::set_meter_provider(provider.clone());
        Ok(Self { registry, provider, _process: process() })
    }

    /// Writes all metrics in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// Sends what has not been sent. Blocks while it does.
    pub(super) fn stop(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "The last metrics could not be exported");
        }
    }
}

/// What tells of the process itself.
fn process() -> [ObservableGauge<u64>; 4] {
    let meter = global::meter("paylink");
    let info = meter
        .u64_observable_gauge("paylink.build.info")
        .with_description("Always 1, of the version that runs.")
        .with_callback(|gauge| {
            gauge.observe(1, &[KeyValue::new("version", env!("CARGO_PKG_VERSION"))]);
        })
        .build();
    let workers = meter
        .u64_observable_gauge("paylink.runtime.workers")
        .with_unit("{thread}")
        .with_description("Threads that run the program's tasks.")
        .with_callback(observed(RuntimeMetrics::num_workers))
        .build();
    let tasks = meter
        .u64_observable_gauge("paylink.runtime.tasks")
        .with_unit("{task}")
        .with_description("Tasks that have not ended.")
        .with_callback(observed(RuntimeMetrics::num_alive_tasks))
        .build();
    let queued = meter
        .u64_observable_gauge("paylink.runtime.queue")
        .with_unit("{task}")
        .with_description("Tasks that could run and wait for any thread.")
        .with_callback(observed(RuntimeMetrics::global_queue_depth))
        .build();
    [info, workers, tasks, queued]
}

/// Observes the runtime in which it was made: a collector asks from outside of it.
fn observed(
    figure: fn(&RuntimeMetrics) -> usize,
) -> impl Fn(&dyn opentelemetry::metrics::AsyncInstrument<u64>) + Send + Sync + 'static {
    let runtime = Handle::try_current().ok().map(|handle| handle.metrics());
    move |gauge| {
        if let Some(runtime) = &runtime {
            gauge.observe(figure(runtime) as u64, &[]);
        }
    }
}
