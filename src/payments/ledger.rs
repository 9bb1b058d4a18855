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

pub(super) use self::read::{KINDS, Told, details, is_told_by, read, refunded, session, state_of};
pub(super) use self::view::{is_shippable, is_too_late, left, own_intent, view};

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

/// Whether what was told of a session lacks what was bought, which does not
/// change any more once the buyer has submitted the page.
pub(super) fn lacks_details(told: &Told) -> bool {
    let mut sessions = told.facts.iter().filter(|fact| fact.subject == read::SESSION);
    sessions.any(|fact| {
        let page = pb::Payment::decode(fact.body.as_slice()).unwrap_or_default();
        page.state() > State::Expired && page.line_items.is_empty()
    })
}

#[cfg(test)]
mod tests;
