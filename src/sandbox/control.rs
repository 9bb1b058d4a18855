//! The services by which tests steer the sandbox.
use std::sync::Arc;
/// Why the services cannot describe themselves.
pub type ReflectionError = tonic_reflection::server::Error;
pub(super) fn routes(_: &Arc<super::Shared>) -> Result<axum::Router, ReflectionError> {
    Ok(axum::Router::new())
}
