//! Whether the service is set up so that it can keep its promises: what a
//! configuration says, held against the world that it is for.
//!
//! One examination serves the method and the program's verb. It changes nothing,
//! and what it tells holds no secret: neither keys nor URLs of databases.

mod account;
mod finding;
mod surroundings;
mod webhook;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

use crate::auth;
use crate::caller::Caller;
use crate::contract;
use crate::pb::{self, diagnostics_service_server::DiagnosticsService};
use crate::storage;
use crate::stripe::{self, examine::Outside};

/// How long one examination may take. What has not answered by then does not.
const TIME_MAX: Duration = Duration::from_secs(10);

/// What is examined.
#[derive(Clone)]
pub struct Patient {
    /// The way to Stripe.
    pub stripe: stripe::Config,
    /// The memory.
    pub storage: storage::Config,
    /// Who may call.
    pub auth: auth::Config,
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Whether callers are asked for certificates there.
    pub sees_certificates: bool,
    /// The kinds of events that webhooks must bring; `None` where none are expected.
    pub kinds: Option<Vec<&'static str>>,
    /// How old a webhook's signature may be, in seconds.
    pub tolerance_secs: i64,
    /// Reads the certificates of the listeners.
    pub certificates: Arc<dyn Fn() -> Vec<Certificates> + Send + Sync>,
}

/// The certificates of one listener.
#[derive(Debug)]
pub struct Certificates {
    /// The listener's table in the configuration.
    pub listener: &'static str,
    /// Each file, and until when it is good, in Unix seconds; or why they cannot be used.
    pub ends: Result<Vec<(&'static str, i64)>, String>,
}

/// Examines. Clones examine the same, one at a time.
#[derive(Clone)]
pub struct Doctor {
    patient: Arc<Patient>,
    stripe: stripe::Client,
    outside: Outside,
    turn: Arc<Mutex<()>>,
}

// === impl Doctor ===

impl Doctor {
    /// Examines that, and asks Stripe by that client.
    pub fn new(patient: Patient, stripe: stripe::Client) -> Result<Self, stripe::SetupError> {
        let outside = Outside::new(&patient.stripe)?;
        Ok(Self { patient: Arc::new(patient), stripe, outside, turn: Arc::default() })
    }

    /// Examines everything.
    pub async fn examine(&self) -> Vec<pb::Finding> {
        let _turn = self.turn.lock().await;
        let caller = Caller::itself(TIME_MAX);
        let (key, webhook, clock, storage, policy) = tokio::join!(
            account::key(&self.patient.stripe.base_url, &self.stripe, &caller),
            webhook::endpoint(&self.patient, &self.stripe, &self.outside, &caller),
            surroundings::clock(&self.outside, self.patient.tolerance_secs),
            surroundings::storage(&self.patient.storage, caller.deadline),
            surroundings::policy(&self.patient),
        );
        let certificates = surroundings::certificates((self.patient.certificates)());
        [key, webhook, vec![clock], storage, certificates, policy].concat()
    }
}

impl std::fmt::Debug for Doctor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Doctor")
    }
}

#[tonic::async_trait]
impl DiagnosticsService for Doctor {
    async fn diagnose(
        &self,
        request: Request<pb::DiagnoseRequest>,
    ) -> Result<Response<pb::DiagnoseResponse>, Status> {
        contract::check(&request.into_inner()).pass()?;
        Ok(Response::new(pb::DiagnoseResponse { findings: self.examine().await }))
    }
}
