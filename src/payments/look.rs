//! The last look: what became of the pages of some links, asked of Stripe now.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tonic::Status;

use super::ledger::{self, Told};
use super::reconcile::{Failure, before_refunds};
use super::{Payments, account};
use crate::caller::Caller;
use crate::pb;
use crate::pb::payment::State;

/// How many links are asked about at the same time.
const LINKS_AT_ONCE: usize = 4;
/// How long one question may take, its retries included.
const READ_TIME: Duration = Duration::from_secs(30);

// === impl Payments ===

impl Payments {
    /// Takes in what Stripe knows of the pages of links, and no event has told yet.
    pub async fn look(&self, links: Vec<String>, caller: Caller) -> Result<(), Status> {
        let looks = links.into_iter().map(|link| self.look_at(link, caller.clone()));
        let outcomes: Vec<_> = stream::iter(looks).buffer_unordered(LINKS_AT_ONCE).collect().await;
        outcomes.into_iter().collect::<Result<Vec<()>, Failure>>()?;
        Ok(())
    }

    async fn look_at(&self, link: String, caller: Caller) -> Result<(), Failure> {
        let mut after = None;
        loop {
            let page = self.stripe.sessions_of(&link, false, after.as_deref(), &caller).await?;
            for session in page.items {
                let Some(state) = ledger::state_of(&session) else { continue };
                let known = self.storage.payment(&session.id).await?;
                if known.as_ref().is_none_or(|known| before_refunds(known) < state) {
                    self.take_in(session, state).await?;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn take_in(&self, page: pb::Payment, state: State) -> Result<(), Failure> {
        let Some(told) = self.in_full(&page, state).await? else { return Ok(()) };
        let written = self.storage.write(move |mut transaction| {
            Box::pin(async move { account::add(&mut transaction, &page.id, told, "").await })
        });
        let added = written.await?;
        self.announce(added);
        Ok(())
    }

    /// What a session tells, with what its list does not show.
    pub(super) async fn in_full(
        &self,
        page: &pb::Payment,
        state: State,
    ) -> Result<Option<Told>, Failure> {
        let full = self.stripe.payment_in_full(&page.id, &Caller::itself(READ_TIME)).await?;
        Ok(ledger::session(page.clone(), state, "").map(|mut told| {
            told.facts.push(ledger::details(&full, ""));
            told
        }))
    }
}
