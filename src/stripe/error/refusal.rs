//! What Stripe says when it refuses.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Stripe's own error, with what is known of the request around it.
#[derive(Debug, Clone, Default)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Stripe's error object; empty where the answer had none, as from a proxy.
    pub error: StripeError,
    /// The endpoint, with ids left out.
    pub route: &'static str,
    /// The path that was asked for.
    pub path: String,
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
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

/// What is remembered of a refusal.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Kept {
    status: u16,
    request_id: Option<String>,
    attempts: u32,
    error: StripeError,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    error: StripeError,
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
            409 => !self.is_mismatch(),
            429 | 424 => true,
            status => status >= 500,
        })
    }

    /// Tells whether Stripe has judged the request itself, and would judge it the
    /// same under the same key. So an earlier attempt has had no effect either: had
    /// it had one, its answer would have come again.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        // Of a mismatch of parameters the key's first request may well have acted.
        let is_verdict = matches!(self.status, 400 | 402 | 404);
        is_verdict && !self.is_mismatch() && self.code() != "rate_limit"
    }

    /// Tells whether the request may have had its effect. Only what is known to be
    /// answered before anything is done certainly had none.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        match self.status {
            // The request that the key is in use by is one of the same call.
            409 => self.code() == "idempotency_key_in_use",
            400 => self.is_mismatch(),
            401 | 402 | 403 | 404 | 429 => false,
            _ => true,
        }
    }

    /// Writes down what is told again of the refusal, as JSON.
    #[must_use]
    pub fn kept(&self) -> Bytes {
        let kept = Kept {
            status: self.status,
            request_id: self.request_id.clone(),
            attempts: self.attempts,
            error: self.error.clone(),
        };
        serde_json::to_vec(&kept).unwrap_or_default().into()
    }

    /// Reads what [`Refusal::kept`] wrote down of a refused change.
    #[must_use]
    pub fn recalled(kept: &[u8]) -> Self {
        let Kept { status, request_id, attempts, error } =
            serde_json::from_slice(kept).unwrap_or_default();
        Self { status, request_id, attempts, error, write: true, ..Self::default() }
    }

    /// Tells whether the key was used before with other parameters. Stripe calls
    /// it by the same name when the key is in use by a request under way.
    #[must_use]
    pub fn is_mismatch(&self) -> bool {
        let kind = self.error.kind.as_deref();
        kind == Some("idempotency_error") && self.code() != "idempotency_key_in_use"
    }

    /// Tells whether a rate limit was reached, other than another request that
    /// holds the same object.
    #[must_use]
    pub fn is_rate_limit(&self) -> bool {
        match self.status {
            429 => self.code() != "lock_timeout",
            400 => self.code() == "rate_limit",
            _ => false,
        }
    }

    /// Reads Stripe's error object out of an answer.
    pub(in crate::stripe) fn read(mut self, body: &[u8]) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, kind: &str, code: &str) -> Refusal {
        let (kind, code) = (Some(kind.to_owned()), Some(code.to_owned()));
        let error = StripeError { kind, code, ..Default::default() };
        Refusal { status, error, ..Default::default() }
    }

    #[test]
    fn only_what_is_answered_before_anything_is_done_had_certainly_no_effect() {
        let invalid = "invalid_request_error";
        for (status, kind, code, may_have_acted, is_verdict) in [
            (302, "", "", true, false),
            (400, invalid, "parameter_missing", false, true),
            (400, "idempotency_error", "", true, false),
            (400, invalid, "rate_limit", false, false),
            (401, invalid, "", false, false),
            (402, "card_error", "card_declined", false, true),
            (403, invalid, "", false, false),
            (404, invalid, "resource_missing", false, true),
            (408, "", "", true, false),
            (409, "idempotency_error", "idempotency_key_in_use", true, false),
            (409, invalid, "", false, false),
            (424, "api_error", "", true, false),
            (429, invalid, "lock_timeout", false, false),
            (500, "api_error", "", true, false),
            (503, "", "", true, false),
        ] {
            let refusal = refusal(status, kind, code);
            assert_eq!(refusal.may_have_acted(), may_have_acted, "{status} {code}");
            assert_eq!(refusal.is_verdict(), is_verdict, "{status} {code}");
        }
    }
}
