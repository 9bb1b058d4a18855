//! Lists: newest first, a page at a time, with an object's identifier as cursor.

use serde_json::{Map, Value, json};

use super::api::Call;
use super::object::Members;
use super::refusal::Refusal;
use super::store::{Collection, Held};

/// The page size when the caller names none.
const LIMIT_DEFAULT: usize = 10;

/// One page of the objects that a filter keeps.
pub(super) fn page<T: Held>(
    collection: &Collection<T>,
    call: &Call,
    url: &str,
    keep: impl Fn(&T) -> bool,
) -> Result<Value, Refusal> {
    let limit = limit(&call.params);
    let kept = |held: &&T| keep(held);
    let object = |held: &T| held.object().into_owned();
    let mut data: Vec<Value> = match cursor(&call.params)? {
        Some(Cursor::After(id)) => {
            let age = collection.age(id, "starting_after")?;
            collection.older_than(age).filter(kept).take(limit + 1).map(object).collect()
        }
        Some(Cursor::Before(id)) => {
            let age = collection.age(id, "ending_before")?;
            let mut near: Vec<Value> =
                collection.newer_than(age).filter(kept).take(limit + 1).map(object).collect();
            let has_more = near.len() > limit;
            near.truncate(limit);
            near.reverse();
            return Ok(envelope(&near, has_more, url));
        }
        None => collection.newest().filter(kept).take(limit + 1).map(object).collect(),
    };
    let has_more = data.len() > limit;
    data.truncate(limit);
    Ok(envelope(&data, has_more, url))
}

/// One page of a list that has its own order, such as line items.
pub(super) fn page_in_order(
    mut all: Vec<Value>,
    noun: &str,
    params: &Map<String, Value>,
    url: &str,
) -> Result<Value, Refusal> {
    let limit = limit(params);
    let at = |id: &str, param: &str| {
        let found = all.iter().position(|value| value.at("id") == id);
        found.ok_or_else(|| Refusal::dangling(noun, id, param))
    };
    let (start, end) = match cursor(params)? {
        Some(Cursor::After(id)) => {
            let start = at(id, "starting_after")? + 1;
            (start, (start + limit).min(all.len()))
        }
        Some(Cursor::Before(id)) => {
            let end = at(id, "ending_before")?;
            (end.saturating_sub(limit), end)
        }
        None => (0, limit.min(all.len())),
    };
    let has_more = match cursor(params)? {
        Some(Cursor::Before(_)) => start > 0,
        _ => end < all.len(),
    };
    all.truncate(end);
    Ok(envelope(&all.split_off(start.min(end)), has_more, url))
}

/// Whether a time satisfies a filter: a second, or bounds, or nothing.
pub(super) fn in_range(filter: Option<&Value>, time: &Value) -> bool {
    let Some(time) = time.as_i64() else {
        return false;
    };
    match filter {
        None => true,
        Some(Value::Object(bounds)) => bounds.iter().all(|(name, bound)| {
            let bound = bound.as_i64().unwrap_or_default();
            match name.as_str() {
                "gt" => time > bound,
                "gte" => time >= bound,
                "lt" => time < bound,
                _ => time <= bound,
            }
        }),
        Some(second) => second.as_i64() == Some(time),
    }
}

/// Whether a member has the value that the parameter of its name asks for, if it was sent.
pub(super) fn matches(params: &Map<String, Value>, name: &str, object: &Value) -> bool {
    params.get(name).is_none_or(|wanted| object.get(name) == Some(wanted))
}

enum Cursor<'a> {
    After(&'a str),
    Before(&'a str),
}

fn cursor(params: &Map<String, Value>) -> Result<Option<Cursor<'_>>, Refusal> {
    let text = |name: &str| params.get(name).and_then(Value::as_str);
    match (text("starting_after"), text("ending_before")) {
        (Some(_), Some(_)) => Err(Refusal::only_one_of("starting_after", "ending_before")),
        (Some(id), None) => Ok(Some(Cursor::After(id))),
        (None, Some(id)) => Ok(Some(Cursor::Before(id))),
        (None, None) => Ok(None),
    }
}

/// How many objects a page holds at most.
pub(super) fn limit(params: &Map<String, Value>) -> usize {
    let sent = params.get("limit").and_then(Value::as_u64);
    sent.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIMIT_DEFAULT)
}

fn envelope(data: &[Value], has_more: bool, url: &str) -> Value {
    json!({ "object": "list", "data": data, "has_more": has_more, "url": url })
}
