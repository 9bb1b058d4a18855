//! Events, their webhooks, and the clock that both follow.

use paylink::sandbox::Config;
use paylink::sandbox::control::pb;
use pb::PayPaymentLinkRequest as Order;
use pb::delivery::State;
use pb::fault::event_fault::Effect;
use pb::fault::{EventFault, Target};

use super::desk::{Desk, Ear, config, seconds};

const HOUR: i64 = 3600;

fn on(kind: &str, effect: Effect) -> Target {
    let delay = Some(seconds(HOUR));
    Target::Event(EventFault { r#type: kind.to_owned(), effect: effect.into(), delay })
}

/// A sandbox with a webhook that refuses some times first. Its clock stands still, so that nothing
/// happens by itself.
async fn told(refusals: &[u16]) -> (Desk, Ear) {
    let (ear, url) = Ear::listen(refusals).await;
    let first = u64::try_from(HOUR * 1000).unwrap();
    let config = Config {
        webhook_url: Some(url),
        webhook_backoff_first_ms: first,
        webhook_backoff_max_ms: 4 * first,
        webhook_attempts_max: 4,
        seed: Some(1),
        ..config()
    };
    (Desk::with(config).await, ear)
}

async fn products(desk: &Desk, names: &[&str]) {
    for name in names {
        desk.post("/v1/products", &[("name", name)]).await;
    }
}

/// The names of products of which the webhook was told, in order, once it is so many.
async fn names(ear: &Ear, count: usize) -> Vec<String> {
    let heard = ear.heard(count).await;
    let name = |event: &serde_json::Value| event["data"]["object"]["name"].as_str().unwrap().into();
    heard.iter().map(name).collect()
}

fn states(deliveries: &[pb::Delivery]) -> Vec<State> {
    deliveries.iter().map(pb::Delivery::state).collect()
}

#[tokio::test]
async fn a_duplicated_event_comes_twice_under_one_identifier() {
    let (mut desk, ear) = told(&[]).await;
    desk.inject(on("product.*", Effect::Duplicated)).await;
    products(&desk, &["a"]).await;
    assert_eq!(ear.times(2).await.into_values().collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn an_event_that_was_generated_twice_has_two_identifiers() {
    let (mut desk, ear) = told(&[]).await;
    desk.inject(on("product.*", Effect::GeneratedTwice)).await;
    products(&desk, &["a"]).await;
    assert_eq!(ear.times(2).await.into_values().collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn a_reordered_event_comes_after_the_next() {
    let (mut desk, ear) = told(&[]).await;
    desk.inject(on("product.*", Effect::Reordered)).await;
    products(&desk, &["a", "b"]).await;
    assert_eq!(names(&ear, 2).await, ["b", "a"]);
}

#[tokio::test]
async fn a_delayed_event_comes_when_the_clock_says_so() {
    let (mut desk, ear) = told(&[]).await;
    desk.inject(on("product.*", Effect::Delayed)).await;
    products(&desk, &["a", "b"]).await;
    assert_eq!(names(&ear, 1).await, ["b"]);
    desk.advance(HOUR - 1).await;
    assert_eq!(names(&ear, 1).await, ["b"]);
    desk.advance(1).await;
    assert_eq!(names(&ear, 2).await, ["b", "a"]);
}

#[tokio::test]
async fn a_dropped_event_is_listed_and_an_ungenerated_one_is_not() {
    let (mut desk, ear) = told(&[]).await;
    desk.inject(on("product.*", Effect::Dropped)).await;
    desk.inject(on("product.*", Effect::NotGenerated)).await;
    products(&desk, &["dropped", "ungenerated", "told"]).await;
    assert_eq!(names(&ear, 1).await, ["told"]);
    assert_eq!(desk.event_types().await.len(), 2);
    desk.advance(0).await;
    assert_eq!(states(&desk.deliveries().await), [State::Dropped, State::Delivered]);
}

#[tokio::test]
async fn two_events_can_be_of_the_same_second() {
    let (mut desk, _) = told(&[]).await;
    products(&desk, &["a"]).await;
    desk.advance(5).await;
    desk.inject(on("product.*", Effect::SameSecond)).await;
    products(&desk, &["b", "c"]).await;
    let events = desk.get("/v1/events").await;
    let created = |at: usize| events["data"][at]["created"].as_i64().unwrap();
    assert_eq!((created(1) - created(2), created(0) - created(1)), (0, 5));
}

#[tokio::test]
async fn moving_the_clock_retries_at_each_due_moment() {
    let (mut desk, ear) = told(&[500, 503]).await;
    let start = desk.advance(0).await;
    products(&desk, &["a"]).await;
    desk.advance(0).await;
    assert_eq!(states(&desk.deliveries().await), [State::Pending]);
    desk.advance(3 * HOUR).await;
    assert_eq!(names(&ear, 1).await, ["a"]);
    let delivery = desk.deliveries().await.remove(0);
    assert_eq!((delivery.state(), delivery.attempts, delivery.status), (State::Delivered, 3, 200));
    // One hour after the first attempt, and two after the second.
    assert_eq!(delivery.attempt_time.unwrap().seconds - start, 3 * HOUR);
}

#[tokio::test]
async fn a_webhook_that_never_takes_an_event_is_given_up() {
    let (mut desk, _) = told(&[500; 9]).await;
    products(&desk, &["a"]).await;
    desk.advance(24 * HOUR).await;
    let delivery = desk.deliveries().await.remove(0);
    assert_eq!((delivery.state(), delivery.attempts), (State::GivenUp, 4));
    assert_eq!(desk.get("/v1/events").await["data"][0]["pending_webhooks"], 1);
}

#[tokio::test]
async fn what_falls_due_happens_in_its_order_and_at_its_moment() {
    let (mut desk, ear) = told(&[]).await;
    let link = desk.link(&[("restrictions[completed_sessions][limit]", "9")]).await;
    let open = async |desk: &mut Desk| {
        let order = Order { card: "4000000000000002".to_owned(), ..Order::default() };
        desk.pay(&link, order).await.unwrap().session
    };
    let first = open(&mut desk).await;
    desk.advance(HOUR).await;
    let second = open(&mut desk).await;
    desk.advance(48 * HOUR).await;
    let expired = desk.get("/v1/events?type=checkout.session.expired").await;
    let expired: Vec<_> = expired["data"].as_array().unwrap().iter().rev().collect();
    let sessions: Vec<_> = expired.iter().map(|event| &event["data"]["object"]["id"]).collect();
    assert_eq!(sessions, [&first, &second]);
    for event in &expired {
        assert_eq!(event["created"], event["data"]["object"]["expires_at"]);
    }
    let count = desk.event_types().await.len();
    let heard = ear.heard(count).await;
    assert_eq!(heard.len(), count);
    assert_eq!(heard[count - 1]["data"]["object"]["id"], second);
}

#[tokio::test]
async fn a_registered_endpoint_is_told_what_it_wants_to_know() {
    let mut desk = Desk::new().await;
    let (ear, url) = Ear::listen(&[]).await;
    let form = [("url", url.as_str()), ("enabled_events[0]", "price.created")];
    let endpoint = desk.post("/v1/webhook_endpoints", &form).await;
    desk.link(&[]).await;
    assert_eq!(ear.heard(1).await[0]["type"], "price.created");
    desk.advance(0).await;
    let deliveries = desk.deliveries().await;
    assert_eq!(states(&deliveries), [State::Delivered]);
    assert_eq!(
        (&deliveries[0].endpoint[..], &deliveries[0].url),
        (endpoint["id"].as_str().unwrap(), &url)
    );
}
