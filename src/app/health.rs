//! Whether the process can do its work, for those who send it some.
//!
//! | | `/ready` | health of the process, of payments and diagnostics | of the other services |
//! |---|---|---|---|
//! | all is well | 200 | serving | serving |
//! | Stripe refuses a key that it had accepted | 200, and says so | serving | not serving |
//! | Stripe refuses a key that it never accepted | 503 | not serving | not serving |
//! | the storage does not answer, or the process stops | 503 | not serving | not serving |
//!
//! A rollout with a wrong key stops at the first process, which never becomes
//! ready. Where the key of running processes is revoked, all of them have the
//! same: webhooks, streams and stored payments go on, and would end for nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::pb;
use crate::server::operations::{Readiness, Ready};
use crate::storage::Storage;
use crate::stripe::Client;
use crate::stripe::access::Key;

/// How often health is brought up to date.
const INTERVAL: Duration = Duration::from_secs(2);
/// The services that can do most of their work without Stripe. The empty name
/// stands for the whole server.
const WITHOUT_STRIPE: [&str; 4] =
    ["", "paylink.v1.AuditService", "paylink.v1.DiagnosticsService", "paylink.v1.PaymentService"];

/// Keeps gRPC health true.
pub(super) struct Teller {
    reporter: HealthReporter,
    storage: Storage,
    stripe: Client,
    stop: CancellationToken,
    told: HashMap<&'static str, ServingStatus>,
}

/// Answers whether the process is ready.
pub(super) fn readiness(storage: Storage, stripe: Client, stop: CancellationToken) -> Ready {
    Arc::new(move || {
        let (storage, stripe, stop) = (storage.clone(), stripe.clone(), stop.clone());
        async move { now(&storage, stripe.key(), &stop).await }.boxed()
    })
}

// === impl Teller ===

impl Teller {
    /// Tells how the process is until `stop`, and then that it stops.
    pub(super) fn new(
        reporter: HealthReporter,
        storage: Storage,
        stripe: Client,
        stop: CancellationToken,
    ) -> Self {
        Self { reporter, storage, stripe, stop, told: HashMap::new() }
    }

    /// Tells how each service is, where that is something else than was told before.
    pub(super) async fn tell(&mut self) {
        let key = self.stripe.key();
        let is_ready = now(&self.storage, key, &self.stop).await.is_ok();
        for service in pb::service_names().chain([""]) {
            let works = is_ready && (!key.is_refused() || WITHOUT_STRIPE.contains(&service));
            let status = if works { ServingStatus::Serving } else { ServingStatus::NotServing };
            if self.told.insert(service, status) != Some(status) {
                self.reporter.set_service_status(service, status).await;
            }
        }
    }

    /// Goes on until the process stops.
    pub(super) async fn keep_true(mut self) {
        while !self.stop.is_cancelled() {
            let _ = self.stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await;
            self.tell().await;
        }
    }
}

async fn now(storage: &Storage, key: Key, stop: &CancellationToken) -> Readiness {
    if stop.is_cancelled() {
        return Err("not ready: the process is stopping");
    }
    if storage.ping().await.is_err() {
        return Err("not ready: the storage does not answer");
    }
    match key {
        Key::Untried | Key::Accepted => Ok("ready"),
        Key::Revoked => Ok("ready, but Stripe refuses the account's key"),
        Key::Refused => Err("not ready: Stripe refuses the account's key"),
    }
}
