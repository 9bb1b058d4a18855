//! Many at once: senders of the same event, writers and watchers.

use std::collections::HashSet;
use std::net::SocketAddr;

use futures_util::future::join_all;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::flood::{Sender, event_id};
use super::follow::{Follower, Proof, prove};
use super::service::Service;
use super::{Memory, SCALE};

const SENDERS: usize = 16;
const DELIVERIES: usize = 8;
const WRITERS: usize = 8;
const WATCHERS: usize = 20;

/// Starts as many replicas as the memory can have.
async fn replicas(memory: &Memory) -> Vec<Service> {
    let number = if matches!(memory, Memory::File(_)) { 1 } else { 2 };
    let mut replicas = Vec::new();
    for _ in 0..number {
        replicas.push(Service::start(&memory.url()).await);
    }
    replicas
}

/// Delivers each of `events` many times, shuffled, from many sides.
async fn check_deliveries(memory: Memory, events: usize) {
    let replicas = replicas(&memory).await;
    let mut chance = SmallRng::seed_from_u64(1);
    let mut deliveries = (0..events * DELIVERIES).map(|at| at % events).collect::<Vec<_>>();
    deliveries.shuffle(&mut chance);
    let share = deliveries.len().div_ceil(SENDERS);
    let senders = deliveries.chunks(share).enumerate().map(|(at, share)| {
        let mut sender = Sender::to(replicas[at % replicas.len()].webhook);
        let share = share.to_vec();
        tokio::spawn(async move {
            for number in share {
                assert_eq!(sender.send(number).await.unwrap(), 200);
            }
        })
    });
    join_all(senders).await.into_iter().for_each(Result::unwrap);
    let expected = (0..events).map(event_id).collect::<HashSet<_>>();
    let proof = prove(replicas[0].grpc, &expected).await;
    assert_eq!(proof.told, expected);
    println!(
        "deliveries: {} by {SENDERS} senders to {} replicas, {events} events, each told once",
        deliveries.len(),
        replicas.len(),
    );
}

/// Lets writers write `events`, while watchers leave and come back at random.
async fn check_order(memory: Memory, events: usize) {
    let replicas = replicas(&memory).await;
    let watchers = (0..WATCHERS).map(|at| {
        let addresses = replicas.iter().map(|replica| replica.grpc).collect::<Vec<_>>();
        tokio::spawn(watch_restlessly(addresses, events, at as u64))
    });
    let watchers = watchers.collect::<Vec<_>>();
    let writers = (0..WRITERS).map(|at| {
        let mut sender = Sender::to(replicas[at % replicas.len()].webhook);
        tokio::spawn(async move {
            for number in (at..events).step_by(WRITERS) {
                assert_eq!(sender.send(number).await.unwrap(), 200);
            }
        })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    let resumed: usize = join_all(watchers).await.into_iter().map(Result::unwrap).sum();
    println!(
        "order: {events} events by {WRITERS} writers to {} replicas, {WATCHERS} watchers that \
         came back {resumed} times missed 0 of {}",
        replicas.len(),
        events * WATCHERS,
    );
}

/// Follows the feed to its end from one replica and another, and gives how often
/// it came back.
async fn watch_restlessly(addresses: Vec<SocketAddr>, events: usize, seed: u64) -> usize {
    let mut chance = SmallRng::seed_from_u64(seed);
    let (mut follower, mut proof, mut resumed) = (Follower::new(), Proof::default(), 0);
    while proof.told.len() < events {
        let address = addresses[resumed % addresses.len()];
        if let Some(event) = follower.next(address).await.unwrap() {
            proof.add(&event);
        }
        if chance.random_ratio(1, 200) {
            follower.leave();
            resumed += 1;
        }
    }
    resumed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_delivered_from_many_sides_counts_once() {
    check_deliveries(Memory::file(), 50 * *SCALE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_delivered_to_two_replicas_counts_once() {
    let Some(memory) = Memory::server() else { return };
    check_deliveries(memory, 50 * *SCALE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_that_come_and_go_miss_nothing() {
    check_order(Memory::file(), 500 * *SCALE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_that_come_and_go_between_replicas_miss_nothing() {
    let Some(memory) = Memory::server() else { return };
    check_order(memory, 500 * *SCALE).await;
}
