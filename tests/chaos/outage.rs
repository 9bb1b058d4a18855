//! PostgreSQL dies and comes back, and connections are cut, under load.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::flood::{Sender, event_id};
use super::follow::prove;
use super::service::Service;
use super::{Memory, SCALE};

const SENDERS: usize = 16;
/// What a sender does not get at once it asks for again after this.
const PAUSE: Duration = Duration::from_millis(10);

/// Sends events until told to stop, each until it is acknowledged.
async fn send(mut sender: Sender, next: Arc<AtomicUsize>, stop: Arc<AtomicBool>) -> usize {
    let mut refused = 0;
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        loop {
            match sender.send(number).await.expect("the service itself stays") {
                200 => break,
                503 => refused += 1,
                status => panic!("{status} for {number}"),
            }
            sleep(PAUSE).await;
        }
    }
    refused
}

/// How long it takes until an event is acknowledged.
async fn until_kept(service: &Service, number: usize) -> Duration {
    let begin = Instant::now();
    let mut sender = Sender::to(service.webhook);
    while sender.send(number).await.unwrap() != 200 {
        sleep(PAUSE).await;
    }
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_postgresql_dies_and_comes_back() {
    let Some(memory) = Memory::server() else { return };
    let Memory::Server(cluster, url) = &memory else { return };
    let service = Service::start(url).await;
    let (next, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let senders = (0..SENDERS)
        .map(|_| tokio::spawn(send(Sender::to(service.webhook), next.clone(), stop.clone())));
    let senders = senders.collect::<Vec<_>>();
    let deaths = (*SCALE).clamp(2, 5);
    let mut slowest = Duration::ZERO;
    for death in 0..deaths {
        sleep(Duration::from_millis(500)).await;
        for _ in 0..20 {
            cluster.say(
                "chaos",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE \
                application_name = 'paylink' ORDER BY random() LIMIT 1",
            );
        }
        tokio::task::block_in_place(|| {
            cluster.control(&["restart", "--mode", "immediate", "--wait", "--silent"]);
        });
        slowest = slowest.max(until_kept(&service, 90_000_000 + death).await);
    }
    stop.store(true, Ordering::Relaxed);
    let refused: usize = join_all(senders).await.into_iter().map(Result::unwrap).sum();
    let sent = 0..next.load(Ordering::Relaxed);
    let expected = sent.chain((0..deaths).map(|death| 90_000_000 + death)).map(event_id);
    let expected = expected.collect::<HashSet<_>>();
    let proof = prove(service.grpc, &expected).await;
    assert_eq!(proof.told, expected);
    println!(
        "outage: {deaths} deaths of PostgreSQL and {} cut connections, {} events acknowledged \
         ({refused} refusals), 0 lost, 0 doubled, slowest return {slowest:?}",
        deaths * 20,
        expected.len(),
    );
}
