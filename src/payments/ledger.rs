//! What is known of a payment, and what it makes of the payment. Pure: the same
//! facts give the same payment in whatever order and however often they come.
//!
//! A fact is about one subject, such as the session or one refund. Of the facts
//! about a subject the strongest stays: the one of the highest rank, and among
//! equals the one with the greatest event id, because Stripe's `created` has
//! whole seconds and ties within one are common. To keep the greater of two is
//! commutative, associative and idempotent, so any history of the same facts
//! ends in the same set, and [`view`] is a function of that set.

mod read;
mod view;

use prost::Message as _;

use crate::pb::{self, payment::State};
use crate::storage::Fact;

pub(super) use self::read::{
    KINDS, TOLD_TWICE, Told, collected, details, in_full, is_told_by, read, refunded, state_of,
};
pub(super) use self::view::{is_out, is_shippable, is_too_late, left, own_intent, view};

/// Adds facts to those that are known, and gives the ones that are news.
pub(super) fn join(known: &mut Vec<Fact>, told: Vec<Fact>) -> Vec<Fact> {
    let mut news = Vec::new();
    for fact in told {
        match known.iter_mut().find(|one| one.subject == fact.subject) {
            Some(one) if *one < fact => one.clone_from(&fact),
            Some(_) => continue,
            None => known.push(fact.clone()),
        }
        news.push(fact);
    }
    news
}

/// What Stripe must be asked for, because an event does not say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lack {
    /// What was bought, which does not change any more once the buyer has
    /// submitted the page.
    Details {
        /// The payment.
        payment: String,
    },
    /// The refunds of a charge, of which only the sum was told.
    Refunds {
        /// The charge.
        charge: String,
    },
}

/// Whether something may be lacking in what was told; what is known says whether
/// it is.
pub(super) fn may_lack(told: &Told) -> bool {
    told.gone.is_some() || lacks_details(told)
}

/// Names what is lacking in what was told, given what is known of its payment.
pub(super) fn lack(told: &Told, known: Option<&pb::Payment>) -> Option<Lack> {
    if lacks_details(told) && known.is_none_or(|known| known.line_items.is_empty()) {
        return told.payment.clone().map(|payment| Lack::Details { payment });
    }
    let (gone, known) = (told.gone.as_ref()?, known?);
    let refunds = told.facts.iter().filter(|fact| fact.subject.starts_with(read::REFUND));
    let mut refunds: Vec<pb::Refund> =
        refunds.filter_map(|fact| pb::Refund::decode(fact.body.as_slice()).ok()).collect();
    for refund in known.refunds.iter().filter(|one| one.charge == gone.charge) {
        if refunds.iter().all(|one| one.id != refund.id) {
            refunds.push(refund.clone());
        }
    }
    let sum: i64 = refunds.iter().filter(|one| is_out(one)).map(|one| one.amount).sum();
    (sum != gone.amount).then(|| Lack::Refunds { charge: gone.charge.clone() })
}

/// Whether a session that is in this state by itself tells more than what is known of its
/// payment.
pub(super) fn tells_more(state: State, known: Option<&pb::Payment>) -> bool {
    known.is_none_or(|known| before_refunds(known) < state || is_bare(state, known))
}

/// The state of a payment as the page was left, whatever went back since.
pub(super) fn before_refunds(payment: &pb::Payment) -> State {
    match payment.state() {
        State::PartiallyRefunded | State::Refunded => State::Paid,
        state => state,
    }
}

/// Whether it is not known what was bought, though the buyer has submitted the page.
fn is_bare(state: State, payment: &pb::Payment) -> bool {
    state > State::Expired && payment.line_items.is_empty()
}

fn lacks_details(told: &Told) -> bool {
    let mut sessions = told.facts.iter().filter(|fact| fact.subject == read::SESSION);
    sessions.any(|fact| {
        let page = pb::Payment::decode(fact.body.as_slice()).unwrap_or_default();
        is_bare(page.state(), &page)
    })
}

#[cfg(test)]
mod tests;
