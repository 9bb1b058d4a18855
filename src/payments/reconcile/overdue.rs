//! Payments that are asked for one by one, since Stripe lists what was opened lately,
//! and these may have been opened long ago: those that have been pending for longer
//! than they should be, and those that Stripe told something else of.

use super::{Failure, Run, UNEXPLAINED_MAX, of_account};
use crate::payments::ledger::{self, Told};
use crate::payments::now_ms;
use crate::pb::payment::State;
use crate::storage::Cursor;
use crate::stripe;

/// How long the slowest of payment methods takes, in milliseconds:
/// <https://docs.stripe.com/payments/bank-debits>.
const PENDING_MAX_MS: i64 = 14 * 24 * 60 * 60 * 1_000;
/// How many payments are asked for in one reconciliation.
const OVERDUE_MAX: u32 = 100;
/// When the page of the last that was asked for had been opened, so that the next
/// reconciliation goes on there.
const ASKED: &str = "overdue.asked_through_ms";

// === impl Run ===

impl Run<'_> {
    /// Asks Stripe for payments that are overdue, the oldest first, and adds what
    /// was missed.
    pub(in crate::payments) async fn ask_overdue(&mut self) -> Result<(), Failure> {
        let storage = self.payments.storage.clone();
        let before_ms = now_ms().saturating_sub(PENDING_MAX_MS);
        let asked = of_account(ASKED, &self.account);
        let after_ms = storage.mark(&asked).await?.unwrap_or_default();
        let overdue = storage.pending(&self.account, after_ms, before_ms, OVERDUE_MAX).await?;
        // Beyond the last, it begins with the oldest again.
        let last = overdue.last().map_or(0, |payment| Cursor::of(payment).created_at_ms);
        for payment in overdue {
            self.report.payments_overdue = self.report.payments_overdue.saturating_add(1);
            self.ask(payment.id).await?;
        }
        Ok(storage.put_mark(&asked, last).await?)
    }

    /// Asks again for payments that Stripe told something else of, those first that were
    /// looked at longest ago: an event that came since, or another look, may explain them.
    pub(in crate::payments) async fn ask_unexplained(&mut self) -> Result<(), Failure> {
        let storage = self.payments.storage.clone();
        for id in storage.unexplained_of(&self.account, UNEXPLAINED_MAX).await? {
            // What was found just now needs no second look.
            if self.report.unexplained.iter().all(|one| one.payment != id) {
                self.ask(id).await?;
            }
        }
        Ok(())
    }

    async fn ask(&mut self, id: String) -> Result<(), Failure> {
        let Some(page) = self.in_full(&id).await? else { return Ok(()) };
        Box::pin(self.compare(page.clone(), Some(page.clone()))).await?;
        // A session stays unpaid whether its money is on its way or will never come.
        if ledger::state_of(&page) != Some(State::Pending) {
            return Ok(());
        }
        match self.ended(&page.payment_intent).await? {
            Some(told) => self.repair(id, told).await,
            None => Ok(()),
        }
    }

    /// What became of a payment intent, if it has come to an end.
    async fn ended(&mut self, intent: &str) -> Result<Option<Told>, Failure> {
        if intent.is_empty() {
            return Ok(None);
        }
        self.before_reading(false).await?;
        let caller = self.caller();
        match self.payments.stripe.payment_intent(intent, &caller).await {
            Ok(intent) => Ok(ledger::collected(&intent, "")),
            // A restricted key need not have the right to read payment intents.
            Err(stripe::Error::Refused(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
