//! The sweep: Stripe's sessions, one by one, against the payments here.

use super::{Failure, READ_TIME, Run};
use crate::caller::Caller;
use crate::payments::ledger;
use crate::pb;
use crate::pb::payment::{PaymentStatus, State};

// === impl Run ===

impl Run<'_> {
    /// Reads Stripe's sessions that were opened since then, adds what was
    /// missed, and keeps what cannot be explained.
    pub(in crate::payments) async fn sweep(&mut self, since_secs: i64) -> Result<(), Failure> {
        let mut after = None;
        loop {
            self.before_reading().await?;
            let caller = Caller::itself(READ_TIME);
            let stripe = &self.payments.stripe;
            let page = stripe.sessions(since_secs, after.as_deref(), &caller).await?;
            for page in page.items {
                if !page.payment_link.is_empty() {
                    self.report.sessions_seen = self.report.sessions_seen.saturating_add(1);
                    self.compare(page).await?;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn compare(&mut self, page: pb::Payment) -> Result<(), Failure> {
        // Nothing is known of a page that nobody has submitted, and need not be.
        let Some(state) = ledger::state_of(&page) else { return Ok(()) };
        let storage = self.payments.storage.clone();
        let mut known = storage.payment(&page.id).await?;
        if known.as_ref().is_none_or(|known| before_refunds(known) < state) {
            self.complete(&page, state).await?;
            known = storage.payment(&page.id).await?;
        }
        let difference = known.as_ref().and_then(|known| difference(known, &page));
        self.note(page.id, difference).await
    }

    /// Adds a session that no event has told of, with what its list does not show.
    async fn complete(&mut self, page: &pb::Payment, state: State) -> Result<(), Failure> {
        self.before_reading().await?;
        let told = self.payments.in_full(page, state).await?;
        match told {
            Some(told) => self.repair(page.id.clone(), told).await,
            None => Ok(()),
        }
    }
}

/// The state of a payment as the page was left, whatever went back since.
pub(in crate::payments) fn before_refunds(payment: &pb::Payment) -> State {
    match payment.state() {
        State::PartiallyRefunded | State::Refunded => State::Paid,
        state => state,
    }
}

/// Names what a payment and its session do not agree about.
fn difference(known: &pb::Payment, page: &pb::Payment) -> Option<&'static str> {
    let is_paid = page.payment_status() == PaymentStatus::Paid;
    if is_paid != (before_refunds(known) == State::Paid) {
        return Some("payment_status");
    }
    if known.currency != page.currency {
        return Some("currency");
    }
    (known.amount_total != page.amount_total).then_some("amount_total")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(state: State, status: PaymentStatus, amount_total: i64) -> pb::Payment {
        pb::Payment {
            state: state.into(),
            payment_status: status.into(),
            amount_total,
            currency: "usd".into(),
            ..Default::default()
        }
    }

    #[test]
    fn what_differs_is_named() {
        let page = payment(State::Unspecified, PaymentStatus::Paid, 100);
        let check = |known: pb::Payment, expected| assert_eq!(difference(&known, &page), expected);
        check(payment(State::Paid, PaymentStatus::Paid, 100), None);
        check(payment(State::Refunded, PaymentStatus::Paid, 100), None);
        check(payment(State::Failed, PaymentStatus::Unpaid, 100), Some("payment_status"));
        check(payment(State::Paid, PaymentStatus::Paid, 99), Some("amount_total"));
        let euros = pb::Payment { currency: "eur".into(), ..page.clone() };
        check(pb::Payment { state: State::Paid.into(), ..euros }, Some("currency"));
    }
}
