//! Why Stripe did not do what it was asked.

use std::time::Duration;

use serde::Deserialize;

/// Why a call at Stripe gave no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Stripe answered, and refused.
    #[error("stripe refused: {0}")]
    Refused(Box<Refusal>),
    /// The request did not leave: it certainly has no effect.
    #[error("stripe cannot be reached")]
    Unreachable,
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
    /// Stripe says that it did it, in words that cannot be read.
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
}

/// Stripe's own error, with what is known of the request around it.
#[derive(Debug, Clone, Default)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Stripe's error object; empty where the answer had none, as from a proxy.
    pub error: StripeError,
    /// The field of our request that Stripe's `param` means, as a proto path.
    pub field: Option<String>,
    /// Stripe's id of the request.
    pub request_id: Option<String>,
    /// Whether Stripe gave the result of an earlier request under the same key,
    /// which says nothing of how it fares now.
    pub replayed: bool,
    /// Stripe's word on whether the same request can be made again.
    pub should_retry: Option<bool>,
    /// Which limit was reached, at status 429.
    pub rate_limited_reason: Option<String>,
    /// How long Stripe asks to wait.
    pub retry_after: Option<Duration>,
    /// How many attempts were made in all.
    pub attempts: u32,
    /// Whether the request was to change something.
    pub write: bool,
}

/// The `error` object of an answer: <https://docs.stripe.com/api/errors>.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct StripeError {
    /// Which of Stripe's four kinds of error it is.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// A stable word for the cause.
    pub code: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
    /// The parameter that it is about, in brackets.
    pub param: Option<String>,
    /// Why a card was declined.
    pub decline_code: Option<String>,
    /// Where Stripe explains the error.
    pub doc_url: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    error: StripeError,
}

// === impl Error ===

impl Error {
    /// Tells whether asking again later can help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Error::Refused(refusal) => refusal.is_temporary(),
            Error::Unreadable { .. } => false,
            Error::Unreachable
            | Error::AnswerLost { .. }
            | Error::TimedOut { .. }
            | Error::Deadline => true,
        }
    }

    /// Gives Stripe's id of the last request, if there was an answer.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Error::Refused(refusal) => refusal.request_id.as_deref(),
            Error::Unreadable { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// Stripe's word for the cause, or the empty string.
    #[must_use]
    pub fn code(&self) -> &str {
        self.error.code.as_deref().unwrap_or_default()
    }

    /// Tells whether the same request can be made again: Stripe's own word where
    /// it gives one, else what its status means.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.should_retry.unwrap_or(match self.status {
            409 => self.error.kind.as_deref() != Some("idempotency_error"),
            429 | 424 => true,
            status => status >= 500,
        })
    }

    /// Reads Stripe's error object out of an answer.
    pub(super) fn read(mut self, body: &[u8]) -> Self {
        self.error = serde_json::from_slice::<Body>(body).unwrap_or_default().error;
        self
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.error.kind.as_deref().unwrap_or("no error object");
        write!(f, "{} {kind} {}", self.status, self.code())
    }
}
