//! Takes in what Stripe reports.

use std::sync::LazyLock;

use bytes::Bytes;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

use super::{Payments, ledger, now_ms};
use crate::storage::{self, EventState, NewEvent};
use crate::stripe::webhook::Event;

static EVENTS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.events.received")
        .with_description("Events from Stripe, by whether they were new and tell of payments.")
        .build()
});

// === impl Payments ===

impl Payments {
    /// Takes in an event whose signature was verified, with the body it was read from.
    ///
    /// When this returns `Ok`, the event is on disk and its payment will learn
    /// of it, whatever happens to the process. An event that came before changes
    /// nothing. On an error, Stripe must send the event again.
    pub async fn receive(&self, event: Event, body: Bytes) -> Result<(), storage::Error> {
        let is_told = ledger::is_told_by(&event.kind);
        let new = NewEvent {
            id: event.id,
            kind: event.kind,
            api_version: event.api_version,
            livemode: event.livemode,
            created_at_ms: event.created.saturating_mul(1_000),
            received_at_ms: now_ms(),
            body: body.into(),
            // What nobody reads today may be what a later version wants to know.
            state: if is_told { EventState::Pending } else { EventState::Ignored },
        };
        let outcome = match (self.storage.insert_event(new).await?, is_told) {
            (false, _) => "duplicate",
            (true, false) => "ignored",
            (true, true) => {
                self.arrival.notify_one();
                "recorded"
            }
        };
        EVENTS.add(1, &[KeyValue::new("outcome", outcome)]);
        Ok(())
    }
}
