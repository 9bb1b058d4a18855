//! Names every call: the answer carries `paylink-request-id`, and an error the
//! same id in its details, whether it is all of the answer or the end of it. It is
//! the caller's own `request_id` where one was given. What else a method has noted
//! goes into headers here too.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use http_body::{Body as HttpBody, Frame, SizeHint};
use uuid::Uuid;

use crate::caller::Notes;
use crate::error;

/// The header that carries the id.
pub(super) const PAYLINK_REQUEST_ID: HeaderName = HeaderName::from_static("paylink-request-id");

/// The header that carries the form that Stripe would be sent.
const PAYLINK_FORM: HeaderName = HeaderName::from_static("paylink-form");

/// The longest form that a header carries: gRPC clients read 8 KiB of headers.
const FORM_BYTES_MAX: usize = 7 * 1024;

/// An answer whose end names the call, should it be an error.
struct Named {
    inner: Body,
    request_id: Uuid,
}

/// Gives a call its id, and tells it to the caller.
pub(super) async fn name(mut request: Request, next: Next) -> Response {
    let notes: &Notes = request.extensions_mut().get_or_insert_default();
    let notes = notes.clone();
    let mut response = next.run(request).await;
    let request_id = notes.request_id();
    let id = request_id.to_string();
    error::name_request(response.headers_mut(), &id);
    let form = notes.form().filter(|form| form.len() <= FORM_BYTES_MAX);
    for (name, value) in [(PAYLINK_REQUEST_ID, Some(id.as_str())), (PAYLINK_FORM, form)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    if response.body().is_end_stream() {
        return response;
    }
    response.map(|inner| Body::new(Named { inner, request_id }))
}

// === impl Named ===

impl HttpBody for Named {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            error::name_request(trailers, &self.request_id);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
