//! What a claim, its end and its return make of a payment. Pure.

use std::time::Duration;

use crate::contract::{Reason, Violation};
use crate::error::PaymentError;
use crate::payments::ledger;
use crate::pb::fulfillment::State;
use crate::pb::payment::OrderStanding;
use crate::pb::time::{millis, timestamp};
use crate::pb::{self, Fulfillment};
use crate::storage::Known;

/// A claim about to be made.
#[derive(Debug, Clone)]
pub(super) struct Claiming {
    pub(super) worker: String,
    pub(super) lease: Duration,
    /// What proves it later.
    pub(super) claim: String,
    pub(super) now_ms: i64,
}

/// Finds what a request says twice.
pub(super) fn claim(request: &pb::ClaimFulfillmentRequest) -> Option<Violation> {
    let both = !request.payment.is_empty() && request.filter.is_some();
    let text = "applies only where no payment is named";
    both.then(|| Violation::new("filter", Reason::Conflict, text))
}

/// Claims a payment, if it is safe to ship and nobody else's.
pub(super) fn claimed(known: &Known, claiming: &Claiming) -> Result<pb::Payment, PaymentError> {
    let payment = &known.payment;
    let id = || payment.id.clone();
    let fulfillment = payment.fulfillment.clone().unwrap_or_default();
    if fulfillment.state() == State::Completed {
        return Err(PaymentError::Completed { id: id() });
    }
    if !ledger::is_shippable(payment) {
        let (state, dispute) = (payment.state().as_str_name(), payment.dispute_state());
        let state = match dispute {
            pb::payment::DisputeState::Unspecified => state.to_owned(),
            dispute => format!("{state} {}", dispute.as_str_name()),
        };
        let state = match payment.order_standing() {
            OrderStanding::Unspecified => state,
            standing => format!("{state} {}", standing.as_str_name()),
        };
        return Err(PaymentError::NotShippable { id: id(), state });
    }
    if fulfillment.state() == State::Claimed {
        let left_ms = fulfillment
            .lease_expire_time
            .as_ref()
            .map_or(0, millis)
            .saturating_sub(claiming.now_ms);
        if let Ok(left_ms @ 1..) = u64::try_from(left_ms) {
            return Err(PaymentError::Claimed { left: Duration::from_millis(left_ms) });
        }
    }
    let lease_ms = i64::try_from(claiming.lease.as_millis()).unwrap_or(i64::MAX);
    let fulfillment = Fulfillment {
        state: State::Claimed.into(),
        worker: claiming.worker.clone(),
        claim_time: Some(timestamp(claiming.now_ms)),
        lease_expire_time: Some(timestamp(claiming.now_ms.saturating_add(lease_ms))),
        ..Default::default()
    };
    Ok(pb::Payment { fulfillment: Some(fulfillment), ..payment.clone() })
}

/// Completes a claim. What was shipped was shipped: neither the lease's end nor
/// a refund since then keeps it from being said.
pub(super) fn completed(
    known: &Known,
    claim: &str,
    reference: String,
    now_ms: i64,
) -> Result<pb::Payment, PaymentError> {
    let fulfillment = held(known, claim)?;
    if fulfillment.state() == State::Completed {
        return Ok(known.payment.clone());
    }
    let fulfillment = Fulfillment {
        state: State::Completed.into(),
        complete_time: Some(timestamp(now_ms)),
        lease_expire_time: None,
        reference,
        ..fulfillment
    };
    Ok(pb::Payment { fulfillment: Some(fulfillment), ..known.payment.clone() })
}

/// Releases a claim.
pub(super) fn released(known: &Known, claim: &str) -> Result<pb::Payment, PaymentError> {
    if held(known, claim)?.state() == State::Completed {
        return Err(PaymentError::Completed { id: known.payment.id.clone() });
    }
    Ok(pb::Payment { fulfillment: None, ..known.payment.clone() })
}

/// Gives the fulfilment that a claim holds.
fn held(known: &Known, claim: &str) -> Result<Fulfillment, PaymentError> {
    let lost = || PaymentError::ClaimLost { id: known.payment.id.clone() };
    let fulfillment = known.payment.fulfillment.clone().ok_or_else(lost)?;
    if known.claim == claim { Ok(fulfillment) } else { Err(lost()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::payment::{DisputeState, State as Paid};

    fn known(state: Paid, dispute: DisputeState) -> Known {
        let payment = pb::Payment {
            id: "cs_1".into(),
            state: state.into(),
            dispute_state: dispute.into(),
            ..Default::default()
        };
        Known::testing(payment)
    }

    fn claiming(now_ms: i64) -> Claiming {
        let lease = Duration::from_secs(10);
        Claiming { worker: "w".into(), lease, claim: format!("claim-{now_ms}"), now_ms }
    }

    fn claim_at(known: &mut Known, now_ms: i64) -> Result<(), PaymentError> {
        known.payment = claimed(known, &claiming(now_ms))?;
        known.claim = claiming(now_ms).claim;
        Ok(())
    }

    #[test]
    fn only_what_is_safe_to_ship_can_be_claimed() {
        use DisputeState::{Lost, Open, Unspecified, Won};
        let check = |state, dispute, expected: bool| {
            let outcome = claimed(&known(state, dispute), &claiming(0));
            assert_eq!(outcome.is_ok(), expected, "{state:?} {dispute:?}");
        };
        for state in [Paid::Paid, Paid::NoPaymentRequired, Paid::PartiallyRefunded] {
            check(state, Unspecified, true);
            check(state, Won, true);
            check(state, Open, false);
            check(state, Lost, false);
        }
        for state in [Paid::Open, Paid::Expired, Paid::Pending, Paid::Failed, Paid::Refunded] {
            check(state, Unspecified, false);
        }
    }

    #[test]
    fn a_lease_keeps_others_away_until_it_ends() {
        let mut one = known(Paid::Paid, DisputeState::Unspecified);
        claim_at(&mut one, 1_000).unwrap();
        let left = Duration::from_millis(1);
        assert_eq!(claim_at(&mut one, 10_999), Err(PaymentError::Claimed { left }));
        claim_at(&mut one, 11_000).unwrap();
        let lost = Err(PaymentError::ClaimLost { id: "cs_1".into() });
        assert_eq!(completed(&one, "claim-1000", String::new(), 0), lost);
        assert_eq!(released(&one, "claim-1000"), lost);
        assert!(completed(&one, "claim-11000", String::new(), 0).is_ok());
    }

    #[test]
    fn what_was_completed_stays_so() {
        let mut one = known(Paid::Paid, DisputeState::Unspecified);
        claim_at(&mut one, 0).unwrap();
        // Late, but nobody else has claimed it.
        one.payment = completed(&one, "claim-0", "parcel 7".into(), 60_000).unwrap();
        let fulfillment = one.payment.fulfillment.clone().unwrap();
        assert_eq!((fulfillment.state(), &*fulfillment.reference), (State::Completed, "parcel 7"));
        assert_eq!(completed(&one, "claim-0", "other".into(), 70_000), Ok(one.payment.clone()));
        let done = PaymentError::Completed { id: "cs_1".into() };
        assert_eq!(released(&one, "claim-0"), Err(done.clone()));
        assert_eq!(claim_at(&mut one, 90_000), Err(done));
    }

    #[test]
    fn a_claim_given_back_can_be_made_anew() {
        let mut one = known(Paid::Paid, DisputeState::Unspecified);
        claim_at(&mut one, 0).unwrap();
        one.payment = released(&one, "claim-0").unwrap();
        assert_eq!(one.payment.fulfillment, None);
        claim_at(&mut one, 1).unwrap();
    }
}
