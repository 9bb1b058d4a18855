//! What can go wrong with one attempt, and what each caller is then told.

use paylink::stripe::Error;
use paylink::stripe::call::{Answer, Call};
use paylink::stripe::error::Phase;
use tonic::Code;

use crate::upstream::refusal;

/// What goes wrong with one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    ConnectionRefused,
    NameUnknown,
    CertificateBad,
    ResetUnasked,
    ResetOnAnswer,
    BodyCutShort,
    BodyEmpty,
    BodyBroken,
    BodyWithoutId,
    BodyOfAnother,
    BodyDripping,
    BodyTooLarge,
    SilentUnasked,
    SilentAfterwards,
    HtmlBadGateway,
    HtmlGatewayTimeout,
    HtmlNotFound,
    FailureStored,
    FailureToRetry,
    Failure,
    Unavailable,
    Dependency,
    RefusalToRetry,
    Limited,
    LimitedForTwoSeconds,
    LimitedForNonsense,
    LimitedForADay,
    ObjectLocked,
    KeyInUse,
    KeyMismatch,
    Redirected,
    KeyUnknown,
    KeyForbidden,
    ParameterMissing,
}

/// What callers are told of a fault that does not pass, and after how many attempts.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub read: (Code, &'static str),
    pub write: (Code, &'static str),
    /// How many attempts are made while the fault stays.
    pub attempts: usize,
    /// Whether a second attempt that fails so is followed by a third.
    pub third: bool,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 34] = [
        Fault::ConnectionRefused,
        Fault::NameUnknown,
        Fault::CertificateBad,
        Fault::ResetUnasked,
        Fault::ResetOnAnswer,
        Fault::BodyCutShort,
        Fault::BodyEmpty,
        Fault::BodyBroken,
        Fault::BodyWithoutId,
        Fault::BodyOfAnother,
        Fault::BodyDripping,
        Fault::BodyTooLarge,
        Fault::SilentUnasked,
        Fault::SilentAfterwards,
        Fault::HtmlBadGateway,
        Fault::HtmlGatewayTimeout,
        Fault::HtmlNotFound,
        Fault::FailureStored,
        Fault::FailureToRetry,
        Fault::Failure,
        Fault::Unavailable,
        Fault::Dependency,
        Fault::RefusalToRetry,
        Fault::Limited,
        Fault::LimitedForTwoSeconds,
        Fault::LimitedForNonsense,
        Fault::LimitedForADay,
        Fault::ObjectLocked,
        Fault::KeyInUse,
        Fault::KeyMismatch,
        Fault::Redirected,
        Fault::KeyUnknown,
        Fault::KeyForbidden,
        Fault::ParameterMissing,
    ];

    /// Whether Stripe does what it was asked, and only the answer goes wrong.
    pub fn acts(self) -> bool {
        matches!(
            self,
            Fault::ResetOnAnswer
                | Fault::BodyCutShort
                | Fault::BodyEmpty
                | Fault::BodyBroken
                | Fault::BodyWithoutId
                | Fault::BodyOfAnother
                | Fault::BodyDripping
                | Fault::BodyTooLarge
                | Fault::SilentAfterwards
                | Fault::HtmlGatewayTimeout
                | Fault::HtmlNotFound
        )
    }

    /// The row of the error table.
    pub fn row(self) -> Row {
        let row = |read, write, attempts, third| Row { read, write, attempts, third };
        let pending = (Code::Unavailable, "OUTCOME_PENDING");
        let unreachable = (Code::Unavailable, "UPSTREAM_UNREACHABLE");
        let failed = (Code::Unavailable, "UPSTREAM_5XX");
        let unreadable = (Code::Unavailable, "UPSTREAM_BAD_RESPONSE");
        let limited = (Code::ResourceExhausted, "UPSTREAM_RATE_LIMITED");
        let both = |told, attempts, third| row(told, told, attempts, third);
        match self {
            Fault::ConnectionRefused | Fault::NameUnknown => both(unreachable, 3, true),
            Fault::CertificateBad => both(unreachable, 1, false),
            Fault::ResetUnasked
            | Fault::ResetOnAnswer
            | Fault::BodyDripping
            | Fault::SilentUnasked
            | Fault::SilentAfterwards => row(unreachable, pending, 3, true),
            Fault::BodyCutShort
            | Fault::BodyEmpty
            | Fault::BodyBroken
            | Fault::BodyWithoutId
            | Fault::BodyOfAnother
            | Fault::HtmlNotFound => row(unreadable, pending, 3, true),
            Fault::BodyTooLarge => {
                row((Code::Internal, "UPSTREAM_RESPONSE_TOO_LARGE"), pending, 1, false)
            }
            Fault::HtmlBadGateway
            | Fault::HtmlGatewayTimeout
            | Fault::FailureToRetry
            | Fault::Failure
            | Fault::Unavailable
            | Fault::Dependency => row(failed, pending, 3, true),
            Fault::FailureStored => row(failed, pending, 1, false),
            Fault::RefusalToRetry => {
                both((Code::InvalidArgument, "STRIPE_INVALID_PARAMETER"), 3, true)
            }
            Fault::Limited | Fault::LimitedForTwoSeconds | Fault::LimitedForNonsense => {
                both(limited, 2, false)
            }
            Fault::LimitedForADay => both(limited, 1, false),
            Fault::ObjectLocked => both((Code::Aborted, "UPSTREAM_LOCK_TIMEOUT"), 3, true),
            Fault::KeyInUse => both((Code::Aborted, "OPERATION_IN_PROGRESS"), 3, true),
            Fault::KeyMismatch => both((Code::Internal, "IDEMPOTENCY_MISMATCH"), 1, false),
            Fault::Redirected => both((Code::Internal, "UPSTREAM_REDIRECT"), 1, false),
            Fault::KeyUnknown => both((Code::Internal, "UPSTREAM_AUTH"), 1, false),
            Fault::KeyForbidden => both((Code::Internal, "UPSTREAM_PERMISSION"), 1, false),
            Fault::ParameterMissing => {
                both((Code::InvalidArgument, "STRIPE_INVALID_PARAMETER"), 1, false)
            }
        }
    }

    /// Answers a call so. `whole` is what Stripe has answered, if it was asked.
    pub async fn answer(
        self,
        call: &Call,
        whole: Option<Result<Answer, Error>>,
    ) -> Result<Answer, Error> {
        let write = call.is_write();
        let whole = whole.and_then(Result::ok).map(|answer| answer.body).unwrap_or_default();
        let whole = String::from_utf8(whole.into()).unwrap();
        let stripes = |status, headers: &[(&'static str, &str)], kind: &str, code: &str| {
            let body =
                format!(r#"{{"error": {{"type": "{kind}", "code": "{code}", "message": "No."}}}}"#);
            refusal(call, status, headers, &body)
        };
        let again = [("stripe-should-retry", "true")];
        let invalid = "invalid_request_error";
        match self {
            Fault::ConnectionRefused => Err(Error::Unreachable { phase: Phase::Connect }),
            Fault::NameUnknown => Err(Error::Unreachable { phase: Phase::Dns }),
            Fault::CertificateBad => Err(Error::Unreachable { phase: Phase::Tls }),
            Fault::ResetUnasked | Fault::ResetOnAnswer => Err(Error::AnswerLost { write }),
            Fault::BodyCutShort => refusal(call, 200, &[], &whole[..whole.len() / 2]),
            Fault::BodyEmpty => refusal(call, 200, &[], ""),
            Fault::BodyBroken => refusal(call, 200, &[], r#"{"id": "x", "object": nonsense}"#),
            Fault::BodyWithoutId => refusal(call, 200, &[], r#"{"object": "product"}"#),
            // A proxy's, which thinks well of itself.
            Fault::BodyOfAnother => refusal(call, 200, &[], r#"{"id": 1, "status": "ok"}"#),
            Fault::BodyDripping => Err(Error::TimedOut { write }),
            Fault::BodyTooLarge => Err(Error::TooLarge { write }),
            Fault::SilentUnasked | Fault::SilentAfterwards => std::future::pending().await,
            Fault::HtmlBadGateway => refusal(call, 502, &[], "<html>Bad Gateway</html>"),
            Fault::HtmlGatewayTimeout => refusal(call, 504, &[], "<html>Timeout</html>"),
            // As a proxy says it of what Stripe has answered.
            Fault::HtmlNotFound => refusal(call, 404, &[], "<html>Not Found</html>"),
            Fault::FailureStored => {
                stripes(500, &[("stripe-should-retry", "false")], "api_error", "")
            }
            Fault::FailureToRetry => stripes(500, &again, "api_error", ""),
            Fault::Failure => stripes(500, &[], "api_error", ""),
            Fault::Unavailable => stripes(503, &[], "api_error", ""),
            Fault::Dependency => stripes(424, &[], "api_error", ""),
            Fault::RefusalToRetry => stripes(400, &again, invalid, "parameter_invalid_empty"),
            Fault::Limited => stripes(
                429,
                &[("stripe-rate-limited-reason", "global-rate")],
                invalid,
                "rate_limit",
            ),
            Fault::LimitedForTwoSeconds => {
                stripes(429, &[("retry-after", "2")], invalid, "rate_limit")
            }
            Fault::LimitedForNonsense => {
                stripes(429, &[("retry-after", "soon")], invalid, "rate_limit")
            }
            Fault::LimitedForADay => {
                stripes(429, &[("retry-after", "86400")], invalid, "rate_limit")
            }
            Fault::ObjectLocked => stripes(429, &[], invalid, "lock_timeout"),
            Fault::KeyInUse => stripes(409, &[], "idempotency_error", "idempotency_key_in_use"),
            Fault::KeyMismatch => stripes(400, &[], "idempotency_error", ""),
            Fault::Redirected => refusal(call, 302, &[("location", "https://example.com/")], ""),
            Fault::KeyUnknown => stripes(401, &[], invalid, ""),
            Fault::KeyForbidden => stripes(403, &[], invalid, ""),
            Fault::ParameterMissing => stripes(400, &[], invalid, "parameter_missing"),
        }
    }
}
