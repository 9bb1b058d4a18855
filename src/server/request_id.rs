//! Names every call: the answer carries `paylink-request-id`, and an error the
//! same id in its details. It is the caller's own `request_id` where one was given.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};

use crate::caller::CallId;
use crate::error;

/// The header that carries the id.
pub(super) const PAYLINK_REQUEST_ID: HeaderName = HeaderName::from_static("paylink-request-id");

/// Gives a call its id, and tells it to the caller.
pub(super) async fn name(mut request: Request, next: Next) -> Response {
    let id = CallId::default();
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    let id = id.get().to_string();
    error::name_request(response.headers_mut(), &id);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(PAYLINK_REQUEST_ID, value);
    }
    response
}
