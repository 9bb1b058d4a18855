mod charges;

use proptest::prelude::*;
use proptest::sample::select;
use prost_types::Timestamp;
use serde_json::json;

use super::read::{ASYNC_FAILED, ASYNC_SUCCEEDED, COMPLETED, EXPIRED};
use super::*;
use crate::pb::payment::DisputeState;
use crate::pb::{dispute, refund};
use crate::stripe::webhook::Event;

fn event(id: &str, kind: &str, object: &serde_json::Value) -> Option<Told> {
    let body = json!({"id": id, "type": kind, "data": {"object": object}});
    read(&Event::parse(body.to_string().as_bytes()).unwrap())
}

fn page(id: &str, kind: &str, status: &str, amount: i64) -> Told {
    let object = json!({
        "id": "cs_1", "object": "checkout.session", "payment_link": "plink_1",
        "payment_status": status, "amount_total": amount, "currency": "usd",
        "payment_intent": "pi_1", "invoice": "in_1",
    });
    event(id, kind, &object).unwrap()
}

fn refunded(id: &str, number: u32, status: &str, amount: i64, intent: &str) -> Told {
    let object = json!({
        "id": format!("re_{number}"), "object": "refund", "amount": amount, "status": status,
        "created": number, "payment_intent": intent, "charge": "ch_1",
        "balance_transaction": "txn_1",
    });
    event(id, "refund.updated", &object).unwrap()
}

fn disputed(id: &str, number: u32, status: &str) -> Told {
    let object = json!({
        "id": format!("du_{number}"), "object": "dispute", "status": status, "amount": 100,
        "created": number, "payment_intent": "pi_1", "charge": "ch_1",
    });
    event(id, "charge.dispute.updated", &object).unwrap()
}

fn invoiced(id: &str, number: u32, status: &str, attempts: i64) -> Told {
    let object = json!({
        "id": format!("in_{number}"), "object": "invoice", "status": status, "created": number,
        "attempt_count": attempts, "amount_paid": 100,
        "parent": {"subscription_details": {"subscription": "sub_1"}},
    });
    event(id, "invoice.paid", &object).unwrap()
}

fn paid_by(id: &str, number: u32, intent: &str) -> Told {
    paid_in_part(id, number, intent, 100)
}

fn paid_in_part(id: &str, number: u32, intent: &str, amount: i64) -> Told {
    let object = json!({
        "id": format!("inpay_{intent}"), "object": "invoice_payment",
        "invoice": format!("in_{number}"), "payment": {"payment_intent": intent},
        "amount_paid": amount,
    });
    event(id, "invoice_payment.paid", &object).unwrap()
}

fn replay(told: &[Told]) -> Option<pb::Payment> {
    let mut facts = Vec::new();
    for told in told {
        join(&mut facts, told.facts.clone());
    }
    view(&facts)
}

fn check(kind: &str, status: &str, expected: State) {
    assert_eq!(replay(&[page("evt_1", kind, status, 100)]).unwrap().state(), expected);
}

/// Anything that Stripe can tell of one payment, true or not.
fn any_told() -> impl Strategy<Value = Told> {
    let id = || (0..50_u32).prop_map(|number| format!("evt_{number:02}"));
    let kinds = select(&[COMPLETED, ASYNC_SUCCEEDED, ASYNC_FAILED, EXPIRED][..]);
    let statuses = select(&["paid", "unpaid", "no_payment_required", "other"][..]);
    let refund_statuses =
        select(&["pending", "requires_action", "succeeded", "failed", "canceled", "?"][..]);
    let dispute_statuses =
        select(&["warning_needs_response", "needs_response", "won", "lost", "?"][..]);
    prop_oneof![
        (id(), kinds, statuses, 99..101_i64)
            .prop_map(|(id, kind, status, amount)| { page(&id, kind, status, amount) }),
        (id(), 0..3_u32, refund_statuses, 30..60_i64, select(&["pi_1", "pi_2"][..])).prop_map(
            |(id, number, status, amount, intent)| refunded(&id, number, status, amount, intent)
        ),
        (id(), 0..2_u32, dispute_statuses)
            .prop_map(|(id, number, status)| disputed(&id, number, status)),
        (id(), 1..3_u32, select(&["open", "paid"][..]), 0..3_i64)
            .prop_map(|(id, number, status, attempts)| invoiced(&id, number, status, attempts)),
        (id(), 1..3_u32).prop_map(|(id, number)| paid_by(&id, number, &format!("pi_{number}"))),
        id().prop_map(|id| {
            let line_items = vec![pb::LineItem { price: "price_1".into(), ..<_>::default() }];
            let page = pb::Payment { line_items, ..<_>::default() };
            Told { facts: vec![details(&page, &id)], ..<_>::default() }
        }),
        charges::any_told(),
    ]
}

/// What Stripe tells, once, and the same shuffled with repetitions.
fn histories() -> impl Strategy<Value = (Vec<Told>, Vec<Told>)> {
    prop::collection::vec(any_told(), 1..16).prop_flat_map(|told| {
        let again = prop::collection::vec(select(told.clone()), 0..8);
        let shuffled = again.prop_map({
            let told = told.clone();
            move |again| [told.clone(), again].concat()
        });
        (Just(told), shuffled.prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_order_and_the_number_of_deliveries_do_not_matter((once, shuffled) in histories()) {
        prop_assert_eq!(replay(&once), replay(&shuffled));
    }

    #[test]
    fn what_was_told_before_is_no_news((_, told) in histories()) {
        let mut facts = Vec::new();
        for told in told {
            join(&mut facts, told.facts.clone());
            prop_assert_eq!(join(&mut facts, told.facts), vec![]);
        }
    }

    #[test]
    fn money_that_came_is_never_said_to_be_on_its_way((_, told) in histories()) {
        let mut facts = Vec::new();
        let mut came = false;
        for told in told {
            join(&mut facts, told.facts);
            let state = view(&facts).map_or(State::Unspecified, |payment| payment.state());
            prop_assert!(!came || state >= State::Paid, "{:?}", state);
            came = state >= State::Paid;
        }
    }

    #[test]
    fn no_more_goes_back_than_is_told((_, told) in histories()) {
        if let Some(payment) = replay(&told) {
            let gone = |one: &&pb::Refund| one.status() == refund::Status::Succeeded;
            let all: i64 = payment.refunds.iter().filter(gone).map(|one| one.amount).sum();
            let later: i64 = payment.invoices.iter().map(|one| one.amount_refunded).sum();
            prop_assert_eq!(payment.amount_refunded + later, all);
        }
    }
}

#[test]
fn a_completed_session_is_paid_only_when_stripe_says_so() {
    check(COMPLETED, "paid", State::Paid);
    check(COMPLETED, "unpaid", State::Pending);
    check(COMPLETED, "no_payment_required", State::NoPaymentRequired);
    check(COMPLETED, "a word of tomorrow", State::Pending);
}

#[test]
fn a_delayed_payment_succeeds_or_fails() {
    check(ASYNC_SUCCEEDED, "paid", State::Paid);
    check(ASYNC_FAILED, "unpaid", State::Failed);
}

#[test]
fn an_abandoned_session_expires() {
    check(EXPIRED, "unpaid", State::Expired);
}

#[test]
fn a_session_without_a_payment_link_is_not_ours() {
    let object = json!({"id": "cs_1", "payment_status": "paid"});
    assert_eq!(event("evt_1", COMPLETED, &object), None);
}

#[test]
fn an_invoice_without_a_subscription_is_not_ours() {
    assert_eq!(event("evt_1", "invoice.paid", &json!({"id": "in_1", "status": "paid"})), None);
}

#[test]
fn what_leads_to_no_payment_tells_nothing() {
    assert_eq!(event("evt_1", "refund.created", &json!({"id": "re_1", "amount": 5})), None);
    assert_eq!(event("evt_1", "refund.created", &json!({"payment_intent": "pi_1"})), None);
}

#[test]
fn stripe_lists_the_kinds_in_one_answer() {
    assert!(KINDS.len() <= 20);
    let is_told = |kind: &str, object: serde_json::Value| {
        let body = json!({"id": "evt_1", "type": kind, "data": {"object": object}});
        is_told_by(&Event::parse(body.to_string().as_bytes()).unwrap())
    };
    assert!(KINDS.iter().all(|kind| is_told(kind, json!({}))));
    assert!(!is_told("charge.succeeded", json!({"id": "ch_1"})));
    assert!(is_told("charge.refunded", json!({"id": "ch_1"})));
    assert!(!is_told("charge.updated", json!({"id": "ch_1"})));
    let automatic = json!({"id": "pi_1", "status": "succeeded", "capture_method": "automatic"});
    assert!(!is_told("payment_intent.succeeded", automatic));
}

#[test]
fn states_and_words_are_numbered_by_their_strength() {
    use State::{Expired, Failed, NoPaymentRequired, Open, Paid, Pending, Unspecified};
    use dispute::Status as Dispute;
    use refund::Status as Refund;
    assert!([Unspecified, Open, Expired, Pending, Failed, NoPaymentRequired, Paid].is_sorted());
    let refunds = [Refund::Pending, Refund::RequiresAction, Refund::Succeeded, Refund::Failed];
    assert!(refunds.is_sorted());
    let disputes = [Dispute::WarningClosed, Dispute::NeedsResponse, Dispute::Won, Dispute::Lost];
    assert!(disputes.is_sorted());
}

#[test]
fn refunds_add_up() {
    let paid = page("evt_0", COMPLETED, "paid", 100);
    let check = |refunds: &[(&str, i64)], state, refunded_amount, left_amount| {
        let mut told = vec![paid.clone()];
        for ((status, amount), number) in refunds.iter().zip(1..) {
            told.push(refunded(&format!("evt_{number}"), number, status, *amount, "pi_1"));
        }
        let payment = replay(&told).unwrap();
        assert_eq!((payment.state(), payment.amount_refunded), (state, refunded_amount));
        assert_eq!(left(&payment, "pi_1"), Some(left_amount));
    };
    check(&[], State::Paid, 0, 100);
    check(&[("succeeded", 30)], State::PartiallyRefunded, 30, 70);
    check(&[("succeeded", 30), ("pending", 20)], State::PartiallyRefunded, 30, 50);
    check(&[("succeeded", 30), ("succeeded", 70)], State::Refunded, 100, 0);
    check(&[("failed", 100)], State::Paid, 0, 100);
    check(&[("canceled", 40), ("requires_action", 40)], State::Paid, 0, 60);
    check(&[("a word of tomorrow", 100)], State::Paid, 0, 0);
}

#[test]
fn a_refund_that_fails_late_gives_back_what_it_took() {
    let mut told = vec![page("evt_0", COMPLETED, "paid", 100)];
    told.push(refunded("evt_1", 1, "succeeded", 100, "pi_1"));
    assert_eq!(replay(&told).unwrap().state(), State::Refunded);
    told.push(refunded("evt_2", 1, "failed", 100, "pi_1"));
    assert_eq!(replay(&told).unwrap().state(), State::Paid);
}

#[test]
fn disputes_together_are_as_bad_as_the_worst() {
    let paid = page("evt_0", COMPLETED, "paid", 100);
    let check = |disputes: &[(u32, &str)], expected, shippable| {
        let mut told = vec![paid.clone()];
        for (at, (number, status)) in disputes.iter().enumerate() {
            told.push(disputed(&format!("evt_{at}"), *number, status));
        }
        let payment = replay(&told).unwrap();
        assert_eq!(payment.dispute_state(), expected);
        assert_eq!(is_shippable(&payment), shippable);
    };
    check(&[], DisputeState::Unspecified, true);
    check(&[(1, "warning_needs_response")], DisputeState::Open, false);
    check(&[(1, "needs_response"), (1, "won")], DisputeState::Won, true);
    check(&[(1, "won"), (2, "under_review")], DisputeState::Open, false);
    check(&[(1, "lost"), (1, "needs_response")], DisputeState::Lost, false);
    check(&[(1, "a word of tomorrow")], DisputeState::Open, false);
}

#[test]
fn a_later_invoice_is_refunded_by_itself() {
    let told = [
        page("evt_0", COMPLETED, "paid", 100),
        invoiced("evt_1", 1, "paid", 1),
        invoiced("evt_2", 2, "paid", 1),
        paid_by("evt_3", 2, "pi_2"),
        refunded("evt_4", 1, "succeeded", 40, "pi_2"),
    ];
    let payment = replay(&told).unwrap();
    assert_eq!((payment.state(), payment.amount_refunded), (State::Paid, 0));
    let [first, second] = &*payment.invoices else { panic!("{:?}", payment.invoices) };
    assert_eq!((first.amount_refunded, second.amount_refunded), (0, 40));
    assert_eq!((left(&payment, "pi_1"), left(&payment, "pi_2")), (Some(100), Some(60)));
    assert_eq!(left(&payment, "pi_3"), None);
}

#[test]
fn what_follows_a_trial_is_refunded_though_the_page_cost_nothing() {
    let told = [
        page("evt_0", COMPLETED, "no_payment_required", 0),
        invoiced("evt_1", 2, "paid", 1),
        paid_by("evt_2", 2, "pi_2"),
        refunded("evt_3", 1, "succeeded", 40, "pi_2"),
    ];
    let payment = replay(&told).unwrap();
    assert_eq!(payment.state(), State::NoPaymentRequired);
    assert_eq!((left(&payment, "pi_1"), left(&payment, "pi_2")), (None, Some(60)));
}

#[test]
fn of_an_invoice_that_two_have_paid_each_gets_back_what_it_brought() {
    let of = |number, later, one: &str, other: &str| {
        [
            invoiced(&format!("evt_{later}"), number, "paid", 1),
            paid_in_part(&format!("evt_{later}a"), number, one, 30),
            paid_in_part(&format!("evt_{later}b"), number, other, 70),
        ]
    };
    let paid = page("evt_0", COMPLETED, "paid", 100);
    let told = [&[paid][..], &of(1, 1, "pi_1", "pi_2"), &of(2, 2, "pi_3", "pi_4")].concat();
    let payment = replay(&told).unwrap();
    let left = ["pi_1", "pi_2", "pi_3", "pi_4"].map(|intent| left(&payment, intent));
    assert_eq!(left, [Some(30), Some(70), Some(30), Some(70)]);
}

#[test]
fn details_fill_what_the_event_lacks_and_nothing_else() {
    let line_items = vec![pb::LineItem { price: "price_1".into(), ..Default::default() }];
    let consent = Some(pb::payment::Consent::default());
    let created = Some(Timestamp { seconds: 1, nanos: 0 });
    let full = pb::Payment { line_items, consent, created, amount_total: 7, ..Default::default() };
    let mut told = page("evt_1", COMPLETED, "paid", 100);
    assert!(lacks_details(&told));
    told.facts.push(details(&full, "evt_1"));
    let payment = replay(&[told]).unwrap();
    assert_eq!((payment.line_items.len(), payment.consent), (1, full.consent));
    assert_eq!((payment.amount_total, payment.created), (100, None));
}
