//! Why a write gave no answer, and what is certain all the same.

use crate::contract::Draft;
use crate::storage::{self, OperationState};
use crate::stripe;

/// Why a write gave no answer. Clones tell it to each who waited.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Stripe refused, or could not be asked.
    #[error("{error}")]
    Stripe {
        /// Where the operation stands.
        state: OperationState,
        /// What Stripe said, or what came in between.
        error: stripe::Error,
    },
    /// It could not be recorded, so it was not sent.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The id was used for another request.
    #[error("the request_id was used for a request with other parameters")]
    IdReused,
    /// Callers must give an id here.
    #[error("a request_id is required")]
    IdMissing,
    /// What became of it is being found out.
    #[error("what became of the write is being found out")]
    Pending,
    /// What became of it could not be found out.
    #[error("what became of the write could not be found out")]
    Lost,
    /// The caller's time was up; the operation goes on.
    #[error("the deadline has passed")]
    Deadline {
        /// Where the operation stood.
        state: OperationState,
    },
    /// As many writes are under way as this process allows.
    #[error("too many writes are under way")]
    Busy,
}

// === impl Error ===

impl Error {
    /// Whether the write certainly had no effect, and will have none unless it
    /// is asked for again.
    #[must_use]
    pub fn had_no_effect(&self) -> bool {
        let Error::Stripe { state, .. } = self else { return false };
        matches!(state, OperationState::New | OperationState::Rejected)
    }

    /// Whether this asking had no effect, and will have none. One before it, under the
    /// same id, may have had it.
    #[must_use]
    pub fn was_not_begun(&self) -> bool {
        use OperationState::New;
        matches!(self, Error::Busy | Error::IdReused | Error::Deadline { state: New })
    }

    /// Says which field of the draft a refused parameter is.
    pub(super) fn in_words_of(self, draft: &Draft) -> Self {
        match self {
            Error::Stripe { state, error } => {
                Error::Stripe { state, error: error.in_words_of(draft) }
            }
            error => error,
        }
    }
}
