//! How Stripe's errors are told: the rows of the table that come from Stripe.

use std::time::Duration;

use tonic::{Code, Status};

use super::{RETRY_DELAY, Told};
use crate::stripe::Error;
use crate::stripe::error::Refusal;

/// The longest text of Stripe's that is passed on.
const MESSAGE_CHARS_MAX: usize = 512;

/// Codes that speak of a state, which another request can change.
const STATE_CODES: [&str; 9] = [
    "capability_not_active",
    "country_unsupported",
    "coupon_expired",
    "livemode_mismatch",
    "out_of_inventory",
    "product_inactive",
    "status_transition_invalid",
    "stripe_tax_inactive",
    "testmode_charges_only",
];

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        let unavailable = |reason, message: &str| {
            Told::new(Code::Unavailable, reason, message).again_after(RETRY_DELAY)
        };
        let told = match &error {
            Error::Refused(refusal) => refused(refusal),
            Error::Unreachable => {
                unavailable("UPSTREAM_UNREACHABLE", "Stripe cannot be reached; nothing was done")
            }
            Error::AnswerLost { write: false } | Error::TimedOut { write: false } => {
                unavailable("UPSTREAM_UNREACHABLE", "Stripe did not answer")
            }
            Error::Unreadable { write: false, .. } => {
                unavailable("UPSTREAM_BAD_RESPONSE", "Stripe's answer cannot be read")
            }
            Error::AnswerLost { .. } | Error::TimedOut { .. } | Error::Unreadable { .. } => {
                pending(RETRY_DELAY)
            }
            Error::Doubtful(last) => doubtful(last),
            Error::Deadline => {
                Told::new(Code::DeadlineExceeded, "DEADLINE", "the deadline has passed")
            }
        };
        let code = told.code;
        if matches!(code, Code::Internal) {
            tracing::error!(%error, "Stripe has refused for a reason that callers cannot mend");
        }
        match error.request_id() {
            Some(request_id) => told.noting("stripe_request_id", request_id),
            None => told,
        }
        .status()
    }
}

/// The call may have had its effect. The same `request_id` finds out.
fn pending(delay: Duration) -> Told {
    let message = "whether Stripe did it is not known yet; call again with the same request_id";
    Told::new(Code::Unavailable, "OUTCOME_PENDING", message)
        .again_after(delay)
        .noting("safe_retry", "same_request_id")
}

/// The last attempt had no effect, which says nothing of the one before it.
fn doubtful(last: &Error) -> Told {
    match last {
        Error::Refused(refusal) => {
            noted(pending(refusal.retry_after.unwrap_or(RETRY_DELAY)), refusal)
        }
        _ => pending(RETRY_DELAY),
    }
}

fn refused(refusal: &Refusal) -> Told {
    noted(row(refusal), refusal)
}

/// Adds what Stripe said.
fn noted(told: Told, refusal: &Refusal) -> Told {
    let error = &refusal.error;
    let told = told
        .noting("http_status", refusal.status.to_string())
        .noting("attempts", refusal.attempts.to_string());
    let words = [
        ("stripe_type", &error.kind),
        ("stripe_code", &error.code),
        ("stripe_param", &error.param),
        ("decline_code", &error.decline_code),
    ];
    let mut told = words.into_iter().fold(told, |told, (key, word)| match word {
        Some(word) => told.noting(key, shorten(word)),
        None => told,
    });
    if let Some(url) = error.doc_url.as_deref().filter(|url| is_stripes(url)) {
        told.details.add_help_link("Stripe's documentation of this error", url);
    }
    told
}

/// Finds the row of the table.
fn row(refusal: &Refusal) -> Told {
    let code = refusal.code();
    let again = refusal.retry_after.unwrap_or(RETRY_DELAY);
    let text = || said(refusal);
    let mismatch = refusal.error.kind.as_deref() == Some("idempotency_error");
    match refusal.status {
        400 | 409 if mismatch && code != "idempotency_key_in_use" => {
            let message = "the same request_id was used with other parameters";
            Told::new(Code::Internal, "IDEMPOTENCY_MISMATCH", message)
        }
        400 if code == "rate_limit" => limited(refusal, again),
        400 if code == "resource_already_exists" => {
            Told::new(Code::AlreadyExists, "RESOURCE_EXISTS", text())
        }
        400 if STATE_CODES.contains(&code) => {
            let reason = format!("STRIPE_{}", code.to_ascii_uppercase());
            let mut told = Told::new(Code::FailedPrecondition, reason, text());
            let subject = refusal.field.as_deref().unwrap_or_default();
            told.details.add_precondition_failure_violation(code, subject, text());
            told
        }
        400 => {
            let missing = code == "resource_missing";
            let reason =
                if missing { "REFERENCED_RESOURCE_MISSING" } else { "STRIPE_INVALID_PARAMETER" };
            let told = Told::new(Code::InvalidArgument, reason, text());
            match &refusal.field {
                Some(field) => told.violation(field, &code.to_ascii_uppercase(), &text()),
                None => told,
            }
        }
        401 => internal("UPSTREAM_AUTH", "Stripe does not accept the service's key"),
        402 => {
            let reason = format!("CARD_{}", code.to_ascii_uppercase());
            Told::new(Code::FailedPrecondition, reason, text())
        }
        403 => internal("UPSTREAM_PERMISSION", "the service's key may not do this at Stripe"),
        404 if code == "resource_missing" => {
            let mut told = Told::new(Code::NotFound, "RESOURCE_NOT_FOUND", text());
            let param = refusal.error.param.as_deref().unwrap_or_default();
            told.details.set_resource_info("stripe", param, "", text());
            told
        }
        409 if code == "idempotency_key_in_use" => {
            let message = "the same request is still under way";
            Told::new(Code::Aborted, "OPERATION_IN_PROGRESS", message).again_after(again)
        }
        409 => Told::new(Code::Aborted, "UPSTREAM_CONFLICT", text()).again_after(again),
        429 if code == "lock_timeout" => {
            let message = "the object is being changed by another request";
            Told::new(Code::Aborted, "UPSTREAM_LOCK_TIMEOUT", message).again_after(again)
        }
        429 => limited(refusal, again),
        424 | 500..=599 if refusal.write => pending(again),
        424 | 500..=599 => {
            Told::new(Code::Unavailable, "UPSTREAM_5XX", "Stripe has failed").again_after(again)
        }
        _ => internal("UPSTREAM_UNEXPECTED_STATUS", "Stripe's answer is not of its API"),
    }
}

fn limited(refusal: &Refusal, again: Duration) -> Told {
    let message = "Stripe's rate limit is reached";
    let mut told =
        Told::new(Code::ResourceExhausted, "UPSTREAM_RATE_LIMITED", message).again_after(again);
    let limit = refusal.rate_limited_reason.as_deref().unwrap_or("rate limit");
    told.details.add_quota_failure_violation("stripe", limit);
    told
}

fn internal(reason: &str, message: &str) -> Told {
    Told::new(Code::Internal, reason, message)
}

/// Stripe's sentence for people, without anything that looks like a key.
fn said(refusal: &Refusal) -> String {
    let message = refusal.error.message.as_deref().unwrap_or("Stripe has refused");
    let secret = |word: &str| ["sk_", "rk_", "pk_", "whsec_"].iter().any(|key| word.contains(key));
    let words = message.split(' ').map(|word| if secret(word) { "…" } else { word });
    shorten(&words.collect::<Vec<_>>().join(" "))
}

fn shorten(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

fn is_stripes(url: &str) -> bool {
    ["https://docs.stripe.com/", "https://stripe.com/"].iter().any(|own| url.starts_with(own))
}
