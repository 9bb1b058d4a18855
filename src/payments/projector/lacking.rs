//! What an event lacks, and where it is asked for.

use std::time::Duration;

use crate::caller::Caller;
use crate::payments::ledger::{self, Lack, Told};
use crate::pb;
use crate::storage::{self, Fact, Storage};
use crate::stripe;

/// How long one question may take, its retries included.
const READ_TIME: Duration = Duration::from_secs(30);

/// Where it is asked what events lack: Stripe, or a test's own idea of it.
pub(in crate::payments) trait Details: Clone + Send + Sync + 'static {
    /// Gives what is lacking, as facts that an event has led to.
    fn read(
        &self,
        lack: &Lack,
        told_by: &str,
    ) -> impl Future<Output = Result<Vec<Fact>, Unread>> + Send;

    /// Gives a link as it is now.
    fn link(&self, link: &str) -> impl Future<Output = Result<pb::PaymentLink, Unread>> + Send;
}

/// A question was not answered.
#[derive(Debug)]
pub(in crate::payments) struct Unread {
    /// Whether asking again later can help.
    pub(in crate::payments) is_temporary: bool,
    /// What is logged.
    pub(in crate::payments) cause: String,
}

// === impl stripe::Client ===

impl Details for stripe::Client {
    async fn read(&self, lack: &Lack, told_by: &str) -> Result<Vec<Fact>, Unread> {
        let caller = Caller::itself(READ_TIME);
        match lack {
            Lack::Details { payment } => {
                let page = self.payment_in_full(payment, &caller).await?;
                Ok(vec![ledger::details(&page, told_by)])
            }
            Lack::Refunds { charge } => {
                // One that was asked about before must not stand for this one.
                let refunds = self.refunds(charge, &caller.wanting_fresh()).await?;
                let told = refunds.iter().filter_map(|one| ledger::refunded(one, told_by));
                Ok(told.flat_map(|told| told.facts).collect())
            }
        }
    }

    async fn link(&self, link: &str) -> Result<pb::PaymentLink, Unread> {
        Ok(self.get(link, &Caller::itself(READ_TIME).wanting_fresh()).await?)
    }
}

// === impl Unread ===

impl From<stripe::Error> for Unread {
    fn from(error: stripe::Error) -> Self {
        Self { is_temporary: error.is_temporary(), cause: error.to_string() }
    }
}

/// Finds what Stripe must be asked for before an event can be added.
pub(super) async fn lacking(
    storage: &Storage,
    told: &Told,
) -> Result<Option<Lack>, storage::Error> {
    if !ledger::may_lack(told) {
        return Ok(None);
    }
    match known(storage, told).await {
        // The transaction will meet the same row, and puts the event off.
        Err(storage::Error::Corrupt { .. }) => Ok(None),
        known => Ok(ledger::lack(told, known?.as_ref())),
    }
}

async fn known(storage: &Storage, told: &Told) -> Result<Option<pb::Payment>, storage::Error> {
    if let Some(id) = &told.payment {
        return storage.payment(id).await;
    }
    for key in &told.keys {
        if let Some(id) = storage.payment_of(key).await? {
            return storage.payment(&id).await;
        }
    }
    Ok(None)
}
