//! Changes to the objects of the API, and what an event tells about a change.

use serde_json::{Map, Value};

/// Reading an object by the names of its members.
pub(super) trait Members {
    /// The member of that name; null where there is none.
    fn at(&self, name: &str) -> &Value;
}

// === impl Members ===

impl Members for Value {
    fn at(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}

/// Metadata after a change: keys are merged, a key sent empty goes, and empty metadata goes whole.
pub(super) fn merge_metadata(current: &Value, change: Option<&Value>) -> Value {
    let mut merged = current.as_object().cloned().unwrap_or_default();
    match change {
        Some(Value::Object(entries)) => {
            for (key, value) in entries {
                if value.is_null() {
                    merged.remove(key);
                } else {
                    merged.insert(key.clone(), value.clone());
                }
            }
        }
        Some(_) => merged.clear(),
        None => {}
    }
    Value::Object(merged)
}

/// New metadata: what was sent, without the keys that were sent empty.
pub(super) fn metadata(sent: Option<&Value>) -> Value {
    merge_metadata(&Value::Null, sent)
}

/// Copies the named parameters that were sent; one that was sent empty becomes null.
pub(super) fn assign(object: &mut Value, params: &Map<String, Value>, names: &[&str]) {
    for name in names {
        if let Some(value) = params.get(*name) {
            set(object, name, value.clone());
        }
    }
}

/// Sets one member of an object.
pub(super) fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value.into());
    }
}

/// Lays what was sent over a shape of nulls and defaults, object into object.
pub(super) fn overlay(shape: &mut Value, sent: &Value) {
    match (shape, sent) {
        (Value::Object(shape), Value::Object(sent)) => {
            for (name, value) in sent {
                overlay(shape.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (shape, sent) => *shape = sent.clone(),
    }
}

/// What an `updated` event calls `previous_attributes`: the old values of what is different now. In
/// metadata each key counts by itself, and one that is new was null before.
pub(super) fn previous_attributes(before: &Value, after: &Value) -> Value {
    let mut previous = Map::new();
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return Value::Object(previous);
    };
    for (name, now) in after {
        let old = before.get(name).unwrap_or(&Value::Null);
        if old != now {
            let told = if name == "metadata" { changed_keys(old, now) } else { old.clone() };
            previous.insert(name.clone(), told);
        }
    }
    Value::Object(previous)
}

fn changed_keys(old: &Value, now: &Value) -> Value {
    let empty = Map::new();
    let (old, now) = (old.as_object().unwrap_or(&empty), now.as_object().unwrap_or(&empty));
    let keys = old.keys().chain(now.keys().filter(|key| !old.contains_key(*key)));
    keys.filter(|key| old.get(*key) != now.get(*key))
        .map(|key| (key.clone(), old.get(key).cloned().unwrap_or_default()))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_merged_key_by_key() {
        let current = json!({"a": "1", "b": "2"});
        let change = json!({"b": null, "c": "3"});
        assert_eq!(merge_metadata(&current, Some(&change)), json!({"a": "1", "c": "3"}));
        assert_eq!(merge_metadata(&current, Some(&Value::Null)), json!({}));
        assert_eq!(merge_metadata(&current, None), current);
    }

    #[test]
    fn previous_attributes_hold_the_old_values_of_what_changed() {
        let before = json!({"name": "a", "url": null, "metadata": {"k": "1", "l": "2"}});
        let after = json!({"name": "b", "url": null, "metadata": {"k": "1", "m": "3"}});
        let expected = json!({"name": "a", "metadata": {"l": "2", "m": null}});
        assert_eq!(previous_attributes(&before, &after), expected);
    }

    #[test]
    fn a_shape_keeps_what_was_not_sent() {
        let mut shape = json!({"a": null, "b": {"c": 1, "d": 2}});
        overlay(&mut shape, &json!({"b": {"c": 9}}));
        assert_eq!(shape, json!({"a": null, "b": {"c": 9, "d": 2}}));
    }
}
