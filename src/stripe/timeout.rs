//! Ends an attempt that takes too long, so that another one has its chance.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::call::{Answer, Call};
use super::error::Error;

/// What is left to tell the caller what became of an attempt that is cut off.
const TELL_TIME: Duration = Duration::from_millis(250);

/// Gives each attempt a time of its own, and always less than the caller has left.
#[derive(Debug, Clone)]
pub struct TimeoutLayer {
    /// The longest that one attempt at a read may take.
    pub read_max: Duration,
    /// The longest that one attempt at a write may take.
    pub write_max: Duration,
}

/// The service of [`TimeoutLayer`].
#[derive(Debug, Clone)]
pub struct Timeout<S> {
    inner: S,
    times: TimeoutLayer,
}

// === impl TimeoutLayer ===

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout { inner, times: self.clone() }
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
        let longest = if write { self.times.write_max } else { self.times.read_max };
        // A quarter of a short time is enough to tell, and leaves more to Stripe.
        let left = left.saturating_sub(TELL_TIME.min(left / 4));
        let (time, late) = if left <= longest {
            (left, Error::Deadline)
        } else {
            (longest, Error::TimedOut { write })
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

    const LAYER: TimeoutLayer =
        TimeoutLayer { read_max: Duration::from_secs(8), write_max: Duration::from_secs(12) };

    async fn check(method: Method, left_ms: u64) -> (Error, u128) {
        let silent = LAYER.layer(service_fn(|_: Call| std::future::pending()));
        let start = Instant::now();
        let deadline = start + Duration::from_millis(left_ms);
        let asked = Call { deadline, ..call(method) };
        (silent.oneshot(asked).await.unwrap_err(), start.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_ends_at_its_own_limit_or_before_the_callers_and_says_at_which() {
        for (method, left_ms, ends_ms, is_callers) in [
            (Method::GET, 60_000, 8_000, false),
            (Method::POST, 60_000, 12_000, false),
            (Method::DELETE, 60_000, 12_000, false),
            (Method::POST, 12_000, 11_750, true),
            (Method::GET, 5_000, 4_750, true),
            (Method::GET, 100, 75, true),
        ] {
            let write = method != Method::GET;
            let (error, ended_ms) = check(method, left_ms).await;
            match error {
                Error::Deadline => assert!(is_callers, "{left_ms}"),
                Error::TimedOut { write: said } => assert_eq!((said, is_callers), (write, false)),
                other => panic!("{other}"),
            }
            // A timer wakes on the next millisecond.
            assert!(ended_ms.abs_diff(ends_ms) <= 1, "{left_ms}: {ended_ms}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_goes_through() {
        let quick = LAYER.layer(service_fn(|_: Call| async { Ok(answer("{}")) }));
        assert_eq!(quick.oneshot(call(Method::GET)).await.unwrap().body, "{}");
    }
}
