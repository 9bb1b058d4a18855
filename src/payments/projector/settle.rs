//! The transaction that adds events to their payments.

use std::collections::BTreeSet;

use tracing::{Instrument as _, Span};

use crate::payments::books::{self, Added, Books};
use crate::payments::ledger::Told;
use crate::payments::{Config, now_ms};
use crate::planted::{self, Bug};
use crate::storage::{self, EventState, SeenLink, Storage, Transaction};

/// What is to be written for an event.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The event tells this of a payment.
    Told {
        /// Which event.
        event_id: String,
        /// The Stripe account that it is of.
        account: String,
        /// What it tells.
        told: Told,
        /// In which its processing is seen.
        span: Span,
    },
    /// The event had a link read again.
    Seen {
        /// Which event.
        event_id: String,
        /// How the link is.
        seen: Box<SeenLink>,
    },
    /// The event tells nothing, or nothing new.
    Ignored {
        /// Which event.
        event_id: String,
    },
    /// The event is to be looked at again.
    PutOff {
        /// Which event.
        event_id: String,
        /// When.
        due_at_ms: i64,
    },
}

/// Writes the outcomes in one transaction, and says what that has changed.
///
/// When that fails for a reason that can lie in one of them, each is tried
/// alone, and an event that still cannot be written is put off: it must not
/// keep others from being told.
pub(super) async fn settle(
    storage: &Storage,
    outcomes: Vec<Outcome>,
    config: &Config,
) -> Result<Added, storage::Error> {
    match write(storage, outcomes.clone()).await {
        Err(error) if is_about_a_row(&error) => {}
        written => return written,
    }
    let mut added = Added::default();
    for outcome in outcomes {
        let event_id = outcome.event_id().to_owned();
        match write(storage, vec![outcome]).await {
            Err(error) if is_about_a_row(&error) => {
                tracing::error!(%error, event.id = event_id, "An event could not be added");
                let due_at_ms = now_ms().saturating_add(config.retry_max_ms.get().into());
                write(storage, vec![Outcome::PutOff { event_id, due_at_ms }]).await?;
            }
            written => added |= written?,
        }
    }
    Ok(added)
}

// === impl Outcome ===

impl Outcome {
    pub(super) fn event_id(&self) -> &str {
        match self {
            Outcome::Told { event_id, .. }
            | Outcome::Seen { event_id, .. }
            | Outcome::Ignored { event_id }
            | Outcome::PutOff { event_id, .. } => event_id,
        }
    }
}

fn is_about_a_row(error: &storage::Error) -> bool {
    matches!(error, storage::Error::Corrupt { .. } | storage::Error::Database(_))
}

async fn write(storage: &Storage, outcomes: Vec<Outcome>) -> Result<Added, storage::Error> {
    if planted::is(Bug::SettledApart) {
        settle_apart(storage, outcomes.clone()).await?;
    }
    let written = storage.write(|transaction| Box::pin(write_all(transaction, outcomes)));
    written.await
}

/// Reads and writes for all of them what can be read and written at once.
async fn write_all(
    mut transaction: Transaction<'_>,
    outcomes: Vec<Outcome>,
) -> Result<Added, storage::Error> {
    let mut books = Books::default();
    books.open(&mut transaction, &payments(&outcomes)).await?;
    let (mut added, mut done, mut ignored) = (Added::default(), Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Outcome::Told { event_id, account: at, told, span } => {
                let Some(id) = books::find(&mut transaction, &told).await? else {
                    set_aside(&mut transaction, event_id, &told).await?;
                    continue;
                };
                let adding = books.add(&mut transaction, &id, told, (&at, &event_id));
                added |= adding.instrument(span).await?;
                done.push(event_id);
            }
            Outcome::Seen { event_id, seen } => {
                transaction.put_link(&seen, now_ms()).await?;
                added.ends = true;
                done.push(event_id);
            }
            Outcome::Ignored { event_id } => ignored.push(event_id),
            Outcome::PutOff { event_id, due_at_ms } => {
                transaction.postpone_event(&event_id, due_at_ms).await?;
            }
        }
    }
    books.close(&mut transaction).await?;
    // Last, for they may be among those that were woken just now.
    transaction.settle_events(&done, EventState::Done).await?;
    transaction.settle_events(&ignored, EventState::Ignored).await?;
    Ok(added)
}

/// The payments that events name.
fn payments(outcomes: &[Outcome]) -> Vec<String> {
    let told = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Told { told, .. } => told.payment.clone(),
        _ => None,
    });
    told.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Lets an event wait until its payment is known. At once, for an event after it
/// in the same transaction may wake it.
async fn set_aside(
    transaction: &mut Transaction<'_>,
    event_id: String,
    told: &Told,
) -> Result<(), storage::Error> {
    for key in &told.keys {
        transaction.wait_for(key, &event_id, now_ms()).await?;
    }
    transaction.settle_events(&[event_id], EventState::Ignored).await
}

/// What a projector would do that writes in two steps.
async fn settle_apart(storage: &Storage, outcomes: Vec<Outcome>) -> Result<(), storage::Error> {
    let settled = storage.write(move |mut transaction| {
        Box::pin(async move {
            let ids = outcomes.iter().map(|outcome| outcome.event_id().to_owned());
            transaction.settle_events(&ids.collect::<Vec<_>>(), EventState::Done).await
        })
    });
    settled.await
}
