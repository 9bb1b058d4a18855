//! Who calls, until when, and under which id.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// Who is at the other end of the connection that a request came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The address of the other end. Behind a balancer it is the balancer's.
    pub address: SocketAddr,
    /// The certificate that the other end has shown, in DER, where it has shown
    /// one: it is in time, of an authority that is trusted, and not revoked.
    pub certificate: Option<Arc<[u8]>>,
}

/// The caller of one method, as the layers of the server know it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// When the caller stops waiting.
    pub deadline: Instant,
    wants_fresh: bool,
    notes: Notes,
}

/// What a method says of a call beside its answer. Clones are of the same call.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    id: OnceLock<Uuid>,
    form: OnceLock<String>,
}

/// How long a call lasts that no layer has given a deadline, as in tests of a slice alone.
const UNBOUNDED: Duration = Duration::from_mins(1);

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Does work of which the result is of no use after `deadline`. What it waits for
/// on the way can ask [`deadline`], and need not begin what nobody waits for. A
/// task that the work spawns has its own time.
pub async fn until<T>(deadline: Instant, work: impl Future<Output = T>) -> T {
    DEADLINE.scope(deadline, work).await
}

/// When what is being done is of no more use; `None` where nobody has said.
#[must_use]
pub fn deadline() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}

// === impl Caller ===

impl Caller {
    /// Describes a caller who waits until `deadline`.
    #[must_use]
    pub fn new(deadline: Instant, notes: Notes) -> Self {
        Self { deadline, wants_fresh: false, notes }
    }

    /// Describes the service itself, working on its own account for `time` at most.
    #[must_use]
    pub fn itself(time: Duration) -> Self {
        Self::new(Instant::now() + time, Notes::default())
    }

    /// Reads what the layers of the server left with a request, and what its
    /// metadata says.
    #[must_use]
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        let caller = request.extensions().get().cloned();
        let caller = caller.unwrap_or_else(|| Self::itself(UNBOUNDED));
        let wishes = request.metadata().get("cache-control").and_then(|wish| wish.to_str().ok());
        match wishes {
            Some(wishes) if wishes.contains("no-cache") => caller.wanting_fresh(),
            _ => caller,
        }
    }

    /// The same caller, who wants no answer from before the call.
    #[must_use]
    pub fn wanting_fresh(self) -> Self {
        Self { wants_fresh: true, ..self }
    }

    /// Whether the caller wants no answer from before the call.
    #[must_use]
    pub fn wants_fresh(&self) -> bool {
        self.wants_fresh
    }

    /// Puts the call under the id that its request carries (AIP-155).
    pub fn goes_by(&self, request_id: Uuid) {
        // Only the first id counts: answers and logs name one.
        let _ = self.notes.0.id.set(request_id);
    }

    /// Shows the form that Stripe would be sent.
    pub fn would_send(&self, form: String) {
        let _ = self.notes.0.form.set(form);
    }

    /// How long the caller still waits.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

// === impl Notes ===

impl Notes {
    /// Gives the id of the call, making one where the method named none.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        *self.0.id.get_or_init(Uuid::now_v7)
    }

    /// Gives the form that Stripe would be sent, where the call was to show it.
    #[must_use]
    pub fn form(&self) -> Option<&str> {
        self.0.form.get().map(String::as_str)
    }
}
