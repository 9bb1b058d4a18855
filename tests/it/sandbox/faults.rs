//! Requests that go wrong.

use paylink::sandbox::control::pb;
use pb::fault::request_fault::Effect;
use pb::fault::{RequestFault, Target};
use reqwest::Method;

use super::desk::{Desk, seconds};

const PRODUCT: &[(&str, &str)] = &[("name", "Mug")];

fn once(effect: Effect, further: RequestFault) -> Target {
    Target::Request(RequestFault {
        path: "/v1/products".to_owned(),
        effect: effect.into(),
        ..further
    })
}

/// Creates a product under a key; the answer is what was seen of it, in a few words.
async fn create(desk: &Desk, headers: &[(&str, &str)]) -> String {
    let Ok(answer) = desk.send(Method::POST, "/v1/products", PRODUCT, headers).await else {
        return "no answer".to_owned();
    };
    let mut seen = vec![answer.status().as_u16().to_string()];
    for name in ["retry-after", "stripe-should-retry", "stripe-rate-limited-reason"] {
        if let Some(value) = answer.headers().get(name) {
            seen.push(format!("{name} {}", value.to_str().unwrap()));
        }
    }
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let Ok(body) = answer.bytes().await else { return format!("{} in part", seen.join(", ")) };
    if kind.as_deref() == Some("text/html") {
        seen.push("html".to_owned());
    }
    if let Ok(body) = serde_json::from_slice::<serde_json::Value>(&body) {
        seen.extend(body["error"]["code"].as_str().map(str::to_owned));
    }
    seen.join(", ")
}

async fn products(desk: &Desk) -> usize {
    desk.get("/v1/products?limit=100").await["data"].as_array().unwrap().len()
}

/// Meets a fault once. What changed is how many products there are after it.
async fn check(effect: Effect, further: RequestFault, expected: &str, changed: usize) {
    let mut desk = Desk::new().await;
    desk.inject(once(effect, further)).await;
    assert_eq!(create(&desk, &[]).await, expected, "{effect:?}");
    assert_eq!(products(&desk).await, changed, "{effect:?}");
    assert_eq!(create(&desk, &[]).await, "200", "{effect:?} strikes once");
    let first = &desk.requests().await[0];
    assert_eq!(first.fault(), effect);
}

fn usual() -> RequestFault {
    RequestFault::default()
}

fn after_commit() -> RequestFault {
    RequestFault { after_commit: true, ..usual() }
}

#[tokio::test]
async fn too_many_requests_are_refused_with_their_reason() {
    let reason = "stripe-rate-limited-reason";
    check(Effect::RateLimited, usual(), &format!("429, {reason} global-rate, rate_limit"), 0).await;
    let advised = RequestFault {
        retry_after: "2".to_owned(),
        should_retry: Some(true),
        rate_limited_reason: "endpoint-concurrency".to_owned(),
        ..usual()
    };
    let expected = format!(
        "429, retry-after 2, stripe-should-retry true, {reason} endpoint-concurrency, rate_limit"
    );
    check(Effect::RateLimited, advised, &expected, 0).await;
    check(Effect::LockTimeout, usual(), "429, lock_timeout", 0).await;
}

#[tokio::test]
async fn servers_fail_before_and_after_the_commit() {
    check(Effect::Error, usual(), "500", 0).await;
    check(Effect::Error, after_commit(), "500", 1).await;
    check(Effect::Unavailable, usual(), "503", 0).await;
    check(Effect::BadGateway, usual(), "502, html", 0).await;
    check(Effect::BadGateway, after_commit(), "502, html", 1).await;
}

#[tokio::test]
async fn connections_end_before_and_after_the_commit() {
    check(Effect::Cut, usual(), "no answer", 0).await;
    check(Effect::Cut, after_commit(), "no answer", 1).await;
    check(Effect::Truncated, usual(), "200 in part", 1).await;
    let hang = |after_commit| RequestFault {
        delay: Some(prost_types::Duration { seconds: 0, nanos: 50_000_000 }),
        after_commit,
        ..usual()
    };
    check(Effect::Hang, hang(false), "no answer", 0).await;
    check(Effect::Hang, hang(true), "no answer", 1).await;
    check(Effect::Slow, hang(false), "200", 1).await;
}

#[tokio::test]
async fn a_stored_error_is_met_again_by_every_repetition() {
    let mut desk = Desk::new().await;
    desk.inject(once(Effect::StoredError, after_commit())).await;
    let key = &[("idempotency-key", "k")];
    let first = desk.send(Method::POST, "/v1/products", PRODUCT, key).await.unwrap();
    let again = desk.send(Method::POST, "/v1/products", PRODUCT, key).await.unwrap();
    assert_eq!((first.status().as_u16(), again.status().as_u16()), (500, 500));
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.headers()["original-request"], first.headers()["request-id"]);
    assert_eq!(products(&desk).await, 1);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_again_under_its_key() {
    let mut desk = Desk::new().await;
    desk.inject(once(Effect::Cut, after_commit())).await;
    let key = &[("idempotency-key", "k")];
    assert_eq!(create(&desk, key).await, "no answer");
    assert_eq!(create(&desk, key).await, "200");
    assert_eq!(products(&desk).await, 1);
}

#[tokio::test]
async fn a_key_is_in_use_while_its_request_is_slow() {
    let mut desk = Desk::new().await;
    desk.inject(once(Effect::Slow, RequestFault { delay: Some(seconds(600)), ..usual() })).await;
    let key = &[("idempotency-key", "k")];
    let slow = create(&desk, key);
    let meanwhile = async {
        crate::harness::until(async || {
            let request = pb::ListRequestsRequest::default();
            let mut control = desk.control.clone();
            let told = control.list_requests(request).await.unwrap().into_inner();
            !told.requests.is_empty()
        })
        .await;
        create(&desk, key).await
    };
    tokio::select! {
        seen = slow => panic!("{seen} came too early"),
        seen = meanwhile => assert_eq!(seen, "409, idempotency_key_in_use"),
    }
}

#[tokio::test]
async fn a_caller_can_ask_for_a_fault_by_a_header() {
    let desk = Desk::new().await;
    let asked = |words| [("paylink-sandbox-fault", words)];
    assert_eq!(create(&desk, &asked("cut; after-commit")).await, "no answer");
    assert_eq!(create(&desk, &asked("unavailable; retry-after=1")).await, "503, retry-after 1");
    assert_eq!(create(&desk, &asked("nonsense")).await, "400");
    assert_eq!(products(&desk).await, 1);
}

#[tokio::test]
async fn faults_are_listed_and_forgotten() {
    let mut desk = Desk::new().await;
    for effect in [Effect::Cut, Effect::Hang] {
        desk.inject(once(effect, usual())).await;
    }
    let list = |mut control: super::desk::Control| async move {
        let told = control.list_faults(pb::ListFaultsRequest {}).await.unwrap().into_inner();
        told.faults
    };
    let faults = list(desk.control.clone()).await;
    assert_eq!(faults.iter().map(|fault| fault.count).collect::<Vec<_>>(), [1, 1]);
    let id = faults[0].id.clone();
    desk.control.clear_faults(pb::ClearFaultsRequest { id }).await.unwrap();
    assert_eq!(list(desk.control.clone()).await, faults[1..]);
    desk.control.clear_faults(pb::ClearFaultsRequest::default()).await.unwrap();
    assert_eq!(create(&desk, &[]).await, "200");
}
