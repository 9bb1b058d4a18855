//! Watchers that do not read, and what they cost.

use std::collections::HashSet;
use std::net::SocketAddr;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use paylink::pb;
use paylink::pb::payment_service_client::PaymentServiceClient;
use tonic::Streaming;

use super::flood::{Sender, event_id};
use super::follow::prove;
use super::service::Service;
use super::{Memory, SCALE};

/// As many as are stuck when `just chaos` runs it in full.
const STUCK: usize = 10;
const STUCK_MAX: usize = 190;
const WATCHERS: usize = 2;
const SENDERS: usize = 8;
/// How much memory all of them together may cost, in MiB.
const COST_MAX_MIB: u64 = 64;
/// The memory that a service may have at all, in MiB.
const MEMORY_MAX_MIB: u64 = 160;

/// All of them come from here, which is more than one address is let in for.
const SETTINGS: [(&str, &str); 1] = [("PAYLINK__CONNECTIONS__CONNECTIONS_MAX_OF_ADDRESS", "256")];

/// A watcher that has room for one message and reads none after it.
async fn stuck(address: SocketAddr) -> Streaming<pb::WatchPaymentsResponse> {
    let mut wire = Client::builder(TokioExecutor::new());
    wire.http2_only(true).http2_initial_stream_window_size(4_096);
    let origin = format!("http://{address}").parse().unwrap();
    let mut client = PaymentServiceClient::with_origin(wire.build_http(), origin);
    let request = pb::WatchPaymentsRequest::default();
    let mut stream = client.watch_payments(request).await.unwrap().into_inner();
    stream.next().await.unwrap().unwrap();
    stream
}

async fn send(address: SocketAddr, events: std::ops::Range<usize>) {
    let senders = (0..SENDERS).map(|at| {
        let (mut sender, events) = (Sender::to(address), events.clone());
        tokio::spawn(async move {
            for number in events.skip(at).step_by(SENDERS) {
                while sender.send(number).await.unwrap() != 200 {}
            }
        })
    });
    join_all(senders.collect::<Vec<_>>()).await.into_iter().for_each(Result::unwrap);
}

/// Lets some read and others not, and compares the memory with that before.
async fn check(memory: Memory, name: &str) {
    let service = Service::start_with(&[], &memory.url(), &SETTINGS).await;
    let (events, number) = (200 * *SCALE, (STUCK * *SCALE).min(STUCK_MAX));
    send(service.webhook, 0..events).await;
    let expected = (0..events).map(event_id).collect::<HashSet<_>>();
    prove(service.grpc, &expected).await;
    let before = service.memory_max_mib();

    let watchers = join_all((0..number).map(|_| stuck(service.grpc))).await;
    send(service.webhook, events..2 * events).await;
    let expected = (0..2 * events).map(event_id).collect::<HashSet<_>>();
    // Whoever reads is told everything all the same.
    join_all((0..WATCHERS).map(|_| prove(service.grpc, &expected))).await;
    let after = service.memory_max_mib();
    drop(watchers);
    println!(
        "stuck: {name}, {number} watchers that do not read while {events} events come, memory \
         {before} MiB at most before them and {after} MiB with them; {WATCHERS} others miss 0"
    );
    assert!(after - before <= COST_MAX_MIB, "{before} and {after} MiB");
    assert!(after <= MEMORY_MAX_MIB, "{after} MiB");
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_that_do_not_read_cost_little() {
    check(Memory::file(), "SQLite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_that_do_not_read_cost_little_before_postgresql() {
    let Some(memory) = Memory::server() else { return };
    check(memory, "PostgreSQL").await;
}
