//! Money of payments that came too late for their orders: it goes back to the
//! buyer by itself, where the configuration says so.
//!
//! That a payment is to be given back is noted with its payment, in the
//! transaction that finds something left of it. Each attempt has an id of its own,
//! so whoever takes it up again asks for the same refund; the next begins when it is
//! certain what became of the one before. Whatever an attempt may take is set aside
//! for it, so that no two take the same money.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Payments, ledger, now_ms, refund};
use crate::caller::Caller;
use crate::pb;
use crate::pb::refund::Reason;
use crate::storage::{self, Hold, Lease};

/// How often to look for payments, in case none was noticed.
const POLL: Duration = Duration::from_secs(1);
/// How long after the crash of the replica that does this another takes over.
const LEASE: Duration = Duration::from_secs(5);
/// How many are taken up in one round.
const BATCH_MAX: u32 = 16;
/// How long one refund may take, retries included.
const REFUND_TIME: Duration = Duration::from_secs(45);
/// How long to leave a payment alone whose first attempt has failed. It doubles with
/// each further one.
const PAUSE_MS: i64 = 60_000;
/// The longest pause between two attempts: a balance that is too low, as most refusals
/// have it, takes days to become higher.
const PAUSE_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// How many attempts there are at one payment, which together take about a month.
const ATTEMPTS_MAX: u32 = 40;

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
        for (account, payment) in self.storage.to_give_back(now_ms(), BATCH_MAX).await? {
            if !self.refunds_duplicates {
                // What is not given back now is not given back by a later setting.
                self.storage.put_give_back(payment, None).await?;
                continue;
            }
            let again_at_ms = self.attempt(&account, &payment).await?;
            // Nothing is left to be done of one that has gone back.
            self.storage.put_give_back(payment, again_at_ms).await?;
        }
        Ok(())
    }

    /// Asks for a refund of all that is left, and says when to look again, if ever.
    async fn attempt(&self, account: &str, payment: &str) -> Result<Option<i64>, storage::Error> {
        let caller = Caller::itself(REFUND_TIME).at(account);
        let attempts = self.attempts_over(&caller, payment).await?;
        if attempts >= ATTEMPTS_MAX {
            tracing::error!(payment.id = payment, "A payment could not be given back, and is left");
            return Ok(None);
        }
        let request = pb::RefundPaymentRequest {
            request_id: request_id(payment, attempts).to_string(),
            payment: payment.to_owned(),
            reason: Reason::Duplicate.into(),
            ..Default::default()
        };
        match self.refund(&caller, request).await {
            Ok(refund) if ledger::is_out(&refund) => tracing::info!(
                payment.id = payment,
                refund.id = refund.id,
                "A payment that came too late for its order was given back"
            ),
            Ok(refund) => tracing::warn!(
                payment.id = payment,
                refund.id = refund.id,
                "A refund has failed of a payment that is to be given back"
            ),
            Err(status) => tracing::warn!(
                %status,
                payment.id = payment,
                "A payment is not given back for now"
            ),
        }
        let pause_ms = PAUSE_MS.saturating_mul(1 << attempts.min(16)).min(PAUSE_MS_MAX);
        Ok(Some(now_ms().saturating_add(pause_ms)))
    }

    /// How many attempts there were of which it is certain what became: nothing, or a
    /// refund that is counted, be it as one that has failed.
    async fn attempts_over(&self, caller: &Caller, payment: &str) -> Result<u32, storage::Error> {
        let id = |attempt| caller.remembered_as(request_id(payment, attempt)).to_string();
        let ids: Vec<_> = (0..ATTEMPTS_MAX).map(id).collect();
        let asked = self.storage.refund_requests(&ids).await?;
        let known = self.storage.payment(payment).await?.unwrap_or_default();
        let is_over = |id: &str| {
            let asked = asked.iter().find(|one| one.request_id == id);
            let is_its = |one: &pb::Refund| {
                refund::is_made_by(one, id) || asked.is_some_and(|asked| refund::is_of(one, asked))
            };
            asked.is_some_and(|asked| asked.hold == Hold::Free) || known.refunds.iter().any(is_its)
        };
        let over = ids.iter().zip(1..).filter(|(id, _)| is_over(id));
        Ok(over.map(|(_, attempts)| attempts).max().unwrap_or_default())
    }
}

/// The id of an attempt at a payment.
fn request_id(payment: &str, attempt: u32) -> Uuid {
    let name = if attempt == 0 { payment.to_owned() } else { format!("{payment} {attempt}") };
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

#[cfg(test)]
mod tests;
