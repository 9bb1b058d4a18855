use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::payments::ledger::Lack;
use crate::payments::tests::{
    COMPLETED, config, event, next_change, open, project, receive, watch,
};
use crate::pb;
use crate::pb::payment::State;

/// A Stripe that fails as told, and then gives a payment with one line item, or a refund of a
/// charge. It never answers for sessions named `cs_slow…`.
#[derive(Clone, Default)]
struct Fake {
    failures: Arc<Mutex<VecDeque<bool>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Fails once for each item, temporarily where it is true.
    fn failing(are_temporary: &[bool]) -> Self {
        let failures = Arc::new(Mutex::new(are_temporary.iter().copied().collect()));
        Self { failures, ..Self::default() }
    }
}

impl Details for Fake {
    async fn read(&self, _: &str, lack: &Lack, told_by: &str) -> Result<Vec<Fact>, Unread> {
        let payment = match lack {
            Lack::Details { payment } => payment,
            Lack::Refunds { charge } => charge,
        };
        self.asked.lock().unwrap().push(payment.clone());
        if payment.starts_with("cs_slow") {
            std::future::pending::<()>().await;
        }
        if let Some(is_temporary) = self.failures.lock().unwrap().pop_front() {
            return Err(Unread { is_temporary, cause: "a test".into() });
        }
        if payment.starts_with("ch_") {
            let refund = pb::Refund {
                id: "re_1".into(),
                amount: 40,
                status: pb::refund::Status::Succeeded.into(),
                charge: payment.clone(),
                ..Default::default()
            };
            return Ok(ledger::refunded(&refund, told_by).unwrap().facts);
        }
        let item = pb::LineItem { price: "price_1".into(), ..Default::default() };
        let page = pb::Payment { line_items: vec![item], ..Default::default() };
        Ok(vec![ledger::details(&page, told_by)])
    }

    async fn link(&self, _: &str, link: &str, _: bool) -> Result<pb::PaymentLink, Unread> {
        Ok(pb::PaymentLink { id: link.to_owned(), ..Default::default() })
    }
}

/// Delivers events and gives the changes that they make: the event, the state
/// before and after, and how many line items there are.
async fn check(
    fake: &Fake,
    events: &[(&str, &str, &str, &str)],
    expected: &[(&str, State, State, usize)],
) {
    let payments = open(&config()).await;
    let _projector = project(&payments, fake.clone());
    let mut stream = watch(&payments, "", "").await;
    for (id, kind, session, status) in events {
        receive(&payments, event(id, kind, session, status)).await;
    }
    for (id, before, after, items) in expected {
        let (change, _) = next_change(&mut stream).await;
        let payment = change.payment.clone().unwrap();
        assert_eq!(
            (change.stripe_event.as_str(), change.previous_state(), payment.state()),
            (*id, *before, *after)
        );
        assert_eq!(payment.line_items.len(), *items);
    }
}

#[tokio::test]
async fn a_temporary_failure_is_asked_about_again() {
    let fake = Fake::failing(&[true, true]);
    let events = [("evt_1", COMPLETED, "cs_1", "paid")];
    check(&fake, &events, &[("evt_1", State::Unspecified, State::Paid, 1)]).await;
    assert_eq!(fake.asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_payment_whose_line_items_cannot_be_had_is_told_without() {
    let fake = Fake::failing(&[false]);
    let events = [("evt_1", COMPLETED, "cs_1", "paid")];
    check(&fake, &events, &[("evt_1", State::Unspecified, State::Paid, 0)]).await;
    assert_eq!(fake.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_expired_session_is_told_without_asking() {
    let fake = Fake::default();
    let events = [("evt_1", "checkout.session.expired", "cs_1", "unpaid")];
    check(&fake, &events, &[("evt_1", State::Unspecified, State::Expired, 0)]).await;
    assert!(fake.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn events_that_wait_for_an_answer_hold_nobody_up() {
    let slow = [
        ("evt_1", COMPLETED, "cs_slow_1", "paid"),
        ("evt_2", COMPLETED, "cs_slow_2", "paid"),
        ("evt_3", COMPLETED, "cs_slow_3", "paid"),
    ];
    let expired = ("evt_4", "checkout.session.expired", "cs_1", "unpaid");
    let events = [&slow[..], &[expired]].concat();
    check(&Fake::default(), &events, &[("evt_4", State::Unspecified, State::Expired, 0)]).await;
}

#[tokio::test]
async fn line_items_that_are_known_are_not_asked_for_again() {
    let fake = Fake::default();
    let payments = open(&config()).await;
    let _projector = project(&payments, fake.clone());
    let mut stream = watch(&payments, "", "").await;
    receive(&payments, event("evt_1", COMPLETED, "cs_1", "unpaid")).await;
    assert_eq!(next_change(&mut stream).await.0.payment.unwrap().state(), State::Pending);

    let succeeded = "checkout.session.async_payment_succeeded";
    receive(&payments, event("evt_2", succeeded, "cs_1", "paid")).await;
    let (change, _) = next_change(&mut stream).await;
    let payment = change.payment.clone().unwrap();
    assert_eq!((change.previous_state(), payment.state()), (State::Pending, State::Paid));
    assert_eq!(payment.line_items.len(), 1);
    assert_eq!(*fake.asked.lock().unwrap(), ["cs_1"]);
}

#[tokio::test]
async fn a_charge_that_names_no_refunds_has_them_asked_for() {
    let fake = Fake::default();
    let payments = open(&config()).await;
    let _projector = project(&payments, fake.clone());
    let mut stream = watch(&payments, "", "").await;
    let charge = json!({
        "id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount_refunded": 40,
    });
    let body = json!({"id": "evt_1", "type": "charge.refunded", "data": {"object": charge}});
    receive(&payments, body.to_string().into_bytes()).await;
    let page = json!({
        "id": "cs_1", "payment_link": "plink_1", "payment_status": "paid", "amount_total": 100,
        "payment_intent": "pi_1",
    });
    let body = json!({"id": "evt_2", "type": COMPLETED, "data": {"object": page}});
    receive(&payments, body.to_string().into_bytes()).await;
    assert_eq!(next_change(&mut stream).await.0.payment.unwrap().state(), State::Paid);
    let payment = next_change(&mut stream).await.0.payment.unwrap();
    assert_eq!((payment.state(), payment.amount_refunded), (State::PartiallyRefunded, 40));
    assert_eq!(*fake.asked.lock().unwrap(), ["cs_1", "ch_1"]);
}

#[tokio::test]
async fn a_fact_that_comes_late_takes_nothing_back() {
    let payments = open(&config()).await;
    let _projector = project(&payments, Fake::default());
    let mut stream = watch(&payments, "", "").await;
    let succeeded = "checkout.session.async_payment_succeeded";
    receive(&payments, event("evt_2", succeeded, "cs_1", "paid")).await;
    next_change(&mut stream).await;
    receive(&payments, event("evt_1", COMPLETED, "cs_1", "unpaid")).await;
    receive(&payments, event("evt_3", COMPLETED, "cs_2", "paid")).await;
    assert_eq!(next_change(&mut stream).await.0.stripe_event, "evt_3");
    let payment = payments.storage.payment("cs_1").await.unwrap().unwrap();
    assert_eq!(payment.state(), State::Paid);
}

#[tokio::test]
async fn a_session_that_no_payment_link_made_is_passed_over() {
    let payments = open(&config()).await;
    let _projector = project(&payments, Fake::default());
    let body = br#"{"id":"evt_1","type":"checkout.session.completed",
        "data":{"object":{"id":"cs_1","object":"checkout.session","payment_status":"paid"}}}"#;
    receive(&payments, body.to_vec()).await;
    receive(&payments, event("evt_2", COMPLETED, "cs_2", "paid")).await;
    let (change, _) = next_change(&mut watch(&payments, "", "").await).await;
    assert_eq!((change.sequence, change.stripe_event.as_str()), (1, "evt_2"));
    assert_eq!(payments.storage.payment("cs_1").await.unwrap(), None);
}

#[tokio::test]
async fn a_transaction_repeated_after_a_crash_changes_nothing() {
    let payments = open(&config()).await;
    receive(&payments, event("evt_1", COMPLETED, "cs_1", "paid")).await;
    let due = payments.storage.due_events(now_ms(), 0, 10).await.unwrap();
    let (event_id, account) = (due[0].id.clone(), due[0].account.clone());
    let span = Span::none();
    let told = Outcome::Told { event_id, account, told: read(&due[0], &span).unwrap(), span };
    let settle = async || {
        let outcomes = vec![told.clone(), told.clone()];
        settle::settle(&payments.storage, outcomes, &payments.config).await.unwrap().changed
    };
    assert!(settle().await);
    assert!(!settle().await);
    assert_eq!(payments.storage.feed_ends().await.unwrap().head.sequence, 1);
    assert_eq!(payments.storage.due_events(now_ms(), 0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_backlog_larger_than_a_batch_is_told_completely() {
    let payments = open(&config()).await;
    for number in 0..20 {
        let (id, session) = (format!("evt_{number}"), format!("cs_{number}"));
        receive(&payments, event(&id, COMPLETED, &session, "paid")).await;
    }
    let _projector = project(&payments, Fake::default());
    let mut stream = watch(&payments, "", "").await;
    for sequence in 1..=20 {
        assert_eq!(next_change(&mut stream).await.0.sequence, sequence);
    }
}

#[test]
fn waits_double_up_to_the_longest_and_lose_up_to_half() {
    let config = Config {
        retry_first_ms: NonZeroU32::new(200).unwrap(),
        retry_max_ms: NonZeroU32::new(30_000).unwrap(),
        ..config()
    };
    let check = |attempts, expected| assert_eq!(backoff_ms(&config, attempts, 0.0), expected);
    check(0, 200);
    check(1, 400);
    check(7, 25_600);
    check(8, 30_000);
    check(u32::MAX, 30_000);
    assert_eq!(backoff_ms(&config, 0, 1.0), 100);
}

/// What one payment goes through, in Stripe's order: each as id, kind and object.
fn history() -> Vec<(&'static str, &'static str, serde_json::Value)> {
    let page = |status: &str| {
        json!({
            "id": "cs_1", "payment_link": "plink_1", "payment_status": status,
            "amount_total": 100, "currency": "usd", "subscription": "sub_1", "invoice": "in_1",
        })
    };
    let invoice = |id: &str, created: i64| {
        json!({
            "id": id, "status": "paid", "created": created, "amount_paid": 100,
            "parent": {"subscription_details": {"subscription": "sub_1"}},
        })
    };
    let paid = |id: &str, invoice: &str, intent: &str| {
        let payment = json!({"payment_intent": intent});
        json!({"id": id, "invoice": invoice, "payment": payment})
    };
    let refund = |status: &str| {
        json!({
            "id": "re_1", "status": status, "amount": 30, "payment_intent": "pi_1",
            "charge": "ch_1", "created": 5,
        })
    };
    // Names nothing but the charge, which only the refund ties to the payment.
    let dispute = json!({"id": "du_1", "status": "needs_response", "charge": "ch_1"});
    vec![
        ("evt_1", "checkout.session.completed", page("unpaid")),
        ("evt_2", "checkout.session.async_payment_succeeded", page("paid")),
        ("evt_3", "invoice.paid", invoice("in_1", 1)),
        ("evt_4", "invoice_payment.paid", paid("inpay_1", "in_1", "pi_1")),
        ("evt_5", "refund.created", refund("pending")),
        ("evt_6", "refund.updated", refund("succeeded")),
        ("evt_7", "charge.dispute.created", dispute),
        ("evt_8", "invoice.paid", invoice("in_2", 2)),
        ("evt_9", "invoice_payment.paid", paid("inpay_2", "in_2", "pi_2")),
    ]
}

/// Delivers the history in an order, and gives what is known in the end.
async fn deliver(order: &[usize]) -> pb::Payment {
    let (payments, history) = (open(&config()).await, history());
    let _projector = project(&payments, Fake::default());
    let mut stream = watch(&payments, "", "").await;
    for at in order {
        let (id, kind, object) = &history[*at];
        let body = json!({"id": id, "type": kind, "data": {"object": object}});
        receive(&payments, body.to_string().into_bytes()).await;
    }
    loop {
        let payment = next_change(&mut stream).await.0.payment.unwrap();
        let is_told = payment.state() == State::PartiallyRefunded
            && payment.disputes.len() == 1
            && payment.invoices.iter().filter(|invoice| !invoice.payments.is_empty()).count() == 2;
        if is_told {
            return payment;
        }
    }
}

#[tokio::test]
async fn facts_that_come_before_their_payment_wait_for_it() {
    let straight: Vec<usize> = (0..history().len()).collect();
    let expected = deliver(&straight).await;
    let backwards: Vec<usize> = straight.iter().rev().copied().collect();
    assert_eq!(deliver(&backwards).await, expected);
    for seed in 0..8_usize {
        let mut order = straight.clone();
        // Steps that share no divisor with the length visit every place once.
        order.sort_by_key(|at| (at * [2, 4, 5, 7][seed % 4] + seed) % straight.len());
        assert_eq!(deliver(&order).await, expected, "{order:?}");
    }
}
