//! Processes replaced one by one under load: no call fails, no watcher misses
//! anything, and no webhook is lost.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use paylink::pb;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use paylink::pb::payment_service_client::PaymentServiceClient;
use tokio::task::JoinHandle;
use tonic::{Request, Status};
use uuid::Uuid;

use super::balancer::Balancer;
use super::creating::{Account, request};
use super::flood::{Sender, event_id};
use super::follow::{Follower, Proof};
use super::service::Service;
use super::{Memory, SCALE};

/// How many call at the same time, each by a connection of its own.
const CALLERS: usize = 12;
/// How many watch.
const WATCHERS: usize = 20;
/// How many calls are made between the replacement of one process and the next.
const CALLS_BETWEEN: usize = 120;
/// One call of so many makes a link.
const CREATES_EVERY: usize = 8;
/// How long a caller waits. A call that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(30);
/// A roll that a later release has prepared: what it adds is there before it is.
const LATER: &str = "ALTER TABLE payments ADD COLUMN later TEXT; \
     CREATE TABLE later (id BIGINT PRIMARY KEY); \
     INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
     VALUES (9999, '9999_later', true, '\\x00', 0);";

/// What callers have met with.
#[derive(Default)]
struct Calls {
    made: AtomicUsize,
    created: AtomicUsize,
    are_over: AtomicBool,
}

/// Two processes on one database behind a balancer.
struct Fleet {
    memory: Memory,
    account: Account,
    balancer: Balancer,
    serving: Vec<Service>,
}

// === impl Fleet ===

impl Fleet {
    async fn start() -> Option<Self> {
        let memory = Memory::server()?;
        let (account, balancer) = (Account::start().await, Balancer::start().await);
        let mut fleet = Self { memory, account, balancer, serving: Vec::new() };
        for _ in 0..2 {
            fleet.grow().await;
        }
        Some(fleet)
    }

    async fn grow(&mut self) {
        let settings = [
            ("PAYLINK__STRIPE__BASE_URL", self.account.url.as_str()),
            ("PAYLINK__STRIPE__RATE_TEST", "0"),
            ("PAYLINK__STRIPE__RATE_ENDPOINT", "0"),
            ("PAYLINK__CONNECTIONS__DRAIN_NOTICE_MS", "1000"),
            ("PAYLINK__STORAGE__ACQUIRE_TIMEOUT_MS", "10000"),
        ];
        let service = Service::start_with(&[], &self.memory.url(), &settings).await;
        self.balancer.add(&service).await;
        self.serving.push(service);
    }

    /// Replaces the oldest process, as a rolling update does: a new one is ready
    /// before the old one is asked to stop.
    async fn replace_one(&mut self) {
        self.grow().await;
        let old = self.serving.remove(0);
        assert_eq!(old.terminate().await, Some(0), "it stops in good order");
    }
}

// === impl Calls ===

impl Calls {
    /// Calls until it is over. The first failure is the last.
    fn begin(self: &Arc<Self>, address: SocketAddr) -> Vec<JoinHandle<()>> {
        let caller = |_| {
            let calls = self.clone();
            tokio::spawn(async move {
                let wire = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
                let origin: http::Uri = format!("http://{address}").parse().unwrap();
                let links = PaymentLinkServiceClient::with_origin(wire.clone(), origin.clone());
                let payments = PaymentServiceClient::with_origin(wire, origin);
                while !calls.are_over.load(Ordering::Relaxed) {
                    let number = calls.made.fetch_add(1, Ordering::Relaxed);
                    let outcome = if number.is_multiple_of(CREATES_EVERY) {
                        create(links.clone()).await.inspect(|()| {
                            calls.created.fetch_add(1, Ordering::Relaxed);
                        })
                    } else {
                        list(payments.clone()).await
                    };
                    outcome.expect("no call fails");
                }
            })
        };
        (0..CALLERS).map(caller).collect()
    }

    /// Waits until so many more were made.
    async fn more(&self, calls: usize) {
        let until = self.made.load(Ordering::Relaxed) + calls;
        while self.made.load(Ordering::Relaxed) < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

type Wire = Client<hyper_util::client::legacy::connect::HttpConnector, tonic::body::Body>;

async fn create(mut links: PaymentLinkServiceClient<Wire>) -> Result<(), Status> {
    let mut request = Request::new(request(&Uuid::new_v4().to_string()));
    request.set_timeout(DEADLINE);
    links.create_payment_link(request).await.map(drop)
}

async fn list(mut payments: PaymentServiceClient<Wire>) -> Result<(), Status> {
    let mut request = Request::new(pb::ListPaymentsRequest { page_size: 3, ..Default::default() });
    request.set_timeout(DEADLINE);
    payments.list_payments(request).await.map(drop)
}

/// Sends webhooks until it is over, each until it is acknowledged, as Stripe does.
/// Gives how many there were, and how many had to be sent again.
async fn tell(address: SocketAddr, calls: Arc<Calls>) -> (usize, usize) {
    let (mut sender, mut told, mut again) = (Sender::to(address), 0, 0);
    while !calls.are_over.load(Ordering::Relaxed) {
        while !matches!(sender.send(told).await, Ok(200)) {
            again += 1;
        }
        told += 1;
    }
    (told, again)
}

/// Follows the feed through every replacement, up to the change that the number tells.
/// Gives how often the stream began anew.
async fn follow(address: SocketAddr, last: tokio::sync::watch::Receiver<Option<usize>>) -> usize {
    let (mut follower, mut proof, mut ends) = (Follower::new(), Proof::default(), 0);
    loop {
        match follower.next(address).await {
            Ok(Some(event)) => proof.add(&event),
            Ok(None) => {}
            Err(status) => {
                let details = String::from_utf8_lossy(status.details()).into_owned();
                assert!(details.contains("DRAINING"), "a stream ends in good order: {status:?}");
                ends += 1;
            }
        }
        let last = *last.borrow();
        if last.is_some_and(|last| proof.told.len() == last) {
            let expected: HashSet<_> = (0..proof.told.len()).map(event_id).collect();
            assert_eq!(proof.told, expected);
            return ends;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_update_fails_no_call_and_loses_nothing() {
    let Some(mut fleet) = Fleet::start().await else { return };
    let calls = Arc::new(Calls::default());
    let callers = calls.begin(fleet.balancer.grpc);
    let telling = tokio::spawn(tell(fleet.balancer.webhook, calls.clone()));
    let (end, last) = tokio::sync::watch::channel(None);
    let watchers: Vec<_> =
        (0..WATCHERS).map(|_| tokio::spawn(follow(fleet.balancer.grpc, last.clone()))).collect();

    let replaced = 2 + 4 * usize::from(*SCALE > 1);
    for number in 0..replaced {
        calls.more(CALLS_BETWEEN * *SCALE).await;
        if number == 1 {
            let Memory::Server(cluster, _) = &fleet.memory else { unreachable!() };
            cluster.ask("chaos", LATER);
        }
        fleet.replace_one().await;
    }
    calls.more(CALLS_BETWEEN).await;
    calls.are_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let (told, again) = telling.await.unwrap();
    end.send_replace(Some(told));
    let mut ends = 0;
    for watcher in watchers {
        ends += watcher.await.unwrap();
    }
    let (made, created) = (calls.made.load(Ordering::Relaxed), &calls.created);
    let links = fleet.account.requests().await;
    assert_eq!(links.len(), created.load(Ordering::Relaxed), "each link is made once");
    assert!(ends >= WATCHERS, "every watcher was asked to go elsewhere");
    println!(
        "{replaced} processes replaced under load: {made} calls, 0 failed, {} links; {told} \
         webhooks, {again} sent again, 0 lost; {WATCHERS} watchers began anew {ends} times and \
         missed nothing",
        links.len()
    );
}
