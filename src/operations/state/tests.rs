use super::*;
use crate::operations::tests::operation;

const HOUR_MS: i64 = 60 * 60 * 1_000;
const KEEP: Duration = Duration::from_hours(30 * 24);

fn done() -> Report {
    Report::Done { resource: "plink_1".into(), answer: "{}".into() }
}

fn refused(status: u16) -> Report {
    Report::Refused { status, refusal: "{}".into() }
}

fn doubt(is_failure_stored: bool) -> Report {
    Report::Doubt { is_failure_stored }
}

fn after(operation: Operation, report: &Report) -> Option<Operation> {
    operation.after(report, "one", 2_000, KEEP, 0.5)
}

/// Lets a report come to an operation that is being sent, in doubt or not.
fn check(in_doubt: bool, report: &Report, expected: OperationState) {
    let next = after(Operation { in_doubt, ..operation() }, report).unwrap();
    assert_eq!(next.state, expected, "{report:?}, in doubt: {in_doubt}");
    assert_eq!(next.holder, "", "{report:?}");
    assert_eq!(next.form.is_empty(), next.has_ended(), "{report:?}");
}

#[test]
fn an_answer_ends_it_and_so_does_a_verdict() {
    for in_doubt in [false, true] {
        check(in_doubt, &done(), OperationState::Done);
        check(in_doubt, &refused(400), OperationState::Rejected);
        check(in_doubt, &refused(404), OperationState::Rejected);
    }
}

#[test]
fn it_is_new_again_only_where_no_attempt_can_have_had_an_effect() {
    check(false, &Report::Nothing, OperationState::New);
    check(true, &Report::Nothing, OperationState::Unknown);
    check(false, &doubt(false), OperationState::Unknown);
    check(true, &doubt(true), OperationState::Unknown);
}

#[test]
fn doubt_stays_until_there_is_proof() {
    let unknown = after(operation(), &doubt(false)).unwrap();
    let again = unknown.taken("one", 3_000);
    assert!(again.in_doubt);
    assert_eq!(after(again, &Report::Nothing).unwrap().state, OperationState::Unknown);
}

#[test]
fn whoever_takes_it_from_another_does_not_know_what_that_one_has_sent() {
    let taken = operation().taken("two", 60_000);
    assert!(taken.in_doubt);
    assert_eq!((&*taken.holder, taken.attempts, taken.sent_at_ms), ("two", 2, 1_000));
    let new = Operation { state: OperationState::New, ..operation() }.taken("two", 60_000);
    assert!(!new.in_doubt);
    assert_eq!(new.sent_at_ms, 60_000);
}

#[test]
fn who_has_lost_it_changes_nothing_by_failures_and_ends_it_by_an_answer() {
    let others = || operation().taken("two", 20_000);
    assert_eq!(after(others(), &Report::Nothing), None);
    assert_eq!(after(others(), &doubt(true)), None);
    assert_eq!(after(others(), &done()).unwrap().state, OperationState::Done);
}

#[test]
fn what_was_done_stays_done() {
    let ended = after(operation(), &done()).unwrap();
    for report in [done(), refused(400), Report::Nothing, doubt(true)] {
        assert_eq!(after(ended.clone(), &report), None, "{report:?}");
    }
    // An answer is proof even where it was given up before.
    let lost = operation().lost(2_000, KEEP);
    assert_eq!(after(lost.clone(), &Report::Nothing), None);
    assert_eq!(after(lost, &done()).unwrap().state, OperationState::Done);
}

#[test]
fn a_deletion_that_finds_nothing_after_a_lost_answer_has_been_done() {
    let path = "/v1/products/prod_1".to_owned();
    let deletion =
        |in_doubt| Operation { path: path.clone(), form: Bytes::new(), in_doubt, ..operation() };
    let next = |in_doubt| after(deletion(in_doubt), &refused(404)).unwrap().state;
    assert_eq!(next(true), OperationState::Done);
    assert_eq!(next(false), OperationState::Rejected);
}

/// Asks for the next step of an unknown operation of an age.
fn check_step(age_ms: i64, change: impl FnOnce(&mut Operation), expected: Step) {
    let mut unknown = after(operation(), &doubt(false)).unwrap();
    change(&mut unknown);
    let now_ms = unknown.sent_at_ms + age_ms;
    assert_eq!(unknown.step(now_ms), expected, "{age_ms} ms: {unknown:?}");
}

#[test]
fn it_is_sent_again_while_stripe_certainly_knows_its_key() {
    check_step(0, |_| {}, Step::Send);
    check_step(20 * HOUR_MS - 1, |_| {}, Step::Send);
    check_step(20 * HOUR_MS, |_| {}, Step::Search);
    check_step(0, |unknown| unknown.is_failure_stored = true, Step::Search);
}

#[test]
fn it_gets_a_new_key_once_after_two_searches_in_vain() {
    let searched = |searches, generation| {
        move |unknown: &mut Operation| {
            unknown.searches = searches;
            unknown.generation = generation;
        }
    };
    check_step(21 * HOUR_MS, searched(1, 0), Step::Search);
    check_step(21 * HOUR_MS, searched(2, 0), Step::Renew);
    check_step(21 * HOUR_MS, searched(2, 1), Step::GiveUp);
}

#[test]
fn an_old_change_is_not_made_after_later_ones() {
    let update = |unknown: &mut Operation| {
        unknown.path = "/v1/payment_links/plink_1".into();
        unknown.searches = 2;
        unknown.is_failure_stored = true;
    };
    check_step(HOUR_MS, update, Step::Renew);
    check_step(21 * HOUR_MS, update, Step::GiveUp);
}

#[test]
fn what_leaves_no_event_is_not_looked_for() {
    check_step(21 * HOUR_MS, |o| o.path = "/v1/shipping_rates".into(), Step::GiveUp);
    check_step(21 * HOUR_MS, |o| o.form = Bytes::new(), Step::GiveUp);
}

#[test]
fn what_was_found_is_fetched() {
    check_step(0, |unknown| unknown.resource = "plink_1".into(), Step::Fetch);
}

#[test]
fn what_one_request_has_made_beside_it_is_not_its_own() {
    let made = |kind: &str, key: &str| Made {
        key: key.into(),
        kind: kind.into(),
        resource: "plink_1".into(),
    };
    let operation = operation();
    assert!(operation.has_made(&made("payment_link.created", "plv1-1")));
    assert!(operation.has_made(&made("payment_link.created", "plv1-1-g1")));
    assert!(!operation.has_made(&made("product.created", "plv1-1")));
    assert!(!operation.has_made(&made("payment_link.created", "plv1-2")));
}

#[test]
fn what_was_found_and_is_gone_is_asked_for_by_its_key_while_stripe_knows_it() {
    let found = || after(operation(), &doubt(false)).unwrap().found("plink_1".into(), HOUR_MS);
    assert_eq!(found().gone(HOUR_MS, KEEP).step(HOUR_MS), Step::Send);
    assert_eq!(found().gone(21 * HOUR_MS, KEEP).state, OperationState::Lost);
}

#[test]
fn a_key_that_stands_for_another_request_leads_to_what_that_one_did() {
    let mismatch =
        stripe::error::StripeError { kind: Some("idempotency_error".into()), ..Default::default() };
    let refusal = stripe::error::Refusal { status: 400, error: mismatch, ..Default::default() };
    let outcome = Err(stripe::Error::Refused(Box::new(refusal)));
    let report = Report::of(&outcome, Effect::Create);
    let unknown = after(operation(), &report).unwrap();
    assert_eq!(unknown.step(2_000), Step::Search, "to send it again brings the same");
    assert!(unknown.traces_since_ms() <= unknown.created_at_ms - 24 * HOUR_MS);
}

#[test]
fn who_has_lost_it_holds_it_no_longer() {
    assert!(operation().is_held_by("one"));
    assert!(!operation().is_held_by("two"));
    assert!(!after(operation(), &done()).unwrap().is_held_by("one"));
}

#[test]
fn searches_close_to_each_other_are_one() {
    let first = operation().missed(HOUR_MS);
    let soon = first.clone().missed(HOUR_MS + 1_000);
    let later = first.clone().missed(HOUR_MS + millis(SEARCH_PAUSE));
    assert_eq!((first.searches, soon.searches, later.searches), (1, 1, 2));
}

#[test]
fn a_new_key_is_another_and_starts_afresh() {
    let unknown = after(operation(), &doubt(true)).unwrap();
    let old = unknown.idempotency_key();
    let renewed = Operation { searches: 2, ..unknown }.renewed(30 * HOUR_MS);
    assert_eq!((&*old, &*renewed.idempotency_key()), ("plv1-1", "plv1-1-g1"));
    assert_eq!(renewed.step(30 * HOUR_MS), Step::Send);
    assert!(renewed.in_doubt, "the first key is not forgotten");
}

#[test]
fn the_pauses_double_up_to_five_minutes() {
    let pauses = [1, 2, 3, 20].map(|attempts| resend_pause_ms(attempts, 1.0));
    assert_eq!(pauses, [2_000, 4_000, 8_000, 300_000]);
    assert_eq!(resend_pause_ms(1, 0.0), 1_000);
}
