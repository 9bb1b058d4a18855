//! Writes messages as Stripe would answer them: for tests and benchmarks.

use serde_json::{Map, Value, json};

use super::plan::{Field, Kind, Message, Shape};
use super::walk;

/// Writes an encoded message, with null for what is not set.
pub fn answer(message: &'static Message, bytes: &[u8]) -> Value {
    let own = |field: &Field| !field.local && field.noted_as.is_none();
    let unset = message.fields.iter().filter(|field| own(field));
    let mut object: Map<String, Value> =
        unset.map(|field| (field.wire_name.clone(), Value::Null)).collect();
    object.insert("object".into(), message.name.as_str().into());
    if let Some((name, value)) = &message.constant {
        object.insert(name.clone(), value.as_str().into());
    }
    for (_, field, given) in walk::fields(message, bytes).filter(|(_, field, _)| !field.local) {
        if let Some(key) = &field.noted_as {
            let notes = object.entry("metadata").or_insert(Value::Null);
            if notes.is_null() {
                *notes = json!({});
            }
            // A note is a text, whatever its field is.
            notes[key] = match value(field, given) {
                Value::String(text) => text.into(),
                other => other.to_string().into(),
            };
            continue;
        }
        let place = object.entry(&field.wire_name).or_insert(Value::Null);
        match field.shape {
            Shape::Single => *place = value(field, given),
            Shape::Repeated => push(field, place, value(field, given)),
            Shape::Map => {
                let (key, given) = walk::entry(given.bytes());
                if place.is_null() {
                    *place = json!({});
                }
                place[key] = value(field, given.unwrap_or(walk::Value::Bytes(&[])));
            }
        }
        let choice = field.choice.and_then(|choice| message.choices.get(choice));
        if let Some(discriminator) = choice.and_then(|choice| choice.discriminator.as_ref()) {
            object.insert(discriminator.clone(), field.wire_name.as_str().into());
        }
    }
    Value::Object(object)
}

/// Lists of things with ids are list objects at Stripe, but for the list itself.
fn push(field: &Field, list: &mut Value, item: Value) {
    let object = match field.kind {
        Kind::Message(item) => item.get().fields.iter().any(|field| field.identifier),
        _ => false,
    };
    if list.is_null() && object && field.wire_name != "data" {
        *list = json!({"object": "list", "data": [], "has_more": false, "url": "/v1/items"});
    } else if list.is_null() {
        *list = json!([]);
    }
    let items = if list.is_object() { &mut list["data"] } else { list };
    items.as_array_mut().unwrap().push(item);
}

fn value(field: &Field, value: walk::Value<'_>) -> Value {
    match field.kind {
        Kind::Bool => (value.int() != 0).into(),
        Kind::Int => value.int().into(),
        Kind::String => value.text().into(),
        Kind::Enum(words) => words.word(value.enum_number()).into(),
        Kind::Timestamp => walk::seconds(value.bytes()).into(),
        Kind::Message(message) => answer(message.get(), value.bytes()),
    }
}
