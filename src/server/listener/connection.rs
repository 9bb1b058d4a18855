//! One connection, from the moment it is accepted to its end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use super::answers::Answers;
use super::conversation::{Conversation, Verdict};
use super::frames::Guarded;
use super::{Leaving, conversation, frames};
use crate::caller::Peer;
use crate::dice;
use crate::server::tls::{Tls, Trust};

/// By how much the ages of connections differ, so that those who came together do
/// not all come back together.
const AGE_JITTER: (f64, f64) = (0.9, 1.1);

/// What all connections of a listener have in common.
pub(super) struct House {
    pub(super) listener: &'static str,
    pub(super) routes: Router,
    pub(super) builder: Builder<TokioExecutor>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) handshake: Duration,
    /// How long a place is taken at least.
    pub(super) stay_min: Duration,
    /// How long the place of a client that has broken the rules stays taken.
    pub(super) penalty: Duration,
    pub(super) conversation: conversation::Limits,
    pub(super) frames: frames::Limits,
    /// Asks all to leave.
    pub(super) stop: CancellationToken,
}

/// How a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Within the rules.
    Kept,
    /// Against them.
    Broken,
}

static CUT: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.server.connections.cut")
        .with_unit("{connection}")
        .with_description("Connections that were refused or ended by the server, by reason.")
        .build()
});

/// Counts a connection that was refused, or ended before its client wanted it to.
pub(super) fn count_cut(listener: &'static str, reason: &'static str) {
    let attributes = [KeyValue::new("listener", listener), KeyValue::new("reason", reason)];
    CUT.add(1, &attributes);
}

// === impl House ===

impl House {
    /// Receives a connection, and serves it until it ends. Where it was short, or the
    /// client has broken the rules, this takes longer than the connection, and so does
    /// its place: who comes again and again runs out of places.
    pub(super) async fn receive(&self, socket: TcpStream, address: SocketAddr) {
        let came = Instant::now();
        let free = match self.serve(socket, address).await {
            End::Kept => came + self.stay_min,
            End::Broken => Instant::now() + self.penalty,
        };
        let _ = self.stop.run_until_cancelled(tokio::time::sleep_until(free)).await;
    }

    async fn serve(&self, socket: TcpStream, address: SocketAddr) -> End {
        // Small messages must not wait to be sent together.
        let _ = socket.set_nodelay(true);
        let Some(tls) = &self.tls else {
            let peer = Peer { address, certificate: None };
            return self.converse(Either::<_, TcpStream>::Left(socket), peer, None).await;
        };
        let shaken = tokio::time::timeout(self.handshake, tls.accept(socket));
        let Some(shaken) = self.stop.run_until_cancelled(shaken).await else {
            return End::Kept;
        };
        match shaken {
            Ok(Ok((stream, shown))) => {
                let (certificate, trust) = shown.unzip();
                let peer = Peer { address, certificate };
                self.converse(Either::<TcpStream, _>::Right(stream), peer, trust).await
            }
            Ok(Err(error)) => {
                tracing::debug!(listener = self.listener, %error, "A TLS handshake has failed");
                self.broken("handshake")
            }
            Err(_) => self.broken("handshake_timeout"),
        }
    }

    async fn converse<S>(&self, stream: S, peer: Peer, trust: Option<Trust>) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let conversation = Conversation::new(self.limits());
        let leaving = Leaving::default();
        let service = Answers {
            routes: self.routes.clone(),
            peer,
            leaving: leaving.clone(),
            conversation: conversation.clone(),
        };
        let stream = Guarded::new(stream, self.frames, conversation.clone());
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
        let mut asked = pin!(self.asked_to_leave(trust));
        let mut pace = tokio::time::interval(self.conversation.pace());
        let mut may_stay = true;
        loop {
            let leave = tokio::select! {
                ended = connection.as_mut() => {
                    let Err(error) = ended else { return End::Kept };
                    tracing::debug!(error, "A connection has ended with an error");
                    let reason = if conversation.was_flooded() { "flood" } else { "error" };
                    return self.broken(reason);
                }
                () = asked.as_mut(), if may_stay => true,
                _ = pace.tick() => match conversation.judge() {
                    Verdict::Stay => false,
                    Verdict::Leave => may_stay,
                    Verdict::Cut(reason) => return self.broken(reason),
                },
            };
            if leave {
                may_stay = false;
                conversation.leave();
                leaving.0.cancel();
                connection.as_mut().graceful_shutdown();
            }
        }
    }

    fn broken(&self, reason: &'static str) -> End {
        count_cut(self.listener, reason);
        End::Broken
    }

    /// Waits until the service stops, or the client would no longer be let in.
    async fn asked_to_leave(&self, trust: Option<Trust>) {
        let lost = async {
            match trust {
                Some(mut trust) => trust.lost().await,
                None => std::future::pending().await,
            }
        };
        let _ = self.stop.run_until_cancelled(lost).await;
    }

    fn limits(&self) -> conversation::Limits {
        let (low, high) = AGE_JITTER;
        let age = self.conversation.age.mul_f64(dice::between(low, high));
        conversation::Limits { age, ..self.conversation }
    }
}
