//! How the outcomes of writes are told: the rows of the table that come from
//! `operations`.

use tonic::{Code, Status};

use super::{RETRY_DELAY, Told, stripe};
use crate::contract::Reason;
use crate::operations::Error;
use crate::storage::OperationState;

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        let message = error.to_string();
        match &error {
            Error::Stripe { state, error } => standing(stripe::told(error), *state),
            Error::Storage(error) => super::storage_failed(error).noting(SAFE_RETRY, SAME_ID),
            Error::IdReused => Told::new(Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED", &message)
                .violation("request_id", "REUSED", &message),
            Error::IdMissing => Told::new(Code::InvalidArgument, "INVALID_REQUEST", &message)
                .violation("request_id", Reason::Required.as_str(), "is required"),
            Error::Pending => standing(stripe::pending(RETRY_DELAY), OperationState::Unknown),
            Error::Lost => {
                let message = "whether Stripe did it could not be found out; look at the \
                               resource, and ask again with another request_id";
                standing(Told::new(Code::Aborted, "OUTCOME_LOST", message), OperationState::Lost)
            }
            Error::Deadline { state } => {
                let told = Told::new(Code::DeadlineExceeded, "DEADLINE", message);
                standing(told, *state).noting(SAFE_RETRY, SAME_ID)
            }
            Error::Busy => {
                Told::new(Code::Unavailable, "OVERLOADED", message).again_after(RETRY_DELAY)
            }
        }
        .status()
    }
}

/// Says what asking again is safe with.
const SAFE_RETRY: &str = "safe_retry";
const SAME_ID: &str = "same_request_id";

/// Says where the write stands, so that a caller knows whether it happened.
fn standing(told: Told, state: OperationState) -> Told {
    told.noting("op_state", state.as_str().to_ascii_uppercase())
}
