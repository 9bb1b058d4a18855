//! What operations tell those who run the service.

use std::sync::LazyLock;

use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};
use tracing::{Span, info_span};

use crate::storage::{Operation, OperationCount, OperationState};
use crate::telemetry;

static ENDED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.operations")
        .with_unit("{operation}")
        .with_description("Writes that were sent, by how they stand after it.")
        .build()
});

static OPEN: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.operations.open")
        .with_unit("{operation}")
        .with_description("Writes without a result, by state.")
        .build()
});

static OLDEST: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.operations.oldest_age")
        .with_unit("s")
        .with_description("How long ago the oldest write without a result was asked for, by state.")
        .build()
});

static ORPHANS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.operations.orphans")
        .with_unit("{link}")
        .with_description("Links that a write made beside the one that it tells of; now inactive.")
        .build()
});

/// Counts how a write stands after it was sent; `None` where that is not on record.
pub(super) fn ended(state: Option<OperationState>) {
    let state = state.map_or("unrecorded", OperationState::as_str);
    ENDED.add(1, &[KeyValue::new("state", state)]);
}

/// Shows what is open.
pub(super) fn open(counts: &[OperationCount], now_ms: i64) {
    for state in [OperationState::Sent, OperationState::Unknown] {
        let found = counts.iter().find(|count| count.state == state);
        let attributes = [KeyValue::new("state", state.as_str())];
        OPEN.record(found.map_or(0, |count| count.count), &attributes);
        let age_ms = found.map_or(0, |count| now_ms.saturating_sub(count.oldest_at_ms));
        OLDEST.record(age_ms / 1_000, &attributes);
    }
}

/// Counts a link that was deactivated because another one is told of.
pub(super) fn orphan() {
    ORPHANS.add(1, &[]);
}

/// A span for what is done about an operation when nobody may be waiting any more,
/// in the trace of who asked for it.
pub(super) fn resumed(operation: &Operation) -> Span {
    let span = info_span!(
        "resolve",
        otel.name = "resolve operation",
        paylink.operation.key = operation.key,
        paylink.operation.state = operation.state.as_str(),
    );
    telemetry::resume(&span, &operation.traceparent);
    span
}

/// A span for a search that is made for several operations, each of which it names.
pub(super) fn searched(operations: &[Operation]) -> Span {
    let span = info_span!(
        "search",
        otel.name = "search operations",
        paylink.operation.count = operations.len(),
    );
    for operation in operations {
        telemetry::refer(&span, &operation.traceparent);
    }
    span
}
