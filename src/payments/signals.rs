//! What payments tell those who run the service: how events arrive, what waits, and
//! how far those who watch have come.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::metrics::Gauge;
use tokio_util::sync::CancellationToken;
use tracing::{Span, info_span};

use super::{Payments, now_ms};
use crate::pb;
use crate::storage::{self, DueEvent};
use crate::stripe::webhook::Event;
use crate::telemetry;

/// How often what waits is counted.
const LOOK: Duration = Duration::from_secs(15);

static PENDING: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.inbox.pending")
        .with_unit("{event}")
        .with_description(
            "Events that are to be added to payments; not those whose payment is not known yet.",
        )
        .build()
});

static AGE: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.inbox.oldest_age")
        .with_unit("s")
        .with_description("How long ago the oldest of these events arrived.")
        .build()
});

static UNEXPLAINED: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.payments.unexplained")
        .with_unit("{payment}")
        .with_description("Payments that Stripe tells something else of.")
        .build()
});

static HEAD: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.feed.head")
        .with_unit("{event}")
        .with_description("The sequence of the newest event of the feed; 0 before the first.")
        .build()
});

static WATCHERS: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.feed.watchers")
        .with_unit("{stream}")
        .with_description("Streams of payments that are open in this process.")
        .build()
});

static BEHIND: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.feed.lag")
        .with_unit("{event}")
        .with_description("How far the slowest stream of this process is behind the feed.")
        .build()
});

// === impl Payments ===

impl Payments {
    /// Shows what waits, until it is stopped.
    pub(super) async fn show(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.count().await {
                tracing::debug!(%error, "What waits could not be counted for now");
            }
            let _ = stop.run_until_cancelled(tokio::time::sleep(LOOK)).await;
        }
    }

    async fn count(&self) -> Result<(), storage::Error> {
        let inbox = self.storage.pending_events().await?;
        PENDING.record(inbox.count, &[]);
        let age_ms = inbox.oldest_at_ms.map_or(0, |oldest_ms| now_ms().saturating_sub(oldest_ms));
        AGE.record(age_ms.max(0) / 1_000, &[]);
        unexplained(self.storage.unexplained().await?);
        let head = self.storage.feed_ends().await?.head.sequence;
        HEAD.record(head, &[]);
        let (count, slowest) = self.feed.watchers();
        WATCHERS.record(count, &[]);
        BEHIND.record(slowest.map_or(0, |slowest| head.saturating_sub(slowest).max(0)), &[]);
        Ok(())
    }

    /// Puts the arrival of an event into the trace of the write that it follows from,
    /// where there is one, and gives what its processing is to continue.
    pub(super) async fn placed(&self, event: &Event) -> String {
        let span = Span::current();
        if span.is_none() {
            // Nobody traces, so nothing has to be looked up for it.
            return String::new();
        }
        span.record("messaging.message.id", &*event.id);
        span.record("stripe.event.type", &*event.kind);
        if let Some(key) = event.operation()
            && let Some(origin) = self.writes.origin(&key).await
        {
            origin.place(&span);
        }
        telemetry::remember(&span)
    }
}

/// Shows how many payments Stripe tells something else of.
pub(super) fn unexplained(count: i64) {
    UNEXPLAINED.record(count, &[]);
}

/// A span for an event that was found by asking Stripe.
pub(super) fn polled() -> Span {
    info_span!(
        "poll",
        otel.name = "receive stripe.events",
        otel.kind = "consumer",
        messaging.system = "stripe",
        messaging.destination.name = "stripe.events",
        messaging.operation.name = "poll",
        messaging.operation.type = "receive",
        messaging.message.id = tracing::field::Empty,
        stripe.event.type = tracing::field::Empty,
    )
}

/// A span for adding an event to its payment, in the trace of its arrival.
pub(super) fn processed(event: &DueEvent) -> Span {
    let span = info_span!(
        "process",
        otel.name = "process stripe.events",
        otel.kind = "consumer",
        messaging.system = "stripe",
        messaging.destination.name = "stripe.events",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.message.id = event.id,
        stripe.event.type = tracing::field::Empty,
        error.type = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    );
    telemetry::resume(&span, &event.traceparent);
    span
}

/// Marks a span of processing as failed.
pub(super) fn failed(span: &Span, kind: &'static str) {
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
}

/// Shows a change that was written to the feed, below what has led to it.
pub(super) fn fed(payment: &pb::Payment, sequence: i64) {
    // It has no duration of its own: it is there with the commit that it is part of.
    drop(info_span!(
        "send",
        otel.name = "send feed",
        otel.kind = "producer",
        messaging.system = "paylink",
        messaging.destination.name = "feed",
        messaging.operation.name = "send",
        messaging.operation.type = "send",
        messaging.message.id = sequence,
        payment.id = payment.id,
        payment.link = payment.payment_link,
        payment.state = payment.state().as_str_name(),
    ));
}
