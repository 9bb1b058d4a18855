//! The transaction that adds events to their payments.

use crate::payments::{Config, ledger, now_ms};
use crate::storage::{self, EventState, Known, Storage, Transaction};

/// What is to be written for an event.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The event tells this of a payment.
    Told(Box<Known>),
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

/// Writes the outcomes in one transaction, and says whether a payment changed.
///
/// When that fails for a reason that can lie in one of them, each is tried
/// alone, and an event that still cannot be written is put off: it must not
/// keep others from being told.
pub(super) async fn settle(
    storage: &Storage,
    outcomes: Vec<Outcome>,
    config: &Config,
) -> Result<bool, storage::Error> {
    match write(storage, outcomes.clone()).await {
        Err(error) if is_about_a_row(&error) => {}
        written => return written,
    }
    let mut changed = false;
    for outcome in outcomes {
        let event_id = outcome.event_id().to_owned();
        match write(storage, vec![outcome]).await {
            Err(error) if is_about_a_row(&error) => {
                tracing::error!(%error, event.id = event_id, "An event could not be added");
                let due_at_ms = now_ms().saturating_add(config.retry_max_ms.get().into());
                write(storage, vec![Outcome::PutOff { event_id, due_at_ms }]).await?;
            }
            written => changed |= written?,
        }
    }
    Ok(changed)
}

// === impl Outcome ===

impl Outcome {
    pub(super) fn event_id(&self) -> &str {
        match self {
            Outcome::Told(fact) => &fact.decided_by,
            Outcome::Ignored { event_id } | Outcome::PutOff { event_id, .. } => event_id,
        }
    }
}

fn is_about_a_row(error: &storage::Error) -> bool {
    matches!(error, storage::Error::Corrupt { .. } | storage::Error::Database(_))
}

async fn write(storage: &Storage, outcomes: Vec<Outcome>) -> Result<bool, storage::Error> {
    storage
        .write(|mut transaction| {
            Box::pin(async move {
                let mut changed = false;
                for outcome in outcomes {
                    match outcome {
                        Outcome::Told(fact) => {
                            changed |= tell(&mut transaction, *fact).await?;
                        }
                        Outcome::Ignored { event_id } => {
                            transaction.settle_event(&event_id, EventState::Ignored).await?;
                        }
                        Outcome::PutOff { event_id, due_at_ms } => {
                            transaction.postpone_event(&event_id, due_at_ms).await?;
                        }
                    }
                }
                Ok(changed)
            })
        })
        .await
}

/// Adds a fact to its payment; says whether that changed the payment.
async fn tell(transaction: &mut Transaction<'_>, fact: Known) -> Result<bool, storage::Error> {
    let event_id = fact.decided_by.clone();
    transaction.settle_event(&event_id, EventState::Done).await?;
    let known = transaction.known(&fact.payment.id).await?;
    let Some(change) = ledger::apply(known.as_ref(), fact) else { return Ok(false) };

    let recorded_at_ms = now_ms();
    transaction.put_known(&change.known, recorded_at_ms).await?;
    if change.is_visible {
        let (payment, before) = (&change.known.payment, change.previous_state);
        let sequence =
            transaction.append_change(payment, before, &event_id, recorded_at_ms).await?;
        tracing::debug!(
            event.id = event_id,
            payment.id = payment.id,
            payment.state = payment.state().as_str_name(),
            feed.sequence = sequence,
            "A payment has changed"
        );
    }
    Ok(change.is_visible)
}
