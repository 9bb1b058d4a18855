//! Who calls, until when, and under which id.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// The caller of one method, as the layers of the server know it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// When the caller stops waiting.
    pub deadline: Instant,
    id: CallId,
}

/// The id of one call, which the method may replace by the caller's own `request_id`.
#[derive(Debug, Clone, Default)]
pub struct CallId(Arc<OnceLock<Uuid>>);

/// How long a call lasts that no layer has given a deadline, as in tests of a slice alone.
const UNBOUNDED: Duration = Duration::from_mins(1);

// === impl Caller ===

impl Caller {
    /// Describes a caller who waits until `deadline`.
    #[must_use]
    pub fn new(deadline: Instant, id: CallId) -> Self {
        Self { deadline, id }
    }

    /// Describes the service itself, working on its own account for `time` at most.
    #[must_use]
    pub fn itself(time: Duration) -> Self {
        Self::new(Instant::now() + time, CallId::default())
    }

    /// Reads what the layers of the server left with a request.
    #[must_use]
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or_else(|| Self::itself(UNBOUNDED))
    }

    /// Puts the call under the id that its request carries (AIP-155).
    pub fn goes_by(&self, request_id: Uuid) {
        // Only the first id counts: answers and logs name one.
        let _ = self.id.0.set(request_id);
    }

    /// How long the caller still waits.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

// === impl CallId ===

impl CallId {
    /// Gives the id, making one where the method named none.
    #[must_use]
    pub fn get(&self) -> Uuid {
        *self.0.get_or_init(Uuid::now_v7)
    }
}
