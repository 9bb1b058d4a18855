//! The transaction that adds events to their payments.

use crate::payments::account::{self, Added};
use crate::payments::ledger::Told;
use crate::payments::{Config, now_ms};
use crate::planted::{self, Bug};
use crate::storage::{self, EventState, Storage, Transaction};

/// What is to be written for an event.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The event tells this of a payment.
    Told {
        /// Which event.
        event_id: String,
        /// What it tells.
        told: Told,
    },
    /// The event tells nothing.
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
    storage
        .write(|mut transaction| {
            Box::pin(async move {
                let mut added = Added::default();
                for outcome in outcomes {
                    match outcome {
                        Outcome::Told { event_id, told } => {
                            added |= tell(&mut transaction, &event_id, told).await?;
                        }
                        Outcome::Ignored { event_id } => {
                            transaction.settle_event(&event_id, EventState::Ignored).await?;
                        }
                        Outcome::PutOff { event_id, due_at_ms } => {
                            transaction.postpone_event(&event_id, due_at_ms).await?;
                        }
                    }
                }
                Ok(added)
            })
        })
        .await
}

/// What a projector would do that writes in two steps.
async fn settle_apart(storage: &Storage, outcomes: Vec<Outcome>) -> Result<(), storage::Error> {
    let settled = storage.write(move |mut transaction| {
        Box::pin(async move {
            for outcome in outcomes {
                transaction.settle_event(outcome.event_id(), EventState::Done).await?;
            }
            Ok(())
        })
    });
    settled.await
}

/// Adds what an event tells to its payment. An event whose payment is not known
/// is set aside until it is.
async fn tell(
    transaction: &mut Transaction<'_>,
    event_id: &str,
    told: Told,
) -> Result<Added, storage::Error> {
    let Some(payment) = account::find(transaction, &told).await? else {
        for key in &told.keys {
            transaction.wait_for(key, event_id, now_ms()).await?;
        }
        transaction.settle_event(event_id, EventState::Ignored).await?;
        return Ok(Added::default());
    };
    let added = account::add(transaction, &payment, told, event_id).await?;
    // Last, for it may be among those that were woken just now.
    transaction.settle_event(event_id, EventState::Done).await?;
    Ok(added)
}
