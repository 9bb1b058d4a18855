//! Connections of HTTP/1 that are kept, between one request and the next.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Paylink, until, within};

const QUESTION: &[u8] = b"GET /webhooks HTTP/1.1\r\nhost: paylink\r\n\r\n";

/// A service that lets one connection in at a time, and one that breaks the rules has
/// its place taken for longer than any test.
async fn start(idle_timeout_ms: &str) -> Paylink {
    Paylink::start()
        .without_webhooks()
        .with("PAYLINK__WEBHOOK__CONNECTIONS_MAX_OF_ADDRESS", "1")
        .with("PAYLINK__CONNECTIONS__STAY_MS_MIN", "0")
        .with("PAYLINK__CONNECTIONS__PENALTY_MS", "600000")
        .with("PAYLINK__CONNECTIONS__HEADER_TIMEOUT_MS", "100")
        .with("PAYLINK__CONNECTIONS__IDLE_TIMEOUT_MS", idle_timeout_ms)
        .await
}

/// Asks once, and gives the connection if there was an answer.
async fn ask(paylink: &Paylink) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(paylink.addresses.webhook).await.unwrap();
    stream.write_all(QUESTION).await.ok()?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.ok()?);
    }
    Some(stream)
}

/// Waits until the service has ended a connection.
async fn ended(mut stream: TcpStream) {
    let _ = within(stream.read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn a_connection_that_is_kept_for_the_next_request_breaks_no_rule() {
    let paylink = start("1000").await;
    ended(ask(&paylink).await.unwrap()).await;
    until(async || ask(&paylink).await.is_some()).await;
}

#[tokio::test]
async fn headers_that_never_end_are_cut_off_in_each_request() {
    for before in [&b""[..], QUESTION] {
        let paylink = start("600000").await;
        let mut stream = TcpStream::connect(paylink.addresses.webhook).await.unwrap();
        stream.write_all(before).await.unwrap();
        if !before.is_empty() {
            stream.read_u8().await.unwrap();
        }
        stream.write_all(b"GET /webhooks HTTP/1.1\r\n").await.unwrap();
        ended(stream).await;
        assert!(ask(&paylink).await.is_none(), "its place stays taken");
    }
}
