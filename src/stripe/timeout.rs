//! Ends an attempt that takes too long, so that another one has its chance.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::call::{Answer, Call};
use super::error::Error;

/// Gives each attempt a time of its own, and never more than the caller has left.
#[derive(Debug, Clone)]
pub struct TimeoutLayer {
    /// The longest that one attempt may take.
    pub attempt_max: Duration,
}

/// The service of [`TimeoutLayer`].
#[derive(Debug, Clone)]
pub struct Timeout<S> {
    inner: S,
    attempt_max: Duration,
}

// === impl TimeoutLayer ===

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout { inner, attempt_max: self.attempt_max }
    }
}

// === impl Timeout ===

impl<S> Service<Call> for Timeout<S>
where
    S: Service<Call, Response = Answer, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answer, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let (left, write) = (call.time_left(), call.is_write());
        let (time, late) = if left <= self.attempt_max {
            (left, Error::Deadline)
        } else {
            (self.attempt_max, Error::TimedOut { write })
        };
        let attempt = tokio::time::timeout(time, self.inner.call(call));
        Box::pin(async move { attempt.await.unwrap_or(Err(late)) })
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tokio::time::Instant;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::stripe::tests::{answer, call};

    #[tokio::test(start_paused = true)]
    async fn an_attempt_ends_at_its_own_limit_or_at_the_callers_and_says_at_which() {
        for (left_secs, ends_secs, is_callers) in [(60, 12, false), (12, 12, true), (5, 5, true)] {
            let layer = TimeoutLayer { attempt_max: Duration::from_secs(12) };
            let silent = layer.layer(service_fn(|_: Call| std::future::pending()));
            let start = Instant::now();
            let mut asked = call(Method::GET);
            asked.deadline = start + Duration::from_secs(left_secs);
            let error = silent.oneshot(asked).await.unwrap_err();
            assert_eq!(matches!(error, Error::Deadline), is_callers);
            assert_eq!(matches!(error, Error::TimedOut { write: false }), !is_callers);
            assert_eq!(start.elapsed().as_secs(), ends_secs);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_goes_through() {
        let layer = TimeoutLayer { attempt_max: Duration::from_secs(1) };
        let quick = layer.layer(service_fn(|_: Call| async { Ok(answer("{}")) }));
        assert_eq!(quick.oneshot(call(Method::GET)).await.unwrap().body, "{}");
    }
}
