//! Attackers that take their time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::wire::{END_HEADERS, HEADERS, PREFACE, call, frame, hello};
use super::{ATTACKER, connect};

/// How long a drop takes to fall.
const DROP: Duration = Duration::from_millis(40);

/// How many connections are silent.
const SILENT: usize = 100;

/// How many messages are begun by one connection, and how large each says that it is: as
/// much as gRPC's libraries take where nobody says otherwise.
const MESSAGES: usize = 64;
const MESSAGE_BYTES: u32 = (4 << 20) - 1;
/// In which pieces they come.
const PIECE: &[u8] = &[0; 16 << 10];

/// Sends what a connection begins with, byte by byte, and is not let to the end.
pub async fn preface(address: SocketAddr) -> bool {
    let stream = connect(ATTACKER, address).await.unwrap();
    let sent = drip(stream, PREFACE).await;
    assert!(sent < PREFACE.len());
    sent > 1
}

/// Sends the headers of a call byte by byte, and is not let to the end.
pub async fn headers(address: SocketAddr) -> bool {
    let mut stream = connect(ATTACKER, address).await.unwrap();
    let _ = stream.write_all(&hello(&[])).await;
    let headers = frame(HEADERS, END_HEADERS, 1, &call("/slow", &[("padding", &"x".repeat(500))]));
    let sent = drip(stream, &headers).await;
    assert!(sent < headers.len());
    sent > 1
}

/// Opens connections and says nothing by any of them. Each is ended.
pub async fn silence(address: SocketAddr) -> bool {
    let mut streams = Vec::new();
    for _ in 0..SILENT {
        // One more than the server takes may be refused before it is used.
        streams.extend(connect(ATTACKER, address).await);
    }
    for mut stream in streams {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    true
}

/// Makes probes, for which nobody has to be known, with messages that come but for their
/// last bytes. Each is answered.
pub async fn messages(address: SocketAddr) -> bool {
    let mut connector = HttpConnector::new();
    connector.set_local_address(Some(ATTACKER.into()));
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    let calls = (0..MESSAGES).map(|_| {
        let prefix = [&[0], &MESSAGE_BYTES.to_be_bytes()[..]].concat();
        let pieces = vec![Bytes::from_static(PIECE); MESSAGE_BYTES as usize / PIECE.len()];
        let pieces = stream::iter([prefix.into()]).chain(stream::iter(pieces));
        let unfinished =
            pieces.chain(stream::pending()).map(|piece| Ok::<_, String>(Frame::data(piece)));
        let call = http::Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
            .header("content-type", "application/grpc")
            .body(StreamBody::new(unfinished));
        client.request(call.unwrap())
    });
    join_all(calls).await.iter().any(Result::is_ok)
}

/// Sends bytes one at a time until the other end has had enough. Gives how many
/// were sent by then.
async fn drip(stream: TcpStream, bytes: &[u8]) -> usize {
    let (mut read, mut out) = stream.into_split();
    let ended = tokio::spawn(async move { drop(read.read_to_end(&mut Vec::new()).await) });
    for (sent, byte) in bytes.iter().enumerate() {
        if ended.is_finished() || out.write_all(&[*byte]).await.is_err() {
            return sent;
        }
        tokio::time::sleep(DROP).await;
    }
    bytes.len()
}
