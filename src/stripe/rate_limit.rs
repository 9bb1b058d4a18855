//! Keeps below Stripe's rate limits, and backs off where Stripe says that we do not:
//! <https://docs.stripe.com/rate-limits>.
//!
//! There is one rate for the account and one for each endpoint. A call that
//! would exceed one waits for its turn, or is refused unsent if that takes too long.

mod bucket;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::{Counter, ObservableGauge};
use opentelemetry::{KeyValue, global};
use tokio::time::Instant;

use self::bucket::Bucket;
use super::call::{Answer, Call};
use super::error::{Error, Refusal};
use super::way::Way;

/// What the rate of all calls goes by among those of endpoints.
const ALL: &str = "all";

/// Limits the rate of calls.
#[derive(Debug)]
pub struct RateLimit<W> {
    inner: W,
    limiter: Option<Arc<Limiter>>,
    /// What reads the rates lives as long as they do.
    _gauge: Option<ObservableGauge<f64>>,
}

/// The rates.
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

static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.stripe.rate.refused")
        .with_unit("{request}")
        .with_description("Attempts at Stripe that were not made because its rate limit is near.")
        .build()
});

// === impl RateLimit ===

impl<W> RateLimit<W> {
    /// Sends at most that many calls a second in all, and to each endpoint. With
    /// zero for all there is no limit. What is told of it names the account.
    #[must_use]
    pub fn new(inner: W, account: KeyValue, per_second: u32, per_second_of_route: u32) -> Self {
        let limiter = (per_second > 0).then(|| Limiter::new(per_second, per_second_of_route));
        let gauge = limiter.as_ref().map(|limiter| {
            let limiter = Arc::downgrade(limiter);
            global::meter("paylink")
                .f64_observable_gauge("paylink.stripe.rate.limit")
                .with_unit("{request}/s")
                .with_description("How many calls a second Stripe is sent at most now.")
                .with_callback(move |observer| {
                    let rates = limiter.upgrade().map(|limiter| limiter.rates(Instant::now()));
                    for (route, rate) in rates.into_iter().flatten() {
                        let route = KeyValue::new("url.template", route);
                        observer.observe(rate, &[route, account.clone()]);
                    }
                })
                .build()
        });
        Self { inner, limiter, _gauge: gauge }
    }
}

impl<W: Way> Way for RateLimit<W> {
    async fn carry(&self, call: &Call) -> Result<Answer, Error> {
        let Some(limiter) = &self.limiter else { return self.inner.carry(call).await };
        let (key, route) = ((call.is_write(), call.place.route), call.place.route);
        let wait = limiter.turn(key, call.patience(), Instant::now()).map_err(|retry_after| {
            REFUSED.add(1, &[KeyValue::new("url.template", route)]);
            Error::Throttled { route, retry_after }
        })?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let outcome = self.inner.carry(call).await;
        if let Err(Error::Refused(refusal)) = &outcome
            && refusal.is_rate_limit()
        {
            limiter.slow_down(key, refusal, Instant::now());
        }
        outcome
    }
}

// === impl Limiter ===

impl Limiter {
    fn new(per_second: u32, per_second_of_route: u32) -> Arc<Self> {
        let buckets = Buckets { all: Bucket::new(per_second), routes: HashMap::new() };
        Arc::new(Self { per_second_of_route, buckets: Mutex::new(buckets) })
    }

    /// The rate of all calls, and those of the endpoints that Stripe has limited
    /// for themselves.
    fn rates(&self, now: Instant) -> Vec<(&'static str, f64)> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let slowed = buckets.routes.iter().filter(|(_, bucket)| bucket.was_slowed());
        let slowed = slowed.map(|((_, route), bucket)| (*route, bucket.rate(now)));
        std::iter::once((ALL, buckets.all.rate(now))).chain(slowed).collect()
    }

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
        let mut route = (self.per_second_of_route > 0)
            .then(|| routes.entry(key).or_insert_with(|| Bucket::new(self.per_second_of_route)));
        let of_route = route.as_ref().map_or(Duration::ZERO, |route| route.wait(now));
        let wait = all.wait(now).max(of_route);
        if wait > patience {
            return Err(wait);
        }
        all.take(now);
        if let Some(route) = &mut route {
            route.take(now);
        }
        Ok(wait)
    }

    /// Slows down what Stripe has limited: the endpoint if it says so, else all.
    fn slow_down(&self, key: (bool, &'static str), refusal: &Refusal, now: Instant) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { all, routes } = &mut *buckets;
        let reason = refusal.rate_limited_reason.as_deref().unwrap_or_default();
        let (bucket, name) = match routes.get_mut(&key) {
            Some(route) if reason.starts_with("endpoint") => (route, key.1),
            _ => (all, ALL),
        };
        if let Some(rate) = bucket.slow_down(now) {
            drop(buckets);
            tracing::warn!(route = name, rate, reason, "Stripe limits the rate; calls slow down");
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tower::service_fn;

    use super::*;
    use crate::stripe::tests::{answer, call};
    use crate::stripe::transport::Transport;

    const READ: (bool, &str) = (false, "/v1/products");
    const PATIENCE: Duration = Duration::from_secs(1);

    fn limiter(per_second: u32, per_second_of_route: u32) -> Arc<Limiter> {
        Limiter::new(per_second, per_second_of_route)
    }

    /// A limit before a Stripe that answers at once.
    fn limit(per_second: u32) -> RateLimit<Transport> {
        let upstream = Transport::over(service_fn(|_: Call| async { Ok(answer("{}")) }));
        RateLimit::new(upstream, crate::stripe::stack::told_of(""), per_second, 20)
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
    async fn endpoints_may_be_without_a_limit_of_their_own() {
        assert_eq!(check(&limiter(80, 0), &[READ], Instant::now()), 101);
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
        let slowed: Vec<_> = limiter.rates(start).iter().map(|(route, _)| *route).collect();
        assert_eq!(slowed, [ALL, "/v1/products"]);
        let others = check(&limiter, &[(true, "/v1/products")], start + Duration::from_secs(90));
        assert_eq!(others, 26, "another endpoint is not slowed down");
    }

    #[tokio::test(start_paused = true)]
    async fn no_rate_is_no_limit() {
        let free = limit(0);
        let start = Instant::now();
        for _ in 0..500 {
            free.carry(&call(Method::GET)).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_would_wait_too_long_is_refused_unsent() {
        let (limit, asked) = (limit(20), call(Method::GET));
        let calls = (0..40).map(|_| limit.carry(&asked));
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
