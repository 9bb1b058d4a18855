//! What falls due by itself: refunds that settle, disputes whose time is over.

use std::collections::BTreeSet;

use super::store::State;
use super::{disputes, refunds};

/// Something that happens to an object at a time, unless the object has moved on by then.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Duty {
    /// A refund arrives at the buyer's bank, or comes back from it.
    SettleRefund(String),
    /// The bank decides a dispute.
    DecideDispute(String),
}

/// Duties by the time at which they fall due.
#[derive(Debug)]
pub(super) struct Agenda {
    duties: BTreeSet<(i64, u64, Duty)>,
    next: u64,
    capacity: usize,
}

// === impl Agenda ===

impl Agenda {
    /// An empty agenda that holds so many duties at most.
    pub(super) fn new(capacity: usize) -> Self {
        Self { duties: BTreeSet::new(), next: 0, capacity }
    }

    /// Notes a duty. Beyond the capacity the one that falls due last is given up.
    pub(super) fn note(&mut self, time: i64, duty: Duty) {
        self.duties.insert((time, self.next, duty));
        self.next += 1;
        if self.duties.len() > self.capacity {
            self.duties.pop_last();
        }
    }

    /// Takes the duty that is due longest, and when it fell due.
    fn take_due(&mut self, now: i64) -> Option<(i64, Duty)> {
        let due = self.duties.first().is_some_and(|(time, ..)| *time <= now);
        let taken = due.then(|| self.duties.pop_first()).flatten();
        taken.map(|(time, _, duty)| (time, duty))
    }
}

/// Does what has fallen due, in its order, and what falls due through that.
pub(super) fn run_due(state: &mut State) {
    while let Some((_, duty)) = state.agenda.take_due(state.clock.now()) {
        match duty {
            Duty::SettleRefund(id) => refunds::settle(state, &id),
            Duty::DecideDispute(id) => disputes::decide(state, &id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duty(id: &str) -> Duty {
        Duty::SettleRefund(id.to_owned())
    }

    #[test]
    fn duties_are_taken_in_the_order_in_which_they_fall_due() {
        let mut agenda = Agenda::new(9);
        agenda.note(7, duty("late"));
        agenda.note(5, duty("first"));
        agenda.note(5, duty("second"));
        assert_eq!(agenda.take_due(4), None);
        assert_eq!(agenda.take_due(6), Some((5, duty("first"))));
        assert_eq!(agenda.take_due(6), Some((5, duty("second"))));
        assert_eq!(agenda.take_due(6), None);
    }

    #[test]
    fn a_full_agenda_gives_up_what_is_due_last() {
        let mut agenda = Agenda::new(1);
        agenda.note(5, duty("soon"));
        agenda.note(7, duty("late"));
        assert_eq!(agenda.take_due(9), Some((5, duty("soon"))));
        assert_eq!(agenda.take_due(9), None);
    }
}
