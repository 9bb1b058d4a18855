//! How layers look into answers that they do not hold up: a body that tells of its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// Calls back once, with the trailers if there were any, when a body ends or is dropped.
pub(super) struct Tell<F: FnOnce(Option<&HeaderMap>)> {
    inner: Body,
    then: Option<F>,
}

impl<F: FnOnce(Option<&HeaderMap>)> Tell<F> {
    pub(super) fn new(inner: Body, then: F) -> Self {
        Self { inner, then: Some(then) }
    }

    fn tell(&mut self, trailers: Option<&HeaderMap>) {
        if let Some(then) = self.then.take() {
            then(trailers);
        }
    }
}

impl<F: FnOnce(Option<&HeaderMap>) + Unpin> HttpBody for Tell<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.tell(Some(trailers));
                }
            }
            Some(Err(_)) | None => self.tell(None),
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

impl<F: FnOnce(Option<&HeaderMap>)> Drop for Tell<F> {
    fn drop(&mut self) {
        self.tell(None);
    }
}
