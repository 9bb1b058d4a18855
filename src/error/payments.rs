//! Why payments refuse what they are asked, and how callers are told.

use std::time::Duration;

use tonic::{Code, Status};

use super::RETRY_DELAY;
use super::told::Told;
use crate::contract::Reason;

/// Why payments refuse what they are asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// The request's id was used for another request.
    #[error("the request_id was used for another request")]
    RequestIdReused,
    /// The payment must not be shipped: it is not paid, was refunded, or is in dispute.
    #[error("the payment must not be shipped")]
    NotShippable {
        /// The payment.
        id: String,
        /// Its state, and that of its disputes, in words.
        state: String,
    },
    /// Another worker ships the payment.
    #[error("the payment is claimed by another worker")]
    Claimed {
        /// How long the other worker's lease still lasts.
        left: Duration,
    },
    /// The payment was shipped.
    #[error("the payment was shipped already")]
    Completed {
        /// The payment.
        id: String,
    },
    /// So many payments can be claimed, and so few of them fit the filter, that the search
    /// was given up.
    #[error(
        "none of the {looked_at} oldest payments that can be claimed fits the filter; name \
         payment_links or a client_reference_id, which are found however many there are"
    )]
    FilterTooWide {
        /// How many payments were looked at.
        looked_at: usize,
    },
    /// The claim is not the last one of the payment.
    #[error("the claim is not the payment's last one")]
    ClaimLost {
        /// The payment.
        id: String,
    },
    /// No money of the payment, or of the payment intent that is named, has come.
    #[error("nothing was paid that could be refunded")]
    NothingPaid {
        /// The payment.
        id: String,
    },
    /// More is asked for than is left.
    #[error("only {left} is left of the payment, less the refunds under way")]
    TooMuch {
        /// The payment.
        id: String,
        /// What is left, in the currency's minor unit.
        left: i64,
    },
    /// A link has more pages than are looked at for one call, so one of the older ones may
    /// be paid.
    #[error("the link {link} has more pages than a last look takes, and older ones may be paid")]
    TooManyPages {
        /// The link.
        link: String,
    },
    /// As many consumers are known as this installation allows.
    #[error("too many consumers have acknowledged positions")]
    TooManyConsumers,
    /// The consumer did not take what was ready for it in time.
    #[error("the stream was not read for too long; continue it after the last position")]
    SlowConsumer {
        /// The last position that was given.
        position: String,
    },
    /// Another call, or the schedule, is reconciling.
    #[error("a reconciliation is under way")]
    Reconciling,
}

// === impl Status ===

impl From<PaymentError> for Status {
    fn from(error: PaymentError) -> Status {
        use PaymentError as E;
        let message = error.to_string();
        let told = |code, reason: &str| Told::new(code, reason, message.clone());
        let precondition =
            |reason, id| about(told(Code::FailedPrecondition, reason), reason, id, &message);
        match &error {
            E::RequestIdReused => told(Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED").violation(
                "request_id",
                Reason::Conflict.as_str(),
                &message,
            ),
            E::NotShippable { id, state } => {
                precondition("NOT_SHIPPABLE", id).noting("state", state)
            }
            E::Claimed { left } => told(Code::Aborted, "FULFILLMENT_CLAIMED").again_after(*left),
            E::Completed { id } => precondition("FULFILLMENT_COMPLETED", id),
            E::FilterTooWide { .. } => told(Code::FailedPrecondition, "FILTER_TOO_WIDE"),
            E::ClaimLost { id } => precondition("CLAIM_LOST", id),
            E::NothingPaid { id } => precondition("NOTHING_PAID", id),
            E::TooMuch { id, left } => {
                precondition("REFUND_TOO_LARGE", id).noting("left", left.to_string())
            }
            E::TooManyPages { link } => precondition("TOO_MANY_PAGES", link),
            E::TooManyConsumers => told(Code::ResourceExhausted, "TOO_MANY_CONSUMERS"),
            E::SlowConsumer { position } => {
                told(Code::ResourceExhausted, "SLOW_CONSUMER").noting("position", position)
            }
            E::Reconciling => {
                told(Code::Aborted, "RECONCILIATION_RUNNING").again_after(RETRY_DELAY)
            }
        }
        .status()
    }
}

/// Adds what a payment, or a link, is not.
fn about(mut told: Told, kind: &str, subject: &str, message: &str) -> Told {
    told.details.add_precondition_failure_violation(kind, subject, message);
    told
}
