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

/// Answers whether the process is ready.
pub(super) fn readiness(storage: Storage, stripe: Client, stop: CancellationToken) -> Ready {
    Arc::new(move || {
        let (storage, stripe, stop) = (storage.clone(), stripe.clone(), stop.clone());
        async move { now(&storage, stripe.key(), &stop).await }.boxed()
    })
}

/// Tells once by gRPC health how each service is.
pub(super) async fn tell(
    health: &HealthReporter,
    storage: &Storage,
    stripe: &Client,
    stop: &CancellationToken,
) {
    let key = stripe.key();
    let is_ready = now(storage, key, stop).await.is_ok();
    for service in pb::service_names().chain([""]) {
        let works = is_ready && (!key.is_refused() || WITHOUT_STRIPE.contains(&service));
        let status = if works { ServingStatus::Serving } else { ServingStatus::NotServing };
        health.set_service_status(service, status).await;
    }
}

/// Keeps gRPC health true until the process stops, and says that it does.
pub(super) async fn keep_true(
    health: HealthReporter,
    storage: Storage,
    stripe: Client,
    stop: CancellationToken,
) {
    loop {
        tell(&health, &storage, &stripe, &stop).await;
        if stop.is_cancelled() {
            return;
        }
        let _ = stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await;
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
