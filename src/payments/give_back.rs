//! Money of payments that came too late for their orders: it goes back to the
//! buyer by itself, where the configuration says so.
//!
//! That a payment is to be given back is noted with its payment, in the
//! transaction that finds it too late. Each is refunded under an id of its own, so
//! whoever takes it up again asks for the same refund.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Payments, now_ms};
use crate::caller::Caller;
use crate::pb;
use crate::pb::refund::Reason;
use crate::storage::{self, Lease};

/// How often to look for payments, in case none was noticed.
const POLL: Duration = Duration::from_secs(1);
/// How long after the crash of the replica that does this another takes over.
const LEASE: Duration = Duration::from_secs(5);
/// How many are taken up in one round.
const BATCH_MAX: u32 = 16;
/// How long one refund may take, retries included.
const REFUND_TIME: Duration = Duration::from_secs(45);
/// How long to leave a payment alone that could not be refunded.
const PAUSE_MS: i64 = 60_000;

// === impl Payments ===

impl Payments {
    /// Gives back what came too late, until it is stopped.
    pub(super) async fn give_back(&self, stop: CancellationToken) {
        let mut lease = Lease::new(self.storage.clone(), "give_back", LEASE);
        let mut changed = self.changed.subscribe();
        while !stop.is_cancelled() {
            if let Err(error) = self.give_back_due(&mut lease).await {
                tracing::error!(%error, "Payments could not be given back, which is tried again");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                _ = changed.changed() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        // Whoever cannot let it go leaves it to run out.
        let _ = lease.release(now_ms()).await;
    }

    async fn give_back_due(&self, lease: &mut Lease) -> Result<(), storage::Error> {
        if !lease.hold(now_ms()).await? {
            return Ok(());
        }
        for payment in self.storage.to_give_back(now_ms(), BATCH_MAX).await? {
            if !self.refunds_duplicates {
                // What is not given back now is not given back by a later setting.
                self.storage.put_give_back(payment, None).await?;
                continue;
            }
            let request = pb::RefundPaymentRequest {
                request_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, payment.as_bytes()).to_string(),
                payment: payment.clone(),
                reason: Reason::Duplicate.into(),
                ..Default::default()
            };
            match self.refund(&Caller::itself(REFUND_TIME), request).await {
                Ok(refund) => tracing::info!(
                    payment.id = payment,
                    refund.id = refund.id,
                    "A payment that came too late for its order was given back"
                ),
                Err(status) => {
                    tracing::warn!(%status, payment.id = payment, "A payment is not given back");
                    let again_at_ms = now_ms().saturating_add(PAUSE_MS);
                    self.storage.put_give_back(payment, Some(again_at_ms)).await?;
                }
            }
        }
        Ok(())
    }
}
