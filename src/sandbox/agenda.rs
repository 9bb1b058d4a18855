//! What happens by itself once its time has come.
//!
//! Everything that depends on time is noted here when it is made, and the clock works the notes
//! off in their order, whether it runs by itself or is moved.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::store::State;
use super::{checkout, disputes, redemption, refunds, subscriptions};

/// What falls due, unless the object has moved on by then; by its identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Due {
    /// A refund arrives at the buyer's bank, or comes back from it.
    SettleRefund(String),
    /// The bank decides a dispute.
    DecideDispute(String),
    /// A trial ends soon.
    WarnOfTrialEnd(String),
    /// A period of a subscription is over.
    RenewSubscription(String),
    /// An invoice is tried once more.
    RetryInvoice(String),
    /// A bank answers to a debit, or a voucher is paid or not; by the session.
    SettlePayment(String),
    /// A session can no longer be paid.
    ExpireSession(String),
    /// A coupon or a promotion code can no longer be redeemed.
    EndRedeemable(String),
}

/// The notes, by time and then in the order in which they were made.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Agenda {
    notes: BTreeSet<(i64, u64, Due)>,
    next: u64,
    notes_max: usize,
}

/// Carries out what is due first, if it is due by now.
pub(super) fn run_first(state: &mut State) {
    let Some(due) = state.agenda.take_due(state.clock.now()) else {
        return;
    };
    match due {
        Due::SettleRefund(id) => refunds::settle(state, &id),
        Due::DecideDispute(id) => disputes::decide(state, &id),
        Due::WarnOfTrialEnd(id) => subscriptions::warn_of_trial_end(state, &id),
        Due::RenewSubscription(id) => subscriptions::renew(state, &id),
        Due::RetryInvoice(id) => subscriptions::retry(state, &id),
        Due::SettlePayment(id) => checkout::settle_delayed(state, &id),
        Due::ExpireSession(id) => checkout::expire_unpaid(state, &id),
        Due::EndRedeemable(id) => redemption::end(state, &id),
    }
}

// === impl Agenda ===

impl Agenda {
    /// An agenda of so many notes at most.
    pub(super) fn new(notes_max: usize) -> Self {
        Self { notes_max, ..Self::default() }
    }

    /// Notes what happens at that time, in Unix seconds. When there are too many notes, the one
    /// that is due last is lost.
    pub(super) fn note(&mut self, time: i64, due: Due) {
        self.notes.insert((time, self.next, due));
        self.next += 1;
        if self.notes.len() > self.notes_max
            && let Some((_, _, due)) = self.notes.pop_last()
        {
            tracing::warn!(?due, "the agenda is full: what is due last will not happen");
        }
    }

    /// When the next thing happens, in Unix seconds.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.notes.first().map(|(time, _, _)| *time)
    }

    fn take_due(&mut self, now: i64) -> Option<Due> {
        self.next_due().filter(|time| *time <= now)?;
        self.notes.pop_first().map(|(_, _, due)| due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(id: &str) -> Due {
        Due::SettleRefund(id.to_owned())
    }

    #[test]
    fn what_is_due_first_happens_first_and_ties_keep_their_order() {
        let mut agenda = Agenda::new(9);
        for (time, id) in [(20, "late"), (10, "z"), (10, "a")] {
            agenda.note(time, due(id));
        }
        assert_eq!(agenda.take_due(9), None);
        assert_eq!(agenda.take_due(10), Some(due("z")));
        assert_eq!(agenda.take_due(10), Some(due("a")));
        assert_eq!((agenda.take_due(10), agenda.next_due()), (None, Some(20)));
    }

    #[test]
    fn a_full_agenda_gives_up_what_is_due_last() {
        let mut agenda = Agenda::new(1);
        agenda.note(5, due("soon"));
        agenda.note(7, due("late"));
        assert_eq!(agenda.take_due(9), Some(due("soon")));
        assert_eq!(agenda.take_due(9), None);
    }
}
