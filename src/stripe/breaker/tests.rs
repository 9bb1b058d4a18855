use futures_util::FutureExt as _;
use http::Method;
use tower::service_fn;

use super::circuit::Pass;
use super::*;
use crate::stripe::error::{Phase, Refusal};
use crate::stripe::tests::{answer, call};
use crate::stripe::transport::Transport;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// How long each attempt takes: four of them are long enough to conclude something.
const EACH: Duration = Duration::from_millis(125);

fn circuit() -> Arc<Circuit> {
    Arc::new(Circuit::new(FIRST, LONGEST))
}

/// Lets attempts through that come back as told, one after the other; gives how
/// many were let through.
async fn check(circuit: &Arc<Circuit>, verdicts: &[Verdict]) -> usize {
    let mut admitted = 0;
    for verdict in verdicts {
        if let Ok(pass) = Circuit::admit(circuit, Instant::now()) {
            tokio::time::advance(EACH).await;
            pass.report(*verdict, Instant::now());
            admitted += 1;
        }
    }
    admitted
}

fn refused(circuit: &Arc<Circuit>) -> Duration {
    Circuit::admit(circuit, Instant::now()).expect_err("the circuit is open")
}

fn admitted(circuit: &Arc<Circuit>) -> Pass {
    Circuit::admit(circuit, Instant::now()).expect("the circuit is closed")
}

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_open_it_and_a_success_between_them_does_not() {
    use Verdict::{Failing, Healthy, Limiting, Unknown};
    assert_eq!(check(&circuit(), &[Failing; 8]).await, 5);
    let circuit = circuit();
    let mixed = [Failing, Failing, Failing, Failing, Healthy, Failing, Unknown, Limiting];
    assert_eq!(check(&circuit, &mixed).await, mixed.len());
}

#[tokio::test(start_paused = true)]
async fn it_opens_when_less_than_half_succeed_of_enough_in_ten_seconds() {
    use Verdict::{Healthy, Limiting};
    let mixed = [Healthy, Limiting, Healthy, Limiting, Healthy, Limiting, Healthy, Limiting];
    let open = circuit();
    assert_eq!(check(&open, &mixed).await, 8);
    assert_eq!(
        check(&open, &[Limiting, Limiting, Limiting]).await,
        2,
        "of ten, four have succeeded"
    );

    let slow = circuit();
    for _ in 0..40 {
        assert_eq!(check(&slow, &[Limiting]).await, 1, "there are fewer than ten in ten seconds");
        tokio::time::advance(Duration::from_millis(1_125)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_only_faster_than_successes_do_not_open_it() {
    let circuit = circuit();
    for _ in 0..9 {
        let together: Vec<_> = (0..40).map(|_| admitted(&circuit)).collect();
        for (nth, pass) in together.into_iter().enumerate() {
            if nth == 14 {
                tokio::time::advance(Duration::from_millis(400)).await;
            }
            let verdict = if nth < 14 { Verdict::Failing } else { Verdict::Healthy };
            assert_eq!(pass.report(verdict, Instant::now()), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_stays_open_twice_as_long_each_time_and_thirty_seconds_at_most() {
    let circuit = circuit();
    check(&circuit, &[Verdict::Failing; 5]).await;
    for expected_secs in [1, 2, 4, 8, 16, 30, 30] {
        let open = refused(&circuit);
        let expected = Duration::from_secs(expected_secs);
        assert!((expected.mul_f64(0.8)..=expected.mul_f64(1.2)).contains(&open), "{open:?}");
        tokio::time::advance(open).await;
        assert_eq!(check(&circuit, &[Verdict::Failing; 3]).await, 1, "one probe");
    }
    tokio::time::advance(refused(&circuit)).await;
    assert_eq!(check(&circuit, &[Verdict::Healthy; 9]).await, 9);
    check(&circuit, &[Verdict::Failing; 5]).await;
    assert!(refused(&circuit) <= FIRST.mul_f64(1.2), "it has forgotten");
}

#[tokio::test(start_paused = true)]
async fn one_probe_is_out_at_a_time_and_a_lost_one_is_followed_by_another() {
    let circuit = circuit();
    check(&circuit, &[Verdict::Failing; 5]).await;
    tokio::time::advance(LONGEST).await;
    let probe = admitted(&circuit);
    assert_eq!(refused(&circuit), FIRST);
    drop(probe);
    let probe = admitted(&circuit);
    assert_eq!(probe.report(Verdict::Unknown, Instant::now()), None);
    let probe = admitted(&circuit);
    assert_eq!(probe.report(Verdict::Healthy, Instant::now()), Some(false));
    drop((admitted(&circuit), admitted(&circuit)));
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_from_before_it_opened_changes_nothing() {
    let circuit = circuit();
    let early = admitted(&circuit);
    check(&circuit, &[Verdict::Failing; 5]).await;
    assert_eq!(early.report(Verdict::Healthy, Instant::now()), None);
    refused(&circuit);
}

#[tokio::test(start_paused = true)]
async fn writes_are_refused_unsent_while_they_fail_and_reads_go_on() {
    let upstream = service_fn(|call: Call| async move {
        tokio::time::sleep(EACH).await;
        if call.is_write() { Err(Error::TimedOut { write: true }) } else { Ok(answer("{}")) }
    });
    let breaker =
        Breaker::new(Transport::over(upstream), crate::stripe::stack::told_of(""), FIRST, LONGEST);
    for _ in 0..5 {
        let failed = breaker.carry(&call(Method::POST)).await.unwrap_err();
        assert!(matches!(failed, Error::TimedOut { .. }));
    }
    let refused = breaker.carry(&call(Method::POST)).await.unwrap_err();
    let Error::CircuitOpen { retry_after } = refused else { panic!("{refused}") };
    assert!(retry_after <= FIRST.mul_f64(1.2));
    breaker.carry(&call(Method::GET)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_during_the_probe_does_not_keep_it_open() {
    let circuit = circuit();
    check(&circuit, &[Verdict::Failing; 5]).await;
    assert!(circuit.is_open());
    tokio::time::advance(LONGEST).await;
    let silent = service_fn(|_: Call| std::future::pending::<Result<Answer, Error>>());
    let account = crate::stripe::stack::told_of("");
    let breaker = Breaker::over(Transport::over(silent), account, circuit.clone(), circuit.clone());
    let asked = call(Method::GET);
    let mut probing = Box::pin(breaker.carry(&asked));
    assert!((&mut probing).now_or_never().is_none());
    drop(probing);
    drop(admitted(&circuit));
}

#[test]
fn what_says_nothing_of_stripes_health_is_not_held_against_it() {
    let refused = |status, code: &str, replayed| {
        let mut refusal = Refusal { status, replayed, ..Refusal::default() };
        refusal.error.code = Some(code.into());
        Err(Error::Refused(Box::new(refusal)))
    };
    for (outcome, expected) in [
        (Ok(answer("{}")), Verdict::Healthy),
        (refused(400, "parameter_missing", false), Verdict::Healthy),
        (refused(404, "resource_missing", false), Verdict::Healthy),
        (refused(500, "", false), Verdict::Failing),
        (refused(500, "", true), Verdict::Healthy),
        (refused(503, "", false), Verdict::Failing),
        (refused(429, "rate_limit", false), Verdict::Limiting),
        (refused(429, "lock_timeout", false), Verdict::Unknown),
        (Err(Error::Unreachable { phase: Phase::Connect }), Verdict::Failing),
        (Err(Error::AnswerLost { write: false }), Verdict::Failing),
        (Err(Error::Saturated { retry_after: FIRST }), Verdict::Unknown),
        (Err(Error::Deadline), Verdict::Unknown),
    ] {
        assert_eq!(verdict(&outcome), expected, "{outcome:?}");
    }
}
