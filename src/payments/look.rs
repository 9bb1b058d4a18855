//! The last look: what became of the pages of some links, asked of Stripe now.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tonic::Status;

use super::Payments;
use super::books::{self, Added};
use super::ledger::{self, Told};
use super::reconcile::Failure;
use crate::caller::Caller;
use crate::storage;

/// How many links are asked about at the same time.
const LINKS_AT_ONCE: usize = 4;
/// How many hundreds of a link's pages are looked at, the newest first.
const PAGES_MAX: u32 = 100;
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
        for _ in 0..PAGES_MAX {
            let page = self.stripe.sessions_of(&link, false, after.as_deref(), &caller).await?;
            for session in page.items {
                let Some(state) = ledger::state_of(&session) else { continue };
                let known = self.storage.payment(&session.id).await?;
                if ledger::tells_more(state, known.as_ref()) {
                    let asking = Caller::itself(READ_TIME).at(caller.account());
                    let full = self.stripe.payment_in_full(&session.id, &asking).await?;
                    if let Some(told) = ledger::in_full(session, &full, state) {
                        self.add(caller.account(), full.id, told).await?;
                    }
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
        Err(Failure::TooManyPages { link })
    }

    /// Adds what no event of an account has told, and tells what that has changed.
    pub(super) async fn add(
        &self,
        at: &str,
        id: String,
        told: Told,
    ) -> Result<Added, storage::Error> {
        let at = at.to_owned();
        let written = self.storage.write(move |mut transaction| {
            Box::pin(async move { books::add(&mut transaction, &id, told, (&at, "")).await })
        });
        let added = written.await?;
        self.announce(added);
        Ok(added)
    }
}
