//! Ends streams: at the caller's deadline, when what let the caller in has ended, when
//! their connection is to end, and when the service stops. Without this, one open
//! stream would hold up each for ever.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tokio_util::sync::CancellationToken;

use super::authorize::Standing;
use super::deadline::StreamEnd;
use super::listener::Leaving;
use crate::error::{self, Error};
use crate::pb;

/// How long a stream that is told of the stop may take to end by itself, with what
/// it still has to say.
const PARTING_TIME_MAX: Duration = Duration::from_millis(500);

/// A body that ends with an error when told to.
struct Ending<F> {
    inner: Option<Body>,
    end: Pin<Box<F>>,
    /// Whether more may always be ready, which must not put off the end.
    is_stream: bool,
}

/// Puts an end to the answer's body, should it not end by itself.
pub(super) async fn end(
    State(drain): State<CancellationToken>,
    request: Request,
    next: Next,
) -> Response {
    let is_stream = pb::method_named(request.uri().path()).is_some_and(pb::streams);
    let leaving = request.extensions().get::<Leaving>().cloned().unwrap_or_default();
    let response = next.run(request).await;
    if response.body().is_end_stream() {
        return response;
    }
    let deadline = response.extensions().get::<StreamEnd>().copied();
    let standing = response.extensions().get::<Standing>().cloned();
    let end = async move {
        let deadline = async {
            match deadline {
                Some(StreamEnd(end)) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        let standing = async {
            match standing {
                Some(standing) => standing.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopped(&drain) => Error::Draining,
            () = leaving.0.cancelled() => Error::Draining,
            () = deadline => Error::Deadline,
            error = standing => error,
        }
    };
    response.map(|inner| Body::new(Ending { inner: Some(inner), end: Box::pin(end), is_stream }))
}

async fn stopped(drain: &CancellationToken) {
    drain.cancelled().await;
    tokio::time::sleep(PARTING_TIME_MAX).await;
}

// === impl Ending ===

impl<F: Future<Output = Error>> HttpBody for Ending<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.inner.is_none() {
            return Poll::Ready(None);
        }
        let mut end = Poll::Pending;
        if self.is_stream {
            end = self.end.as_mut().poll(cx);
        }
        // What is ready goes out first otherwise, so that a unary answer is never cut.
        if let (Poll::Pending, Some(inner)) = (&end, &mut self.inner)
            && let Poll::Ready(frame) = Pin::new(inner).poll_frame(cx)
        {
            return Poll::Ready(frame);
        }
        if !self.is_stream {
            end = self.end.as_mut().poll(cx);
        }
        end.map(|error| {
            self.inner = None;
            Some(Ok(Frame::trailers(error::trailers(error))))
        })
    }
}
