use super::*;
use crate::payments::tests::bench::{AMOUNT, Bench, Reply};
use crate::payments::tests::reason;

const ASKED_TWICE: &str = "0b0f5bd4-1c3e-4a54-9d4a-3f0c6f6b2a11";
const TOO_LARGE: &str = "REFUND_TOO_LARGE";
const SUCCEEDED: Reply = Reply::Made("succeeded");

fn request(payment: &str, amount: i64) -> pb::RefundPaymentRequest {
    pb::RefundPaymentRequest { payment: payment.to_owned(), amount, ..Default::default() }
}

async fn refund(bench: &Bench, request: pb::RefundPaymentRequest) -> Result<i64, String> {
    let caller = Caller::itself(Duration::from_secs(30));
    let refunded = bench.payments.refund(&caller, request).await;
    refunded.map(|refund| refund.amount).map_err(|status| reason(&status))
}

/// Refunds all as soon as that much is left.
async fn all_is_left(bench: &Bench, payment: &str) {
    let refunded = async {
        while refund(bench, request(payment, AMOUNT)).await != Ok(AMOUNT) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refunded).await.expect("it is left in time");
}

/// Refunds what is left once so much has gone.
async fn all_but(bench: &Bench, gone: i64) {
    assert_eq!(refund(bench, request("cs_1", 0)).await, Ok(AMOUNT - gone));
}

#[tokio::test]
async fn a_refund_is_told_though_it_cannot_be_noted() {
    let bench = Bench::start([Reply::Spoilt(SUCCEEDED.into())]).await;
    bench.paid("cs_1").await;
    assert_eq!(refund(&bench, request("cs_1", 700)).await, Ok(700));
}

#[tokio::test]
async fn a_refusal_is_told_though_it_cannot_be_noted() {
    let bench = Bench::start([Reply::Spoilt(Reply::Refused.into())]).await;
    bench.paid("cs_1").await;
    let refusal = refund(&bench, request("cs_1", 700)).await.unwrap_err();
    assert_eq!(refusal, "STRIPE_INVALID_PARAMETER");
}

#[tokio::test]
async fn as_many_notes_go_with_a_refund_as_the_contract_allows() {
    let bench = Bench::start([]).await;
    bench.paid("cs_1").await;
    let metadata = (0..49).map(|number| (format!("note {number}"), "yes".to_owned())).collect();
    let noted = pb::RefundPaymentRequest { metadata, ..request("cs_1", 700) };
    assert_eq!(refund(&bench, noted).await, Ok(700));
    let sent = bench.last();
    assert_eq!(sent.keys().filter(|name| name.starts_with("metadata[")).count(), 50);
    all_but(&bench, 700).await;
}

#[tokio::test]
async fn a_refund_for_which_there_is_no_room_takes_nothing() {
    let bench = Bench::with_room(1, [Reply::Held(SUCCEEDED.into())]).await;
    bench.paid("cs_1").await;
    bench.paid("cs_2").await;
    let (under_way, refused) = tokio::join!(refund(&bench, request("cs_2", 0)), async {
        bench.is_held().await;
        let refused = refund(&bench, request("cs_1", 0)).await;
        bench.release();
        refused
    });
    assert_eq!((under_way, refused), (Ok(AMOUNT), Err("OVERLOADED".to_owned())));
    assert_eq!(refund(&bench, request("cs_1", 0)).await, Ok(AMOUNT));
}

#[tokio::test]
async fn a_refund_in_doubt_stays_set_aside_though_there_is_no_room_to_ask_again() {
    let bench = Bench::with_room(1, [Reply::Lost, Reply::Held(SUCCEEDED.into())]).await;
    bench.paid("cs_1").await;
    bench.paid("cs_2").await;
    let doubtful =
        pb::RefundPaymentRequest { request_id: ASKED_TWICE.to_owned(), ..request("cs_1", 0) };
    assert_eq!(refund(&bench, doubtful.clone()).await, Err("OUTCOME_PENDING".to_owned()));
    let (_, refused) = tokio::join!(refund(&bench, request("cs_2", 0)), async {
        bench.is_held().await;
        let refused = refund(&bench, doubtful).await;
        bench.release();
        refused
    });
    assert_eq!(refused, Err("OVERLOADED".to_owned()));
    assert_eq!(refund(&bench, request("cs_1", 0)).await, Err(TOO_LARGE.to_owned()));
}

#[tokio::test]
async fn a_refund_that_is_refused_after_its_caller_has_left_takes_nothing() {
    let held = || Reply::Held(Reply::Refused.into());
    let bench = Bench::start([held(), held()]).await;
    bench.paid("cs_1").await;
    // One caller's time is up, and another is gone.
    let caller = Caller::itself(Duration::from_millis(100));
    let late = bench.payments.refund(&caller, request("cs_1", 0)).await.unwrap_err();
    assert_eq!(reason(&late), "DEADLINE");
    bench.is_held().await;
    bench.release();
    let asking = async { while refund(&bench, request("cs_1", 0)).await.is_err() {} };
    tokio::select! {
        () = asking => panic!("it is held"),
        () = bench.is_held() => {}
    }
    bench.release();
    all_is_left(&bench, "cs_1").await;
}

#[tokio::test]
async fn a_refund_that_comes_too_late_to_be_asked_for_takes_nothing() {
    let bench = Bench::start([]).await;
    bench.paid("cs_1").await;
    let caller = Caller::itself(Duration::ZERO);
    bench.payments.refund(&caller, request("cs_1", 0)).await.unwrap_err();
    assert_eq!(bench.keys(), Vec::<String>::new());
    all_is_left(&bench, "cs_1").await;
}

#[tokio::test]
async fn a_request_asks_for_the_same_amount_whatever_was_refunded_meanwhile() {
    let bench = Bench::start([Reply::Unreachable]).await;
    bench.paid("cs_1").await;
    let all = pb::RefundPaymentRequest { request_id: ASKED_TWICE.to_owned(), ..request("cs_1", 0) };
    assert_eq!(refund(&bench, all.clone()).await, Err("UPSTREAM_UNREACHABLE".to_owned()));
    assert_eq!(refund(&bench, request("cs_1", 1_000)).await, Ok(1_000));
    assert_eq!(refund(&bench, all).await, Err(TOO_LARGE.to_owned()));
    all_but(&bench, 1_000).await;
}

#[tokio::test]
async fn a_request_that_could_not_be_sent_is_sent_when_it_is_asked_again() {
    let bench = Bench::start([Reply::Unreachable]).await;
    bench.paid("cs_1").await;
    let all = pb::RefundPaymentRequest { request_id: ASKED_TWICE.to_owned(), ..request("cs_1", 0) };
    assert_eq!(refund(&bench, all.clone()).await, Err("UPSTREAM_UNREACHABLE".to_owned()));
    assert_eq!(refund(&bench, all).await, Ok(AMOUNT));
    assert_eq!(refund(&bench, request("cs_1", 1)).await, Err(TOO_LARGE.to_owned()));
}

#[tokio::test]
async fn what_is_asked_for_again_is_not_let_go_by_whoever_asked_before() {
    let bench = Bench::start([]).await;
    bench.paid("cs_1").await;
    let request_id = ASKED_TWICE.to_owned();
    let all = pb::RefundPaymentRequest { request_id, ..request("cs_1", 0) };
    let ask = async || {
        let (all, caller) = (all.clone(), Caller::itself(Duration::ZERO));
        let asked = bench.payments.storage.write(move |mut transaction| {
            Box::pin(async move { set_aside(&mut transaction, &caller, all).await })
        });
        asked.await.unwrap().unwrap()
    };
    let (Asked::First(first), Asked::Again(again)) = (ask().await, ask().await) else {
        panic!("it is asked for twice");
    };
    bench.payments.free(first).await.unwrap();
    assert_eq!(refund(&bench, request("cs_1", 0)).await, Err(TOO_LARGE.to_owned()));
    bench.payments.free(again).await.unwrap();
    assert_eq!(refund(&bench, request("cs_1", 0)).await, Ok(AMOUNT));
}
