//! What it costs, as figures for docs/performance.md. Nothing is asserted of time.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, interval, sleep};
use tonic::Code;

use super::flood::{Sender, event_id, request};
use super::follow::{Follower, prove};
use super::service::Service;
use super::{Memory, SCALE, within};

/// As many as the service takes on at once by default.
const SENDERS: usize = 64;
const WATCHERS: usize = 200;
const PACE: Duration = Duration::from_millis(2);

/// Sends these events as fast as they are acknowledged, and gives how many a second.
async fn flood(address: SocketAddr, requests: Vec<Vec<u8>>) -> f64 {
    let (next, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(requests));
    let begin = Instant::now();
    let senders = (0..SENDERS).map(|_| {
        let (mut sender, next, requests) = (Sender::to(address), next.clone(), requests.clone());
        tokio::spawn(async move {
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                while sender.send_signed(request).await.unwrap() != 200 {}
            }
        })
    });
    join_all(senders.collect::<Vec<_>>()).await.into_iter().for_each(Result::unwrap);
    rate(requests.len(), begin)
}

/// Follows the feed from its beginning up to a sequence.
async fn follow(address: SocketAddr, through: usize) {
    let mut follower = Follower::new();
    let through = i64::try_from(through).unwrap();
    loop {
        match follower.next(address).await {
            Ok(Some(event)) if event.sequence >= through => return,
            // A server that is flooded may have no room for a while.
            Err(status) if status.code() == Code::Unavailable => sleep(PACE).await,
            outcome => drop(outcome.unwrap()),
        }
    }
}

/// Sends events at a steady pace, and gives how long each took from before its
/// webhook was sent until a watcher had it, in order of length.
async fn pace(service: &Service, from: usize, events: usize) -> Vec<Duration> {
    let mut follower = Follower::new();
    follow_to_the_end(&mut follower, service.grpc).await;
    let (webhook, grpc) = (service.webhook, service.grpc);
    let requests = (from..from + events).map(|number| (event_id(number), request(number)));
    let requests = requests.collect::<Vec<_>>();
    let sending = tokio::spawn(async move {
        let mut ticks = interval(PACE);
        // Connections are kept and used again, as a proxy before the service does.
        let idle = Arc::new(Mutex::new(Vec::new()));
        let mut sending = Vec::new();
        for (id, request) in requests {
            ticks.tick().await;
            let sent = Instant::now();
            let idle = idle.clone();
            sending.push(tokio::spawn(async move {
                let used = idle.lock().unwrap().pop();
                let mut sender = used.unwrap_or_else(|| Sender::to(webhook));
                // Refused for want of a place, it comes again, as Stripe does.
                while sender.send_signed(&request).await.ok() != Some(200) {
                    sleep(PACE).await;
                }
                idle.lock().unwrap().push(sender);
                (id, sent)
            }));
        }
        join_all(sending).await.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    });
    let mut told = std::collections::HashMap::new();
    within(async {
        while told.len() < events {
            if let Some(event) = follower.next(grpc).await.unwrap() {
                told.insert(event.stripe_event, Instant::now());
            }
        }
    })
    .await;
    let sent = sending.await.unwrap();
    let mut took = sent.iter().map(|(id, sent)| told[id] - *sent).collect::<Vec<_>>();
    took.sort_unstable();
    took
}

async fn follow_to_the_end(follower: &mut Follower, address: SocketAddr) {
    while follower.next(address).await.unwrap().is_some() {}
}

fn rate(events: usize, begin: Instant) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let events = events as f64;
    events / begin.elapsed().as_secs_f64()
}

/// Prints the figures of a service on this memory.
async fn measure(memory: Memory, name: &str) {
    let service = Service::start(&memory.url()).await;
    let events = 500 * *SCALE;
    // Signed before, as by a Stripe that has processors of its own.
    let requests = (0..events).map(request).collect();
    let begin = Instant::now();
    let ingested = flood(service.webhook, requests).await;
    let expected = (0..events).map(event_id).collect::<HashSet<_>>();
    prove(service.grpc, &expected).await;
    let told = rate(events, begin);
    let begin = Instant::now();
    follow(service.grpc, events).await;
    let caught_up = rate(events, begin);

    let took = pace(&service, events, events / 2).await;
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    let through = events + events / 2;
    let begin = Instant::now();
    let watchers = (0..WATCHERS - 1).map(|_| tokio::spawn(follow(service.grpc, through)));
    join_all(watchers.collect::<Vec<_>>()).await.into_iter().for_each(Result::unwrap);
    let fanned_out = rate(through * (WATCHERS - 1), begin);
    println!(
        "{name}: {ingested:.0} webhooks/s acknowledged, {told:.0}/s told to the end, \
         catch-up {caught_up:.0} events/s, {:.0} watchers {fanned_out:.0} events/s in all, \
         webhook to stream at 500/s p50 {:?} p99 {:?}, memory {} MiB at most",
        WATCHERS - 1,
        at(50),
        at(99),
        service.memory_max_mib(),
    );
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_of_sqlite_are_printed() {
    measure(Memory::file(), "SQLite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_of_postgresql_are_printed() {
    let Some(memory) = Memory::server() else { return };
    measure(memory, "PostgreSQL").await;
}
