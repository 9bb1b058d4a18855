use serde_json::{Value, json};

use super::*;
use crate::dice;
use crate::payments::tests::bench::{AMOUNT, Bench, Reply, completed};

const SUCCEEDED: Reply = Reply::Made("succeeded");
/// How many histories are played, and how much happens in each.
const SEEDS: u64 = 40;
const STEPS: u32 = 24;

/// Gives back what is due by now.
async fn take_turn(bench: &Bench) {
    let mut lease = Lease::new(bench.payments.storage.clone(), "give_back", LEASE);
    bench.payments.give_back_due(&mut lease).await.unwrap();
}

/// The same, after every pause.
async fn take_turn_later(bench: &Bench, payment: &str) {
    bench.payments.storage.put_give_back(payment.to_owned(), Some(0)).await.unwrap();
    take_turn(bench).await;
}

/// Whether a payment is still to be given back, now or later.
async fn is_due(bench: &Bench) -> bool {
    !bench.payments.storage.to_give_back(i64::MAX, 1).await.unwrap().is_empty()
}

async fn refunded(bench: &Bench, payment: &str) -> i64 {
    bench.payment(payment).await.amount_refunded
}

/// A page whose buyer has subscribed, of an order.
fn subscribed(id: &str) -> Value {
    let mut event = completed(id, "order 1");
    let page = &mut event["data"]["object"];
    page["payment_intent"] = Value::Null;
    page["subscription"] = "sub_1".into();
    page["invoice"] = "in_1".into();
    event
}

/// What Stripe tells of the page's invoice.
fn invoiced() -> [Value; 2] {
    let parent = json!({"subscription_details": {"subscription": "sub_1"}});
    [
        json!({"id": "evt_invoice", "type": "invoice.paid", "data": {"object": {
            "id": "in_1", "object": "invoice", "status": "paid", "amount_paid": AMOUNT,
            "parent": parent,
        }}}),
        json!({"id": "evt_payment", "type": "invoice_payment.paid", "data": {"object": {
            "id": "inpay_1", "object": "invoice_payment", "invoice": "in_1",
            "amount_paid": AMOUNT, "payment": {"payment_intent": "pi_1"},
        }}}),
    ]
}

#[tokio::test]
async fn what_came_too_late_goes_back_once() {
    let bench = Bench::start([]).await;
    bench.duplicate("cs_1").await;
    for _ in 0..3 {
        take_turn(&bench).await;
    }
    assert_eq!((bench.keys().len(), refunded(&bench, "cs_1").await), (1, AMOUNT));
    assert!(!is_due(&bench).await);
}

#[tokio::test]
async fn a_subscription_goes_back_as_soon_as_its_payment_is_known() {
    let bench = Bench::start([]).await;
    bench.told("cs_first", &[completed("cs_first", "order 1")]).await;
    bench.told("cs_1", &[subscribed("cs_1")]).await;
    take_turn(&bench).await;
    assert_eq!(bench.keys().len(), 0);
    bench.told("cs_1", &invoiced()).await;
    take_turn(&bench).await;
    assert_eq!((&bench.last()["payment_intent"], bench.keys().len()), (&json!("pi_1"), 1));
    assert_eq!(refunded(&bench, "cs_1").await, AMOUNT);
}

#[tokio::test]
async fn what_stripe_refuses_is_asked_for_anew() {
    let bench = Bench::start([Reply::Refused, Reply::Refused, SUCCEEDED]).await;
    bench.duplicate("cs_1").await;
    take_turn(&bench).await;
    // Not before the pause is over.
    take_turn(&bench).await;
    assert_eq!(bench.keys().len(), 1);
    take_turn_later(&bench, "cs_1").await;
    take_turn_later(&bench, "cs_1").await;
    let keys = bench.keys();
    assert!(keys.len() == 3 && keys[0] != keys[1] && keys[1] != keys[2], "{keys:?}");
    assert_eq!(refunded(&bench, "cs_1").await, AMOUNT);
}

#[tokio::test]
async fn what_is_in_doubt_is_asked_for_under_its_key_until_it_is_lost() {
    let bench = Bench::start([Reply::Lost, Reply::Lost, Reply::Unreachable, SUCCEEDED]).await;
    bench.duplicate("cs_1").await;
    take_turn(&bench).await;
    take_turn_later(&bench, "cs_1").await;
    take_turn_later(&bench, "cs_1").await;
    let keys = bench.keys();
    assert!(keys.len() == 3 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let lost = "UPDATE operations SET state = 'lost'";
    crate::storage::testing::spoil(&bench.payments.storage, lost).await;
    take_turn_later(&bench, "cs_1").await;
    assert_eq!(bench.keys().len(), 3);
    take_turn_later(&bench, "cs_1").await;
    assert_ne!(bench.keys()[3], bench.keys()[0]);
    assert_eq!(refunded(&bench, "cs_1").await, AMOUNT);
}

#[tokio::test]
async fn a_refund_that_fails_late_is_made_again() {
    let bench = Bench::start([]).await;
    bench.duplicate("cs_1").await;
    take_turn(&bench).await;
    assert!(!is_due(&bench).await);
    bench.fail("cs_1", "re_0").await;
    assert_eq!(refunded(&bench, "cs_1").await, 0);
    take_turn(&bench).await;
    let keys = bench.keys();
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
    assert_eq!(refunded(&bench, "cs_1").await, AMOUNT);
}

#[tokio::test]
async fn a_refund_that_fails_at_once_is_made_again_after_a_pause() {
    let bench = Bench::start([Reply::Made("failed"), SUCCEEDED]).await;
    bench.duplicate("cs_1").await;
    take_turn(&bench).await;
    take_turn(&bench).await;
    assert_eq!((bench.keys().len(), refunded(&bench, "cs_1").await), (1, 0));
    take_turn_later(&bench, "cs_1").await;
    assert_eq!((bench.keys().len(), refunded(&bench, "cs_1").await), (2, AMOUNT));
}

#[tokio::test]
async fn what_was_refunded_by_hand_in_between_does_not_go_back_twice() {
    let bench = Bench::start([Reply::Unreachable]).await;
    bench.duplicate("cs_1").await;
    take_turn(&bench).await;
    let by_hand = pb::RefundPaymentRequest {
        payment: "cs_1".to_owned(),
        amount: 1_000,
        ..Default::default()
    };
    let caller = Caller::itself(REFUND_TIME);
    bench.payments.refund(&caller, by_hand).await.unwrap();
    take_turn_later(&bench, "cs_1").await;
    assert_eq!(bench.last()["amount"], (AMOUNT - 1_000).to_string());
    assert_eq!(refunded(&bench, "cs_1").await, AMOUNT);
    assert!(!is_due(&bench).await);
}

#[tokio::test]
async fn what_is_refused_for_ever_is_given_up() {
    let bench = Bench::start(vec![Reply::Refused; 1_000]).await;
    bench.duplicate("cs_1").await;
    for _ in 0..1_000 {
        if !is_due(&bench).await {
            break;
        }
        take_turn_later(&bench, "cs_1").await;
    }
    assert_eq!(bench.keys().len(), ATTEMPTS_MAX as usize);
    assert_eq!(refunded(&bench, "cs_1").await, 0);
}

/// Something that can become of a question, by chance.
fn any_reply() -> Reply {
    match dice::between(0.0, 6.0) {
        throw if throw < 1.0 => Reply::Made("failed"),
        throw if throw < 2.0 => Reply::Refused,
        throw if throw < 3.0 => Reply::Unreachable,
        throw if throw < 5.0 => Reply::Lost,
        _ => SUCCEEDED,
    }
}

/// Refunds some by hand, under one of a few ids, and perhaps once more.
async fn refund_by_hand(bench: &Bench, number: u32) {
    let by_hand = pb::RefundPaymentRequest {
        request_id: Uuid::from_u128(number.into()).to_string(),
        payment: "cs_1".to_owned(),
        amount: 600 + i64::from(number),
        ..Default::default()
    };
    // Some are refused, and it is enough that none takes too much.
    let _ = bench.payments.refund(&Caller::itself(REFUND_TIME), by_hand).await;
}

/// Lets the newest refund fail that has not.
async fn fail_one(bench: &Bench) {
    let refunds = bench.payment("cs_1").await.refunds;
    if let Some(refund) = refunds.iter().rfind(|one| ledger::is_out(one)) {
        bench.fail("cs_1", &refund.id).await;
    }
}

#[tokio::test]
async fn whatever_happens_no_more_goes_back_than_came_and_in_the_end_all_of_it() {
    const HANDS: u32 = 3;
    for seed in 1..=SEEDS {
        dice::seed(seed);
        let replies: Vec<_> = (0..2 * STEPS).map(|_| any_reply()).collect();
        let bench = Bench::start(replies).await;
        bench.duplicate("cs_1").await;
        for step in 0..STEPS {
            match dice::between(0.0, 8.0) {
                throw if throw < 1.0 => fail_one(&bench).await,
                throw if throw < 4.0 => refund_by_hand(&bench, step % HANDS).await,
                _ => take_turn_later(&bench, "cs_1").await,
            }
            assert!(bench.gone() <= AMOUNT, "seed {seed}: {} at step {step}", bench.gone());
        }
        bench.calm();
        for number in 0..HANDS {
            refund_by_hand(&bench, number).await;
        }
        for _ in 0..ATTEMPTS_MAX {
            if !is_due(&bench).await {
                break;
            }
            take_turn_later(&bench, "cs_1").await;
        }
        let told = refunded(&bench, "cs_1").await;
        assert_eq!((bench.gone(), told), (AMOUNT, AMOUNT), "seed {seed}");
        assert!(!is_due(&bench).await);
    }
}
