//! What a call costs the running service: the CPU time of its process, the kernel's
//! part included.
//!
//! The program serves as in production, with its record of writes on disk. Stripe is a
//! server of this process, on loopback, that answers at once; callers are of this
//! process too, on 4 connections with 8 calls each. `cargo bench --bench service` prints
//! the table of docs/performance.md.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that fails must stop"
)]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use futures_util::future::join_all;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use paylink::pb;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use tokio::net::TcpListener;
use tonic::Request;
use tonic::body::Body;
use uuid::Uuid;

/// A payment link, as Stripe answers it.
const LINK: &str = include_str!("wire/minimal.json");
const CONNECTIONS: usize = 4;
const CALLS_OF_A_CONNECTION: usize = 8;
/// How many calls warm it up, and how many are measured, each of all callers together.
const WARM_UP: usize = 2_000;
const MEASURED: usize = 20_000;
/// How often each way to be seen has its turn, and with how many calls.
const TURNS: usize = 40;
const CALLS_OF_A_TURN: usize = 960;
/// After how long all that is to be exported has been.
const EXPORTED: Duration = Duration::from_secs(6);
/// The unit of CPU time in `/proc`, which Linux fixes.
const TICK: Duration = Duration::from_millis(10);

type Links = PaymentLinkServiceClient<Client<HttpConnector, Body>>;

/// The program, until it is dropped.
struct Service {
    child: Child,
    grpc: SocketAddr,
    storage: PathBuf,
}

/// Those who call a service.
struct Callers(Vec<Links>);

/// What a kind of call costs.
struct Cost {
    cpu: Duration,
    per_second: f64,
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stripe = stripe().await;
        let service = Service::start(stripe, &[]);
        println!("CPU time of the service a call, {CONNECTIONS} connections with 8 calls each:");
        let create = cost(&service, async |links| {
            links.create_payment_link(poster()).await.unwrap();
        });
        row("create a link", &create.await, 75);
        let fresh = cost(&service, async |links| {
            links.get_payment_link(asking(true)).await.unwrap();
        });
        row("get a link", &fresh.await, 50);
        let kept = cost(&service, async |links| {
            links.get_payment_link(asking(false)).await.unwrap();
        });
        row("get a link that is kept", &kept.await, 20);
        let list = cost(&service, async |links| {
            let request = pb::ListPaymentLinksRequest { page_size: 10, ..Default::default() };
            links.list_payment_links(request).await.unwrap();
        });
        row("list 10 links", &list.await, 108);
        println!("memory at the end: {:.1} MiB", service.resident_kib() / 1024.0);
        drop(service);
        telemetry(stripe).await;
    });
}

/// Prints what it costs to be seen, in turns, so that what else the machine does is in
/// each of them.
async fn telemetry(stripe: SocketAddr) {
    let collector = format!("http://{}", serve(Router::new().fallback(async || ())).await);
    let to = |endpoint: &'static str, ratio: &'static str| {
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("PAYLINK__TELEMETRY__TRACE_RATIO", ratio),
        ]
    };
    // It is there for as long as the benchmark.
    let collector: &'static str = collector.leak();
    let ways = [
        ("off", vec![]),
        ("1 % of the traces", to(collector, "0.01")),
        ("all traces", to(collector, "1.0")),
        ("a dead collector", to("http://127.0.0.1:1", "1.0")),
    ];
    println!("CPU time to create a link, by what of it is exported:");
    let create = async |links: &mut Links| {
        links.create_payment_link(poster()).await.unwrap();
    };
    let mut services = Vec::new();
    for (name, environment) in ways {
        let service = Service::start(stripe, &environment);
        let callers = Callers::of(&service);
        callers.make(WARM_UP, &create).await;
        let before = service.cpu();
        services.push((name, service, callers, before));
    }
    for _ in 0..TURNS {
        for (_, _, callers, _) in &services {
            callers.make(CALLS_OF_A_TURN, &create).await;
        }
    }
    tokio::time::sleep(EXPORTED).await;
    let calls = f64::from(u32::try_from(TURNS * CALLS_OF_A_TURN).unwrap());
    let mut off_us = None;
    for (name, service, _, before) in &services {
        let cost_us = service.cpu().saturating_sub(*before).as_secs_f64() * 1e6 / calls;
        let more = cost_us / *off_us.get_or_insert(cost_us) - 1.0;
        println!("{name:<24} {cost_us:>6.1} µs, {:>+5.1} %", more * 100.0);
    }
}

fn row(name: &str, cost: &Cost, goal_us: u32) {
    let cpu_us = cost.cpu.as_secs_f64() * 1e6;
    println!("{name:<24} {cpu_us:>6.1} µs (goal {goal_us}), {:>6.0} a second", cost.per_second);
}

/// Serves a Stripe that answers at once.
async fn stripe() -> SocketAddr {
    let json = |body: String| ([(CONTENT_TYPE, "application/json")], body);
    let list = |items: &[&str]| {
        let items = items.join(",");
        format!(r#"{{"object": "list", "data": [{items}], "has_more": false}}"#)
    };
    let (page, nothing) = (list(&[LINK; 10]), list(&[]));
    let one = move || async move { json(LINK.to_owned()) };
    // Every link that is made is another one.
    let made =
        move || async move {
            json(LINK.replace(
                "plink_1QyZ9aLkdIwHu7ixPq3",
                &format!("plink_{}", Uuid::new_v4().simple()),
            ))
        };
    let all = move || async move { json(page.clone()) };
    let routes = Router::new()
        .route("/v1/payment_links", post(made).get(all))
        .route("/v1/payment_links/{id}", get(one))
        .fallback(move || async move { json(nothing.clone()) });
    serve(routes).await
}

/// Serves routes on a port of their own.
async fn serve(routes: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = TowerToHyperService::new(routes.clone());
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    address
}

/// Makes calls from all sides, and gives what one costs.
async fn cost(service: &Service, call: impl AsyncFn(&mut Links)) -> Cost {
    let callers = Callers::of(service);
    callers.make(WARM_UP, &call).await;
    let (begun, before) = (Instant::now(), service.cpu());
    callers.make(MEASURED, &call).await;
    let calls = u32::try_from(MEASURED).unwrap();
    let cpu = service.cpu().saturating_sub(before) / calls;
    Cost { cpu, per_second: f64::from(calls) / begun.elapsed().as_secs_f64() }
}

fn poster() -> pb::CreatePaymentLinkRequest {
    let item = pb::LineItem { price: "price_1".into(), quantity: Some(1), ..Default::default() };
    pb::CreatePaymentLinkRequest {
        payment_link: Some(pb::PaymentLink { line_items: vec![item], ..Default::default() }),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    }
}

/// Asks for a link, of Stripe itself if it is to be fresh.
fn asking(is_fresh: bool) -> Request<pb::GetPaymentLinkRequest> {
    let mut request = Request::new(pb::GetPaymentLinkRequest { id: "plink_1".into() });
    if is_fresh {
        request.metadata_mut().insert("cache-control", "no-cache".parse().unwrap());
    }
    request
}

// === impl Callers ===

impl Callers {
    fn of(service: &Service) -> Self {
        let origin: http::Uri = format!("http://{}", service.grpc).parse().unwrap();
        let connections = std::iter::repeat_with(|| {
            let mut connector = HttpConnector::new();
            // What is small is not kept back until more comes, as in every gRPC client.
            connector.set_nodelay(true);
            let wire = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
            Links::with_origin(wire, origin.clone())
        });
        Self(connections.take(CONNECTIONS).collect())
    }

    /// Makes calls, as many on each side.
    async fn make(&self, calls: usize, call: &impl AsyncFn(&mut Links)) {
        let callers = self.0.iter().flat_map(|links| [links; CALLS_OF_A_CONNECTION]);
        let callers = callers.map(async |links| {
            let mut links = links.clone();
            for _ in 0..calls / (CONNECTIONS * CALLS_OF_A_CONNECTION) {
                call(&mut links).await;
            }
        });
        join_all(callers).await;
    }
}

// === impl Service ===

impl Service {
    /// Starts the program, and waits until it says where it serves.
    fn start(stripe: SocketAddr, further: &[(&str, &str)]) -> Self {
        let name = format!("paylink-bench-{}.db", Uuid::new_v4().simple());
        let storage = std::env::temp_dir().join(name);
        let mut child = Command::new(env!("CARGO_BIN_EXE_paylink"))
            .arg("serve")
            .env_clear()
            .env("PAYLINK__GRPC__LISTEN", "127.0.0.1:0")
            .env("PAYLINK__WEBHOOK__LISTEN", "127.0.0.1:0")
            .env("PAYLINK__OPERATIONS__LISTEN", "127.0.0.1:0")
            .env("PAYLINK__STRIPE__BASE_URL", format!("http://{stripe}"))
            .env("PAYLINK__STRIPE__API_KEY", "sk_test_1")
            .env("PAYLINK__STRIPE__WEBHOOK_SECRETS", "whsec_bench")
            // Stripe's limits are not what is measured.
            .env("PAYLINK__STRIPE__RATE_TEST", "0")
            // Nor is waiting: what runs by itself is with Stripe beside the callers.
            .env("PAYLINK__STRIPE__IN_FLIGHT_MAX", "64")
            .env("PAYLINK__STRIPE__CACHE_AGE_MS", "600000")
            .env("PAYLINK__STORAGE__URL", format!("sqlite:{}", storage.display()))
            .envs(further.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let grpc = loop {
            let line: serde_json::Value =
                serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            if line["message"] == "Serving" {
                break line["grpc"].as_str().unwrap().parse().unwrap();
            }
        };
        // Read on, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, grpc, storage }
    }

    /// The CPU time that the process has taken: its own and the kernel's for it.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name of the program, in brackets, is the second field; these are 14 and 15.
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        let ticks = fields.skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap());
        TICK * ticks.sum::<u32>()
    }

    fn resident_kib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        for suffix in ["", "-wal", "-shm", "-lock"] {
            drop(std::fs::remove_file(format!("{}{suffix}", self.storage.display())));
        }
    }
}
