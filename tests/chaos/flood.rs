//! Webhooks in great numbers, and what became of each.

use std::io;
use std::net::SocketAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::WEBHOOK_SECRET;

/// A connection that Stripe would keep open.
pub struct Sender {
    address: SocketAddr,
    connection: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// The id of an event by its number.
pub fn event_id(number: usize) -> String {
    format!("evt_{number:08}")
}

// === impl Sender ===

impl Sender {
    /// Sends to that address.
    pub fn to(address: SocketAddr) -> Self {
        Self { address, connection: None, buffer: Vec::new() }
    }

    /// Sends the event of that number, and gives the status of the answer. On an
    /// error it is not known whether the event was kept.
    pub async fn send(&mut self, number: usize) -> io::Result<u16> {
        self.send_signed(&request(number)).await
    }

    /// Sends what [`request`] has made.
    pub async fn send_signed(&mut self, request: &[u8]) -> io::Result<u16> {
        let answer = self.exchange(request).await;
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let connection = TcpStream::connect(self.address).await?;
                connection.set_nodelay(true)?;
                none.insert(connection)
            }
        };
        connection.write_all(request).await?;
        self.buffer.clear();
        // The answers have no body, so the end of the head is their end.
        while !self.buffer.ends_with(b"\r\n\r\n") {
            if connection.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = self.buffer.get(9..12).and_then(|digits| str::from_utf8(digits).ok());
        status.and_then(|digits| digits.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
    }
}

/// A signed webhook about a session that has expired, for which nothing is asked
/// of Stripe: so that what is measured is ours.
pub fn request(number: usize) -> Vec<u8> {
    let (id, at) = (event_id(number), Timestamp::now().as_second());
    // As large as Stripe's events about sessions are.
    let padding = "x".repeat(1_500);
    let body = format!(
        r#"{{"id":"{id}","object":"event","type":"checkout.session.expired","created":{at},
        "api_version":"2026-05-27.dahlia","livemode":false,"data":{{"object":{{
        "id":"cs_{number:08}","object":"checkout.session","payment_link":"plink_1",
        "payment_status":"unpaid","created":{at},"metadata":{{"padding":"{padding}"}}}}}}}}"#
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let length = body.len();
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nhost: paylink\r\ncontent-length: {length}\r\n\
         stripe-signature: t={at},v1={signature}\r\n\r\n{body}"
    )
    .into_bytes()
}
