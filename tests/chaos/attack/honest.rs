//! A client that does nothing wrong, and how long its calls take.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use paylink::pb;
use paylink::pb::payment_service_client::PaymentServiceClient;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::within;

/// The client.
pub struct Honest(Channel);

// === impl Honest ===

impl Honest {
    /// A client of its own, which connects when it calls.
    pub fn at(address: SocketAddr) -> Self {
        Self(Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy())
    }

    /// Makes calls, one after the other. Each is answered. Gives the time that one in
    /// a hundred exceeds.
    pub async fn calls(&self, count: usize) -> Duration {
        let mut took = Vec::new();
        for _ in 0..count {
            let begin = Instant::now();
            within(self.try_call()).await.unwrap();
            took.push(begin.elapsed());
        }
        took.sort();
        took[(count * 99 / 100).min(count - 1)]
    }

    /// Makes a call.
    pub async fn try_call(&self) -> Result<(), Status> {
        let request = pb::ListPaymentsRequest::default();
        PaymentServiceClient::new(self.0.clone()).list_payments(request).await.map(drop)
    }
}
