//! Refuses calls that would only make the others slower: beyond so many at a
//! time, in all and of one caller. Streams have places apart, which they hold until
//! they end, and so have those that do work, as batches do.
//!
//! Health checks are let through, since an overloaded process is not a dead one.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

use super::authorize::OPEN;
use super::body::Tell;
use super::grpc::Config;
use super::places::{Full, Places};
use crate::caller::{Caller, Peer};
use crate::error::{self, Error};
use crate::{dice, pb};

/// When those come back who were refused together: apart.
const RETRY_AFTER_SECS: (f64, f64) = (0.5, 1.5);

/// The calls under way, each of which has a place among its like.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    unary: Places<Who>,
    streams: Places<Who>,
    /// Streams that can change something.
    batches: Places<Who>,
}

/// A caller, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Identity(Arc<str>),
    Address(IpAddr),
}

static SHED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.server.shed")
        .with_unit("{call}")
        .with_description("Calls that were refused because too many were under way.")
        .build()
});

// === impl Calls ===

impl Calls {
    pub(super) fn new(config: &Config) -> Self {
        let Config { open_streams_max, open_batches_max, .. } = *config;
        Self {
            unary: Places::new(config.in_flight_max, config.in_flight_max_of_caller),
            streams: Places::new(open_streams_max, config.open_streams_max_of_caller),
            batches: Places::new(open_batches_max, config.open_batches_max_of_caller),
        }
    }
}

/// Lets a call in while there is room.
pub(super) async fn admit(State(calls): State<Calls>, request: Request, next: Next) -> Response {
    let Some(method) = pb::method_named(request.uri().path()) else {
        return next.run(request).await;
    };
    let (streams, mutates) = (pb::streams(method), pb::mutates(method));
    let places = match (streams, mutates) {
        (true, true) => &calls.batches,
        (true, false) => &calls.streams,
        (false, _) if method == OPEN => return next.run(request).await,
        (false, _) => &calls.unary,
    };
    let known = request.extensions().get::<Caller>().cloned();
    let identity = known.as_ref().and_then(Caller::identity);
    let caller = identity.cloned().map(Who::Identity).or_else(|| {
        let peer = request.extensions().get::<Peer>();
        peer.map(|peer| Who::Address(peer.address.ip()))
    });
    match places.enter(caller) {
        Ok(place) if streams => {
            // The stream is what follows the headers.
            let response = next.run(request).await;
            response.map(|body| Body::new(Tell::new(body, move |_| drop(place))))
        }
        Ok(_place) => next.run(request).await,
        Err(full) => {
            let scope = match full {
                Full::All => "all",
                Full::Holder => "caller",
            };
            SHED.add(1, &[KeyValue::new("scope", scope)]);
            // To write that down would be the work that there is too much of.
            if let Some(known) = known {
                known.is_turned_away();
            }
            if streams {
                return error::response(Error::TooManyStreams);
            }
            let (low, high) = RETRY_AFTER_SECS;
            let retry_after = Duration::from_secs_f64(dice::between(low, high));
            error::response(Error::Overloaded { retry_after })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::Router;
    use axum::routing::any;
    use tokio::sync::Semaphore;
    use tokio::task::JoinSet;
    use tonic::Status;
    use tower::ServiceExt as _;

    use super::*;

    const GET: &str = "/paylink.v1.CatalogService/GetProduct";
    const WATCH: &str = "/paylink.v1.PaymentService/WatchPayments";
    const BATCH: &str = "/paylink.v1.PaymentLinkService/BatchCreatePaymentLinks";

    /// A part of a body that does not come.
    type Never = Result<bytes::Bytes, std::convert::Infallible>;

    /// Methods that answer once there is a permit, behind the layer.
    fn routes(calls: &Calls, permits: &Arc<Semaphore>) -> Router {
        let permits = permits.clone();
        let wait = move || async move {
            permits.acquire().await.unwrap().forget();
        };
        Router::new()
            .fallback(any(wait))
            .layer(axum::middleware::from_fn_with_state(calls.clone(), admit))
    }

    fn request(path: &str, caller: u8) -> Request {
        let address = (Ipv4Addr::new(10, 0, 0, caller), 1).into();
        let peer = Peer { address, certificate: None };
        Request::builder().uri(path).extension(peer).body(Body::empty()).unwrap()
    }

    /// Makes calls that all wait, and gives how many were refused meanwhile.
    async fn check(calls: &Calls, asked: &[(&str, u8)]) -> usize {
        let permits = Arc::new(Semaphore::new(0));
        let routes = routes(calls, &permits);
        let mut running = JoinSet::new();
        for (path, caller) in asked {
            running.spawn(routes.clone().oneshot(request(path, *caller)));
            tokio::task::yield_now().await;
        }
        permits.add_permits(asked.len());
        let answers = running.join_all().await;
        let refused = answers.into_iter().filter_map(|answer| {
            let status = Status::from_header_map(answer.unwrap().headers())?;
            let millis = status.metadata().get("grpc-retry-pushback-ms").unwrap();
            let millis: u64 = millis.to_str().unwrap().parse().unwrap();
            assert!((500..1500).contains(&millis), "{millis}");
            Some(status)
        });
        refused
            .inspect(|status| assert_eq!(status.message(), "too many calls are under way"))
            .count()
    }

    fn calls(unary: (usize, usize), streams: (usize, usize)) -> Calls {
        let places = |(all, of_caller)| Places::new(all, of_caller);
        Calls { unary: places(unary), streams: places(streams), batches: places(streams) }
    }

    #[tokio::test]
    async fn beyond_the_limits_calls_are_refused_and_room_is_free_again_after() {
        let calls = calls((3, 2), (0, 0));
        for _ in 0..3 {
            assert_eq!(check(&calls, &[(GET, 1), (GET, 1), (GET, 2)]).await, 0);
            assert_eq!(check(&calls, &[(GET, 1), (GET, 1), (GET, 1), (GET, 2)]).await, 1);
            assert_eq!(check(&calls, &[(GET, 1), (GET, 2), (GET, 3), (GET, 4)]).await, 1);
        }
    }

    #[tokio::test]
    async fn probes_are_let_in_and_streams_have_places_of_their_own() {
        let calls = calls((1, 1), (2, 1));
        let probe = "/grpc.health.v1.Health/Check";
        let asked = [(GET, 1), (probe, 1), (WATCH, 1), (probe, 1), (BATCH, 1), (GET, 2)];
        assert_eq!(check(&calls, &asked).await, 1);
    }

    #[tokio::test]
    async fn a_stream_has_its_place_until_it_ends() {
        for stream in [WATCH, BATCH, "/grpc.health.v1.Health/Watch"] {
            let calls = calls((0, 0), (3, 2));
            let routes = Router::new()
                .fallback(any(|| async {
                    Body::from_stream(futures_util::stream::pending::<Never>())
                }))
                .layer(axum::middleware::from_fn_with_state(calls, admit));
            let open = async |caller| {
                let response = routes.clone().oneshot(request(stream, caller)).await.unwrap();
                let refused = response.headers().contains_key("grpc-status");
                (!refused).then_some(response)
            };
            let (first, _second) = (open(1).await, open(1).await);
            assert!(first.is_some() && open(1).await.is_none());
            let _other = open(2).await.unwrap();
            assert!(open(3).await.is_none());
            drop(first);
            assert!(open(1).await.is_some());
        }
    }

    #[tokio::test]
    async fn a_caller_who_leaves_makes_room() {
        let calls = calls((1, 1), (0, 0));
        let silent = routes(&calls, &Arc::new(Semaphore::new(0)));
        let call = tokio::spawn(silent.oneshot(request(GET, 1)));
        tokio::task::yield_now().await;
        assert_eq!(check(&calls, &[(GET, 1)]).await, 1);
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert_eq!(check(&calls, &[(GET, 1)]).await, 0);
    }
}
