//! Where an operation came from, for what follows from it: Stripe's events name the
//! operation that caused them, or are about a thing that names the one that made it.

use std::time::Duration;

use tracing::Span;

use super::Operations;
use crate::telemetry;

/// For how long after it was asked for what follows from an operation belongs to its
/// trace. What comes later has a trace of its own, with a link to it: a payment link
/// can sell for years, and nobody could read that trace.
const CONTINUED: Duration = Duration::from_hours(1);

/// The trace of whoever asked for an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    traceparent: String,
    is_recent: bool,
}

// === impl Origin ===

impl Origin {
    /// Puts a span where it belongs: into the trace, or beside it.
    pub fn place(&self, span: &Span) {
        if self.is_recent {
            telemetry::resume(span, &self.traceparent);
        } else {
            telemetry::refer(span, &self.traceparent);
        }
    }
}

// === impl Operations ===

impl Operations {
    /// Gives where the operation of an idempotency key came from, if that can be told.
    pub async fn origin(&self, key: &str) -> Option<Origin> {
        // Whoever cannot read it now has the trace without its beginning.
        let operation = self.0.memory.get(name_of(key)).await.ok()??;
        let age_ms = self.0.clock.now_ms().saturating_sub(operation.created_at_ms);
        let is_recent =
            u64::try_from(age_ms).is_ok_and(|age_ms| Duration::from_millis(age_ms) <= CONTINUED);
        Some(Origin { traceparent: operation.traceparent, is_recent })
    }
}

/// The operation that an idempotency key is of, whatever its generation.
pub(super) fn name_of(key: &str) -> &str {
    key.split_once("-g").map_or(key, |(name, _)| name)
}
