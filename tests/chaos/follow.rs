//! A consumer of the feed, and the proof that it was told everything once.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use paylink::pb;
use paylink::pb::payment_service_client::PaymentServiceClient;
use paylink::pb::watch_payments_response::Content;
use sha2::{Digest as _, Sha256};
use tonic::body::Body;
use tonic::{Code, Status, Streaming};

/// How long a stream may say nothing at all, though heartbeats are due.
const SILENCE_MAX: Duration = Duration::from_secs(30);

type Wire = Client<HttpConnector, Body>;

/// A consumer that comes back where it left off.
pub struct Follower {
    stream: Option<Streaming<pb::WatchPaymentsResponse>>,
    /// The last position that it was given.
    pub position: String,
}

/// What consumers were told of, held against what is promised.
#[derive(Default)]
pub struct Proof {
    sequence: i64,
    hash: String,
    /// The events that told of each change.
    pub told: HashSet<String>,
}

// === impl Follower ===

impl Follower {
    /// A consumer that begins at the beginning.
    pub fn new() -> Self {
        Self { stream: None, position: String::new() }
    }

    /// Leaves the stream; the next one begins where it was.
    pub fn leave(&mut self) {
        self.stream = None;
    }

    /// Gives the next change; `None` when there is nothing new at present.
    pub async fn next(&mut self, address: SocketAddr) -> Result<Option<pb::PaymentEvent>, Status> {
        if self.stream.is_none() {
            self.stream = Some(watch(address, &self.position).await?);
        }
        let stream = self.stream.as_mut().unwrap();
        let message = tokio::time::timeout(SILENCE_MAX, stream.next()).await;
        let message = message.expect("a stream is never silent for long");
        let message = message.unwrap_or_else(|| Err(Status::unavailable("it ended")));
        let message = message.inspect_err(|_| self.stream = None)?;
        self.position = message.position;
        Ok(match message.content {
            Some(Content::Event(event)) => Some(event),
            _ => None,
        })
    }
}

// === impl Proof ===

impl Proof {
    /// Adds a change, which must be the next one and told for the first time.
    pub fn add(&mut self, event: &pb::PaymentEvent) {
        assert_eq!(event.sequence, self.sequence + 1, "the feed has no gaps");
        if self.sequence > 0 {
            assert_eq!(event.previous_hash, self.hash, "the feed is one chain");
        }
        assert_eq!(event.hash, hash(event), "a hash covers its event");
        assert!(self.told.insert(event.stripe_event.clone()), "{} is told twice", event.sequence);
        (self.sequence, self.hash) = (event.sequence, event.hash.clone());
    }
}

/// Follows the feed from its beginning until it has told of `events`, and gives
/// the proof.
pub async fn prove(address: SocketAddr, events: &HashSet<String>) -> Proof {
    let (mut follower, mut proof) = (Follower::new(), Proof::default());
    let mut missing = events.len();
    while missing > 0 {
        match follower.next(address).await {
            Ok(Some(event)) => {
                proof.add(&event);
                missing -= usize::from(events.contains(&event.stripe_event));
            }
            Ok(None) => {}
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
        }
    }
    proof
}

async fn watch(
    address: SocketAddr,
    position: &str,
) -> Result<Streaming<pb::WatchPaymentsResponse>, Status> {
    let wire: Wire = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let origin = format!("http://{address}").parse().unwrap();
    let request = pb::WatchPaymentsRequest { position: position.into(), ..Default::default() };
    let answer = PaymentServiceClient::with_origin(wire, origin).watch_payments(request).await;
    // A connection that was refused or cut is no answer of the service.
    answer.map(tonic::Response::into_inner).map_err(|status| match status.code() {
        Code::Unknown | Code::Cancelled => Status::unavailable("cut"),
        _ => status,
    })
}

fn hash(event: &pb::PaymentEvent) -> String {
    let at = event.record_time.unwrap();
    let mut told = hex::decode(&event.previous_hash).unwrap();
    told.extend(event.sequence.to_be_bytes());
    told.extend((at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000).to_be_bytes());
    told.extend(event.previous_state.to_be_bytes());
    told.extend(hex::decode(&event.payment_hash).unwrap());
    told.extend(event.stripe_event.as_bytes());
    hex::encode(Sha256::digest(told))
}
