//! What callers were told, held against what is at Stripe and on record.

use std::collections::{BTreeMap, BTreeSet};

use paylink::storage::{Operation, OperationState};
use serde_json::Value;
use uuid::Uuid;

use crate::asking::{self, Told};

/// What callers were told, in order, by the number of the request.
#[derive(Debug, Default)]
pub struct History(BTreeMap<u64, Vec<(usize, Told)>>);

// === impl History ===

impl History {
    /// Notes what a caller was told.
    pub fn note(&mut self, number: u64, caller: usize, told: Told) {
        self.0.entry(number).or_default().push((caller, told));
    }

    /// How many answers of a kind were given.
    pub fn count(&self, is_one: impl Fn(&Told) -> bool) -> u64 {
        self.0.values().flatten().filter(|(_, told)| is_one(told)).count() as u64
    }

    /// Checks every promise, once all has come right.
    pub fn check(&self, rows: &[Operation], links: &[Value]) -> Result<(), String> {
        for (number, told) in &self.0 {
            check(*number, told, rows, links)
                .map_err(|broken| format!("request {number}: {broken}; told {told:?}"))?;
        }
        Ok(())
    }
}

fn check(
    number: u64,
    told: &[(usize, Told)],
    rows: &[Operation],
    links: &[Value],
) -> Result<(), String> {
    let order = number.to_string();
    let is_own = |link: &&Value| link["metadata"]["order"] == order.as_str();
    let own: Vec<&Value> = links.iter().filter(is_own).collect();
    let published: BTreeSet<&str> = own
        .iter()
        .filter(|link| link["active"] == true)
        .filter_map(|link| link["id"].as_str())
        .collect();
    if published.len() > 1 {
        return Err(format!("{} links are published", published.len()));
    }
    let promised: BTreeSet<&str> = told
        .iter()
        .filter_map(|(_, told)| match told {
            Told::Link(id) => Some(id.as_str()),
            _ => None,
        })
        .collect();
    if !promised.is_subset(&published) {
        return Err(format!("{promised:?} was told, and {published:?} is published"));
    }
    if asking::is_refused(number) && !own.is_empty() {
        return Err("it must be refused, and made a link".to_owned());
    }
    let request_id = Uuid::from_u128(u128::from(number) + 1).to_string();
    let row = rows.iter().find(|row| row.request_id == request_id);
    match row.map(|row| (row.state, row.resource.as_str())) {
        Some((OperationState::Done, link)) if !published.contains(link) => {
            return Err(format!("{link} is on record, and {published:?} is published"));
        }
        Some((OperationState::Done, _)) => {}
        Some((OperationState::Sent | OperationState::Unknown, _)) => {
            return Err("what became of it was never found out".to_owned());
        }
        Some((state, _)) if !own.is_empty() => {
            return Err(format!("a link was made, and it is on record as {state:?}"));
        }
        None if !own.is_empty() => {
            return Err("a link was made, and nothing is on record".to_owned());
        }
        _ => {}
    }
    check_undone(told, own.len())
}

/// What was told as undone stays undone, unless somebody asks again.
fn check_undone(told: &[(usize, Told)], links: usize) -> Result<(), String> {
    let callers: BTreeSet<usize> = told.iter().map(|(caller, _)| *caller).collect();
    // A question whose answer was lost may be asked later than the others.
    let is_whole = told.iter().all(|(_, told)| *told != Told::Nothing);
    let undone = |told: &Told| matches!(told, Told::Error { state } if state == "new");
    match told.last() {
        Some((_, last)) if callers.len() == 1 && is_whole && undone(last) && links > 0 => {
            Err("it was told as undone, and was done afterwards".to_owned())
        }
        _ => Ok(()),
    }
}
