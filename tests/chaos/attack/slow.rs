//! Attackers that take their time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::wire::{END_HEADERS, HEADERS, PREFACE, call, frame, hello};
use super::{ATTACKER, connect};

/// How long a drop takes to fall.
const DROP: Duration = Duration::from_millis(40);

/// How many connections are silent.
const SILENT: usize = 100;

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
