//! What the memory tells those who run the service, in the words of OpenTelemetry's
//! conventions for clients of databases:
//! <https://opentelemetry.io/docs/specs/semconv/database/>.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use opentelemetry::metrics::{Histogram, ObservableGauge};
use opentelemetry::{KeyValue, global};
use tokio::sync::mpsc;
use tracing::{Span, field::Empty, info_span, record_all};

use super::Error;
use super::connect::{Connections, Kind};
use crate::telemetry;

/// What a write waits for, in the words of SQL.
const COMMIT: &str = "COMMIT";

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("paylink")
        .f64_histogram("db.client.operation.duration")
        .with_unit("s")
        .with_description("How long commits take, each of a batch of writes.")
        .with_boundaries(telemetry::DURATION_BUCKETS.to_vec())
        .build()
});

/// What is observed of the memory for as long as it is open.
#[derive(Debug)]
pub(super) struct Signals {
    _gauges: [ObservableGauge<u64>; 2],
}

/// A span for the wait until a write is committed, where that is part of a trace. What the
/// service writes by itself would make a trace of each commit.
pub(super) fn write(kind: Kind) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    info_span!(
        "write",
        otel.name = COMMIT,
        otel.kind = "client",
        db.system.name = name(kind),
        db.operation.name = COMMIT,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Tells of a write that failed in its span.
pub(super) fn failed(span: &Span, error: &Error) {
    record_all!(span, error.type = error.kind(), otel.status_code = "ERROR");
}

/// Records a batch of writes that was committed, or was not.
pub(super) fn committed(kind: Kind, time: Duration, outcome: &Result<(), Error>) {
    let system = KeyValue::new("db.system.name", name(kind));
    let operation = KeyValue::new("db.operation.name", COMMIT);
    match outcome {
        Ok(()) => DURATION.record(time.as_secs_f64(), &[system, operation]),
        Err(error) => {
            let kind = KeyValue::new("error.type", error.kind());
            DURATION.record(time.as_secs_f64(), &[system, operation, kind]);
        }
    }
}

// === impl Signals ===

impl Signals {
    /// Observes the connections and the queue of the writer.
    pub(super) fn new<T: Send + 'static>(
        connections: &Arc<Connections>,
        queue: &mpsc::Sender<T>,
    ) -> Self {
        let meter = global::meter("paylink");
        // Weak, for who observes must not keep a file open.
        let (pools, waiting) = (Arc::downgrade(connections), queue.downgrade());
        let count = meter
            .u64_observable_gauge("db.client.connection.count")
            .with_unit("{connection}")
            .with_description("Connections to the database, by pool and whether they are in use.")
            .with_callback(move |gauge| {
                let Some(pools) = pools.upgrade() else { return };
                let system = KeyValue::new("db.system.name", name(pools.kind));
                for (pool, of) in [("readers", &pools.readers), ("writers", &pools.writers)] {
                    let idle = of.num_idle() as u64;
                    let used = u64::from(of.size()).saturating_sub(idle);
                    for (state, number) in [("idle", idle), ("used", used)] {
                        let pool = KeyValue::new("db.client.connection.pool.name", pool);
                        let state = KeyValue::new("db.client.connection.state", state);
                        gauge.observe(number, &[system.clone(), pool, state]);
                    }
                }
            })
            .build();
        let queue = meter
            .u64_observable_gauge("paylink.storage.queue")
            .with_unit("{write}")
            .with_description("Writes that wait for their turn.")
            .with_callback(move |gauge| {
                if let Some(queue) = waiting.upgrade() {
                    gauge.observe((queue.max_capacity() - queue.capacity()) as u64, &[]);
                }
            })
            .build();
        Self { _gauges: [count, queue] }
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "sqlite",
        Kind::Postgres => "postgresql",
    }
}
