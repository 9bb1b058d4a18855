//! Search: the objects that a query describes, newest first. What was written is found at once,
//! other than at Stripe, where that takes up to a minute.

mod query;

use serde_json::{Value, json};

use super::api::Call;
use super::list;
use super::object::Members;
use super::refusal::Refusal;
use super::store::Collection;
pub(super) use query::Kind;
use query::Query;

/// The fields of one kind of object that can be searched for.
pub(super) type Fields = &'static [(&'static str, Kind)];

/// One page of what a query describes. The cursor of a page is the last object before it.
pub(super) fn page(
    collection: &Collection<Value>,
    call: &Call,
    url: &str,
    fields: Fields,
    keep: impl Fn(&Value) -> bool,
) -> Result<Value, Refusal> {
    let text = call.text("query").unwrap_or_default();
    let query = Query::parse(text, fields).map_err(|message| {
        Refusal::invalid(format!("We were unable to parse your search query: {message}"))
            .param("query")
    })?;
    let found: Vec<&Value> =
        collection.newest().filter(|object| keep(object) && query.describes(object)).collect();
    let start = match call.text("page") {
        None => 0,
        Some(cursor) => {
            let at = found.iter().position(|object| object.at("id") == cursor);
            let invalid = || Refusal::invalid(format!("Invalid page: {cursor}")).param("page");
            at.ok_or_else(invalid)? + 1
        }
    };
    let limit = list::limit(&call.params);
    let data: Vec<&Value> = found.iter().skip(start).take(limit).copied().collect();
    let has_more = found.len() > start + data.len();
    let next = data.last().filter(|_| has_more).map(|object| object.at("id"));
    Ok(json!({
        "object": "search_result",
        "data": data,
        "has_more": has_more,
        "next_page": next,
        "total_count": found.len(),
        "url": url,
    }))
}
