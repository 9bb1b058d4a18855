//! Names every call: the answer carries `paylink-request-id`, and an error the
//! same id in its details. It is the caller's own `request_id` where one was
//! given. What else a method has noted goes into headers here too.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};

use crate::caller::Notes;
use crate::error;

/// The header that carries the id.
pub(super) const PAYLINK_REQUEST_ID: HeaderName = HeaderName::from_static("paylink-request-id");

/// The header that carries the form that Stripe would be sent.
const PAYLINK_FORM: HeaderName = HeaderName::from_static("paylink-form");

/// The longest form that a header carries: gRPC clients read 8 KiB of headers.
const FORM_BYTES_MAX: usize = 7 * 1024;

/// Gives a call its id, and tells it to the caller.
pub(super) async fn name(mut request: Request, next: Next) -> Response {
    let notes = Notes::default();
    request.extensions_mut().insert(notes.clone());
    let mut response = next.run(request).await;
    let id = notes.request_id().to_string();
    error::name_request(response.headers_mut(), &id);
    let form = notes.form().filter(|form| form.len() <= FORM_BYTES_MAX);
    for (name, value) in [(PAYLINK_REQUEST_ID, Some(id.as_str())), (PAYLINK_FORM, form)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
