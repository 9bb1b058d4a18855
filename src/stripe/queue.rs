//! Bounds how many calls are with Stripe at the same time, and how many wait for
//! that, and how long. Who would wait longer is better told so at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use opentelemetry::metrics::{Counter, ObservableGauge};
use opentelemetry::{KeyValue, global};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::call::{Answer, Call};
use super::error::Error;
use super::way::Way;

/// When to come back to a full queue: places become free all the time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bounds the calls under way.
#[derive(Debug)]
pub struct Queue<W> {
    inner: W,
    places: Arc<Places>,
    /// What reads the figures lives as long as they do.
    _gauges: [ObservableGauge<u64>; 2],
}

#[derive(Debug)]
struct Places {
    free: Semaphore,
    in_flight_max: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// A place among those who wait, free again when dropped.
struct Waiting<'p>(&'p Places);

static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.stripe.queue.refused")
        .with_unit("{request}")
        .with_description("Attempts at Stripe that were not made because too many were under way.")
        .build()
});

// === impl Queue ===

impl<W> Queue<W> {
    /// Lets `in_flight_max` calls be with Stripe, and `waiting_max` wait. What is told
    /// of it names the account.
    #[must_use]
    pub fn new(inner: W, account: &KeyValue, in_flight_max: usize, waiting_max: usize) -> Self {
        let places = Arc::new(Places {
            free: Semaphore::new(in_flight_max),
            in_flight_max,
            waiting: AtomicUsize::new(0),
            waiting_max,
        });
        let gauge = |name, description, read: fn(&Places) -> usize| {
            let (places, account) = (Arc::downgrade(&places), account.clone());
            global::meter("paylink")
                .u64_observable_gauge(name)
                .with_unit("{request}")
                .with_description(description)
                .with_callback(move |observer| {
                    if let Some(places) = places.upgrade() {
                        observer.observe(read(&places) as u64, std::slice::from_ref(&account));
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
        Self { inner, places, _gauges: gauges }
    }
}

impl<W: Way> Way for Queue<W> {
    async fn carry(&self, call: &Call) -> Result<Answer, Error> {
        let entered = self.places.enter(call.patience()).await;
        let _permit = entered.inspect_err(|_| REFUSED.add(1, &[]))?;
        self.inner.carry(call).await
    }
}

// === impl Places ===

impl Places {
    async fn enter(&self, patience: Duration) -> Result<SemaphorePermit<'_>, Error> {
        let saturated = Error::Saturated { retry_after: RETRY_AFTER };
        if let Ok(permit) = self.free.try_acquire() {
            return Ok(permit);
        }
        let Some(_waiting) = self.wait() else { return Err(saturated) };
        match tokio::time::timeout(patience, self.free.acquire()).await {
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
    use futures_util::FutureExt as _;
    use http::Method;
    use tokio::time::Instant;
    use tower::service_fn;

    use super::*;
    use crate::stripe::tests::{answer, call};
    use crate::stripe::transport::Transport;

    const WORK: Duration = Duration::from_millis(100);

    /// A queue before a Stripe that takes some time for each call.
    fn queue(in_flight_max: usize, waiting_max: usize) -> Queue<Transport> {
        let upstream = service_fn(|_: Call| async {
            tokio::time::sleep(WORK).await;
            Ok(answer("{}"))
        });
        Queue::new(
            Transport::over(upstream),
            &crate::stripe::stack::told_of(""),
            in_flight_max,
            waiting_max,
        )
    }

    /// Makes calls at once; gives how many were refused, and when the last one
    /// came back.
    async fn check(queue: &Queue<Transport>, calls: usize, left: Duration) -> (usize, Duration) {
        let start = Instant::now();
        let asked = Call { deadline: start + left, ..call(Method::GET) };
        let calls = (0..calls).map(|_| queue.carry(&asked));
        let outcomes = futures_util::future::join_all(calls).await;
        let refused =
            outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Saturated { .. })));
        (refused.count(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_calls_are_under_way_and_only_so_many_wait() {
        let queue = queue(32, 64);
        let minute = Duration::from_mins(1);
        assert_eq!(check(&queue, 32, minute).await, (0, WORK));
        assert_eq!(check(&queue, 96, minute).await, (0, WORK * 3));
        assert_eq!(check(&queue, 100, minute).await, (4, WORK * 3));
        assert_eq!(queue.places.free.available_permits(), 32);
        assert_eq!(queue.places.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_more_than_a_second_or_a_quarter_of_what_is_left() {
        let queue = queue(1, 64);
        // One works, and of the others those whose turn comes within 200 ms get it.
        let (refused, _) = check(&queue, 8, Duration::from_millis(900)).await;
        assert_eq!(refused, 5);
        let (refused, _) = check(&queue, 20, Duration::from_mins(1)).await;
        assert_eq!(refused, 9, "ten turns are in the first second, and one is at its start");
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_queue_leaves_no_gap() {
        let queue = queue(1, 1);
        let asked = call(Method::GET);
        let mut first = Box::pin(queue.carry(&asked));
        assert!((&mut first).now_or_never().is_none());
        for _ in 0..3 {
            let mut waiting = Box::pin(queue.carry(&asked));
            assert!((&mut waiting).now_or_never().is_none());
            let refused = queue.carry(&asked).await.unwrap_err();
            assert!(matches!(refused, Error::Saturated { .. }));
        }
        drop(first);
        assert_eq!(check(&queue, 1, Duration::from_mins(1)).await.0, 0);
    }
}
