//! What charges and payment intents tell.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::super::read::{COMPLETED, EXPIRED, Gone};
use super::*;

/// What a charge of an older version says, which shows one refund.
fn charged(id: &str, kind: &str, number: u32, status: &str, amount: i64) -> Told {
    let refund = json!({
        "id": format!("re_{number}"), "object": "refund", "amount": amount, "status": status,
        "created": number, "payment_intent": "pi_1", "charge": "ch_1",
        "balance_transaction": "txn_1",
    });
    let object = json!({
        "id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount_captured": 100,
        "amount_refunded": amount, "refunds": {"object": "list", "data": [refund]},
    });
    event(id, kind, &object).unwrap()
}

fn intent(id: &str, kind: &str, received: i64) -> Told {
    let status = kind.strip_prefix("payment_intent.").unwrap();
    let object = json!({
        "id": "pi_1", "object": "payment_intent", "status": status, "capture_method": "manual",
        "amount_received": received,
    });
    event(id, kind, &object).unwrap()
}

fn captured(id: &str, amount: i64) -> Told {
    let object = json!({
        "id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount_captured": amount,
        "amount_refunded": 0,
    });
    event(id, "charge.captured", &object).unwrap()
}

/// Anything that charges and payment intents can tell.
pub(super) fn any_told() -> impl Strategy<Value = Told> {
    let id = || (0..50_u32).prop_map(|number| format!("evt_{number:02}"));
    let statuses = select(&["pending", "succeeded", "failed"][..]);
    let ends = select(&["payment_intent.succeeded", "payment_intent.canceled"][..]);
    prop_oneof![
        (id(), 0..3_u32, statuses, 30..60_i64).prop_map(|(id, number, status, amount)| {
            charged(&id, "charge.refunded", number, status, amount)
        }),
        (id(), ends, 60..101_i64).prop_map(|(id, kind, received)| intent(&id, kind, received)),
        (id(), 60..101_i64).prop_map(|(id, amount)| captured(&id, amount)),
    ]
}

#[test]
fn a_charge_and_its_refunds_tell_the_same() {
    let paid = page("evt_0", COMPLETED, "paid", 100);
    for status in ["pending", "succeeded", "failed"] {
        let by_refund = refunded("evt_1", 1, status, 40, "pi_1");
        let by_charge = charged("evt_1", "charge.refunded", 1, status, 40);
        assert_eq!(replay(&[paid.clone(), by_charge]), replay(&[paid.clone(), by_refund]));
    }
}

#[test]
fn refunds_are_asked_for_where_they_do_not_add_up() {
    let known = |told: &[Told]| {
        let paid = page("evt_0", COMPLETED, "paid", 100);
        replay(&[&[paid], told].concat())
    };
    let gone = |amount| {
        let gone = Some(Gone { charge: "ch_1".into(), amount });
        Told { gone, ..captured("evt_9", 100) }
    };
    let refunds = Some(Lack::Refunds { charge: "ch_1".into() });
    let check = |told: &Told, known: Option<pb::Payment>, expected: &Option<Lack>| {
        assert!(may_lack(told));
        assert_eq!(lack(told, known.as_ref()), *expected);
    };
    check(&gone(40), None, &None);
    check(&gone(0), known(&[]), &None);
    check(&gone(40), known(&[]), &refunds);
    check(&gone(40), known(&[refunded("evt_1", 1, "pending", 40, "pi_1")]), &None);
    check(&gone(0), known(&[refunded("evt_1", 1, "succeeded", 40, "pi_1")]), &refunds);
    check(&gone(0), known(&[refunded("evt_1", 1, "failed", 40, "pi_1")]), &None);
    let shown = charged("evt_2", "charge.refunded", 2, "succeeded", 40);
    check(&shown, known(&[]), &None);
    check(&shown, known(&[refunded("evt_1", 1, "succeeded", 40, "pi_1")]), &refunds);
}

#[test]
fn what_was_set_aside_has_come_once_it_is_captured() {
    let set_aside = page("evt_0", COMPLETED, "unpaid", 100);
    let check = |told: &[Told], state, received, refunded, left_amount| {
        let payment = replay(&[std::slice::from_ref(&set_aside), told].concat()).unwrap();
        let amounts = (payment.amount_received, payment.amount_refunded);
        assert_eq!((payment.state(), amounts), (state, (received, refunded)));
        assert_eq!(left(&payment, "pi_1"), left_amount);
    };
    let release = |id: &str, amount: i64| {
        let object = json!({
            "id": "re_9", "object": "refund", "amount": amount, "status": "succeeded",
            "payment_intent": "pi_1", "charge": "ch_1", "balance_transaction": null,
        });
        event(id, "refund.created", &object).unwrap()
    };
    check(&[], State::Pending, 0, 0, None);
    check(&[captured("evt_1", 100)], State::Paid, 100, 0, Some(100));
    check(&[intent("evt_1", "payment_intent.succeeded", 100)], State::Paid, 100, 0, Some(100));
    let canceled = intent("evt_1", "payment_intent.canceled", 0);
    check(std::slice::from_ref(&canceled), State::Failed, 0, 0, None);
    check(&[canceled, release("evt_2", 100)], State::Failed, 0, 0, None);
    let part = [captured("evt_1", 60), release("evt_2", 40)];
    check(&part, State::Paid, 60, 0, Some(60));
    let back = refunded("evt_3", 1, "succeeded", 20, "pi_1");
    check(&[&part[..], &[back]].concat(), State::PartiallyRefunded, 60, 20, Some(40));
    let back = refunded("evt_3", 1, "succeeded", 60, "pi_1");
    check(&[&part[..], &[back]].concat(), State::Refunded, 60, 60, Some(0));
}

#[test]
fn a_canceled_intent_leaves_other_ends_alone() {
    let canceled = intent("evt_1", "payment_intent.canceled", 0);
    for (kind, status, expected) in [
        (EXPIRED, "unpaid", State::Expired),
        (COMPLETED, "paid", State::Paid),
        (COMPLETED, "no_payment_required", State::NoPaymentRequired),
    ] {
        let told = [page("evt_0", kind, status, 100), canceled.clone()];
        assert_eq!(replay(&told).unwrap().state(), expected);
    }
}

#[test]
fn of_a_part_that_was_captured_a_refund_under_way_counts() {
    let refund = |id: &str, number: u32, status: &str, amount: i64| {
        let object = json!({
            "id": format!("re_{number}"), "object": "refund", "amount": amount, "status": status,
            "payment_intent": "pi_1", "charge": "ch_1",
        });
        event(id, "refund.updated", &object).unwrap()
    };
    let mut told = vec![page("evt_0", COMPLETED, "unpaid", 100), captured("evt_1", 60)];
    // What was not captured was let go.
    told.push(refund("evt_2", 1, "succeeded", 40));
    assert_eq!(left(&replay(&told).unwrap(), "pi_1"), Some(60));
    told.push(refund("evt_3", 2, "pending", 50));
    assert_eq!(left(&replay(&told).unwrap(), "pi_1"), Some(10));
}
