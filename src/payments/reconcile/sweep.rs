//! The sweep: Stripe's sessions, one by one, against the payments here.

use super::{Failure, Run};
use crate::payments::ledger;
use crate::pb;
use crate::pb::payment::{PaymentStatus, State};
use crate::stripe;

// === impl Run ===

impl Run<'_> {
    /// Reads Stripe's sessions that were opened since then, adds what was
    /// missed, and keeps what cannot be explained.
    pub(in crate::payments) async fn sweep(&mut self, since_secs: i64) -> Result<(), Failure> {
        let mut after = None;
        loop {
            self.before_reading(false).await?;
            let caller = self.caller();
            let stripe = &self.payments.stripe;
            let page = stripe.sessions(since_secs, after.as_deref(), &caller).await?;
            for page in page.items {
                if !page.payment_link.is_empty() {
                    self.report.sessions_seen = self.report.sessions_seen.saturating_add(1);
                    Box::pin(self.compare(page, None)).await?;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Adds what a session tells more than is known, and keeps what it tells differently.
    /// What its list does not show of it is asked for, unless it is there in full.
    pub(super) async fn compare(
        &mut self,
        page: pb::Payment,
        full: Option<pb::Payment>,
    ) -> Result<(), Failure> {
        // Nothing is known of a page that nobody has submitted, and need not be.
        let Some(state) = ledger::state_of(&page) else { return Ok(()) };
        let storage = self.payments.storage.clone();
        let mut known = storage.payment(&page.id).await?;
        if ledger::tells_more(state, known.as_ref()) {
            let full = match full {
                Some(full) => Some(full),
                None => self.in_full(&page.id).await?,
            };
            let Some(full) = full else { return Ok(()) };
            if let Some(told) = ledger::in_full(page.clone(), &full, state) {
                self.repair(page.id.clone(), told).await?;
            }
            known = storage.payment(&page.id).await?;
        }
        let difference = known.as_ref().and_then(|known| difference(known, &page));
        self.note(page.id, difference).await
    }

    /// Asks for a session with all that it has. `None` where it alone cannot be read, which
    /// is kept, and keeps no other from being compared.
    pub(super) async fn in_full(&mut self, id: &str) -> Result<Option<pb::Payment>, Failure> {
        self.before_reading(false).await?;
        let caller = self.caller();
        match self.payments.stripe.payment_in_full(id, &caller).await {
            Ok(page) => Ok(Some(page)),
            Err(error) if is_about_it_alone(&error) => {
                self.note(id.to_owned(), Some("unreadable")).await?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether asking for anything else would go better.
fn is_about_it_alone(error: &stripe::Error) -> bool {
    let is_too_much =
        matches!(error, stripe::Error::Unreadable { .. } | stripe::Error::TooLarge { .. });
    is_too_much || error.verdict().is_some_and(|refusal| !refusal.is_temporary())
}

/// Names what a payment and its session do not agree about.
fn difference(known: &pb::Payment, page: &pb::Payment) -> Option<&'static str> {
    let is_paid = page.payment_status() == PaymentStatus::Paid;
    if is_paid != (ledger::before_refunds(known) == State::Paid) {
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
