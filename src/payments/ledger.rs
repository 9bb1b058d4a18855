//! What an event makes of a payment. Pure: the same events give the same
//! payment in whatever order and however often they come.
//!
//! Of all that was told of a payment, the strongest state wins, and the event
//! that told of it decides what the payment looks like. States are as strong as
//! their numbers: money that came outweighs money that failed to come. Among
//! events of the same state the greatest id wins, because Stripe's `created`
//! has whole seconds and ties within one are common.

use crate::pb;
use crate::pb::payment::{PaymentStatus, State};
use crate::storage::Known;

/// The kinds of events that tell of payments.
const COMPLETED: &str = "checkout.session.completed";
const ASYNC_SUCCEEDED: &str = "checkout.session.async_payment_succeeded";
const ASYNC_FAILED: &str = "checkout.session.async_payment_failed";
const EXPIRED: &str = "checkout.session.expired";

/// What an event changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    /// What is known now.
    pub(super) known: Known,
    /// The payment's state before; unspecified when the payment was new.
    pub(super) previous_state: State,
    /// Whether the payment itself changed, and not only whose word it rests on.
    pub(super) is_visible: bool,
}

/// Whether events of this kind tell of payments.
pub(super) fn is_told_by(kind: &str) -> bool {
    matches!(kind, COMPLETED | ASYNC_SUCCEEDED | ASYNC_FAILED | EXPIRED)
}

/// Whether a payment in this state was submitted by the buyer, and so has line
/// items that will not change any more.
pub(super) fn is_submitted(state: State) -> bool {
    state > State::Expired
}

/// Reads what an event by itself says of a payment. `None` when it says nothing
/// of a payment made by a payment link.
pub(super) fn fact(event_id: &str, kind: &str, session: pb::Payment) -> Option<Known> {
    if session.id.is_empty() || session.payment_link.is_empty() {
        return None;
    }
    let state = match (kind, session.payment_status()) {
        (COMPLETED, PaymentStatus::Paid) | (ASYNC_SUCCEEDED, _) => State::Paid,
        (COMPLETED, PaymentStatus::NoPaymentRequired) => State::NoPaymentRequired,
        // A status that this version does not know must not look like money.
        (COMPLETED, PaymentStatus::Unpaid | PaymentStatus::Unspecified) => State::Pending,
        (ASYNC_FAILED, _) => State::Failed,
        (EXPIRED, _) => State::Expired,
        _ => return None,
    };
    let payment = pb::Payment { state: state.into(), ..session };
    Some(Known { payment, decided_by: event_id.to_owned() })
}

/// Adds a fact to what is known. `None` when that changes nothing.
pub(super) fn apply(known: Option<&Known>, fact: Known) -> Option<Change> {
    let Some(known) = known else {
        let previous_state = State::Unspecified;
        return Some(Change { known: fact, previous_state, is_visible: true });
    };
    let mut winner = if strength(&fact) > strength(known) { fact.clone() } else { known.clone() };
    // Line items are asked for beside the event and may be missing from any;
    // once the buyer has submitted the page they are the same in all.
    if winner.payment.line_items.is_empty() {
        let loser = if known.payment.line_items.is_empty() { &fact } else { known };
        winner.payment.line_items.clone_from(&loser.payment.line_items);
    }
    let previous_state = known.payment.state();
    let is_visible = winner.payment != known.payment;
    (winner != *known).then_some(Change { known: winner, previous_state, is_visible })
}

fn strength(known: &Known) -> (i32, &str) {
    (known.payment.state, &known.decided_by)
}

#[cfg(test)]
mod tests;
