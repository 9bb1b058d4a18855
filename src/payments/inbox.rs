//! Takes in what Stripe reports.

use super::{Payments, ledger, now_ms};
use crate::storage::{self, EventState, NewEvent};
use crate::stripe::webhook;

/// What became of an event on arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// It was new; its payment will learn of it.
    Recorded,
    /// It was new, and is kept unread: it tells of nothing that is recorded here.
    Ignored,
    /// It had arrived before.
    Duplicate,
}

/// Why an event was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is no event. Sending it again will not help.
    #[error(transparent)]
    Event(#[from] webhook::NotAnEvent),
    /// The event is not safe. Stripe must send it again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

// === impl Payments ===

impl Payments {
    /// Takes in the body of an event whose signature was verified.
    ///
    /// When this returns `Ok`, the event is on disk and its payment will learn
    /// of it, whatever happens to the process. Events that came before change
    /// nothing.
    pub async fn receive(&self, body: &[u8]) -> Result<Receipt, Error> {
        let event = webhook::Event::parse(body)?;
        let is_ours = ledger::is_told_by(&event.kind);
        let new = NewEvent {
            id: event.id,
            kind: event.kind,
            api_version: event.api_version,
            livemode: event.livemode,
            created_at_ms: event.created.saturating_mul(1_000),
            received_at_ms: now_ms(),
            body: body.to_vec(),
            state: if is_ours { EventState::Pending } else { EventState::Ignored },
        };
        let is_new = self.storage.insert_event(new).await?;
        if is_new && is_ours {
            self.arrival.notify_one();
        }
        Ok(match (is_new, is_ours) {
            (false, _) => Receipt::Duplicate,
            (true, true) => Receipt::Recorded,
            (true, false) => Receipt::Ignored,
        })
    }
}
