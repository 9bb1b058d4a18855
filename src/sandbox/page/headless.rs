//! A page that is filled in without being shown: the same fields, checks and payment.

use std::collections::HashMap;

use super::super::checkout::{self, Outcome};
use super::super::store::State;
use super::asks;
use super::entry::Entry;
use super::fields::Section;

/// Why a page was not submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) enum Refused {
    /// The session cannot be paid.
    Closed,
    /// What was entered is not right: each field with what the page says of it.
    Entry(Vec<(String, String)>),
}

/// Enters values into the page of a session, by the names of its fields, and submits it. Fields
/// without a value keep what the page begins with.
pub(in crate::sandbox) fn enter(
    state: &mut State,
    id: &str,
    values: HashMap<String, String>,
) -> Result<Outcome, Refused> {
    let mut entry = Entry::of(values);
    let mut session = checkout::standing(state, id).map_err(|_| Refused::Closed)?.clone();
    session.choose(state, &entry.choices(&session));
    let sections = asks::of(&session);
    let blocks = sections.iter().flat_map(|section| &section.blocks);
    for field in blocks.flat_map(|block| &block.fields) {
        entry.keep(&field.name, &field.value);
    }
    let filled = super::fill(state, id, &entry).map_err(|_| Refused::Closed)?;
    let named = |name: &str, error: &Option<String>| {
        error.as_ref().map(|error| (name.to_owned(), error.clone()))
    };
    let fields = filled.sections.iter().flat_map(Section::asked);
    let wrong = fields.filter_map(|field| named(&field.name, &field.error));
    let code = named("promotion_code", &filled.session.promotion.error);
    let wrong: Vec<_> = wrong
        .chain(code)
        .chain(named("amount", &filled.trouble.map(|trouble| trouble.text)))
        .collect();
    if wrong.is_empty() {
        Ok(checkout::pay(state, id, filled.payer))
    } else {
        Err(Refused::Entry(wrong))
    }
}
