//! Orders and ends under violence: many links at once through faults and kills, many
//! ends at once, and how long an order that was paid can still be paid.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use http::{Method, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use paylink::pb;
use paylink::pb::batch_create_payment_links_response::Result as Outcome;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use paylink::sandbox::{Config, Handle};
use prost_types::Timestamp;
use serde_json::Value;
use tonic::body::Body;
use uuid::Uuid;

use super::buyer::Page;
use super::service::Service;
use super::{API_KEY, Memory, SCALE, WEBHOOK_SECRET, within};

/// Of a thousand requests to Stripe, so many fail before they are carried out, and as
/// many after that.
const FAULTS_EACH: u64 = 25;
/// How many links a short run makes.
const LINKS: usize = 500;
/// Over how many seconds a full run's links end.
const SPREAD_SECS: usize = 60;
/// How often a short run measures the window.
const ROUNDS: usize = 5;
const GOOD_CARD: &str = "4242424242424242";
const NOTE: &str = "item";
/// How often to look how many links have ended, which takes Stripe's time.
const LOOK: Duration = Duration::from_millis(500);
/// Stripe's limits are another measurement: this is about ours.
const SETTINGS: [(&str, &str); 4] = [
    ("PAYLINK__STRIPE__RATE_TEST", "0"),
    ("PAYLINK__STRIPE__RATE_ENDPOINT", "0"),
    ("PAYLINK__STRIPE__BACKOFF_MS", "20"),
    ("PAYLINK__PAYMENTS__LINK_SWEEP_INTERVAL_MS", "0"),
];

/// A Stripe that outlives the service, and fails as often as it is told to.
struct Stripe {
    url: String,
    handle: Handle,
}

// === impl Stripe ===

impl Stripe {
    async fn start(faults_each: u64) -> Self {
        let config = Config {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            api_key: API_KEY.to_owned(),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
            objects_max: 50_000,
            ..Config::default()
        };
        let sandbox = config.build().await.unwrap();
        let handle = sandbox.handle();
        if faults_each == 0 {
            let url = format!("http://{}", sandbox.local_addr());
            tokio::spawn(sandbox.run(std::future::pending()));
            return Self { url, handle };
        }
        let count = Arc::new(AtomicU64::new(0));
        let router =
            sandbox.router().layer(middleware::from_fn(move |request: Request, next: Next| {
                let nth = count.fetch_add(1, Ordering::Relaxed);
                let is_write = request.method() == Method::POST;
                async move { fail(faults_each, nth, is_write, request, next).await }
            }));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, handle }
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        let (mut found, mut after) = (Vec::new(), String::new());
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let url = format!("{}{path}{joint}limit=100{after}", self.url);
            let asked = reqwest::Client::new().get(url).bearer_auth(API_KEY).send().await.unwrap();
            if !asked.status().is_success() {
                continue;
            }
            let page: Value = serde_json::from_slice(&asked.bytes().await.unwrap()).unwrap();
            let data = page["data"].as_array().unwrap();
            if let Some(last) = data.last() {
                after = format!("&starting_after={}", last["id"].as_str().unwrap());
            }
            found.extend(data.iter().cloned());
            if page["has_more"] != true {
                return found;
            }
        }
    }
}

/// Fails one request in so many, before it is carried out or after it.
async fn fail(each: u64, nth: u64, is_write: bool, request: Request, next: Next) -> Response {
    match nth.wrapping_mul(0x9e37_79b9) % 1_000 {
        chance if is_write && chance < each => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        chance if is_write && chance < 2 * each => {
            drop(next.run(request).await);
            StatusCode::BAD_GATEWAY.into_response()
        }
        _ => next.run(request).await,
    }
}

type Links = PaymentLinkServiceClient<Client<HttpConnector, Body>>;

fn links(address: SocketAddr) -> Links {
    let wire = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    PaymentLinkServiceClient::with_origin(wire, format!("http://{address}").parse().unwrap())
}

fn poster(order_ref: &str) -> pb::PaymentLink {
    use pb::line_item::{PriceData, price_data::ProductData};

    let product_data = Some(ProductData { name: "Poster".into(), ..Default::default() });
    let price_data = Some(PriceData {
        currency: "usd".into(),
        unit_amount: Some(2_500),
        product_data,
        ..Default::default()
    });
    let item = pb::LineItem { price_data, quantity: Some(1), ..Default::default() };
    let order_ref = order_ref.to_owned();
    pb::PaymentLink { line_items: vec![item], order_ref, ..Default::default() }
}

fn item(nth: usize, expire_time: Option<Timestamp>) -> pb::BatchCreatePaymentLinksRequest {
    let metadata = [(NOTE.to_owned(), nth.to_string())].into();
    let link = pb::PaymentLink { metadata, expire_time, ..poster("") };
    let request_id = Uuid::from_u128(nth as u128 + 1).to_string();
    let item =
        pb::CreatePaymentLinkRequest { payment_link: Some(link), request_id, ..Default::default() };
    pb::BatchCreatePaymentLinksRequest { item: Some(item) }
}

/// Sends a batch, up to a number of answers or its end, and gives the links.
async fn batch(
    address: SocketAddr,
    items: Vec<pb::BatchCreatePaymentLinksRequest>,
    answers_max: usize,
) -> BTreeMap<i32, String> {
    let answers = links(address).batch_create_payment_links(stream::iter(items)).await;
    let mut answers = answers.unwrap().into_inner().take(answers_max);
    let mut made = BTreeMap::new();
    while let Some(Ok(answer)) = answers.next().await {
        if let Some(Outcome::PaymentLink(link)) = answer.result {
            made.insert(answer.index, link.id);
        }
    }
    made
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_makes_exactly_its_links_through_faults_and_a_kill() {
    let (count, begin) = (LINKS * *SCALE, Instant::now());
    let (stripe, memory) = (Stripe::start(FAULTS_EACH).await, Memory::file());
    let settings = [&SETTINGS[..], &[("PAYLINK__STRIPE__BASE_URL", stripe.url.as_str())]].concat();
    let items: Vec<_> = (0..count).map(|nth| item(nth, None)).collect();

    let service = Service::start_with(&[], &memory.url(), &settings).await;
    let first = batch(service.grpc, items.clone(), count / 3).await;
    service.kill().await;
    let service = Service::start_with(&[], &memory.url(), &settings).await;
    let (mut made, mut rounds) = (BTreeMap::new(), 0);
    while made.len() < count && rounds < 10 {
        made = batch(service.grpc, items.clone(), usize::MAX).await;
        rounds += 1;
    }
    assert_eq!(made.len(), count, "every item gives a link");
    assert!(first.iter().all(|(at, id)| made.get(at) == Some(id)), "what was told stays");
    let mut at_stripe: HashMap<String, Vec<String>> = HashMap::new();
    for link in stripe.list("/v1/payment_links").await {
        let nth = link["metadata"][NOTE].as_str().unwrap().to_owned();
        at_stripe.entry(nth).or_default().push(link["id"].as_str().unwrap().to_owned());
    }
    let twice = at_stripe.values().filter(|links| links.len() != 1).count();
    assert_eq!((at_stripe.len(), twice), (count, 0), "each link is made once");
    println!(
        "a batch of {count} links, {} in a thousand writes failing, one kill after {} answers: \
         {count} links, none twice, {rounds} further rounds, {:.1?}",
        2 * FAULTS_EACH,
        first.len(),
        begin.elapsed(),
    );
}

/// Lets many links end while the service, or the replica that ends them, is killed.
async fn end_all(memory: Memory, replicas: usize) {
    let count = LINKS * *SCALE;
    let (stripe, memory_url) = (Stripe::start(0).await, memory.url());
    let settings = [&SETTINGS[..], &[("PAYLINK__STRIPE__BASE_URL", stripe.url.as_str())]].concat();
    let mut services = Vec::new();
    for _ in 0..replicas {
        services.push(Service::start_with(&[], &memory_url, &settings).await);
    }
    // They are made without an end first, so that all are there when the first ends.
    let made = batch(services[0].grpc, (0..count).map(|nth| item(nth, None)).collect(), count);
    let made = made.await;
    assert_eq!(made.len(), count);
    let spread = (SPREAD_SECS * count / 10_000).max(3);
    let start = jiff::Timestamp::now().as_second() + i64::try_from(2 + count / 250).unwrap();
    let mut ends = HashMap::new();
    let client = links(services[0].grpc);
    let updates = made.into_iter().map(|(at, id)| {
        let seconds = start + i64::try_from(usize::try_from(at).unwrap() % spread).unwrap();
        ends.insert(id.clone(), seconds);
        let link = pb::PaymentLink {
            id,
            expire_time: Some(Timestamp { seconds, nanos: 0 }),
            ..Default::default()
        };
        let request =
            pb::UpdatePaymentLinkRequest { payment_link: Some(link), ..Default::default() };
        let mut client = client.clone();
        async move { client.update_payment_link(request).await.unwrap() }
    });
    let updates: Vec<_> = updates.collect();
    stream::iter(updates).buffer_unordered(16).collect::<Vec<_>>().await;
    let set = jiff::Timestamp::now().as_second();

    // The one that was first has the lease; it dies when a third has ended.
    let ended = async |stripe: &Stripe| stripe.list("/v1/payment_links?active=false").await.len();
    let patience = Instant::now();
    while ended(&stripe).await < count / 3 {
        assert!(patience.elapsed() < Duration::from_mins(5), "links end");
        tokio::time::sleep(LOOK).await;
    }
    services.remove(0).kill().await;
    let killed = jiff::Timestamp::now().as_second();
    if services.is_empty() {
        services.push(Service::start_with(&[], &memory_url, &settings).await);
    }
    let back = jiff::Timestamp::now().as_second();
    while ended(&stripe).await < count {
        assert!(patience.elapsed() < Duration::from_mins(10), "all links end");
        tokio::time::sleep(LOOK).await;
    }
    let mut times: HashMap<String, Vec<i64>> = HashMap::new();
    for event in stripe.list("/v1/events?type=payment_link.updated").await {
        if event["data"]["previous_attributes"]["active"] == true {
            let id = event["data"]["object"]["id"].as_str().unwrap().to_owned();
            times.entry(id).or_default().push(event["created"].as_i64().unwrap());
        }
    }
    let twice = times.values().filter(|times| times.len() != 1).count();
    assert_eq!((times.len(), twice), (count, 0), "each link ends once");
    let early = times.iter().filter(|(id, times)| times[0] < ends[*id]).count();
    assert_eq!(early, 0, "no link ends before its time");
    let late = times.iter().map(|(id, times)| {
        // What was to end while nobody was there is late from then on.
        let due = ends[id].max(set);
        times[0] - if due <= back && times[0] >= killed { due.max(back) } else { due }
    });
    let late = late.max().unwrap();
    println!(
        "{count} links ending within {spread} s, {replicas} replicas, one killed after a \
         third: all ended, none twice, none early, the latest {late} s after its time"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_end_once_and_in_time_though_the_service_is_killed() {
    end_all(Memory::file(), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_end_once_and_in_time_though_a_replica_is_killed() {
    if let Some(memory) = Memory::server() {
        end_all(memory, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_in_which_an_order_can_be_paid_twice_is_short() {
    let (stripe, memory) = (Stripe::start(0).await, Memory::file());
    let settings = [&SETTINGS[..], &[("PAYLINK__STRIPE__BASE_URL", stripe.url.as_str())]].concat();
    let service = Service::start_with(&[], &memory.url(), &settings).await;
    stripe.handle.set_webhook(format!("http://{}/webhooks/stripe", service.webhook));
    let mut client = links(service.grpc);
    let mut windows = Vec::new();
    for round in 0..ROUNDS * *SCALE {
        let mut pages = Vec::new();
        for _ in 0..2 {
            let link = Some(poster(&format!("order {round}")));
            let request = pb::CreatePaymentLinkRequest { payment_link: link, ..Default::default() };
            let made = client.create_payment_link(request).await.unwrap().into_inner();
            pages.push(Page::open(&made.url).await);
        }
        pages[0].pay(GOOD_CARD).await;
        let paid = Instant::now();
        let sibling = pages[1].session().to_owned();
        within(async {
            while !expired(&stripe).await.contains(&sibling) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        windows.push(paid.elapsed());
    }
    windows.sort();
    println!(
        "from a payment until the sibling's open page is expired: median {:.0?}, longest {:.0?} \
         of {}",
        windows[windows.len() / 2],
        windows[windows.len() - 1],
        windows.len(),
    );
}

/// The newest sessions that have expired.
async fn expired(stripe: &Stripe) -> BTreeSet<String> {
    let url = format!("{}/v1/checkout/sessions?status=expired&limit=10", stripe.url);
    let answer = reqwest::Client::new().get(url).bearer_auth(API_KEY).send().await.unwrap();
    let page: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let ids = page["data"].as_array().unwrap().iter();
    ids.map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}
