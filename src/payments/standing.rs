//! What a payment is to its order: the first, or too late.
//!
//! It is decided when the money of a payment comes, in the transaction that gives
//! this its place in the feed. Feed order is one order for all replicas, so of two
//! payments exactly one is the first, whatever comes between. What was decided
//! stays.

use super::ledger;
use crate::pb;
use crate::pb::payment::{OrderStanding, State};
use crate::planted::{self, Bug};
use crate::storage::{self, Known, Transaction};

/// What was decided just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decided {
    /// Nothing, or nothing new.
    Nothing,
    /// The payment has taken its order.
    First,
    /// The order was over before.
    TooLate,
}

/// Decides what a payment is to its order, once its money has come.
pub(super) async fn decide(
    transaction: &mut Transaction<'_>,
    before: Option<&Known>,
    payment: &mut pb::Payment,
) -> Result<Decided, storage::Error> {
    let before = before.map(|before| &before.payment);
    if let Some(before) = before.filter(|one| one.order_standing != 0) {
        payment.order_standing = before.order_standing;
        payment.duplicate_of.clone_from(&before.duplicate_of);
        return Ok(Decided::Nothing);
    }
    if payment.order_ref.is_empty() || !has_come(payment.state()) {
        return Ok(Decided::Nothing);
    }
    let pb::Payment { account, owner, order_ref, .. } = &*payment;
    let (standing, decided) = match transaction.order(account, owner, order_ref).await? {
        None => {
            transaction.take_order(payment, super::now_ms()).await?;
            (OrderStanding::First, Decided::First)
        }
        Some(_) if planted::is(Bug::OrderTakenTwice) => (OrderStanding::First, Decided::First),
        Some(order) if order.taken_by.is_empty() => (OrderStanding::Late, Decided::TooLate),
        Some(order) => {
            payment.duplicate_of = order.taken_by;
            (OrderStanding::Duplicate, Decided::TooLate)
        }
    };
    payment.set_order_standing(standing);
    Ok(decided)
}

/// Since when a payment is to be given back that came too late: since there is something
/// left of it. A subscription's money can be known later than its page, and a refund can
/// fail that had taken all.
pub(super) fn give_back_at_ms(
    before: Option<&Known>,
    payment: &pb::Payment,
    now_ms: i64,
) -> Option<i64> {
    if !is_to_go(payment) {
        return None;
    }
    match before.filter(|before| is_to_go(&before.payment)) {
        Some(before) => before.give_back_at_ms,
        None => Some(now_ms),
    }
}

fn is_to_go(payment: &pb::Payment) -> bool {
    let left = ledger::own_intent(payment).and_then(|intent| ledger::left(payment, intent));
    ledger::is_too_late(payment) && left.is_some_and(|left| left > 0)
}

fn has_come(state: State) -> bool {
    matches!(
        state,
        State::Paid | State::NoPaymentRequired | State::PartiallyRefunded | State::Refunded
    )
}
