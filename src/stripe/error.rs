//! Why Stripe did not do what it was asked.

mod refusal;

use std::time::Duration;

pub use self::refusal::{Refusal, StripeError};

/// Why a call at Stripe gave no result. Clones tell it to each who waits for
/// the same call.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Stripe answered, and refused.
    #[error("stripe refused: {0}")]
    Refused(Box<Refusal>),
    /// The request did not leave: it certainly has no effect.
    #[error("stripe cannot be reached ({})", .phase.as_str())]
    Unreachable {
        /// How far the connection came.
        phase: Phase,
    },
    /// Stripe has failed too often of late, so nothing was sent.
    #[error("stripe fails, and is left alone for a while")]
    CircuitOpen {
        /// When it will be tried again.
        retry_after: Duration,
    },
    /// Too much is under way and waiting already, so nothing was sent.
    #[error("too many calls are under way to stripe")]
    Saturated {
        /// When to come back.
        retry_after: Duration,
    },
    /// Stripe's rate limit would have been reached, so nothing was sent.
    #[error("stripe's rate limit for {route} would be reached")]
    Throttled {
        /// The endpoint, with ids left out.
        route: &'static str,
        /// When there is room for a call.
        retry_after: Duration,
    },
    /// The request left and no whole answer came: it may have had its effect.
    #[error("stripe's answer was lost")]
    AnswerLost {
        /// Whether the request was to change something.
        write: bool,
    },
    /// No answer came within the time for one attempt: it may have had its effect.
    #[error("stripe did not answer in time")]
    TimedOut {
        /// Whether the request was to change something.
        write: bool,
    },
    /// The answer is larger than any of Stripe's is: what was asked may have had its effect.
    #[error("stripe's answer is too large")]
    TooLarge {
        /// Whether the request was to change something.
        write: bool,
    },
    /// Stripe says that it did it, in words that cannot be read; or someone on the way
    /// says that it was not done, of which Stripe may know better.
    #[error("stripe's answer cannot be read")]
    Unreadable {
        /// Whether the request was to change something.
        write: bool,
        /// Stripe's id of the request.
        request_id: Option<String>,
    },
    /// The caller's time was up, before an attempt or during one: what was sent
    /// may have had its effect.
    #[error("the caller's deadline has passed")]
    Deadline,
    /// The last attempt certainly had no effect, but an earlier one of the same
    /// call may have had it.
    #[error("an earlier attempt may have had its effect; the last: {0}")]
    Doubtful(Box<Error>),
}

/// How far a connection came that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The name of the host has no address.
    Dns,
    /// Nobody answers at the address.
    Connect,
    /// Whoever answers does not prove to be the host.
    Tls,
}

// === impl Error ===

impl Error {
    /// Tells whether asking again later can help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Error::Refused(refusal) => refusal.is_temporary(),
            Error::Unreadable { .. } | Error::TooLarge { .. } => false,
            Error::Unreachable { .. }
            | Error::CircuitOpen { .. }
            | Error::Saturated { .. }
            | Error::Throttled { .. }
            | Error::AnswerLost { .. }
            | Error::TimedOut { .. }
            | Error::Deadline
            | Error::Doubtful(_) => true,
        }
    }

    /// Tells whether the request may have had its effect: it cannot be said for
    /// certain that it had none. What is in doubt is in doubt of a read too,
    /// where it does not matter.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        match self {
            Error::Refused(refusal) => refusal.may_have_acted(),
            Error::Unreachable { .. }
            | Error::CircuitOpen { .. }
            | Error::Saturated { .. }
            | Error::Throttled { .. } => false,
            Error::AnswerLost { .. }
            | Error::TimedOut { .. }
            | Error::TooLarge { .. }
            | Error::Unreadable { .. }
            | Error::Deadline
            | Error::Doubtful(_) => true,
        }
    }

    /// Gives Stripe's verdict, if this is one.
    #[must_use]
    pub fn verdict(&self) -> Option<&Refusal> {
        match self {
            Error::Refused(refusal) if refusal.is_verdict() => Some(refusal),
            _ => None,
        }
    }

    /// Tells whether the attempt was refused before it was made. It says nothing
    /// of an attempt before it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(
            self,
            Error::CircuitOpen { .. } | Error::Saturated { .. } | Error::Throttled { .. }
        )
    }

    /// Names the failure in one word, for signals.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Refused(_) => "refused",
            Error::Unreachable { .. } => "unreachable",
            Error::CircuitOpen { .. } => "circuit_open",
            Error::Saturated { .. } => "saturated",
            Error::Throttled { .. } => "throttled",
            Error::AnswerLost { .. } => "answer_lost",
            Error::TimedOut { .. } => "timeout",
            Error::TooLarge { .. } => "too_large",
            Error::Unreadable { .. } => "unreadable",
            Error::Deadline => "deadline",
            Error::Doubtful(last) => last.kind(),
        }
    }

    /// Tells whether Stripe has kept its own failure as the key's answer, or that of a
    /// request with other parameters, so that asking again under the key can only bring
    /// the same.
    #[must_use]
    pub fn is_stored_failure(&self) -> bool {
        match self {
            Error::Refused(refusal) => {
                let has_failed = refusal.status >= 500 && refusal.should_retry == Some(false);
                has_failed || refusal.is_mismatch()
            }
            _ => false,
        }
    }

    /// Gives Stripe's id of the last request, if there was an answer.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Error::Refused(refusal) => refusal.request_id.as_deref(),
            Error::Unreadable { request_id, .. } => request_id.as_deref(),
            Error::Doubtful(last) => last.request_id(),
            _ => None,
        }
    }
}

// === impl Phase ===

impl Phase {
    /// The phase in one word, for signals and callers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Dns => "dns",
            Phase::Connect => "connect",
            Phase::Tls => "tls",
        }
    }
}
