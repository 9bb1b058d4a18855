//! Ten times more calls than Stripe can serve: as many as it can are served.
//!
//! The pretend Stripe shares its power among all that it works on, as a computer
//! does: too much at a time, and nothing is finished before its caller has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paylink::caller::Caller;
use paylink::config::{Profile, Sources};
use paylink::pb;
use paylink::stripe::call::{Answer, Call};
use paylink::stripe::{Client, Error, Transport};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::upstream::refusal;

/// How many calls Stripe works on without getting slower.
const SLOTS: usize = 32;
/// How long each then takes.
const WORK: Duration = Duration::from_millis(100);
/// So this is what it can do.
const CAPACITY_PER_SECOND: u32 = 320;
/// How long callers wait.
const DEADLINE: Duration = Duration::from_secs(1);
/// How long a load lasts.
const LOAD_SECS: u32 = 8;
/// How long until it has settled.
const SETTLE: Duration = Duration::from_secs(2);
/// Retries above one in ten that a quiet service may make in ten seconds.
const RETRIES_SPARE: usize = 10;

/// A Stripe with so much power and no more.
#[derive(Debug, Default)]
struct Worker {
    busy: AtomicUsize,
    attempts: AtomicUsize,
    /// Of a hundred calls, so many fail.
    failing: AtomicUsize,
}

/// What came of a load.
#[derive(Debug)]
struct Outcome {
    per_second: f64,
    calls: usize,
    attempts: usize,
    refused_p99: Duration,
}

impl Worker {
    async fn work(self: Arc<Self>, call: Call) -> Result<Answer, Error> {
        let nth = self.attempts.fetch_add(1, Ordering::Relaxed);
        // Spread evenly, with no two in a row.
        let failing = self.failing.load(Ordering::Relaxed);
        if nth * failing % 100 < failing {
            tokio::time::sleep(WORK / 10).await;
            return refusal(&call, 503, &[], "");
        }
        let busy = Busy::enter(&self.busy);
        let share = u32::try_from(busy.before / SLOTS + 1).unwrap();
        tokio::time::sleep(WORK * share).await;
        refusal(&call, 200, &[], r#"{"id": "coupon", "object": "coupon"}"#)
    }
}

/// A call that Stripe works on, until its end or until it is cut off.
struct Busy<'w> {
    count: &'w AtomicUsize,
    before: usize,
}

impl<'w> Busy<'w> {
    fn enter(count: &'w AtomicUsize) -> Self {
        Self { count, before: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn client(worker: &Arc<Worker>, settings: &[(&str, &str)]) -> Client {
    let known = [("PAYLINK__STRIPE__API_KEY", "sk_test_1"), ("PAYLINK__STRIPE__RATE_TEST", "0")];
    let all = known.iter().chain(settings);
    let environment = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sources = Sources { profile: Profile::Serve, file: None, environment };
    let worker = worker.clone();
    let transport = Transport::over(tower::service_fn(move |call| worker.clone().work(call)));
    sources.load().unwrap().stripe.client_over(transport)
}

/// Lets callers come at a steady pace, who each want something else.
async fn load(client: &Client, worker: &Worker, per_second: u32) -> Outcome {
    let before = worker.attempts.load(Ordering::Relaxed);
    let start = Instant::now();
    let mut calls = JoinSet::new();
    let count = per_second * LOAD_SECS;
    for nth in 0..count {
        let client = client.clone();
        calls.spawn(async move {
            tokio::time::sleep_until(start + Duration::from_secs(1) * nth / per_second).await;
            let asked = Instant::now();
            let caller = Caller::itself(DEADLINE);
            let outcome = client.get::<pb::Coupon>(&format!("c_{nth}"), &caller).await;
            (outcome, asked, Instant::now())
        });
    }
    let calls = calls.join_all().await;
    let window = start + SETTLE..start + Duration::from_secs(LOAD_SECS.into());
    let good = calls.iter().filter(|(outcome, _, end)| outcome.is_ok() && window.contains(end));
    let per_second = good.count() as f64 / (window.end - window.start).as_secs_f64();
    let refused =
        calls.iter().filter(|(outcome, ..)| matches!(outcome, Err(Error::Saturated { .. })));
    let mut refused: Vec<_> = refused.map(|(_, asked, end)| *end - *asked).collect();
    refused.sort_unstable();
    let refused_p99 = refused.get(refused.len() * 99 / 100).copied().unwrap_or_default();
    let attempts = worker.attempts.load(Ordering::Relaxed) - before;
    Outcome { per_second, calls: calls.len(), attempts, refused_p99 }
}

#[tokio::test(start_paused = true)]
async fn ten_times_too_many_calls_leave_the_goodput_as_it_is() {
    let worker = Arc::new(Worker { failing: 2.into(), ..Worker::default() });
    let client = client(&worker, &[]);
    let mut peak: f64 = 0.0;
    for share in [0.5, 0.8, 1.0] {
        let per_second = f64::from(CAPACITY_PER_SECOND) * share;
        let outcome = load(&client, &worker, per_second as u32).await;
        println!("{share:>4} x capacity: {:.0} served a second", outcome.per_second);
        peak = peak.max(outcome.per_second);
    }
    let over = load(&client, &worker, CAPACITY_PER_SECOND * 10).await;
    let share = over.per_second / peak;
    println!(
        "10.0 x capacity: {:.0} served a second, {:.0} % of the peak; refused within {:?} (p99)",
        over.per_second,
        share * 100.0,
        over.refused_p99
    );
    assert!(share >= 0.8, "{share}");
    assert!(over.refused_p99 <= Duration::from_millis(20), "{:?}", over.refused_p99);
    let after = load(&client, &worker, CAPACITY_PER_SECOND * 8 / 10).await;
    println!(" 0.8 x capacity, after: {:.0} served a second", after.per_second);
    assert!(after.per_second >= 0.95 * 0.8 * f64::from(CAPACITY_PER_SECOND));

    // Without the queue's bounds the same Stripe finishes next to nothing in time.
    let worker = Arc::new(Worker::default());
    let unbounded = [
        ("PAYLINK__STRIPE__IN_FLIGHT_MAX", "100000"),
        ("PAYLINK__STRIPE__BREAKER_OPEN_MS", "0"),
        ("PAYLINK__STRIPE__BREAKER_OPEN_MS_MAX", "0"),
    ];
    let unbounded = self::client(&worker, &unbounded);
    let without = load(&unbounded, &worker, CAPACITY_PER_SECOND * 10).await;
    println!("10.0 x capacity, unbounded: {:.0} served a second", without.per_second);
    assert!(without.per_second < 0.5 * peak, "{}", without.per_second);
}

#[tokio::test(start_paused = true)]
async fn retries_add_no_more_than_a_tenth_to_what_a_failing_stripe_is_asked() {
    for failing in [10, 40, 100] {
        let worker = Arc::new(Worker { failing: failing.into(), ..Worker::default() });
        let client = client(&worker, &[]);
        let outcome = load(&client, &worker, CAPACITY_PER_SECOND / 2).await;
        let amplification = outcome.attempts as f64 / outcome.calls as f64;
        println!("{failing:>3} % fail: {amplification:.2} attempts a call");
        let attempts_max = outcome.calls + outcome.calls / 10 + RETRIES_SPARE;
        assert!(outcome.attempts <= attempts_max, "{failing}: {outcome:?}");
        let healthy = f64::from(CAPACITY_PER_SECOND / 2) * (100 - failing) as f64 / 100.0;
        println!("{failing:>3} % fail: {:.0} of {healthy} served a second", outcome.per_second);
        // While most is well, nobody is kept from it.
        assert!(failing > 40 || outcome.per_second >= 0.95 * healthy, "{failing}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stripe_that_was_down_is_left_alone_and_served_soon_after_it_is_back() {
    let worker = Arc::new(Worker { failing: 100.into(), ..Worker::default() });
    let client = client(&worker, &[]);
    let outcome = load(&client, &worker, CAPACITY_PER_SECOND / 2).await;
    println!("down for {LOAD_SECS} s: {} calls, {} attempts", outcome.calls, outcome.attempts);
    assert!(outcome.attempts <= outcome.calls / 10, "most were refused unsent: {outcome:?}");

    worker.failing.store(0, Ordering::Relaxed);
    let start = Instant::now();
    while client.get::<pb::Coupon>("c", &Caller::itself(DEADLINE)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("served again after {:.1} s", start.elapsed().as_secs_f64());
    // It is tried again after 1, 2, 4 and 8 seconds, each a fifth more or less.
    assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());
}
