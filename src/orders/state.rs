//! What the payments of an order come to. Pure.

use crate::pb;
use crate::pb::order;
use crate::pb::payment::State;

/// Puts the payments of an order together.
pub(super) fn of(payments: &[pb::Payment]) -> order::State {
    let count =
        |states: &[State]| payments.iter().filter(|one| states.contains(&one.state())).count();
    let here = count(&[State::Paid, State::PartiallyRefunded, State::NoPaymentRequired]);
    match here {
        0 if count(&[State::Pending]) > 0 => order::State::Pending,
        0 if count(&[State::Refunded]) > 0 => order::State::Refunded,
        0 => order::State::Unpaid,
        1 => order::State::Paid,
        _ => order::State::PaidTwice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(states: &[State], expected: order::State) {
        let payment = |state: &State| pb::Payment { state: (*state).into(), ..Default::default() };
        let payments: Vec<_> = states.iter().map(payment).collect();
        assert_eq!(of(&payments), expected, "{states:?}");
    }

    #[test]
    fn an_order_is_what_its_payments_come_to() {
        use State::{Expired, Failed, Open, Paid, PartiallyRefunded, Pending, Refunded};
        check(&[], order::State::Unpaid);
        check(&[Open, Expired, Failed], order::State::Unpaid);
        check(&[Expired, Pending], order::State::Pending);
        check(&[Pending, Paid], order::State::Paid);
        check(&[State::NoPaymentRequired], order::State::Paid);
        check(&[PartiallyRefunded, Failed], order::State::Paid);
        check(&[Paid, Paid], order::State::PaidTwice);
        check(&[Paid, PartiallyRefunded], order::State::PaidTwice);
        check(&[Paid, Refunded], order::State::Paid);
        check(&[Refunded, Expired], order::State::Refunded);
        check(&[Refunded, Pending], order::State::Pending);
    }
}
