//! Killed at any instant, again and again.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::creating::{Account, Links};
use super::flood::{Sender, event_id};
use super::follow::prove;
use super::service::Service;
use super::{Memory, SCALE};

const SENDERS: usize = 32;
/// After how many acknowledgements a service is killed, at most.
const ACKNOWLEDGED_MAX: usize = 250;

/// Floods a service that is killed while it is acknowledging and while it makes
/// links, `rounds` times; what was not acknowledged is sent again in the next round,
/// as Stripe and callers do.
async fn check(memory: Memory, rounds: usize) {
    let mut chance = SmallRng::seed_from_u64(1);
    let next = Arc::new(AtomicUsize::new(0));
    let (mut acknowledged, mut again) = (HashSet::new(), Vec::new());
    let (mut slowest, mut uncertain) = (Duration::ZERO, 0);
    let (account, links) = (Account::start().await, Links::default());
    for _ in 0..rounds {
        let service = Service::start_before(&account.url, &memory.url()).await;
        slowest = slowest.max(service.start);
        let count = Arc::new(AtomicUsize::new(0));
        let waiting = std::mem::take(&mut again);
        let shares = (0..SENDERS).map(|at| waiting.iter().skip(at).step_by(SENDERS).copied());
        let senders = shares.map(|share| {
            let (share, next, count) = (share.collect(), next.clone(), count.clone());
            tokio::spawn(send_until_cut(Sender::to(service.webhook), share, next, count))
        });
        let senders = senders.collect::<Vec<_>>();
        let creators = links.create_until_cut(service.grpc);
        let enough = chance.random_range(1..ACKNOWLEDGED_MAX);
        while count.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Not always at the same instant of a commit.
        tokio::time::sleep(Duration::from_micros(chance.random_range(0..20_000))).await;
        service.kill().await;
        join_all(creators).await.into_iter().for_each(Result::unwrap);
        for outcome in join_all(senders).await {
            let (kept, left) = outcome.unwrap();
            uncertain += left.len();
            acknowledged.extend(kept.into_iter().map(event_id));
            again.extend(left);
        }
    }
    let service = Service::start_before(&account.url, &memory.url()).await;
    let (asked, made) = links.check(service.grpc, &account).await;
    let proof = prove(service.grpc, &acknowledged).await;
    println!(
        "kill -9: {rounds} rounds, {} events acknowledged, 0 lost, 0 doubled ({} told in all, \
         {uncertain} cut off), {asked} links asked for, {made} of them told of before a kill, \
         each made once, slowest start {slowest:?}",
        acknowledged.len(),
        proof.told.len(),
    );
}

/// Sends its share and then new events, until the service is gone. Gives what was
/// acknowledged, and what was not.
async fn send_until_cut(
    mut sender: Sender,
    share: Vec<usize>,
    next: Arc<AtomicUsize>,
    count: Arc<AtomicUsize>,
) -> (Vec<usize>, Vec<usize>) {
    let mut share = share.into_iter();
    let mut kept = Vec::new();
    loop {
        let number = share.next().unwrap_or_else(|| next.fetch_add(1, Ordering::Relaxed));
        match sender.send(number).await {
            Ok(200) => {
                kept.push(number);
                count.fetch_add(1, Ordering::Relaxed);
            }
            // Where the service has more to do than it takes on.
            Ok(503) => {
                share = share.chain([number]).collect::<Vec<_>>().into_iter();
            }
            Ok(status) => panic!("{status} for {number}"),
            Err(_) => return (kept, share.chain([number]).collect()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    check(Memory::file(), 10 * *SCALE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_before_postgresql() {
    let Some(memory) = Memory::server() else { return };
    check(memory, 2 * *SCALE).await;
}
