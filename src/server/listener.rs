//! Accepts connections within bounds, serves them, and lets them finish.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::caller::Peer;

/// How long to wait when the process has no file descriptors left. Without a
/// pause the loop would spin on the connection that it cannot accept.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// The bounds of connections.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many connections are open at most; further ones wait.
    pub connections_max: usize,
    /// How many calls one HTTP/2 connection carries at a time.
    pub streams_max: u32,
    /// How large the headers of a request may be, in bytes.
    pub header_bytes_max: u32,
    /// How long an HTTP/1 client may take to send its headers, in milliseconds.
    pub header_timeout_ms: u64,
    /// After how much silence an HTTP/2 peer is asked whether it is there, in milliseconds.
    pub keepalive_interval_ms: u64,
    /// How long it may take to answer, in milliseconds.
    pub keepalive_timeout_ms: u64,
    /// How long requests under way may take to finish when the process stops, in milliseconds.
    pub drain_ms: u64,
}

/// A bound address that is not served yet.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
}

// === impl Listener ===

impl Listener {
    /// Binds an address; port 0 takes any free one.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        let address = tcp.local_addr()?;
        Ok(Self { tcp, address })
    }

    /// The bound address, with the true port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets requests under way finish.
    pub async fn serve(self, routes: Router, config: Config, stop: CancellationToken) {
        let connections = GracefulShutdown::new();
        let builder = builder(config);
        let permits = Arc::new(Semaphore::new(config.connections_max));
        while let Some(permit) = stop.run_until_cancelled(permits.clone().acquire_owned()).await {
            let (accepted, peer) = match stop.run_until_cancelled(self.tcp.accept()).await {
                None => break,
                Some(Ok((socket, address))) => (socket, Peer { address, certificate: None }),
                Some(Err(error)) => {
                    tracing::warn!(%error, "A connection could not be accepted");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                    continue;
                }
            };
            // Small messages must not wait to be sent together.
            let _ = accepted.set_nodelay(true);
            let service = routes.clone().map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer.clone());
                request
            });
            let service = TowerToHyperService::new(service);
            let connection = builder.serve_connection(TokioIo::new(accepted), service).into_owned();
            let connection = connections.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error, "A connection has ended with an error");
                }
                drop(permit);
            });
        }
        drop(self.tcp);
        let grace = Duration::from_millis(config.drain_ms);
        if tokio::time::timeout(grace, connections.shutdown()).await.is_err() {
            tracing::warn!("Requests that had not finished in time were cut off");
        }
    }
}

fn builder(config: Config) -> Builder<TokioExecutor> {
    let millis = Duration::from_millis;
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(millis(config.header_timeout_ms));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.streams_max)
        .max_header_list_size(config.header_bytes_max)
        .keep_alive_interval(millis(config.keepalive_interval_ms))
        .keep_alive_timeout(millis(config.keepalive_timeout_ms));
    builder
}
