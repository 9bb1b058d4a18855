//! Ends an attempt that takes too long, so that another one has its chance.

use std::time::Duration;

use super::call::{Answer, Call};
use super::error::Error;
use super::way::Way;

/// What is left to tell the caller what became of an attempt that is cut off.
const TELL_TIME: Duration = Duration::from_millis(250);

/// Gives each attempt a time of its own, and always less than the caller has left.
#[derive(Debug)]
pub struct Timeout<W> {
    inner: W,
    read_max: Duration,
    write_max: Duration,
}

// === impl Timeout ===

impl<W> Timeout<W> {
    /// Lets one attempt at a read take `read_max`, and one at a write `write_max`.
    #[must_use]
    pub fn new(inner: W, read_max: Duration, write_max: Duration) -> Self {
        Self { inner, read_max, write_max }
    }
}

impl<W: Way> Way for Timeout<W> {
    async fn carry(&self, call: &Call) -> Result<Answer, Error> {
        let (left, write) = (call.time_left(), call.is_write());
        let longest = if write { self.write_max } else { self.read_max };
        // A quarter of a short time is enough to tell, and leaves more to Stripe.
        let left = left.saturating_sub(TELL_TIME.min(left / 4));
        let (time, late) = if left <= longest {
            (left, Error::Deadline)
        } else {
            (longest, Error::TimedOut { write })
        };
        tokio::time::timeout(time, self.inner.carry(call)).await.unwrap_or(Err(late))
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tokio::time::Instant;
    use tower::{Service, service_fn};

    use super::*;
    use crate::stripe::tests::{answer, call};
    use crate::stripe::transport::Transport;

    fn before<S>(upstream: S) -> Timeout<Transport>
    where
        S: Service<Call, Response = Answer, Error = Error> + Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        let (read_max, write_max) = (Duration::from_secs(8), Duration::from_secs(12));
        Timeout::new(Transport::over(upstream), read_max, write_max)
    }

    async fn check(method: Method, left_ms: u64) -> (Error, u128) {
        let silent = before(service_fn(|_: Call| std::future::pending()));
        let start = Instant::now();
        let deadline = start + Duration::from_millis(left_ms);
        let asked = Call { deadline, ..call(method) };
        (silent.carry(&asked).await.unwrap_err(), start.elapsed().as_millis())
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
        let quick = before(service_fn(|_: Call| async { Ok(answer("{}")) }));
        assert_eq!(quick.carry(&call(Method::GET)).await.unwrap().body, "{}");
    }
}
