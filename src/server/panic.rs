//! Turns a panic into an answer. The process lives on, and so does the connection.

use std::any::Any;

use axum::response::Response;

use crate::error::{self, Error};

/// Answers for a method that panicked. What it said goes to the log alone.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
pub(super) fn answer(panic: Box<dyn Any + Send + 'static>) -> Response {
    let said = panic.downcast_ref::<&str>().map(ToString::to_string);
    let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = said, "A method has panicked");
    error::response(Error::Bug)
}
