//! What the sandbox can do: links a second, over loopback and in one process; how soon it answers
//! after its start, and how much memory it takes when it is full and when nothing happens.
//!
//! `cargo bench --bench sandbox` prints the figures of docs/performance.md.

#![expect(clippy::unwrap_used, reason = "a measurement that fails must stop")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use paylink::sandbox::Config;
use tower::ServiceExt as _;

/// How many callers create links at the same time.
const CALLERS: usize = 8;
/// How many links one caller creates.
const LINKS_OF_A_CALLER: usize = 5_000;
/// How often the program is started.
const STARTS: usize = 20;

const FORM: &str = "line_items[0][price_data][currency]=usd\
                    &line_items[0][price_data][unit_amount]=1000\
                    &line_items[0][price_data][product_data][name]=Mug\
                    &line_items[0][quantity]=1&metadata[order]=7";

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!("links a second, over loopback:  {:.0}", over_loopback().await);
        let memory_kib = resident_kib(std::process::id());
        println!("memory after that:              {:.1} MiB", memory_kib / 1024.0);
        println!("links a second, in one process: {:.0}", in_process().await);
    });
    let (start, memory_kib) = program();
    println!("start to first answer:          {:.1} ms", start.as_secs_f64() * 1e3);
    println!("memory when idle:               {:.1} MiB", memory_kib / 1024.0);
}

fn config() -> Config {
    Config { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..Config::default() }
}

fn create(origin: &str, key: String) -> Request<Body> {
    Request::post(format!("{origin}/v1/payment_links"))
        .header("authorization", "Bearer sk_test_x")
        .header("idempotency-key", key)
        .body(Body::from(FORM))
        .unwrap()
}

async fn in_process() -> f64 {
    let router: Router = config().build().await.unwrap().router();
    rate(async |key| {
        let response = router.clone().oneshot(create("", key)).await.unwrap();
        assert!(response.status().is_success());
        to_bytes(response.into_body(), usize::MAX).await.unwrap();
    })
    .await
}

async fn over_loopback() -> f64 {
    let sandbox = config().build().await.unwrap();
    let origin = format!("http://{}", sandbox.local_addr());
    tokio::spawn(sandbox.run(std::future::pending()));
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    rate(async |key| {
        let response = client.request(create(&origin, key)).await.unwrap();
        assert!(response.status().is_success());
        to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
    })
    .await
}

/// Creations a second, by callers that each create one after the other.
async fn rate(create: impl AsyncFn(String)) -> f64 {
    let begun = Instant::now();
    let callers = (0..CALLERS).map(async |caller| {
        for number in 0..LINKS_OF_A_CALLER {
            create(format!("{caller}-{number}")).await;
        }
    });
    futures_util::future::join_all(callers).await;
    let links = u32::try_from(CALLERS * LINKS_OF_A_CALLER).unwrap();
    f64::from(links) / begun.elapsed().as_secs_f64()
}

/// The median of how soon the program answers after its start, and its memory then, in KiB.
fn program() -> (Duration, f64) {
    let mut starts = Vec::new();
    let mut memory_kib = 0.0_f64;
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut child = start();
        let address = address(&mut child);
        ask(address);
        starts.push(begun.elapsed());
        memory_kib = memory_kib.max(resident_kib(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    starts.sort();
    (starts.get(STARTS / 2).copied().unwrap(), memory_kib)
}

fn start() -> Child {
    Command::new(env!("CARGO_BIN_EXE_paylink"))
        .arg("sandbox")
        .env("PAYLINK__SANDBOX__LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn address(child: &mut Child) -> SocketAddr {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim().rsplit('/').next().unwrap().parse().unwrap()
}

fn ask(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET /v1/products HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk_test_x\r\n\
                   connection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn resident_kib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
