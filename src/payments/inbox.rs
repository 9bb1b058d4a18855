//! Takes in what Stripe reports.

use std::sync::LazyLock;

use bytes::Bytes;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

use super::{Payments, ledger, links, now_ms};
use crate::storage::{self, EventState, NewEvent};
use crate::stripe::webhook::Event;

static EVENTS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.events.received")
        .with_unit("{event}")
        .with_description("Events from Stripe, by whether they were new and tell of payments.")
        .build()
});

/// Stripe's word that it had failed to make events, and can again:
/// <https://docs.stripe.com/webhooks/handle-irrecoverable-events>.
const EVENTS_FAILED: &str = "v2.core.health.event_generation_failure.resolved";

// === impl Payments ===

impl Payments {
    /// Takes in an event that is Stripe's for certain and came by an account's address,
    /// with the body it was read from. Says whether it was new.
    ///
    /// When this returns `Ok`, the event is on disk and its payment will learn
    /// of it, whatever happens to the process. An event that came before changes
    /// nothing. One of another mode or account is set aside, and told to nobody.
    /// On an error, Stripe must send the event again.
    pub async fn receive(
        &self,
        account: &str,
        event: Event,
        body: Bytes,
    ) -> Result<bool, storage::Error> {
        let foreign = self.foreign(account, &event);
        let is_told = foreign.is_none() && is_told_by(&event);
        let is_alarm = event.kind == EVENTS_FAILED;
        let traceparent = self.placed(&event).await;
        let new = NewEvent {
            id: event.id,
            account: account.to_owned(),
            kind: event.kind,
            api_version: event.api_version,
            livemode: event.livemode,
            created_at_ms: event.created.saturating_mul(1_000),
            received_at_ms: now_ms(),
            body: body.into(),
            // What nobody reads today may be what a later version wants to know.
            state: if is_told { EventState::Pending } else { EventState::Ignored },
            traceparent,
        };
        let (is_new, outcome) = if let Some(reason) = foreign {
            let id = new.id.clone();
            let is_new = self.storage.quarantine(new, reason).await?;
            tracing::error!(event.id = id, reason, "An event is not for here and was set aside");
            (is_new, "quarantined")
        } else {
            let is_new = self.storage.insert_event(new).await?;
            (is_new, if is_told { "recorded" } else { "ignored" })
        };
        if is_new && is_told {
            self.arrival.notify_one();
        }
        if is_new
            && is_alarm
            && let Some(desk) = self.desks.get(account)
        {
            desk.alarm.notify_one();
        }
        let outcome = if is_new { outcome } else { "duplicate" };
        EVENTS.add(1, &[KeyValue::new("outcome", outcome)]);
        Ok(is_new)
    }

    /// Why an event is not one of the account, if it is not.
    fn foreign(&self, account: &str, event: &Event) -> Option<&'static str> {
        if !self.stripe.is_of(account, event) {
            return Some("account");
        }
        let wrong =
            self.stripe.livemode_of(account).is_some_and(|livemode| livemode != event.livemode);
        wrong.then_some("livemode")
    }
}

/// Counts from zero what somebody waits for: what is not there yet cannot be seen to rise.
pub(super) fn count_from_zero() {
    EVENTS.add(0, &[KeyValue::new("outcome", "quarantined")]);
}

/// Whether an event tells of a payment, or of a link.
fn is_told_by(event: &Event) -> bool {
    ledger::is_told_by(event) || links::KINDS.contains(&event.kind.as_str())
}
