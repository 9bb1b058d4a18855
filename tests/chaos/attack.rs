//! The binary under attack from one address, while an honest client calls from another.
//!
//! What is asserted: every honest call is answered, whatever is attacked ends,
//! memory stays bounded, and new clients come in afterwards. How long honest calls
//! take is printed, and not asserted. The attackers have a processor of their own, as
//! they would have elsewhere; the service and its honest client share another.

mod attackers;
mod honest;
mod raw;
mod slow;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpSocket;

use self::attackers::{Attackers, processors, stay_on};
use self::honest::Honest;
use super::service::Service;
use super::{Memory, SCALE};

/// How many honest calls are made before, and during, each attack.
const CALLS: usize = 300;
/// How much the memory of the process may grow over all attacks, in MiB.
const GROWTH_MAX_MIB: u64 = 64;
/// How long anything may take that should come at all.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// What shortens the time that attackers have to be waited for.
const SHORT: [(&str, &str); 4] = [
    ("PAYLINK__CONNECTIONS__FIRST_BYTES_TIMEOUT_MS", "500"),
    ("PAYLINK__CONNECTIONS__UNREAD_TIMEOUT_MS", "500"),
    ("PAYLINK__CONNECTIONS__KEEPALIVE_INTERVAL_MS", "400"),
    ("PAYLINK__CONNECTIONS__KEEPALIVE_TIMEOUT_MS", "400"),
];

/// Where attackers come from. Every address that begins with 127 is this machine's.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Gives what should come, or fails: something has hung.
async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT_MAX, what).await.expect("nothing hangs")
}

/// Connects from an address of one's own.
async fn connect(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// Attacks again and again while an honest client makes its calls.
async fn check<A>(what: &str, service: &Service, attack: A)
where
    A: AsyncFn(SocketAddr) -> bool + Send + 'static,
{
    let honest = Honest::at(service.grpc);
    let calls = CALLS * (*SCALE).min(10);
    let before = honest.calls(calls).await;
    let memory = service.memory_mib();
    let attackers = Attackers::start(service.grpc, attack);
    let during = honest.calls(calls).await;
    let [rounds, refused] = attackers.stop().await;
    // Those who come afterwards find all as it was.
    Honest::at(service.grpc).calls(1).await;
    let grown = service.memory_mib().saturating_sub(memory);
    println!(
        "{what}: {rounds} rounds, {refused} more refused, p99 of {calls} honest calls \
         {before:?} -> {during:?} ({:.1} times), {grown} MiB more",
        during.as_secs_f64() / before.as_secs_f64(),
    );
    assert!(grown <= GROWTH_MAX_MIB, "{what}: {grown} MiB");
}

#[tokio::test]
async fn an_honest_client_is_served_under_every_attack() {
    let memory = Memory::file();
    let [processor, _] = processors();
    // The honest client too, since this is its thread.
    stay_on(&processor);
    let service = Service::start_with(&[], &memory.url(), &SHORT).await;
    let at_rest = service.memory_max_mib();
    for attack in raw::attacks() {
        check(attack.what, &service, async move |at| attack.run(at).await).await;
    }
    check("a preface in drops", &service, slow::preface).await;
    check("headers in drops", &service, slow::headers).await;
    check("messages that never end", &service, slow::messages).await;
    check("silent connections", &service, slow::silence).await;

    let most = service.memory_max_mib();
    println!("memory: {at_rest} MiB at rest, {most} MiB at most");
    assert!(most <= at_rest + GROWTH_MAX_MIB, "{most} MiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_without_file_descriptors_lives_on() {
    let memory = Memory::file();
    // Too few for what the listeners would take together.
    let limited = ["sh", "-c", r#"ulimit -n 56 && exec "$@""#, "sh"];
    let service = Service::start_with(&limited, &memory.url(), &SHORT).await;
    let honest = Honest::at(service.grpc);
    honest.calls(10).await;
    for _ in 0..3 {
        let mut held = Vec::new();
        for last in 2..40 {
            let from = Ipv4Addr::new(127, 0, 0, last);
            for to in [service.grpc, service.webhook, service.operations] {
                held.push(within(connect(from, to)).await);
            }
        }
        // Who was there before is served on.
        honest.calls(CALLS).await;
        drop(held);
    }
    // And who comes afterwards, too: to each listener, once it has seen that there is room.
    let refused = within(async {
        while Honest::at(service.grpc).try_call().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        loop {
            match service.metric("paylink_server_connections_cut_total").await {
                Ok(refused) => break refused,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await;
    let count = |reason: &str| {
        let named = format!("reason=\"{reason}\"");
        let lines = refused.iter().filter(|(labels, _)| labels.contains(&named));
        lines.map(|(_, value)| *value).sum::<f64>()
    };
    println!(
        "file descriptors: {} refused for want of them, {} for the bound of a listener",
        count("descriptors"),
        count("connections_max")
    );
    assert!(count("descriptors") > 0.0, "{refused:?}");
    assert!(count("connections_max") > 0.0, "{refused:?}");
}
