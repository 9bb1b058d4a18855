//! Lets the routes answer what comes in by one connection, and watches the answers
//! being taken.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tower::Service as _;

use super::Leaving;
use super::conversation::{Call, Conversation};
use crate::caller::Peer;

/// How much of an answer is handed over at once. What is handed over is out of our
/// sight until the client has taken it, so it should be little.
const PIECE_BYTES: usize = 16 << 10;

/// The routes, as one connection meets them.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) routes: Router,
    pub(super) peer: Peer,
    pub(super) leaving: Leaving,
    pub(super) conversation: Arc<Conversation>,
}

/// An answer that is being made.
pub(super) struct Answering {
    route: RouteFuture<Infallible>,
    call: Option<Call>,
}

/// The body of an answer that is being taken.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    /// What the body has given and was too much at once.
    rest: Bytes,
    call: Option<Call>,
}

// === impl Answers ===

impl hyper::service::Service<Request<Incoming>> for Answers {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        request.extensions_mut().insert(self.peer.clone());
        request.extensions_mut().insert(self.leaving.clone());
        let call = Some(self.conversation.call());
        Answering { route: self.routes.clone().call(request), call }
    }
}

// === impl Answering ===

impl Future for Answering {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(response) = ready!(Pin::new(&mut self.route).poll(cx));
        let call = self.call.take();
        if let Some(call) = &call {
            call.offers();
        }
        Poll::Ready(Ok(response.map(|body| Answer { body, rest: Bytes::new(), call })))
    }
}

// === impl Answer ===

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(ended) => {
                    self.call = None;
                    return Poll::Ready(ended);
                }
                Poll::Pending => {
                    if let Some(call) = &self.call {
                        call.waits();
                    }
                    return Poll::Pending;
                }
            }
        } else {
            Frame::data(std::mem::take(&mut self.rest))
        };
        if let Some(call) = &self.call {
            call.offers();
        }
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(mut data) => {
                self.rest = data.split_off(data.len().min(PIECE_BYTES));
                Frame::data(data)
            }
            Err(frame) => frame,
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_handed_over_whole_and_in_pieces() {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES] {
            let whole = Bytes::from(vec![7; length]);
            let body = Body::from(whole.clone());
            let mut answer = Answer { body, rest: Bytes::new(), call: None };
            let mut taken = Vec::new();
            while let Some(frame) = answer.frame().await {
                let left = length as u64 - taken.len() as u64;
                let piece = frame.unwrap().into_data().unwrap();
                assert!(piece.len() <= PIECE_BYTES);
                taken.extend(piece);
                assert_eq!(answer.size_hint().exact(), Some(length as u64 - taken.len() as u64));
                assert!(left > 0);
            }
            assert_eq!(taken, whole);
            assert!(answer.is_end_stream());
        }
    }
}
