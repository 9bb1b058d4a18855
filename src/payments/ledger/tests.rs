use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const KINDS: [&str; 4] = [COMPLETED, ASYNC_SUCCEEDED, ASYNC_FAILED, EXPIRED];
const STATUSES: [PaymentStatus; 4] = [
    PaymentStatus::Paid,
    PaymentStatus::Unpaid,
    PaymentStatus::NoPaymentRequired,
    PaymentStatus::Unspecified,
];

fn session(status: PaymentStatus) -> pb::Payment {
    pb::Payment {
        id: "cs_1".into(),
        payment_link: "plink_1".into(),
        payment_status: status.into(),
        ..Default::default()
    }
}

fn check(kind: &str, status: PaymentStatus, expected: State) {
    let fact = fact("evt_1", kind, session(status)).unwrap();
    assert_eq!(fact.payment.state(), expected);
    assert_eq!(fact.decided_by, "evt_1");
}

fn replay(facts: &[Known]) -> Option<Known> {
    facts.iter().fold(None, |known, fact| {
        let change = apply(known.as_ref(), fact.clone());
        change.map(|change| change.known).or(known)
    })
}

prop_compose! {
    /// An event about the one payment. Line items come with it or were not to be had.
    fn any_fact()(
        kind in select(&KINDS[..]),
        status in select(&STATUSES[..]),
        number in 0..100_u32,
        amount_total in 0..3_i64,
        has_items in any::<bool>(),
    ) -> Known {
        let item = pb::LineItem { price: "price_1".into(), ..Default::default() };
        let payment = pb::Payment {
            amount_total,
            line_items: if has_items { vec![item] } else { vec![] },
            ..session(status)
        };
        fact(&format!("evt_{number:02}"), kind, payment).unwrap()
    }
}

/// Different events, some of them about the same fact, as Stripe may send them:
/// shuffled, with repetitions.
fn histories() -> impl Strategy<Value = (Vec<Known>, Vec<Known>)> {
    prop::collection::vec(any_fact(), 1..8).prop_flat_map(|mut facts| {
        facts.sort_by(|a, b| a.decided_by.cmp(&b.decided_by));
        facts.dedup_by(|a, b| a.decided_by == b.decided_by);
        let again = prop::collection::vec(select(facts.clone()), 0..8);
        let shuffled = again.prop_map({
            let facts = facts.clone();
            move |again| [facts.clone(), again].concat()
        });
        (Just(facts), shuffled.prop_shuffle())
    })
}

proptest! {
    #[test]
    fn the_order_and_the_number_of_deliveries_do_not_matter((once, shuffled) in histories()) {
        prop_assert_eq!(replay(&once), replay(&shuffled));
    }

    #[test]
    fn the_strongest_state_wins((_, facts) in histories()) {
        let strongest = facts.iter().map(|fact| fact.payment.state).max();
        prop_assert_eq!(replay(&facts).map(|known| known.payment.state), strongest);
    }

    #[test]
    fn no_fact_is_taken_back((_, facts) in histories()) {
        let mut known: Option<Known> = None;
        for fact in facts {
            let Some(change) = apply(known.as_ref(), fact) else { continue };
            let before = known.as_ref().map_or(State::Unspecified, |known| known.payment.state());
            prop_assert_eq!(change.previous_state, before);
            prop_assert!(change.known.payment.state() >= before);
            known = Some(change.known);
        }
    }
}

#[test]
fn a_completed_session_is_paid_only_when_stripe_says_so() {
    check(COMPLETED, PaymentStatus::Paid, State::Paid);
    check(COMPLETED, PaymentStatus::Unpaid, State::Pending);
    check(COMPLETED, PaymentStatus::NoPaymentRequired, State::NoPaymentRequired);
    check(COMPLETED, PaymentStatus::Unspecified, State::Pending);
}

#[test]
fn a_delayed_payment_succeeds_or_fails() {
    check(ASYNC_SUCCEEDED, PaymentStatus::Paid, State::Paid);
    check(ASYNC_FAILED, PaymentStatus::Unpaid, State::Failed);
}

#[test]
fn an_abandoned_session_expires() {
    check(EXPIRED, PaymentStatus::Unpaid, State::Expired);
}

#[test]
fn a_session_without_a_payment_link_is_not_ours() {
    let session = pb::Payment { payment_link: String::new(), ..session(PaymentStatus::Paid) };
    assert_eq!(fact("evt_1", COMPLETED, session), None);
}

#[test]
fn events_of_other_kinds_tell_of_no_payment() {
    assert!(KINDS.iter().all(|kind| is_told_by(kind)));
    assert!(!is_told_by("charge.refunded"));
    assert_eq!(fact("evt_1", "charge.refunded", session(PaymentStatus::Paid)), None);
}

#[test]
fn the_states_are_numbered_by_their_strength() {
    use State::{Expired, Failed, NoPaymentRequired, Open, Paid, Pending, Unspecified};
    assert!([Unspecified, Open, Expired, Pending, Failed, NoPaymentRequired, Paid].is_sorted());
}

#[test]
fn a_second_event_about_the_same_fact_is_not_a_visible_change() {
    let first = fact("evt_1", COMPLETED, session(PaymentStatus::Paid)).unwrap();
    let second = fact("evt_2", COMPLETED, session(PaymentStatus::Paid)).unwrap();
    let change = apply(Some(&first), second.clone()).unwrap();
    assert!(!change.is_visible);
    assert_eq!(apply(Some(&second), first), None);
}

#[test]
fn a_repeated_event_changes_nothing() {
    let fact = fact("evt_1", COMPLETED, session(PaymentStatus::Paid)).unwrap();
    assert_eq!(apply(Some(&fact), fact.clone()), None);
}
