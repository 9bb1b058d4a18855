//! A watcher of payments.

use futures_util::StreamExt as _;
use paylink::pb;
use paylink::pb::watch_payments_response::Content;
use tonic::{Status, Streaming};

use super::within;

/// An open stream of changes.
#[derive(Debug)]
pub struct Watch {
    stream: Streaming<pb::WatchPaymentsResponse>,
    /// The position of the last message.
    pub position: String,
}

// === impl Watch ===

impl Watch {
    /// Watches a stream.
    pub fn new(stream: Streaming<pb::WatchPaymentsResponse>) -> Self {
        Self { stream, position: String::new() }
    }

    /// Waits for the next change.
    pub async fn next(&mut self) -> pb::PaymentEvent {
        loop {
            if let Content::Event(event) = self.message().await.expect("the stream goes on") {
                return event;
            }
        }
    }

    /// Waits for the next change of a payment that is there.
    pub async fn payment(&mut self) -> pb::Payment {
        self.next().await.payment.expect("a change has its payment")
    }

    /// Waits for a message that says that nothing has changed.
    pub async fn heartbeat(&mut self) {
        match self.message().await.expect("the stream goes on") {
            Content::Heartbeat(_) => {}
            Content::Event(event) => panic!("something has changed: {event:?}"),
        }
    }

    /// Waits for the end, and gives the error that every stream ends with.
    pub async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.message().await {
                return status;
            }
        }
    }

    async fn message(&mut self) -> Result<Content, Status> {
        let message = within(self.stream.next()).await.expect("a stream ends with an error")?;
        self.position = message.position;
        Ok(message.content.expect("a message has content"))
    }
}
