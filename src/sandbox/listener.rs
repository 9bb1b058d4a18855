//! Connections: accepted, served in HTTP/1 and HTTP/2, and cut where an answer says so.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::{ServiceExt, service_fn};

use super::faults::layer::Cut;

/// How many connections are open at most; further ones wait.
const CONNECTIONS_MAX: usize = 4_096;
/// How long a client may take to send the head of a request.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// How long requests under way may take to finish when the sandbox stops.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// How long to wait when the process has no file descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown` completes, then lets requests under way finish.
pub(super) async fn serve(tcp: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_MAX);
    builder.http2().timer(TokioTimer::new());
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let next = async { (Arc::clone(&permits).acquire_owned().await, tcp.accept().await) };
        let (permit, accepted) = tokio::select! {
            () = &mut shutdown => break,
            next = next => next,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
                continue;
            }
        };
        // Small messages must not wait to be sent together.
        let _ = stream.set_nodelay(true);
        let cut = Arc::new(AtomicBool::new(false));
        let socket = Socket { stream, cut: Arc::clone(&cut) };
        let router = router.clone();
        let service = TowerToHyperService::new(service_fn(move |request| {
            answer(router.clone(), request, Arc::clone(&cut))
        }));
        let connection = builder.serve_connection(TokioIo::new(socket), service).into_owned();
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "A connection has ended with an error");
            }
            drop(permit);
        });
    }
    let _ = tokio::time::timeout(DRAIN_MAX, connections.shutdown()).await;
}

/// An answer, unless the connection is to be cut in its place.
async fn answer<B>(
    router: Router,
    request: Request<B>,
    cut: Arc<AtomicBool>,
) -> Result<Response<Body>, CutOff>
where
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let Ok(response) = router.oneshot(request.map(Body::new)).await;
    if response.extensions().get::<Cut>().is_some() {
        cut.store(true, Ordering::Relaxed);
        return Err(CutOff);
    }
    Ok(response)
}

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut on request")]
struct CutOff;

/// A connection that is reset, and not closed in order, once it was cut.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    cut: Arc<AtomicBool>,
}

// === impl Socket ===

impl Drop for Socket {
    fn drop(&mut self) {
        if self.cut.load(Ordering::Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A connection that was cut says no goodbye.
        if self.cut.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
