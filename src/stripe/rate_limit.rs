//! Keeps below Stripe's rate limits, and backs off where Stripe says that we do not:
//! <https://docs.stripe.com/rate-limits>.
//!
//! There is one rate for the account and one for each endpoint. A call that
//! would exceed one waits for its turn, or is refused unsent if that takes too long.

mod bucket;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};
use tokio::time::Instant;
use tower::{Layer, Service};

use self::bucket::Bucket;
use super::call::{Answer, Call};
use super::error::{Error, Refusal};

/// Limits the rate of calls.
#[derive(Debug, Clone)]
pub struct RateLimitLayer {
    limiter: Option<Arc<Limiter>>,
}

/// The service of [`RateLimitLayer`].
#[derive(Debug, Clone)]
pub struct RateLimit<S> {
    inner: S,
    limiter: Option<Arc<Limiter>>,
}

/// The rates, which all clones share.
#[derive(Debug)]
struct Limiter {
    per_second_of_route: u32,
    buckets: Mutex<Buckets>,
}

/// The routes are those of the contract, so there are only so many.
#[derive(Debug)]
struct Buckets {
    all: Bucket,
    routes: HashMap<(bool, &'static str), Bucket>,
}

static RATE: LazyLock<Gauge<f64>> = LazyLock::new(|| {
    global::meter("paylink")
        .f64_gauge("paylink.stripe.rate.limit")
        .with_unit("{request}/s")
        .with_description("How many calls a second Stripe is sent at most, after it limited us.")
        .build()
});

static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.stripe.rate.refused")
        .with_description("Attempts at Stripe that were not made because its rate limit is near.")
        .build()
});

// === impl RateLimitLayer ===

impl RateLimitLayer {
    /// Sends at most that many calls a second in all, and to each endpoint. With
    /// zero for all there is no limit.
    #[must_use]
    pub fn new(per_second: u32, per_second_of_route: u32) -> Self {
        let limiter = || {
            let buckets = Buckets { all: Bucket::new(per_second), routes: HashMap::new() };
            Arc::new(Limiter { per_second_of_route, buckets: Mutex::new(buckets) })
        };
        Self { limiter: (per_second > 0).then(limiter) }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit { inner, limiter: self.limiter.clone() }
    }
}

// === impl RateLimit ===

impl<S> Service<Call> for RateLimit<S>
where
    S: Service<Call, Response = Answer, Error = Error> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Answer, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let Some(limiter) = self.limiter.clone() else { return Box::pin(self.inner.call(call)) };
        let (key, route) = ((call.is_write(), call.place.route), call.place.route);
        let wait = match limiter.turn(key, call.patience(), Instant::now()) {
            Ok(wait) => wait,
            Err(retry_after) => {
                REFUSED.add(1, &[KeyValue::new("url.template", route)]);
                let refused = Error::Throttled { route, retry_after };
                return Box::pin(std::future::ready(Err(refused)));
            }
        };
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        Box::pin(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let outcome = inner.call(call).await;
            if let Err(Error::Refused(refusal)) = &outcome
                && refusal.is_rate_limit()
            {
                limiter.slow_down(key, refusal, Instant::now());
            }
            outcome
        })
    }
}

// === impl Limiter ===

impl Limiter {
    /// Takes a turn and says how long it is until then. If that is longer than
    /// `patience`, none is taken.
    fn turn(
        &self,
        key: (bool, &'static str),
        patience: Duration,
        now: Instant,
    ) -> Result<Duration, Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { all, routes } = &mut *buckets;
        let route = routes.entry(key).or_insert_with(|| Bucket::new(self.per_second_of_route));
        let wait = all.wait(now).max(route.wait(now));
        if wait > patience {
            return Err(wait);
        }
        all.take(now);
        route.take(now);
        Ok(wait)
    }

    /// Slows down what Stripe has limited: the endpoint if it says so, else all.
    fn slow_down(&self, key: (bool, &'static str), refusal: &Refusal, now: Instant) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { all, routes } = &mut *buckets;
        let reason = refusal.rate_limited_reason.as_deref().unwrap_or_default();
        let (bucket, name) = match routes.get_mut(&key) {
            Some(route) if reason.starts_with("endpoint") => (route, key.1),
            _ => (all, "all"),
        };
        if let Some(rate) = bucket.slow_down(now) {
            drop(buckets);
            RATE.record(rate, &[KeyValue::new("url.template", name)]);
            tracing::warn!(route = name, rate, reason, "Stripe limits the rate; calls slow down");
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::stripe::tests::{answer, call};

    const READ: (bool, &str) = (false, "/v1/products");
    const PATIENCE: Duration = Duration::from_secs(1);

    fn limiter(per_second: u32, per_second_of_route: u32) -> Arc<Limiter> {
        RateLimitLayer::new(per_second, per_second_of_route).limiter.unwrap()
    }

    /// How many calls get their turn within a second, all asked for at once.
    fn check(limiter: &Limiter, keys: &[(bool, &'static str)], now: Instant) -> usize {
        let turn = |key| limiter.turn(key, PATIENCE, now).is_ok();
        (0..1000).filter(|nth| turn(keys[nth % keys.len()])).count()
    }

    #[tokio::test(start_paused = true)]
    async fn within_any_second_stripes_own_limits_are_kept() {
        let now = Instant::now();
        // Ours and a quarter of it at once: Stripe's are 25 for an endpoint and
        // for a test account, and 100 for a live one.
        assert_eq!(check(&limiter(80, 20), &[READ], now), 26);
        assert_eq!(check(&limiter(20, 20), &[READ, (true, "/v1/products")], now), 26);
        let many = ["a", "b", "c", "d", "e", "f"].map(|route| (false, route));
        assert_eq!(check(&limiter(80, 20), &many, now), 101);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_its_turn_or_hears_when_to_come_back() {
        let limiter = limiter(20, 20);
        let now = Instant::now();
        let turns: Vec<_> = (0..9).map(|_| limiter.turn(READ, PATIENCE, now).unwrap()).collect();
        assert_eq!(turns[5], Duration::ZERO);
        assert_eq!(turns[8], Duration::from_millis(150));
        let wait = limiter.turn(READ, Duration::from_millis(100), now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(200));
    }

    #[tokio::test(start_paused = true)]
    async fn stripes_limit_halves_the_rate_for_ten_seconds_and_it_comes_back_slowly() {
        let limiter = limiter(80, 20);
        let refusal = Refusal {
            rate_limited_reason: Some("endpoint-rate".into()),
            status: 429,
            ..Refusal::default()
        };
        let start = Instant::now();
        assert_eq!(check(&limiter, &[READ], start), 26);
        // Many answers that say the same at one time count once.
        limiter.slow_down(READ, &refusal, start);
        limiter.slow_down(READ, &refusal, start + Duration::from_millis(300));
        for (secs, expected) in [(5, 13), (10, 13), (16, 20), (21, 26), (60, 26)] {
            let now = start + Duration::from_secs(secs);
            let turns = check(&limiter, &[READ], now);
            assert!(turns.abs_diff(expected) <= 1, "after {secs} s: {turns}");
        }
        let others = check(&limiter, &[(true, "/v1/products")], start + Duration::from_secs(90));
        assert_eq!(others, 26, "another endpoint is not slowed down");
    }

    #[tokio::test(start_paused = true)]
    async fn no_rate_is_no_limit() {
        let upstream = service_fn(|_: Call| async { Ok(answer("{}")) });
        let free = RateLimitLayer::new(0, 20).layer(upstream);
        let start = Instant::now();
        for _ in 0..500 {
            free.clone().oneshot(call(Method::GET)).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_would_wait_too_long_is_refused_unsent() {
        let upstream = service_fn(|_: Call| async { Ok(answer("{}")) });
        let layer = RateLimitLayer::new(20, 20);
        let calls = (0..40).map(|_| layer.layer(upstream).oneshot(call(Method::GET)));
        let outcomes = futures_util::future::join_all(calls).await;
        let (sent, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(sent.len(), 26);
        for error in refused {
            let Err(Error::Throttled { route, retry_after }) = error else { panic!("{error:?}") };
            assert_eq!(route, "/v1/products");
            assert!(retry_after > PATIENCE && retry_after < PATIENCE * 2, "{retry_after:?}");
        }
    }
}
