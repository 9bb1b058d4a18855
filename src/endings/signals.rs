//! What is told of endings: how many, how late, how many wait.

use std::sync::LazyLock;

use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};

use super::word;
use crate::storage::Ending;

static DONE: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.endings.done")
        .with_unit("{link}")
        .with_description("Links that were deactivated by the service, by reason.")
        .build()
});
static DELAY: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("paylink")
        .f64_histogram("paylink.endings.delay")
        .with_unit("s")
        .with_description("Time from when a link was to end until it had.")
        .build()
});
static LATE: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.endings.due")
        .with_unit("{link}")
        .with_description("Links that are to be deactivated now.")
        .build()
});
static LATENESS: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.endings.oldest_age")
        .with_unit("s")
        .with_description("How long ago the first of them was to be.")
        .build()
});

/// Counts a link that was ended.
#[expect(clippy::cast_precision_loss, reason = "a delay has far less than 52 bits")]
pub(super) fn done(ending: &Ending, now_ms: i64) {
    let delay_ms = now_ms.saturating_sub(ending.due_at_ms);
    DONE.add(1, &[KeyValue::new("reason", word(ending.reason))]);
    DELAY.record(delay_ms as f64 / 1_000.0, &[]);
    let (link, reason) = (&ending.link, ending.reason.as_str_name());
    tracing::info!(link.id = link, reason, delay_ms, "A link was ended");
}

/// Tells how many wait, and since when.
pub(super) fn late((count, oldest_ms): (i64, Option<i64>), now_ms: i64) {
    LATE.record(count, &[]);
    let lateness_ms = oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms));
    LATENESS.record(lateness_ms / 1_000, &[]);
}
