//! How failures are told to callers: the one place that names a status code.
//!
//! Every status carries `google.rpc.ErrorInfo` with domain `paylink` and a
//! stable reason (AIP-193), `LocalizedMessage` with a sentence of ours, and
//! `RequestInfo`. What comes from Stripe has its words in the metadata of
//! `ErrorInfo`: `stripe_request_id`, `stripe_type`, `stripe_code`, `http_status`,
//! `attempts`. RI is `RetryInfo`: the call can be made again, under the same
//! `request_id`; clients with a retry policy read it in `grpc-retry-pushback-ms`.
//!
//! Stripe's own sentence is passed on where it speaks of the request, and never
//! where it could speak of the service's key (401, 403) or of Stripe (5xx). A
//! status takes 4 KiB of trailers at most; of very many violations the last are
//! left out and counted.
//!
//! The error of a write says in `op_state` whether it happened: `NEW` and
//! `REJECTED` that it did not, `UNKNOWN` and `SENT` that it may have, `LOST` that
//! nobody knows.
//!
//! | cause | code | reason | further details |
//! |---|---|---|---|
//! | the request breaks its contract | `INVALID_ARGUMENT` | `INVALID_REQUEST` | `BadRequest` |
//! | no such payment, or another owner's | `NOT_FOUND` | `PAYMENT_NOT_FOUND` | `ResourceInfo` |
//! | another owner's link | `NOT_FOUND` | `RESOURCE_NOT_FOUND` | `ResourceInfo` |
//! | no certificate that names a caller | `UNAUTHENTICATED` | `BAD_SVID` | |
//! | no token, or none that is accepted | `UNAUTHENTICATED` | `TOKEN_…` | |
//! | a method, or a Stripe account, that the policy does not permit | `PERMISSION_DENIED` | `METHOD_NOT_ALLOWED` | |
//! | no such order | `NOT_FOUND` | `ORDER_NOT_FOUND` | `ResourceInfo` |
//! | a payable link for an order that is over | `FAILED_PRECONDITION` | `ORDER_PAID`, `ORDER_CLOSED` | `PreconditionFailure` |
//! | a link that is being deactivated | `ABORTED` | `OPERATION_IN_PROGRESS` | RI |
//! | a last look at a link of more than 10,000 pages | `FAILED_PRECONDITION` | `TOO_MANY_PAGES` | `PreconditionFailure` |
//! | a position that is none | `INVALID_ARGUMENT` | `POSITION_INVALID` | `BadRequest` |
//! | a position of another installation or history | `FAILED_PRECONDITION` | `STREAM_EPOCH_CHANGED` | |
//! | a position that was not reached | `OUT_OF_RANGE` | `SEQ_AHEAD` | |
//! | too many calls | `UNAVAILABLE` | `OVERLOADED` | RI |
//! | a position before the oldest event | `OUT_OF_RANGE` | `SEQ_COMPACTED` | |
//! | a stream that was not read | `RESOURCE_EXHAUSTED` | `SLOW_CONSUMER` | |
//! | too many consumers | `RESOURCE_EXHAUSTED` | `TOO_MANY_CONSUMERS` | |
//! | a `request_id` of another request | `INVALID_ARGUMENT` | `IDEMPOTENCY_KEY_REUSED` | `BadRequest` |
//! | a payment that must not be shipped | `FAILED_PRECONDITION` | `NOT_SHIPPABLE` | `PreconditionFailure` |
//! | a payment that another worker ships | `ABORTED` | `FULFILLMENT_CLAIMED` | RI |
//! | a payment that was shipped | `FAILED_PRECONDITION` | `FULFILLMENT_COMPLETED` | `PreconditionFailure` |
//! | a filter that fits none of very many payments | `FAILED_PRECONDITION` | `FILTER_TOO_WIDE` | |
//! | a claim that another has replaced | `FAILED_PRECONDITION` | `CLAIM_LOST` | `PreconditionFailure` |
//! | a refund of what was not paid | `FAILED_PRECONDITION` | `NOTHING_PAID` | `PreconditionFailure` |
//! | a refund of more than is left | `FAILED_PRECONDITION` | `REFUND_TOO_LARGE` | `PreconditionFailure` |
//! | a second reconciliation | `ABORTED` | `RECONCILIATION_RUNNING` | RI |
//! | too many streams | `RESOURCE_EXHAUSTED` | `TOO_MANY_STREAMS` | RI |
//! | the service is stopping | `UNAVAILABLE` | `DRAINING` | RI |
//! | storage fails or is full | `UNAVAILABLE` | `STORAGE_UNAVAILABLE` | RI |
//! | Stripe 400 with a parameter | `INVALID_ARGUMENT` | `STRIPE_INVALID_PARAMETER` | `BadRequest` |
//! | Stripe 400 `resource_missing` | `INVALID_ARGUMENT` | `REFERENCED_RESOURCE_MISSING` | `BadRequest`, `ResourceInfo` |
//! | Stripe 404 `resource_missing` | `NOT_FOUND` | `RESOURCE_NOT_FOUND` | `ResourceInfo` |
//! | Stripe 400 `resource_already_exists` | `ALREADY_EXISTS` | `RESOURCE_EXISTS` | `ResourceInfo` |
//! | Stripe 400 about a state | `FAILED_PRECONDITION` | `STRIPE_<CODE>` | `PreconditionFailure` |
//! | Stripe 400 or 409 `idempotency_error` | `INTERNAL` | `IDEMPOTENCY_MISMATCH` | |
//! | Stripe 409 | `ABORTED` | `OPERATION_IN_PROGRESS`, `UPSTREAM_CONFLICT` | RI |
//! | Stripe 401, or a code about the service's key | `INTERNAL` | `UPSTREAM_AUTH` | |
//! | Stripe 402 | `FAILED_PRECONDITION` | `CARD_<CODE>` | |
//! | Stripe 403 | `INTERNAL` | `UPSTREAM_PERMISSION` | |
//! | Stripe 429 `lock_timeout` | `ABORTED` | `UPSTREAM_LOCK_TIMEOUT` | RI |
//! | Stripe 429 | `RESOURCE_EXHAUSTED` | `UPSTREAM_RATE_LIMITED` | `QuotaFailure`, RI |
//! | Stripe 424, 5xx on a read | `UNAVAILABLE` | `UPSTREAM_5XX` | RI |
//! | Stripe 3xx, which is not followed | `INTERNAL` | `UPSTREAM_REDIRECT` | |
//! | not sent: no connection | `UNAVAILABLE` | `UPSTREAM_UNREACHABLE` | RI |
//! | not sent: Stripe fails too often of late | `UNAVAILABLE` | `CIRCUIT_OPEN` | RI |
//! | not sent: too many calls are under way | `UNAVAILABLE` | `UPSTREAM_SATURATED` | RI |
//! | not sent: Stripe's limit is near | `RESOURCE_EXHAUSTED` | `UPSTREAM_RATE_LIMITED` | `QuotaFailure`, RI |
//! | no answer to a read | `UNAVAILABLE` | `UPSTREAM_UNREACHABLE` | RI |
//! | no answer to a write, or one that is unclear or not Stripe's | `UNAVAILABLE` | `OUTCOME_PENDING` | RI |
//! | a write whose outcome was never found | `ABORTED` | `OUTCOME_LOST` | |
//! | a `request_id` used for another request | `INVALID_ARGUMENT` | `IDEMPOTENCY_KEY_REUSED` | `BadRequest` |
//! | too many writes under way | `UNAVAILABLE` | `OVERLOADED` | RI |
//! | an answer to a read that is unreadable, or not Stripe's | `UNAVAILABLE` | `UPSTREAM_BAD_RESPONSE` | RI |
//! | an answer above 4 MiB to a read | `INTERNAL` | `UPSTREAM_RESPONSE_TOO_LARGE` | |
//! | no such method, an unreadable or too large message | gRPC's own | the code's name | |
//! | a message above the limit | `RESOURCE_EXHAUSTED` | `MESSAGE_TOO_LARGE` | |
//! | a malformed `grpc-timeout` | `INVALID_ARGUMENT` | `BAD_TIMEOUT` | |
//! | a fault of the service itself | `INTERNAL` | `INTERNAL_BUG` | |
//! | the caller's deadline | `DEADLINE_EXCEEDED` | `DEADLINE` | |
//! | anything else from Stripe | `INTERNAL` | `UPSTREAM_UNEXPECTED_STATUS` | |

mod operations;
mod orders;
mod payments;
mod stripe;
mod told;

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use axum::response::Response;
use http::{HeaderMap, HeaderName};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use self::told::{Told, violation};
use crate::auth::Refusal;
use crate::caller::Ended;
use crate::contract::{Reason, Violation, Violations};
use crate::storage;

pub use self::orders::{OrderError, again_after, failure};
pub use self::payments::PaymentError;

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "paylink";

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// When to come back, where nothing says better.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Why a method of ours gave no result, where no other module's error says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such payment.
    #[error("no such payment")]
    PaymentNotFound {
        /// The id that was asked for.
        id: String,
    },
    /// There is no such payment link, or none that the caller may see.
    #[error("No such payment link: '{id}'")]
    LinkNotFound {
        /// The id that was asked for.
        id: String,
    },
    /// The link is being deactivated, as was asked before.
    #[error("the link is being deactivated; activate it when that is done")]
    LinkEnding,
    /// It is not known who calls.
    #[error("{0}")]
    Unauthenticated(Refusal),
    /// The caller may not call the method, or not at this Stripe account; or there is
    /// no such account, which is nothing to know for those who may not use it.
    #[error("the caller may not call this method, or not at this account")]
    NotAllowed,
    /// There is no such method.
    #[error("there is no such method")]
    NoSuchMethod,
    /// The position was not given by this service.
    #[error("the position is none that WatchPayments gave")]
    PositionInvalid,
    /// The position is of another installation, or of one restored since.
    #[error("the position is of another installation; start again without one")]
    EpochChanged,
    /// Events after the position are no longer kept.
    #[error("the feed is kept from event {oldest} on; start again without a position")]
    PositionForgotten {
        /// The sequence of the oldest event that is kept.
        oldest: i64,
    },
    /// The position lies after the newest event.
    #[error("the position lies after the newest event")]
    PositionAhead,
    /// As many streams are open as this process, or this caller, may have.
    #[error("too many streams are open")]
    TooManyStreams,
    /// As many calls are under way as this process, or this caller, may have.
    #[error("too many calls are under way")]
    Overloaded {
        /// When to come back.
        retry_after: Duration,
    },
    /// The service is stopping; another replica, or the next start, goes on.
    #[error("the service is stopping")]
    Draining,
    /// The caller's time was up.
    #[error("the deadline has passed")]
    Deadline,
    /// `grpc-timeout` is not of the form that gRPC gives it.
    #[error("grpc-timeout must be one to eight digits and a unit of H, M, S, m, u or n")]
    BadTimeout,
    /// A handler panicked.
    #[error("an internal error has occurred")]
    Bug,
}

// === impl Status ===

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        let message = error.to_string();
        match error {
            Error::PaymentNotFound { id } => {
                let mut told = Told::new(Code::NotFound, "PAYMENT_NOT_FOUND", message);
                told.details.set_resource_info("paylink.v1.Payment", id, "", "");
                told
            }
            Error::LinkNotFound { id } => {
                let mut told = Told::new(Code::NotFound, "RESOURCE_NOT_FOUND", message);
                told.details.set_resource_info("paylink.v1.PaymentLink", id, "", "");
                told
            }
            Error::LinkEnding => {
                Told::new(Code::Aborted, "OPERATION_IN_PROGRESS", message).again_after(RETRY_DELAY)
            }
            Error::Unauthenticated(refusal) => {
                Told::new(Code::Unauthenticated, refusal.reason(), message)
            }
            Error::NotAllowed => Told::new(Code::PermissionDenied, "METHOD_NOT_ALLOWED", message),
            Error::NoSuchMethod => Told::new(Code::Unimplemented, "UNIMPLEMENTED", message),
            Error::PositionInvalid => Told::new(
                Code::InvalidArgument,
                "POSITION_INVALID",
                &message,
            )
            .violation("position", Reason::Format.as_str(), &message),
            Error::EpochChanged => {
                Told::new(Code::FailedPrecondition, "STREAM_EPOCH_CHANGED", message)
            }
            Error::PositionForgotten { oldest } => {
                Told::new(Code::OutOfRange, "SEQ_COMPACTED", message)
                    .noting("oldest", oldest.to_string())
            }
            Error::PositionAhead => Told::new(Code::OutOfRange, "SEQ_AHEAD", message),
            Error::TooManyStreams => {
                Told::new(Code::ResourceExhausted, "TOO_MANY_STREAMS", message)
                    .again_after(RETRY_DELAY)
            }
            Error::Overloaded { retry_after } => {
                Told::new(Code::Unavailable, "OVERLOADED", message).again_after(retry_after)
            }
            Error::Draining => {
                Told::new(Code::Unavailable, "DRAINING", message).again_after(RETRY_DELAY)
            }
            Error::Deadline => Told::new(Code::DeadlineExceeded, "DEADLINE", message),
            Error::BadTimeout => Told::new(Code::InvalidArgument, "BAD_TIMEOUT", message),
            Error::Bug => Told::new(Code::Internal, "INTERNAL_BUG", message),
        }
        .status()
    }
}

impl From<Violations> for Status {
    fn from(violations: Violations) -> Status {
        let mut told = Told::new(Code::InvalidArgument, "INVALID_REQUEST", violations.to_string());
        let field = |v: &Violation| violation(&v.field, v.reason.as_str(), &v.description);
        told.details.set_bad_request(violations.0.iter().map(field).collect::<Vec<_>>());
        told.status()
    }
}

impl From<storage::Error> for Status {
    fn from(error: storage::Error) -> Status {
        match error {
            storage::Error::Forgotten { oldest } => Error::PositionForgotten { oldest }.into(),
            storage::Error::Late => Error::Deadline.into(),
            error => storage_failed(&error).status(),
        }
    }
}

fn storage_failed(error: &storage::Error) -> Told {
    // The caller learns that it is not the caller's fault, and no more.
    tracing::error!(%error, "Storage has failed");
    Told::new(Code::Unavailable, "STORAGE_UNAVAILABLE", "the storage is not available")
        .again_after(RETRY_DELAY)
}

/// Answers a call with an error, outside of any method.
#[must_use]
pub fn response(error: Error) -> Response {
    Status::from(error).into_http()
}

/// Ends a stream with an error.
#[must_use]
pub fn trailers(error: Error) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // Fails only for text that no header can carry; ours is plain.
    let _ = Status::from(error).add_header(&mut trailers);
    trailers
}

/// Adds the id of the call to an error's details (`RequestInfo`), so that the
/// caller can ask again under it. An error that came from below all methods, as
/// for a method that does not exist, gets its code for a reason. Leaves
/// successes as they are.
pub fn name_request(headers: &mut HeaderMap, request_id: &(impl Display + ?Sized)) {
    let is_error = code_name(headers).is_some_and(|name| name != "OK");
    let Some(status) = is_error.then(|| Status::from_header_map(headers)).flatten() else {
        return;
    };
    let mut details = status.get_error_details();
    details.set_request_info(request_id.to_string(), "");
    let mut code = status.code();
    if details.error_info().is_none() {
        // tonic says OUT_OF_RANGE where gRPC's own libraries say RESOURCE_EXHAUSTED.
        let too_large = code == Code::OutOfRange && status.message().contains("too large");
        if too_large {
            code = Code::ResourceExhausted;
        }
        let name = code_name(headers).unwrap_or_default();
        let reason = if too_large { "MESSAGE_TOO_LARGE" } else { name };
        details.set_error_info(reason, DOMAIN, HashMap::new());
    }
    let named = Status::with_error_details_and_metadata(
        code,
        status.message(),
        details,
        status.metadata().clone(),
    );
    let _ = named.add_header(headers);
}

/// Reads the name of the status out of headers or trailers.
#[must_use]
pub fn code_name(headers: &HeaderMap) -> Option<&'static str> {
    Some(name(Code::from_bytes(headers.get(GRPC_STATUS)?.as_bytes())))
}

/// Says how a call or a part of it has ended: with an error, or well.
#[must_use]
pub fn ended(failed: Option<&Status>) -> Ended {
    let reason = failed.and_then(|status| status.get_details_error_info()?.reason.into());
    let code = name(failed.map_or(Code::Ok, Status::code));
    Ended { code, reason: reason.unwrap_or_default() }
}

fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Reads the stable reason of an error out of headers or trailers.
#[must_use]
pub fn reason(headers: &HeaderMap) -> Option<String> {
    // Details are unpacked where there is something to unpack.
    headers.get("grpc-status-details-bin")?;
    Some(Status::from_header_map(headers)?.get_details_error_info()?.reason)
}

/// Tells whether a status is the service's fault, as OpenTelemetry's conventions
/// for servers have it: <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>.
#[must_use]
pub fn is_ours(code_name: &str) -> bool {
    matches!(
        code_name,
        "UNKNOWN"
            | "DEADLINE_EXCEEDED"
            | "UNIMPLEMENTED"
            | "INTERNAL"
            | "UNAVAILABLE"
            | "DATA_LOSS"
    )
}

#[cfg(test)]
mod tests;
