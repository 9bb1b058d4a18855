//! What an event lacks, and where it is asked for.

use std::time::Duration;

use crate::caller::Caller;
use crate::payments::ledger::{self, Lack, Told};
use crate::pb;
use crate::storage::{self, Fact, Storage};
use crate::stripe;
use crate::stripe::error::Refusal;

/// How long one question may take, its retries included.
const READ_TIME: Duration = Duration::from_secs(30);

/// Where it is asked what events lack: Stripe, or a test's own idea of it.
pub(in crate::payments) trait Details: Clone + Send + Sync + 'static {
    /// Gives what is lacking, as facts that an event of a Stripe account has led to.
    fn read(
        &self,
        account: &str,
        lack: &Lack,
        told_by: &str,
    ) -> impl Future<Output = Result<Vec<Fact>, Unread>> + Send;

    /// Gives a link of a Stripe account as it is now, with all that it sells where that
    /// is asked for.
    fn link(
        &self,
        account: &str,
        link: &str,
        with_all_items: bool,
    ) -> impl Future<Output = Result<pb::PaymentLink, Unread>> + Send;
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
    async fn read(&self, account: &str, lack: &Lack, told_by: &str) -> Result<Vec<Fact>, Unread> {
        let caller = Caller::itself(READ_TIME).at(account);
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

    async fn link(
        &self,
        account: &str,
        link: &str,
        with_all_items: bool,
    ) -> Result<pb::PaymentLink, Unread> {
        let caller = Caller::itself(READ_TIME).at(account).wanting_fresh();
        let mut link: pb::PaymentLink = self.get(link, &caller).await?;
        if with_all_items {
            link.line_items = self.all_line_items(&link, &caller).await?;
        }
        Ok(link)
    }
}

// === impl Unread ===

impl From<stripe::Error> for Unread {
    fn from(error: stripe::Error) -> Self {
        // A key that is wrong, or an answer that this version cannot read, says nothing of
        // what was asked for. Only Stripe's verdict does: it has no such thing.
        let is_temporary = error.verdict().is_none_or(Refusal::is_temporary);
        Self { is_temporary, cause: error.to_string() }
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
    let id = match &told.payment {
        Some(id) => Some(id.clone()),
        None => storage.payment_of(&told.keys).await?,
    };
    match id {
        Some(id) => storage.payment(&id).await,
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stripe::Error;

    #[test]
    fn only_stripes_verdict_on_a_question_ends_the_asking() {
        let refused = |status| Error::Refused(Box::new(Refusal { status, ..<_>::default() }));
        let advised = |status| {
            let should_retry = Some(true);
            Error::Refused(Box::new(Refusal { status, should_retry, ..<_>::default() }))
        };
        let check = |error: Error, expected| {
            let told = error.to_string();
            assert_eq!(Unread::from(error).is_temporary, expected, "{told}");
        };
        check(refused(400), false);
        check(refused(404), false);
        for status in [401, 403, 409, 424, 429, 500, 503] {
            check(refused(status), true);
        }
        check(advised(404), true);
        check(Error::Unreadable { write: false, request_id: None }, true);
        check(Error::TooLarge { write: false }, true);
        check(Error::TimedOut { write: false }, true);
    }
}
