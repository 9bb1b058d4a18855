//! The books that storage keeps of payments: facts are added to them, and what that
//! makes of a payment is written and told, in the transaction of the caller.

use std::collections::{BTreeSet, HashMap};
use std::ops::BitOrAssign;

use super::ledger::{self, Told};
use super::standing::{self, Decided};
use super::{now_ms, signals};
use crate::caller::account_name;
use crate::pb::payment::State;
use crate::pb::time::millis;
use crate::pb::{self, fulfillment};
use crate::storage::{self, Change, Fact, Known, Transaction};

/// What came of adding facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Added {
    /// A payment has changed, and the feed tells of it.
    pub(super) changed: bool,
    /// Events that had to wait for this payment are due now.
    pub(super) woke: bool,
    /// Links are to be deactivated.
    pub(super) ends: bool,
    /// How many payments turned out to have come too late for their orders.
    pub(super) late: u32,
}

/// The books that a transaction has open.
///
/// What is added is written when they are closed, for all of them together: a
/// statement costs more than what it does.
#[derive(Debug, Default)]
pub(super) struct Books {
    open: HashMap<String, Book>,
    facts: HashMap<(String, String), Fact>,
    changed: BTreeSet<String>,
    changes: Vec<Change>,
}

/// The book of one payment, as of a transaction that goes on.
#[derive(Debug, Default)]
struct Book {
    facts: Vec<Fact>,
    known: Option<Known>,
}

// === impl Added ===

impl BitOrAssign for Added {
    fn bitor_assign(&mut self, other: Self) {
        self.changed |= other.changed;
        self.woke |= other.woke;
        self.ends |= other.ends;
        self.late = self.late.saturating_add(other.late);
    }
}

// === impl Books ===

impl Books {
    /// Opens the books of some payments.
    pub(super) async fn open(
        &mut self,
        transaction: &mut Transaction<'_>,
        ids: &[String],
    ) -> Result<(), storage::Error> {
        for id in ids {
            self.open.entry(id.clone()).or_default();
        }
        for (id, fact) in transaction.facts(ids).await? {
            self.open.entry(id).or_default().facts.push(fact);
        }
        for known in transaction.known_of(ids).await? {
            let book = self.open.entry(known.payment.id.clone()).or_default();
            book.known = Some(known);
        }
        Ok(())
    }

    /// Adds facts to a payment, which a Stripe account has told. What one account
    /// tells of another's payment is not believed.
    pub(super) async fn add(
        &mut self,
        transaction: &mut Transaction<'_>,
        id: &str,
        told: Told,
        (at, told_by): (&str, &str),
    ) -> Result<Added, storage::Error> {
        if !self.open.contains_key(id) {
            self.open(transaction, &[id.to_owned()]).await?;
        }
        let book = self.open.entry(id.to_owned()).or_default();
        let mut added = Added::default();
        if book.known.as_ref().is_some_and(|known| known.payment.account != at) {
            let account = account_name(at);
            tracing::error!(payment.id = id, account, "Another account's payment is not changed");
            return Ok(added);
        }
        for key in &told.keys {
            added.woke |= transaction.put_key(key, id, now_ms()).await?;
        }
        let news = ledger::join(&mut book.facts, told.facts);
        if news.is_empty() {
            return Ok(added);
        }
        for fact in news {
            self.facts.insert((id.to_owned(), fact.subject.clone()), fact);
        }
        let corrupt = || storage::Error::Corrupt { what: format!("what is known of payment {id}") };
        let payment = ledger::view(&book.facts).ok_or_else(corrupt)?;
        let before = book.known.as_ref();
        let fulfillment = before.and_then(|before| before.payment.fulfillment.clone());
        let mut payment = pb::Payment { fulfillment, account: at.to_owned(), ..payment };
        let decided = standing::decide(transaction, before, &mut payment).await?;
        added.ends = decided == Decided::First;
        added.late = u32::from(decided == Decided::TooLate);
        let claim = before.map(|before| before.claim.clone()).unwrap_or_default();
        let changed = change(transaction, before, payment, claim, told_by).await?;
        if let Some((known, change)) = changed {
            added.changed = true;
            book.known = Some(known);
            self.changed.insert(id.to_owned());
            self.changes.push(change);
        }
        Ok(added)
    }

    /// Writes what was added.
    pub(super) async fn close(
        self,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), storage::Error> {
        let Self { open, facts, changed, changes } = self;
        let facts: Vec<_> = facts.into_iter().map(|((id, _), fact)| (id, fact)).collect();
        transaction.put_facts(facts).await?;
        let known = changed.iter().filter_map(|id| open.get(id)?.known.as_ref());
        transaction.put_known(&known.collect::<Vec<_>>(), now_ms()).await?;
        transaction.put_changes(changes).await
    }
}

/// Finds the payment that facts are about.
pub(super) async fn find(
    transaction: &mut Transaction<'_>,
    told: &Told,
) -> Result<Option<String>, storage::Error> {
    match &told.payment {
        Some(id) => Ok(Some(id.clone())),
        None => transaction.payment_of(&told.keys).await,
    }
}

/// Adds facts to one payment, and writes that.
pub(super) async fn add(
    transaction: &mut Transaction<'_>,
    id: &str,
    told: Told,
    at: (&str, &str),
) -> Result<Added, storage::Error> {
    let mut books = Books::default();
    let added = books.add(transaction, id, told, at).await?;
    books.close(transaction).await?;
    Ok(added)
}

/// Writes what one payment is now, and tells of it where it is something else than
/// before.
pub(super) async fn put(
    transaction: &mut Transaction<'_>,
    before: &Known,
    payment: pb::Payment,
    claim: String,
) -> Result<(), storage::Error> {
    let changed = change(transaction, Some(before), payment, claim, "").await?;
    let Some((known, change)) = changed else { return Ok(()) };
    transaction.put_known(&[&known], now_ms()).await?;
    transaction.put_changes(vec![change]).await
}

/// Gives what is to be written of a payment where it is something else than before,
/// with its place in the feed.
async fn change(
    transaction: &mut Transaction<'_>,
    before: Option<&Known>,
    payment: pb::Payment,
    claim: String,
    told_by: &str,
) -> Result<Option<(Known, Change)>, storage::Error> {
    if before.is_some_and(|before| before.payment == payment && before.claim == claim) {
        return Ok(None);
    }
    let now_ms = now_ms();
    let claimable_at_ms = claimable_at_ms(&payment);
    let give_back_at_ms = standing::give_back_at_ms(before, &payment, now_ms);
    let known = Known { payment, claim, claimable_at_ms, give_back_at_ms };

    let previous = before.map_or(State::Unspecified, |before| before.payment.state());
    let payment = &known.payment;
    let change = transaction.next_change(payment, previous, told_by, now_ms).await?;
    signals::fed(payment, change.sequence());
    tracing::debug!(
        event.id = told_by,
        payment.id = payment.id,
        payment.state = payment.state().as_str_name(),
        feed.sequence = change.sequence(),
        "A payment has changed"
    );
    Ok(Some((known, change)))
}

/// From when on somebody can claim to ship a payment.
fn claimable_at_ms(payment: &pb::Payment) -> Option<i64> {
    let fulfillment = payment.fulfillment.clone().unwrap_or_default();
    match fulfillment.state() {
        _ if !ledger::is_shippable(payment) => None,
        fulfillment::State::Completed => None,
        fulfillment::State::Unspecified => Some(0),
        fulfillment::State::Claimed => {
            let end = fulfillment.lease_expire_time.unwrap_or_default();
            Some(millis(&end))
        }
    }
}
