//! Two processes on one PostgreSQL, before one Stripe: whoever is asked, and
//! whoever dies of it, a write is made once.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use paylink::pb;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use paylink::sandbox::Config;
use serde_json::Value;
use tonic::Request;
use uuid::Uuid;

use super::gate::{Answers, Gate};
use super::service::Service;
use super::{API_KEY, Memory, within};

/// How many ask for one thing at the same time.
const CALLERS: usize = 64;
/// Longer than a process may be silent before another takes up what it holds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two processes that share all but themselves.
struct Pair {
    memory: Memory,
    sandbox: SocketAddr,
    gate: Gate,
    services: [Service; 2],
}

impl Pair {
    /// Starts them; `None` where there is no PostgreSQL.
    async fn start() -> Option<Self> {
        let memory = Memory::server()?;
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let config = Config { listen, api_key: API_KEY.to_owned(), ..Config::default() };
        let sandbox = config.build().await.unwrap();
        let address = sandbox.local_addr();
        tokio::spawn(sandbox.run(std::future::pending()));
        let gate = Gate::open_before(address).await;
        let stripe = format!("http://{}", gate.address());
        let first = Service::start_before(&stripe, &memory.url()).await;
        let second = Service::start_before(&stripe, &memory.url()).await;
        Some(Self { memory, sandbox: address, gate, services: [first, second] })
    }

    /// What a list of Stripe's has, read past the gate.
    async fn list(&self, path: &str) -> Vec<Value> {
        let url = format!("http://{}{path}", self.sandbox);
        let answer = reqwest::Client::new().get(url).bearer_auth(API_KEY).send().await.unwrap();
        let page: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        page["data"].as_array().unwrap().clone()
    }

    /// Holds what everyone was told against what is there: one link, made under
    /// one key, by one operation that is on record.
    async fn assert_made_once(&self, told: &[pb::PaymentLink]) {
        let links = self.list("/v1/payment_links").await;
        let [link] = &links[..] else { panic!("{} links were made", links.len()) };
        assert!(told.iter().all(|one| *one == told[0]), "everyone is told the same");
        assert_eq!(told[0].id, link["id"].as_str().unwrap());
        let events = self.list("/v1/events?type=payment_link.created").await;
        let [event] = &events[..] else { panic!("{} links were made", events.len()) };
        let key = event["request"]["idempotency_key"].as_str().unwrap();
        let Memory::Server(cluster, _) = &self.memory else { unreachable!() };
        let rows = cluster.ask("chaos", "SELECT key, state, resource FROM operations");
        assert_eq!(rows.trim(), format!("{key}|done|{}", link["id"].as_str().unwrap()));
    }
}

async fn create(address: SocketAddr, id: Uuid) -> Result<pb::PaymentLink, tonic::Status> {
    let wire = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let origin = format!("http://{address}").parse().unwrap();
    let product =
        pb::line_item::price_data::ProductData { name: "Poster".into(), ..Default::default() };
    let data = pb::line_item::PriceData {
        currency: "usd".into(),
        product_data: Some(product),
        unit_amount: Some(2500),
        ..Default::default()
    };
    let item = pb::LineItem { price_data: Some(data), quantity: Some(1), ..Default::default() };
    let mut request = Request::new(pb::CreatePaymentLinkRequest {
        payment_link: Some(pb::PaymentLink { line_items: vec![item], ..Default::default() }),
        request_id: id.to_string(),
        ..Default::default()
    });
    request.set_timeout(PATIENCE);
    let mut links = PaymentLinkServiceClient::with_origin(wire, origin);
    links.create_payment_link(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_two_processes_with_one_request_id_get_one_link() {
    let Some(pair) = Pair::start().await else { return };
    let id = Uuid::new_v4();
    let calls = (0..CALLERS).map(|at| create(pair.services[at % 2].grpc, id));
    let told: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    pair.assert_made_once(&told).await;
    println!("{CALLERS} callers of 2 processes under one request_id: 1 row, 1 key, 1 link");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_was_at_another_finishes() {
    let Some(pair) = Pair::start().await else { return };
    let id = Uuid::new_v4();
    // Stripe has made the link, and the process has not heard of it.
    pair.gate.let_answers(Answers::Wait);
    let doomed = tokio::spawn(create(pair.services[0].grpc, id));
    within(async {
        while pair.list("/v1/payment_links").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let Pair { memory, sandbox, gate, services: [first, second] } = pair;
    first.kill().await;
    doomed.await.unwrap().unwrap_err();
    gate.let_answers(Answers::Pass);
    let told = create(second.grpc, id).await.unwrap();
    println!("a process killed during a call: the other told of the same link");
    // One that never meets Stripe tells of it, too.
    let third = Service::start(&memory.url()).await;
    let again = create(third.grpc, id).await.unwrap();
    let pair = Pair { memory, sandbox, gate, services: [second, third] };
    pair.assert_made_once(&[told, again]).await;
}
