//! Bounds how many calls are with Stripe at the same time, and how many wait for
//! that, and how long. Who would wait longer is better told so at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use opentelemetry::global;
use opentelemetry::metrics::{Counter, ObservableGauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service};

use super::call::{Answer, Call};
use super::error::Error;

/// When to come back to a full queue: places become free all the time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bounds the calls under way.
#[derive(Debug, Clone)]
pub struct QueueLayer {
    places: Arc<Places>,
    /// What reads the figures lives as long as they do.
    _gauges: [ObservableGauge<u64>; 2],
}

/// The service of [`QueueLayer`].
#[derive(Debug, Clone)]
pub struct Queue<S> {
    inner: S,
    places: Arc<Places>,
}

#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    in_flight_max: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// A place among those who wait, free again when dropped.
struct Waiting<'p>(&'p Places);

static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.stripe.queue.refused")
        .with_description("Attempts at Stripe that were not made because too many were under way.")
        .build()
});

// === impl QueueLayer ===

impl QueueLayer {
    /// Lets `in_flight_max` calls be with Stripe, and `waiting_max` wait.
    #[must_use]
    pub fn new(in_flight_max: usize, waiting_max: usize) -> Self {
        let places = Arc::new(Places {
            free: Arc::new(Semaphore::new(in_flight_max)),
            in_flight_max,
            waiting: AtomicUsize::new(0),
            waiting_max,
        });
        let gauge = |name, description, read: fn(&Places) -> usize| {
            let places = Arc::downgrade(&places);
            global::meter("paylink")
                .u64_observable_gauge(name)
                .with_description(description)
                .with_callback(move |observer| {
                    if let Some(places) = places.upgrade() {
                        observer.observe(read(&places) as u64, &[]);
                    }
                })
                .build()
        };
        let gauges = [
            gauge("paylink.stripe.in_flight", "Attempts at Stripe under way.", |places| {
                places.in_flight_max.saturating_sub(places.free.available_permits())
            }),
            gauge("paylink.stripe.queue.length", "Calls that wait to be sent.", |places| {
                places.waiting.load(Ordering::Relaxed)
            }),
        ];
        Self { places, _gauges: gauges }
    }
}

impl<S> Layer<S> for QueueLayer {
    type Service = Queue<S>;

    fn layer(&self, inner: S) -> Queue<S> {
        Queue { inner, places: self.places.clone() }
    }
}

// === impl Queue ===

impl<S> Service<Call> for Queue<S>
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
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let places = self.places.clone();
        Box::pin(async move {
            let _permit =
                places.enter(call.patience()).await.inspect_err(|_| REFUSED.add(1, &[]))?;
            inner.call(call).await
        })
    }
}

// === impl Places ===

impl Places {
    async fn enter(&self, patience: Duration) -> Result<OwnedSemaphorePermit, Error> {
        let saturated = Error::Saturated { retry_after: RETRY_AFTER };
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let Some(_waiting) = self.wait() else { return Err(saturated) };
        match tokio::time::timeout(patience, self.free.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(saturated),
        }
    }

    fn wait(&self) -> Option<Waiting<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(self);
        (before < self.waiting_max).then_some(waiting)
    }
}

// === impl Waiting ===

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use tokio::time::Instant;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::stripe::tests::{answer, call};

    const WORK: Duration = Duration::from_millis(100);

    /// Makes calls at once of which each takes some time; gives how many were
    /// refused, and when the last one came back.
    async fn check(layer: &QueueLayer, calls: usize, left: Duration) -> (usize, Duration) {
        let upstream = service_fn(|_: Call| async {
            tokio::time::sleep(WORK).await;
            Ok(answer("{}"))
        });
        let start = Instant::now();
        let calls = (0..calls).map(|_| {
            let asked = Call { deadline: start + left, ..call(Method::GET) };
            layer.layer(upstream).oneshot(asked)
        });
        let outcomes = futures_util::future::join_all(calls).await;
        let refused =
            outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Saturated { .. })));
        (refused.count(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_calls_are_under_way_and_only_so_many_wait() {
        let layer = QueueLayer::new(32, 64);
        let minute = Duration::from_mins(1);
        assert_eq!(check(&layer, 32, minute).await, (0, WORK));
        assert_eq!(check(&layer, 96, minute).await, (0, WORK * 3));
        assert_eq!(check(&layer, 100, minute).await, (4, WORK * 3));
        assert_eq!(layer.places.free.available_permits(), 32);
        assert_eq!(layer.places.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_more_than_a_second_or_a_quarter_of_what_is_left() {
        let layer = QueueLayer::new(1, 64);
        // One works, and of the others those whose turn comes within 200 ms get it.
        let (refused, _) = check(&layer, 8, Duration::from_millis(900)).await;
        assert_eq!(refused, 5);
        let (refused, _) = check(&layer, 20, Duration::from_mins(1)).await;
        assert_eq!(refused, 9, "ten turns are in the first second, and one is at its start");
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_queue_leaves_no_gap() {
        let layer = QueueLayer::new(1, 1);
        let silent = layer.layer(service_fn(|_: Call| std::future::pending()));
        let first = tokio::spawn(silent.clone().oneshot(call(Method::GET)));
        tokio::task::yield_now().await;
        for _ in 0..3 {
            let waiting = tokio::spawn(silent.clone().oneshot(call(Method::GET)));
            tokio::task::yield_now().await;
            let refused = silent.clone().oneshot(call(Method::GET)).await.unwrap_err();
            assert!(matches!(refused, Error::Saturated { .. }));
            waiting.abort();
            assert!(waiting.await.unwrap_err().is_cancelled());
        }
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(check(&layer, 1, Duration::from_mins(1)).await.0, 0);
    }
}
