//! Why orders refuse what they are asked, and what is told of single items.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::told::Told;
use crate::pb::batch_create_payment_links_response::Failure;
use crate::pb::batch_create_payment_links_response::failure::Violation;

/// Why orders refuse what they are asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Nothing is known of the order.
    #[error("no link, payment or closing is known of the order")]
    NotFound {
        /// The caller's name of the order.
        order_ref: String,
    },
    /// The order was paid, so no link of it can be payable.
    #[error("the order was paid already")]
    Paid {
        /// The caller's name of the order.
        order_ref: String,
    },
    /// The order was closed, so no link of it can be payable.
    #[error("the order was closed")]
    Closed {
        /// The caller's name of the order.
        order_ref: String,
    },
}

// === impl Status ===

impl From<OrderError> for Status {
    fn from(error: OrderError) -> Status {
        let message = error.to_string();
        let over = |reason: &str, order_ref: &str| {
            let mut told = Told::new(Code::FailedPrecondition, reason, message.clone());
            told.details.add_precondition_failure_violation(reason, order_ref, &message);
            told
        };
        match &error {
            OrderError::NotFound { order_ref } => {
                let mut told = Told::new(Code::NotFound, "ORDER_NOT_FOUND", message.clone());
                told.details.set_resource_info("paylink.v1.Order", order_ref, "", "");
                told
            }
            OrderError::Paid { order_ref } => over("ORDER_PAID", order_ref),
            OrderError::Closed { order_ref } => over("ORDER_CLOSED", order_ref),
        }
        .status()
    }
}

/// When a call that ended so can be made again, where that helps.
#[must_use]
pub fn again_after(status: &Status) -> Option<Duration> {
    status.get_error_details().retry_info().and_then(|info| info.retry_delay)
}

/// Tells an error within an answer.
#[must_use]
pub fn failure(status: &Status) -> Failure {
    let details = status.get_error_details();
    let info = details.error_info();
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
    let violation = |one: &tonic_types::FieldViolation| Violation {
        field: one.field.clone(),
        reason: one.reason.clone(),
        description: one.description.clone(),
    };
    Failure {
        code: status.code().into(),
        message: status.message().to_owned(),
        reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
        metadata: info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default(),
        violations: violations.unwrap_or_default().iter().map(violation).collect(),
    }
}
