//! Accepts connections within bounds, serves them, and lets them finish.
//!
//! A connection passes, one after the other: the number of connections, in all and
//! of one address; the handshake of TLS; the time for its first bytes; and, while
//! it lasts, what HTTP/2 allows it, what [`frames`] and [`conversation`] do.

mod answers;
mod connection;
mod conversation;
mod descriptors;
mod frames;

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::{House, count_cut};
use self::descriptors::Spare;
use super::places::{Full, Places};
use super::tls::{self, Plaintext, Tls};

/// How long to wait when the process has no file descriptors left. Without a
/// pause the loop would spin on the connection that it cannot accept.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// The bounds of connections.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many connections a listener has open at most; further ones are closed.
    /// Never more than a fourth of the file descriptors that the process may have.
    pub connections_max: usize,
    /// How many of them are of one address, or of one /64 of IPv6.
    pub connections_max_of_address: usize,
    /// How long the place of a connection is taken at least, in milliseconds.
    pub stay_ms_min: u64,
    /// How long the place of a connection that has broken the rules stays taken after
    /// it, in milliseconds.
    pub penalty_ms: u64,
    /// How long a TLS handshake may take, in milliseconds.
    pub handshake_timeout_ms: u64,
    /// How long a client may be silent at first, in milliseconds.
    pub first_bytes_timeout_ms: u64,
    /// How long an HTTP/1 client may take to send the headers of a request, in milliseconds.
    pub header_timeout_ms: u64,
    /// How large the headers of a request may be, in bytes.
    pub header_bytes_max: u32,
    /// After how long without a call a connection is ended, in milliseconds.
    pub idle_timeout_ms: u64,
    /// How long what is ready of an answer may be left unread, in milliseconds.
    pub unread_timeout_ms: u64,
    /// How old a connection becomes before its client is asked to connect anew, in
    /// milliseconds, give or take a tenth.
    pub age_ms: u64,
    /// How long calls under way may take to finish from then on, in milliseconds.
    pub age_grace_ms: u64,
    /// How many calls one HTTP/2 connection carries at a time.
    pub streams_max: u32,
    /// How much of a request's body is taken before it is read, in bytes.
    pub stream_window_bytes: u32,
    /// The same for all requests of one connection.
    pub connection_window_bytes: u32,
    /// How much of an answer waits on its way to the client, in bytes.
    pub send_buffer_bytes: usize,
    /// How many calls may be given up before they are looked at.
    pub resets_max: usize,
    /// How many calls that break HTTP/2 may be ended before the connection is.
    pub error_resets_max: usize,
    /// How many frames that belong to no call, such as pings, may come at once.
    pub control_frames_burst: u32,
    /// How many of them may come in each further second.
    pub control_frames_per_second: u32,
    /// After how much silence an HTTP/2 peer is asked whether it is there, in milliseconds.
    pub keepalive_interval_ms: u64,
    /// How long it may take to answer, in milliseconds.
    pub keepalive_timeout_ms: u64,
    /// How often the files of TLS are looked at, in milliseconds.
    pub tls_reload_interval_ms: u64,
    /// How long the process serves on while it says that it is not ready, before it
    /// stops, in milliseconds.
    pub drain_notice_ms: u64,
    /// How long requests under way may take to finish when the process stops, in milliseconds.
    pub drain_ms: u64,
}

/// What is to be listened on, and for whom.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    /// The table of the configuration that it comes from.
    pub(crate) name: &'static str,
    /// The address; port 0 takes any free one.
    pub(crate) address: SocketAddr,
    /// What is spoken.
    pub(crate) speaks: Speaks,
    /// Where connections without TLS are accepted.
    pub(crate) plaintext: Plaintext,
    /// TLS, where there is any.
    pub(crate) tls: Option<tls::Config>,
    /// How many connections may be of one address, where that is not as elsewhere.
    pub(crate) connections_max_of_address: Option<usize>,
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP/2 alone, as gRPC does.
    Http2,
    /// HTTP/1 or HTTP/2, whichever the client begins with.
    Http,
}

/// A bound address that is not served yet.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    speaks: Speaks,
    tcp: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    connections_max_of_address: Option<usize>,
}

/// Tells the calls of one connection that it is to end, and streams with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Leaving(pub(super) Arc<CancellationToken>);

/// A listener cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// It would be open to others without TLS, and nobody has said so.
    #[error(
        "{name}.listen: {address} can be reached from other machines, and there is no TLS: set \
         {name}.tls.certificate_path, or {name}.plaintext = \"anywhere\" if the network encrypts"
    )]
    Plaintext {
        /// The table of the configuration.
        name: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// TLS cannot be set up.
    #[error("{name}.{error}")]
    Tls {
        /// The table of the configuration.
        name: &'static str,
        /// Why not.
        error: tls::Error,
    },
    /// The address cannot be bound.
    #[error("{name}.listen: {address} cannot be listened on: {error}")]
    Bind {
        /// The table of the configuration.
        name: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
}

// === impl Listener ===

impl Listener {
    /// Binds an address, unless it would be open where it must not be.
    pub(crate) async fn bind(entrance: Entrance) -> Result<Self, SetupError> {
        let Entrance { name, address, speaks, plaintext, tls, connections_max_of_address } =
            entrance;
        let tls = tls.map_or(Ok(None), |tls| tls.open(name, speaks.protocols(), speaks.strict()));
        let tls = tls.map_err(|error| SetupError::Tls { name, error })?.map(Arc::new);
        if tls.is_none() && plaintext == Plaintext::Loopback && !address.ip().is_loopback() {
            return Err(SetupError::Plaintext { name, address });
        }
        let failed = |error| SetupError::Bind { name, address, error };
        let tcp = TcpListener::bind(address).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        Ok(Self { name, speaks, tcp, address, tls, connections_max_of_address })
    }

    /// The bound address, with the true port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets requests under way finish.
    pub async fn serve(self, routes: Router, config: Config, stop: CancellationToken) {
        if let Some(tls) = &self.tls {
            let interval = Duration::from_millis(config.tls_reload_interval_ms);
            tokio::spawn(tls.clone().follow(interval, stop.clone()));
        }
        let house = Arc::new(self.house(routes, config, stop.clone()));
        let max = config.connections_max.min(descriptors::share()).max(1);
        let own = self.connections_max_of_address;
        let places = Places::new(max, own.unwrap_or(config.connections_max_of_address));
        let connections = TaskTracker::new();
        let cut = CancellationToken::new();
        let mut spare = Spare::take();
        while let Some(accepted) = stop.run_until_cancelled(self.accept(&mut spare)).await {
            // A rush of connections lets the calls of those who are there come between.
            tokio::task::yield_now().await;
            let Some((socket, address)) = accepted else { continue };
            match places.enter(Some(network(address.ip()))) {
                Ok(place) => {
                    let (house, cut) = (house.clone(), cut.clone());
                    connections.spawn(async move {
                        cut.run_until_cancelled(house.receive(socket, address)).await;
                        drop(place);
                    });
                }
                Err(Full::All) => count_cut(self.name, "connections_max"),
                Err(Full::Holder) => count_cut(self.name, "connections_max_of_address"),
            }
        }
        drop(self.tcp);
        connections.close();
        let grace = Duration::from_millis(config.drain_ms);
        if tokio::time::timeout(grace, connections.wait()).await.is_err() {
            tracing::warn!("Requests that had not finished in time were cut off");
            cut.cancel();
            connections.wait().await;
        }
    }

    /// Accepts a connection. Whatever is wrong with one is no reason to accept no others.
    async fn accept(&self, spare: &mut Spare) -> Option<(TcpStream, SocketAddr)> {
        match self.tcp.accept().await {
            Ok(accepted) => Some(accepted),
            Err(error) if descriptors::are_exhausted(&error) => {
                count_cut(self.name, "descriptors");
                tracing::warn!(%error, "A connection was refused for want of file descriptors");
                spare.refuse_one(&self.tcp).await;
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
                None
            }
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
                None
            }
        }
    }

    fn house(&self, routes: Router, config: Config, stop: CancellationToken) -> House {
        let millis = Duration::from_millis;
        let conversation = conversation::Limits {
            first_bytes: millis(config.first_bytes_timeout_ms),
            headers: millis(config.header_timeout_ms),
            idle: millis(config.idle_timeout_ms),
            unread: millis(config.unread_timeout_ms),
            age: millis(config.age_ms),
            grace: millis(config.age_grace_ms),
        };
        let frames = frames::Limits {
            burst: config.control_frames_burst,
            per_second: config.control_frames_per_second,
        };
        House {
            listener: self.name,
            routes,
            builder: builder(config, self.speaks),
            tls: self.tls.clone(),
            handshake: millis(config.handshake_timeout_ms),
            stay_min: millis(config.stay_ms_min),
            penalty: millis(config.penalty_ms),
            conversation,
            frames,
            stop,
        }
    }
}

// === impl Speaks ===

impl Speaks {
    /// The names that ALPN has for it, best first.
    fn protocols(self) -> &'static [&'static [u8]] {
        match self {
            Speaks::Http2 => &[b"h2"],
            Speaks::Http => &[b"h2", b"http/1.1"],
        }
    }

    /// Whether a client must say that it speaks that. Clients of HTTP/1 do not always.
    fn strict(self) -> bool {
        self == Speaks::Http2
    }
}

/// Whom an address belongs to: a host of IPv6 has a whole /64 of them.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn builder(config: Config, speaks: Speaks) -> Builder<TokioExecutor> {
    let millis = Duration::from_millis;
    let mut builder = Builder::new(TokioExecutor::new());
    if speaks == Speaks::Http2 {
        builder = builder.http2_only();
    }
    // hyper's own limit also runs while nothing is asked, and takes that for an error.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.streams_max)
        .max_header_list_size(config.header_bytes_max)
        .initial_stream_window_size(config.stream_window_bytes)
        .initial_connection_window_size(config.connection_window_bytes)
        .max_send_buf_size(config.send_buffer_bytes)
        .max_pending_accept_reset_streams(config.resets_max)
        .max_local_error_reset_streams(config.error_resets_max)
        .keep_alive_interval(millis(config.keepalive_interval_ms))
        .keep_alive_timeout(millis(config.keepalive_timeout_ms));
    builder
}
