//! Every fault, on the first attempt, on the second and on all of them, of six methods.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::fault::Fault;
use crate::methods::{Method, Service};
use crate::upstream::{Seen, Upstream};

/// As long as a caller may wait: every attempt has its time.
const TIME: Duration = Duration::from_mins(1);
/// How long after its deadline a caller may have to wait.
const LATE_MAX: Duration = Duration::from_millis(100);

/// When a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    First,
    /// After one that could not connect.
    Second,
    Always,
}

/// What is to come of a call.
#[derive(Debug)]
struct Expected {
    told: Option<(Code, &'static str)>,
    attempts: usize,
}

fn expected(fault: Fault, when: When, method: Method) -> Expected {
    let row = fault.row();
    let told = if method.is_write() { row.write } else { row.read };
    let failed = |attempts| Expected { told: Some(told), attempts };
    let done = |attempts| Expected { told: None, attempts };
    // It looks whole, so that a read of it ends before it is read.
    let is_final = fault == Fault::BodyBroken && !method.is_write();
    let (attempts, third) = if is_final { (1, false) } else { (row.attempts, row.third) };
    match when {
        When::Always => failed(attempts),
        When::First if attempts > 1 => done(2),
        When::First => failed(1),
        When::Second if third => done(3),
        When::Second => failed(2),
    }
}

fn assert_told(status: &Status, told: (Code, &str), seen: &Seen, case: &str) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((status.code(), &*info.reason), told, "{case}");
    assert_eq!(info.domain, "paylink", "{case}");
    assert!(details.localized_message().is_some(), "{case}");
    let again = details.retry_info().and_then(|info| info.retry_delay);
    let may_return =
        matches!(status.code(), Code::Unavailable | Code::ResourceExhausted | Code::Aborted);
    assert_eq!(again.is_some(), may_return, "{case}");
    let pushback = status.metadata().get("grpc-retry-pushback-ms");
    let is_pushed = may_return && status.code() != Code::Aborted;
    assert_eq!(pushback.is_some(), is_pushed, "{case}");
    if status.code() == Code::ResourceExhausted {
        let violation = &details.quota_failure().unwrap().violations[0];
        assert_eq!(violation.subject, format!("stripe:{}", seen.calls[0].place.route), "{case}");
    }
    if info.reason == "OUTCOME_PENDING" {
        assert_eq!(info.metadata["safe_retry"], "same_request_id", "{case}");
    }
    if let Some(attempts) = info.metadata.get("attempts") {
        assert_eq!(attempts, &seen.calls.len().to_string(), "{case}");
        assert_eq!(info.metadata["stripe_request_id"], "req_fault", "{case}");
    }
    // Words of Stripe about a request are passed on, words about itself are not.
    assert!(!status.message().contains("html"), "{case}");
}

/// All attempts of a write are one request, and what they made is one thing.
fn assert_same_request(seen: &Seen, case: &str) {
    for call in &seen.calls[1..] {
        let first = &seen.calls[0];
        assert_eq!(call.idempotency_key, first.idempotency_key, "{case}");
        assert_eq!((&call.form, &call.place.path), (&first.form, &first.place.path), "{case}");
    }
    assert!(seen.made.len() <= 1, "{case}: {:?}", seen.made);
}

/// Makes a call that meets a fault, and then the same again without one.
async fn check(upstream: &Upstream, fault: Fault, when: When, method: Method) -> usize {
    let case = format!("{fault:?} {when:?} {method:?}");
    let service = Service::before(upstream);
    upstream.fail([], None);
    let known = service.prepare().await;
    let id = Uuid::new_v4();
    match when {
        When::First => upstream.fail([Some(fault)], None),
        When::Second => upstream.fail([Some(Fault::ConnectionRefused), Some(fault)], None),
        When::Always => upstream.fail([], Some(fault)),
    }
    let start = Instant::now();
    let outcome = service.call(method, &known, id, TIME).await;
    assert!(start.elapsed() <= TIME + LATE_MAX, "{case}: {:?}", start.elapsed());
    let seen = upstream.seen();
    let expected = expected(fault, when, method);
    match (&outcome, expected.told) {
        (Ok(_), None) => {}
        (Err(status), Some(told)) => assert_told(status, told, &seen, &case),
        (outcome, expected) => panic!("{case}: {expected:?} was expected of {outcome:?}"),
    }
    assert_eq!(seen.calls.len(), expected.attempts, "{case}");
    if method.is_write() {
        assert_same_request(&seen, &case);
    }
    let calls = seen.calls.len();

    // Whoever asks again under the same id gets the one thing that was made, or
    // Stripe's judgement again.
    let is_judged = matches!(&outcome, Err(status) if status.code() == Code::InvalidArgument);
    // What Stripe keeps for the key, be it a failure or the answer to another request, is
    // for the resolver, which is not here.
    let is_kept = outcome.is_err() && matches!(fault, Fault::FailureStored | Fault::KeyMismatch);
    let made = seen.made;
    upstream.fail([], None);
    tokio::time::sleep(TIME).await;
    let again = service.call(method, &known, id, TIME).await;
    assert_eq!(again.is_err(), (is_judged || is_kept) && method.is_write(), "{case}: {again:?}");
    if let (Ok(first), Ok(again)) = (&outcome, &again) {
        assert_eq!(first, again, "{case}");
    }
    let all: Vec<_> = made.union(&upstream.seen().made).cloned().collect();
    assert!(all.len() <= 1, "{case}: {all:?}");
    calls
}

#[tokio::test(start_paused = true)]
async fn every_fault_is_told_as_the_table_says_and_makes_nothing_twice() {
    let upstream = Upstream::start().await;
    let (mut cases, mut calls) = (0, 0);
    for fault in Fault::ALL {
        for when in [When::First, When::Second, When::Always] {
            for method in Method::ALL {
                calls += check(&upstream, fault, when, method).await;
                cases += 1;
            }
        }
    }
    println!("{cases} cases, {calls} attempts, all told as the table says, no second creation");
    assert_eq!(cases, 34 * 3 * 6);
}

#[tokio::test(start_paused = true)]
async fn whatever_hangs_callers_hear_in_time() {
    let upstream = Upstream::start().await;
    for method in Method::ALL {
        for millis in [100, 900, 5_000, 15_000] {
            let service = Service::before(&upstream);
            upstream.fail([], None);
            let known = service.prepare().await;
            upstream.fail([], Some(Fault::SilentUnasked));
            let (start, time) = (Instant::now(), Duration::from_millis(millis));
            let refused = service.call(method, &known, Uuid::new_v4(), time).await.unwrap_err();
            assert!(
                start.elapsed() <= time + LATE_MAX,
                "{method:?} {millis}: {:?}",
                start.elapsed()
            );
            assert_eq!(refused.code(), Code::DeadlineExceeded, "{method:?} {millis}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stripes_wish_is_kept_to_and_told_where_it_does_not_fit() {
    let upstream = Upstream::start().await;
    for (fault, wait, told) in [
        (Fault::LimitedForTwoSeconds, 2.0..=2.6, 2),
        (Fault::LimitedForNonsense, 0.25..=0.51, 1),
        (Fault::LimitedForADay, 0.0..=0.01, 60),
    ] {
        let service = Service::before(&upstream);
        upstream.fail([], None);
        let known = service.prepare().await;
        upstream.fail([], Some(fault));
        let start = Instant::now();
        let call = service.call(Method::ListProducts, &known, Uuid::nil(), TIME);
        let refused = call.await.unwrap_err();
        let waited = start.elapsed().as_secs_f64();
        assert!(wait.contains(&waited), "{fault:?}: {waited}");
        let again = refused.get_error_details().retry_info().unwrap().retry_delay;
        assert_eq!(again, Some(Duration::from_secs(told)), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_who_wait_for_a_stripe_that_hangs_most_hear_at_once() {
    let upstream = Upstream::start().await;
    let service = Service::before(&upstream);
    let known = service.prepare().await;
    upstream.fail([], Some(Fault::SilentUnasked));
    let start = Instant::now();
    let calls = (0..128).map(async |_| {
        let time = Duration::from_secs(15);
        let refused = service.call(Method::CreateProduct, &known, Uuid::new_v4(), time).await;
        let refused = refused.unwrap_err();
        (refused.get_error_details().error_info().unwrap().reason.clone(), start.elapsed())
    });
    let told = futures_util::future::join_all(calls).await;
    let early = told.iter().filter(|(_, when)| *when <= Duration::from_millis(1_100)).count();
    // A test account takes 25 at once, and 20 more in the second that is waited for.
    let sent = upstream.seen().calls.len();
    println!("128 callers of a silent Stripe: {sent} sent, {early} told within a second");
    assert!(sent <= 3 * 32, "{sent}");
    assert!(early >= 128 - 64, "{early}");
    for (reason, when) in &told {
        let known = ["UPSTREAM_RATE_LIMITED", "UPSTREAM_SATURATED", "DEADLINE", "OUTCOME_PENDING"];
        assert!(known.contains(&&**reason), "{reason}");
        assert!(*when <= Duration::from_secs(15) + LATE_MAX, "{when:?}");
    }
}
