//! How Stripe's errors are told: the rows of the table that come from Stripe.

use std::time::Duration;

use tonic::{Code, Status};

use super::RETRY_DELAY;
use super::told::{TEXT_BYTES_MAX, Told, WORD_BYTES_MAX, shorten};
use crate::pb::plan;
use crate::stripe::Error;
use crate::stripe::error::{Phase, Refusal};

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

/// Codes that speak of the service's own key.
const KEY_CODES: [&str; 3] = ["api_key_expired", "platform_api_key_expired", "secret_key_required"];

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        told(&error).status()
    }
}

/// Tells a failure.
pub(super) fn told(error: &Error) -> Told {
    let told = row_of(error);
    if matches!(told.code, Code::Internal) {
        tracing::error!(%error, "Stripe has refused for a reason that callers cannot mend");
    }
    match error.request_id() {
        Some(request_id) => told.noting("stripe_request_id", request_id),
        None => told,
    }
}

fn row_of(error: &Error) -> Told {
    match error {
        Error::Refused(refusal) => refused(refusal),
        Error::Unreachable { phase } => {
            if *phase == Phase::Tls {
                tracing::error!("Whoever answers for Stripe does not prove to be Stripe");
            }
            unavailable("UPSTREAM_UNREACHABLE", "Stripe cannot be reached; nothing was done")
                .noting("phase", phase.as_str())
        }
        Error::CircuitOpen { retry_after } => {
            unavailable("CIRCUIT_OPEN", "Stripe fails, and is left alone for a while")
                .again_after(*retry_after)
        }
        Error::Saturated { retry_after } => {
            unavailable("UPSTREAM_SATURATED", "too many calls are under way to Stripe")
                .again_after(*retry_after)
        }
        Error::Throttled { route, retry_after } => {
            limited(route, "the service keeps below Stripe's limit", *retry_after)
        }
        Error::AnswerLost { write: false } | Error::TimedOut { write: false } => {
            unavailable("UPSTREAM_UNREACHABLE", "Stripe did not answer").noting("phase", "answer")
        }
        Error::Unreadable { write: false, .. } => {
            unavailable("UPSTREAM_BAD_RESPONSE", "Stripe's answer cannot be read")
        }
        Error::TooLarge { write: false } => {
            internal("UPSTREAM_RESPONSE_TOO_LARGE", "Stripe's answer is too large")
        }
        Error::AnswerLost { .. }
        | Error::TimedOut { .. }
        | Error::Unreadable { .. }
        | Error::TooLarge { .. } => pending(RETRY_DELAY),
        Error::Doubtful(last) => doubtful(last),
        Error::Deadline => Told::new(Code::DeadlineExceeded, "DEADLINE", "the deadline has passed"),
    }
}

fn unavailable(reason: &str, message: &str) -> Told {
    Told::new(Code::Unavailable, reason, message).again_after(RETRY_DELAY)
}

fn internal(reason: &str, message: &str) -> Told {
    Told::new(Code::Internal, reason, message)
}

/// The call may have had its effect. The same `request_id` finds out.
pub(super) fn pending(delay: Duration) -> Told {
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
    let mut told = noted(row(refusal), refusal);
    if let Some(url) = refusal.error.doc_url.as_deref().filter(|url| is_stripes(url)) {
        told.details.add_help_link("Stripe's documentation of this error", url);
    }
    told
}

/// Adds what Stripe said, in its own few words.
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
    words.into_iter().fold(told, |told, (key, word)| match word {
        Some(word) => told.noting(key, scrub(word)),
        None => told,
    })
}

/// Finds the row of the table.
fn row(refusal: &Refusal) -> Told {
    let code = refusal.code();
    let again = refusal.retry_after.unwrap_or(RETRY_DELAY);
    match refusal.status {
        _ if KEY_CODES.contains(&code) => key(),
        400 | 409 if refusal.is_mismatch() => {
            let message = "the same request_id was used with other parameters";
            internal("IDEMPOTENCY_MISMATCH", message)
        }
        400 if refusal.is_rate_limit() => stripes_limit(refusal, again),
        400 => bad_request(refusal),
        401 => key(),
        402 => {
            let reason = format!("CARD_{}", loud(code));
            Told::new(Code::FailedPrecondition, reason, "the card was declined")
                .in_words(&said(refusal))
        }
        403 => internal("UPSTREAM_PERMISSION", "the service's key may not do this at Stripe"),
        404 if code == "resource_missing" => {
            let message = "Stripe knows nothing under this id";
            let told = Told::new(Code::NotFound, "RESOURCE_NOT_FOUND", message);
            naming(told.in_words(&said(refusal)), refusal)
        }
        409 if code == "idempotency_key_in_use" => {
            let message = "the same request is still under way";
            Told::new(Code::Aborted, "OPERATION_IN_PROGRESS", message).again_after(again)
        }
        409 => {
            let message = "another request was in the way";
            Told::new(Code::Aborted, "UPSTREAM_CONFLICT", message)
                .in_words(&said(refusal))
                .again_after(again)
        }
        429 if !refusal.is_rate_limit() => {
            let message = "the object is being changed by another request";
            Told::new(Code::Aborted, "UPSTREAM_LOCK_TIMEOUT", message).again_after(again)
        }
        429 => stripes_limit(refusal, again),
        424 | 500..=599 if refusal.write => pending(again),
        424 | 500..=599 => unavailable("UPSTREAM_5XX", "Stripe has failed").again_after(again),
        300..=399 => internal("UPSTREAM_REDIRECT", "Stripe's answer points elsewhere"),
        _ => internal("UPSTREAM_UNEXPECTED_STATUS", "Stripe's answer is not of its API"),
    }
}

/// Tells of a request that Stripe does not take as it is.
fn bad_request(refusal: &Refusal) -> Told {
    let (code, text) = (refusal.code(), said(refusal));
    if code == "resource_already_exists" {
        let message = "there is something under this id already";
        let told = Told::new(Code::AlreadyExists, "RESOURCE_EXISTS", message);
        return naming(told.in_words(&text), refusal);
    }
    if STATE_CODES.contains(&code) {
        let message = "something is not in the state that the request needs";
        let mut told =
            Told::new(Code::FailedPrecondition, format!("STRIPE_{}", loud(code)), message);
        let subject = refusal.field.as_deref().unwrap_or_default();
        let short = shorten(text.clone(), TEXT_BYTES_MAX / 2);
        told.details.add_precondition_failure_violation(loud(code), subject, short);
        return told.in_words(&text);
    }
    let missing = code == "resource_missing";
    let (reason, message) = if missing {
        ("REFERENCED_RESOURCE_MISSING", "something that the request names does not exist")
    } else {
        ("STRIPE_INVALID_PARAMETER", "Stripe does not take a field as it is")
    };
    let mut told = Told::new(Code::InvalidArgument, reason, message).in_words(&text);
    if let Some(field) = &refusal.field {
        told = told.violation(field, &loud(code), &text);
    }
    if missing { naming(told, refusal) } else { told }
}

fn key() -> Told {
    internal("UPSTREAM_AUTH", "Stripe does not accept the service's key")
}

fn stripes_limit(refusal: &Refusal, again: Duration) -> Told {
    let limit = refusal.rate_limited_reason.as_deref().unwrap_or("rate limit");
    limited(refusal.route, limit, again)
}

fn limited(route: &str, limit: &str, again: Duration) -> Told {
    let message = "Stripe's rate limit is reached";
    let mut told =
        Told::new(Code::ResourceExhausted, "UPSTREAM_RATE_LIMITED", message).again_after(again);
    let limit = shorten(limit.to_owned(), WORD_BYTES_MAX);
    told.details.add_quota_failure_violation(format!("stripe:{route}"), limit);
    told
}

/// Names what it is about: what Stripe's sentence names, else what was asked for.
fn naming(mut told: Told, refusal: &Refusal) -> Told {
    let text = said(refusal);
    // "No such price: 'price_1'", "Product already exists." and the like.
    let mut parts = text.split('\'');
    let object = parts.next().and_then(|words| words.strip_prefix("No such ")).unwrap_or_default();
    let object = object.trim_end_matches([' ', ':', ';']).replace(' ', "_");
    let all = plan::all().iter().filter_map(|message| Some((message, message.resource.as_ref()?)));
    let mut all = all.filter(|(message, resource)| {
        if object.is_empty() {
            refusal.route.starts_with(&*resource.collection)
        } else {
            resource.object == object || message.name.ends_with(&object)
        }
    });
    let kind = all.next().map_or(object.as_str(), |(message, _)| message.name.as_str());
    let name = match (object.is_empty(), parts.next()) {
        (false, Some(id)) => id.to_owned(),
        _ => id_in(refusal).unwrap_or_default(),
    };
    let name = shorten(name, WORD_BYTES_MAX);
    told.details.set_resource_info(kind, name, "", "");
    told
}

/// The id in the path that was asked for.
fn id_in(refusal: &Refusal) -> Option<String> {
    let at = refusal.route.split('/').position(|segment| segment == "{id}")?;
    let segment = refusal.path.split('/').nth(at)?;
    form_id(segment)
}

/// Undoes the encoding of an id in a path.
fn form_id(segment: &str) -> Option<String> {
    let mut bytes = segment.bytes();
    let mut id = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        id.push(match byte {
            b'%' => {
                let pair = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(str::from_utf8(&pair).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(id).ok()
}

/// Stripe's sentence for people, without anything that looks like a key.
fn said(refusal: &Refusal) -> String {
    scrub(refusal.error.message.as_deref().unwrap_or("Stripe has refused"))
}

fn scrub(text: &str) -> String {
    let text = shorten(text.to_owned(), TEXT_BYTES_MAX);
    let secret = |word: &str| ["sk_", "rk_", "pk_", "whsec_"].iter().any(|key| word.contains(key));
    let words = text.split(' ').map(|word| if secret(word) { "…" } else { word });
    shorten(words.collect::<Vec<_>>().join(" "), TEXT_BYTES_MAX)
}

/// A word of Stripe's as a reason, which is in capitals (AIP-193).
fn loud(code: &str) -> String {
    shorten(code.to_ascii_uppercase(), WORD_BYTES_MAX)
}

fn is_stripes(url: &str) -> bool {
    let hosts = ["https://docs.stripe.com/", "https://stripe.com/"];
    let own = hosts.iter().any(|own| url.starts_with(own));
    own && url.len() <= WORD_BYTES_MAX
}

#[cfg(test)]
mod tests;
