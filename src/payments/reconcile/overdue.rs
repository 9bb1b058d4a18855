//! Payments that have been pending for longer than they should be. Stripe lists
//! what was opened lately, and these may have been opened long ago, so they are
//! asked for one by one.

use super::{Failure, Run, of_account};
use crate::payments::ledger::{self, Told};
use crate::payments::now_ms;
use crate::pb::{self, payment::State};
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
            match self.ask(&payment).await {
                Err(Failure::Stripe(error)) if !error.is_temporary() => {
                    self.note(payment.id, Some("unreadable")).await?;
                }
                outcome => outcome?,
            }
        }
        Ok(storage.put_mark(&asked, last).await?)
    }

    async fn ask(&mut self, payment: &pb::Payment) -> Result<(), Failure> {
        self.before_reading().await?;
        let caller = self.caller();
        let page = self.payments.stripe.payment_in_full(&payment.id, &caller).await?;
        let told = match ledger::state_of(&page) {
            Some(state) if state > State::Pending => {
                let details = ledger::details(&page, "");
                let told = ledger::session(page, state, "");
                told.map(|told| Told { facts: [told.facts, vec![details]].concat(), ..told })
            }
            // A session stays unpaid whether its money is on its way or will never come.
            _ => self.ended(&page.payment_intent).await?,
        };
        match told {
            Some(told) => self.repair(payment.id.clone(), told).await,
            None => Ok(()),
        }
    }

    /// What became of a payment intent, if it has come to an end.
    async fn ended(&mut self, intent: &str) -> Result<Option<Told>, Failure> {
        if intent.is_empty() {
            return Ok(None);
        }
        self.before_reading().await?;
        let caller = self.caller();
        match self.payments.stripe.payment_intent(intent, &caller).await {
            Ok(intent) => Ok(ledger::collected(&intent, "")),
            // A restricted key need not have the right to read payment intents.
            Err(stripe::Error::Refused(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
