//! Asks again where that is safe and can help.
//!
//! Safe, because every write carries an idempotency key and every attempt the
//! same bytes; helpful, as Stripe's official clients judge it: no answer, 409,
//! 424, 429, 5xx, and before all of these Stripe's own word in
//! `Stripe-Should-Retry`. This is the only layer that retries.
//!
//! | the attempt | is made again |
//! |---|---|
//! | did not leave, but for a host that does not prove itself | at once, then after a pause |
//! | lost its answer, ended late, or was answered in words that no one can read | after a pause |
//! | 409, 424, 5xx, 429 `lock_timeout` | after a pause |
//! | 429 otherwise | once |
//! | anything else, as what a layer of ours refused | never |

mod budget;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use opentelemetry::metrics::{Counter, ObservableGauge};
use opentelemetry::{KeyValue, global};

use self::budget::Budget;
use super::call::{Answer, Call};
use super::error::{Error, Phase};
use super::way::Way;
use crate::dice;
use crate::planted::{self, Bug};

/// An attempt with less time than this is not worth its cost.
const ATTEMPT_TIME_MIN: Duration = Duration::from_millis(500);
/// The classes of calls, as signals name them.
const READ: &str = "read";
const WRITE: &str = "write";

/// Makes attempts, as long as they can help.
#[derive(Debug)]
pub struct Retry<W> {
    inner: W,
    attempts_max: u32,
    backoff: Duration,
    backoff_max: Duration,
    reads: Arc<Budget>,
    writes: Arc<Budget>,
    /// What reads the budgets lives as long as they do.
    _gauge: ObservableGauge<f64>,
}

static RETRIES: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.stripe.retries")
        .with_unit("{request}")
        .with_description("Further attempts that could help, by whether they were made.")
        .build()
});

// === impl Retry ===

impl<W> Retry<W> {
    /// Allows `attempts_max` attempts in all, the second after about `backoff`,
    /// each further one after twice as long, up to `backoff_max`. What is told of it
    /// names the account.
    #[must_use]
    pub fn new(
        inner: W,
        account: KeyValue,
        attempts_max: u32,
        backoff: Duration,
        backoff_max: Duration,
    ) -> Self {
        let (reads, writes) = (Arc::<Budget>::default(), Arc::<Budget>::default());
        let budgets = [(&reads, READ), (&writes, WRITE)];
        let budgets = budgets.map(|(budget, class)| (Arc::downgrade(budget), class));
        let gauge = global::meter("paylink")
            .f64_observable_gauge("paylink.stripe.retry.budget")
            .with_unit("{request}")
            .with_description("How many further attempts may be made now, by class of call.")
            .with_callback(move |observer| {
                for (budget, class) in &budgets {
                    if let Some(budget) = budget.upgrade() {
                        let class = KeyValue::new("class", *class);
                        observer.observe(budget.left(), &[class, account.clone()]);
                    }
                }
            })
            .build();
        Self { inner, attempts_max, backoff, backoff_max, reads, writes, _gauge: gauge }
    }

    /// Gives the pause before the next attempt, if there is to be one, and counts it.
    fn next(&self, call: &Call, error: &Error, attempts: u32) -> Option<Duration> {
        if attempts >= self.attempts_max || !can_help(error, attempts) {
            return None;
        }
        let pause = self.pause(error, attempts);
        let outcome = if pause + ATTEMPT_TIME_MIN > call.time_left() {
            "no_time"
        } else if self.budget(call).spend() {
            "made"
        } else {
            "no_budget"
        };
        let class = if call.is_write() { WRITE } else { READ };
        RETRIES.add(1, &[KeyValue::new("class", class), KeyValue::new("outcome", outcome)]);
        (outcome == "made").then_some(pause)
    }

    fn budget(&self, call: &Call) -> &Budget {
        if call.is_write() { &self.writes } else { &self.reads }
    }

    /// How long to wait before the next attempt: half to all of the backoff, so
    /// that callers who failed together do not come back together.
    fn pause(&self, error: &Error, attempts: u32) -> Duration {
        if matches!(error, Error::Unreachable { .. }) && attempts == 1 {
            // Nothing was sent, so nothing is overloaded by us: try at once.
            return self.backoff.mul_f64(dice::between(0.0, 0.1));
        }
        let doubled = self.backoff.saturating_mul(1 << (attempts - 1).min(16));
        let backoff = doubled.min(self.backoff_max).mul_f64(dice::between(0.5, 1.0));
        match error {
            Error::Refused(refusal) => {
                // Not before Stripe says, and not all at the very moment that it says.
                let asked = refusal.retry_after.unwrap_or_default();
                backoff.max(asked.mul_f64(dice::between(1.0, 1.25)))
            }
            _ => backoff,
        }
    }
}

impl<W: Way> Way for Retry<W> {
    async fn carry(&self, call: &Call) -> Result<Answer, Error> {
        let mut call = Cow::Borrowed(call);
        // Whether an attempt that was made may have had its effect.
        let mut doubt = false;
        let mut attempts = 1;
        loop {
            let mut error = match self.inner.carry(&call).await {
                Ok(answer) => {
                    self.budget(&call).earn();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if let Error::Refused(refusal) = &mut error {
                refusal.attempts = attempts;
            }
            let acts = call.is_write() && error.may_have_acted();
            let Some(pause) = self.next(&call, &error, attempts) else {
                // Under a key, a verdict is one on the earlier attempts, too. Without one,
                // as of a DELETE, what is not found may be gone because of them.
                let is_judged = call.idempotency_key.is_some() && error.verdict().is_some();
                let is_doubtful = doubt && !acts && !is_judged;
                return Err(if is_doubtful { Error::Doubtful(Box::new(error)) } else { error });
            };
            doubt |= acts;
            if planted::is(Bug::FreshKey) {
                let key = call.idempotency_key.as_ref().map(|key| format!("{key}-{attempts}"));
                call = Cow::Owned(Call { idempotency_key: key, ..call.into_owned() });
            }
            tokio::time::sleep(pause).await;
            attempts += 1;
        }
    }
}

/// Tells whether one more attempt can help after that many.
fn can_help(error: &Error, attempts: u32) -> bool {
    match error {
        Error::Refused(refusal) => {
            let limited = refusal.is_rate_limit() && refusal.should_retry.is_none();
            // More requests would keep the limit reached.
            if limited { attempts == 1 } else { refusal.is_temporary() }
        }
        // The next attempt would find the same host.
        Error::Unreachable { phase } => *phase != Phase::Tls,
        Error::AnswerLost { .. } | Error::TimedOut { .. } | Error::Unreadable { .. } => true,
        Error::CircuitOpen { .. }
        | Error::Saturated { .. }
        | Error::Throttled { .. }
        | Error::TooLarge { .. }
        | Error::Deadline
        | Error::Doubtful(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http::Method;
    use tokio::time::Instant;
    use tower::{Service, service_fn};

    use super::*;
    use crate::stripe::error::{Refusal, StripeError};
    use crate::stripe::tests::{answer, call};
    use crate::stripe::transport::Transport;

    fn refused(status: u16, code: &str, should_retry: Option<bool>) -> Error {
        let error = StripeError { code: Some(code.into()), ..Default::default() };
        Error::Refused(Box::new(Refusal { status, error, should_retry, ..Default::default() }))
    }

    fn retry<S>(upstream: S) -> Retry<Transport>
    where
        S: Service<Call, Response = Answer, Error = Error> + Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(5));
        Retry::new(Transport::over(upstream), crate::stripe::stack::told_of(""), 3, first, longest)
    }

    /// Lets the upstream fail as told, then succeed; gives the attempts and the outcome.
    async fn check(asked: Call, failures: Vec<Error>) -> (Vec<Call>, Result<Answer, Error>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let failures = Arc::new(Mutex::new(failures.into_iter()));
        let upstream = service_fn({
            let seen = seen.clone();
            move |call: Call| {
                seen.lock().unwrap().push(call);
                let failure = failures.lock().unwrap().next();
                async move { failure.map_or_else(|| Ok(answer("{}")), Err) }
            }
        });
        let outcome = retry(upstream).carry(&asked).await;
        let seen = seen.lock().unwrap().clone();
        (seen, outcome)
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_help_is_tried_again_with_the_same_key_and_bytes() {
        let temporary = || {
            vec![
                Error::Unreachable { phase: Phase::Dns },
                Error::Unreachable { phase: Phase::Connect },
                Error::AnswerLost { write: true },
                Error::Unreadable { write: true, request_id: None },
                refused(429, "", None),
                Error::TimedOut { write: true },
                refused(409, "idempotency_key_in_use", None),
                refused(429, "lock_timeout", None),
                refused(500, "", None),
                refused(503, "", Some(true)),
                refused(400, "", Some(true)),
            ]
        };
        for failure in temporary() {
            let said = failure.to_string();
            let (attempts, outcome) = check(call(Method::POST), vec![failure]).await;
            assert!(outcome.is_ok() && attempts.len() == 2, "{said}");
            assert_eq!(attempts[0].idempotency_key, attempts[1].idempotency_key, "{said}");
            assert_eq!(attempts[0].form, attempts[1].form, "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_help_is_not_tried_again() {
        for failure in [
            refused(400, "parameter_missing", None),
            refused(404, "resource_missing", None),
            refused(429, "", Some(false)),
            refused(500, "", Some(false)),
            refused(302, "", None),
            Error::Unreachable { phase: Phase::Tls },
            Error::TooLarge { write: true },
            Error::Deadline,
            Error::CircuitOpen { retry_after: Duration::ZERO },
            Error::Saturated { retry_after: Duration::ZERO },
            refused(409, "", Some(false)),
        ] {
            let said = failure.to_string();
            let (attempts, outcome) = check(call(Method::POST), vec![failure]).await;
            assert!(outcome.is_err() && attempts.len() == 1, "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end_at_their_number_and_say_it() {
        let failures = (0..9).map(|_| refused(500, "", None)).collect();
        let (attempts, outcome) = check(call(Method::POST), failures).await;
        assert_eq!(attempts.len(), 3);
        let Err(Error::Refused(refusal)) = outcome else { panic!("the last failure is given") };
        assert_eq!(refusal.attempts, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_earlier_attempt_may_have_done_is_not_forgotten() {
        let lost = || Error::AnswerLost { write: true };
        let unsent = || Error::Unreachable { phase: Phase::Connect };
        let open = || Error::CircuitOpen { retry_after: Duration::ZERO };
        for (failures, in_doubt) in [
            (vec![unsent(), unsent(), unsent()], false),
            (vec![unsent(), refused(401, "", None)], false),
            (vec![lost(), refused(401, "", None)], true),
            (vec![lost(), unsent(), unsent()], true),
            (vec![lost(), open()], true),
            (vec![unsent(), open()], false),
            (vec![refused(500, "", None), refused(429, "", None)], true),
            // The key would have brought the earlier attempt's answer.
            (vec![lost(), refused(400, "parameter_missing", None)], false),
        ] {
            let (_, outcome) = check(call(Method::POST), failures).await;
            let error = outcome.unwrap_err();
            assert_eq!(error.may_have_acted(), in_doubt, "{error}");
            assert_eq!(matches!(error, Error::Doubtful(_)), in_doubt, "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_after_a_lost_deletion_may_be_gone_because_of_it() {
        let deletion = Call { idempotency_key: None, ..call(Method::DELETE) };
        let lost = Error::AnswerLost { write: true };
        let failures = vec![lost, refused(404, "resource_missing", None)];
        let (_, outcome) = check(deletion.clone(), failures).await;
        assert!(matches!(outcome, Err(Error::Doubtful(_))), "{outcome:?}");
        let (_, outcome) = check(deletion, vec![refused(404, "resource_missing", None)]).await;
        assert!(matches!(outcome, Err(Error::Refused(_))), "{outcome:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_limit_is_tried_once_more_and_a_held_object_twice() {
        for (code, expected) in [("", 2), ("rate_limit", 2), ("lock_timeout", 3)] {
            let failures = (0..9).map(|_| refused(429, code, None)).collect();
            let (attempts, _) = check(call(Method::POST), failures).await;
            assert_eq!(attempts.len(), expected, "{code}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stripes_wish_for_a_pause_is_kept_and_a_little_more() {
        let wish = Duration::from_secs(2);
        let limited = Refusal { status: 429, retry_after: Some(wish), ..Refusal::default() };
        let start = Instant::now();
        let failures = vec![Error::Refused(Box::new(limited))];
        assert_eq!(check(call(Method::GET), failures).await.0.len(), 2);
        assert!((wish..=wish.mul_f64(1.26)).contains(&start.elapsed()), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_is_made_that_would_end_after_the_deadline() {
        let mut asked = call(Method::GET);
        asked.deadline = Instant::now() + Duration::from_millis(700);
        let (attempts, _) = check(asked, vec![refused(500, "", None)]).await;
        assert_eq!(attempts.len(), 1);

        let patient = Refusal {
            status: 503,
            retry_after: Some(Duration::from_secs(90)),
            ..Refusal::default()
        };
        let refusal = Error::Refused(Box::new(patient));
        assert_eq!(check(call(Method::GET), vec![refusal]).await.0.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn retries_stop_when_the_budget_is_spent() {
        let attempts = Arc::new(Mutex::new(0));
        let made = attempts.clone();
        let failing = retry(service_fn(move |_: Call| {
            *made.lock().unwrap() += 1;
            std::future::ready(Err(refused(500, "", None)))
        }));
        let asked = call(Method::GET);
        for _ in 0..100 {
            failing.carry(&asked).await.unwrap_err();
        }
        let allowed = *attempts.lock().unwrap() - 100;
        assert!((1..=20).contains(&allowed), "{allowed} of 100 failures were retried");
    }
}
