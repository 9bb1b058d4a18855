//! A mapping of minimal links as one would write it by hand: the yardstick.

use std::collections::BTreeMap;
use std::fmt;

use form_urlencoded::Serializer;
use paylink::pb;
use prost_reflect::{DynamicMessage, Value};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// Writes the parameters of a link that has line items only.
pub fn form(link: &pb::PaymentLink) -> String {
    let mut form = Serializer::new(String::new());
    for (at, item) in link.line_items.iter().enumerate() {
        form.append_pair(&format!("line_items[{at}][price]"), &item.price);
        if let Some(quantity) = item.quantity {
            form.append_pair(&format!("line_items[{at}][quantity]"), &quantity.to_string());
        }
    }
    form.finish()
}

/// Reads an answer about a link that has line items only.
pub fn link(json: &[u8]) -> serde_json::Result<pb::PaymentLink> {
    let link: Link = serde_json::from_slice(json)?;
    Ok(pb::PaymentLink {
        id: link.id,
        url: link.url,
        active: link.active,
        line_items: link.line_items.data.into_iter().map(Item::into_message).collect(),
        metadata: link.metadata,
        currency: link.currency,
        livemode: link.livemode,
        ..Default::default()
    })
}

#[derive(Deserialize)]
struct Link {
    id: String,
    url: String,
    active: bool,
    line_items: List,
    metadata: BTreeMap<String, String>,
    currency: String,
    livemode: bool,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    #[serde(default)]
    amount_discount: i64,
    #[serde(default)]
    amount_subtotal: i64,
    #[serde(default)]
    amount_tax: i64,
    #[serde(default)]
    amount_total: i64,
    currency: String,
    description: String,
    #[serde(deserialize_with = "id")]
    price: String,
    quantity: Option<i64>,
}

// === impl Item ===

impl Item {
    fn into_message(self) -> pb::LineItem {
        pb::LineItem {
            id: self.id,
            price: self.price,
            quantity: self.quantity,
            description: self.description,
            currency: self.currency,
            amount_subtotal: self.amount_subtotal,
            amount_discount: self.amount_discount,
            amount_tax: self.amount_tax,
            amount_total: self.amount_total,
            ..Default::default()
        }
    }
}

/// Reads an id, or the id of an expanded object.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(Expandable)
}

struct Expandable;

impl<'de> Visitor<'de> for Expandable {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id or an object")
    }

    fn visit_str<E>(self, id: &str) -> Result<String, E> {
        Ok(id.to_owned())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<String, A::Error> {
        #[derive(Deserialize)]
        struct Object {
            id: String,
        }
        Object::deserialize(MapAccessDeserializer::new(map)).map(|object| object.id)
    }
}

/// Writes the parameters of a reflective message, under the names of the proto.
pub fn reflected(message: &DynamicMessage, above: &str, form: &mut String) {
    for (field, value) in message.fields() {
        let key = match above {
            "" => field.name().to_owned(),
            above => format!("{above}[{}]", field.name()),
        };
        reflected_value(value, &key, form);
    }
}

fn reflected_value(value: &Value, key: &str, form: &mut String) {
    match value {
        Value::Message(message) => reflected(message, key, form),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                reflected_value(item, &format!("{key}[{index}]"), form);
            }
        }
        Value::Map(entries) => {
            for (name, value) in entries {
                let name = name.as_str().unwrap_or_default();
                reflected_value(value, &format!("{key}[{name}]"), form);
            }
        }
        Value::String(text) => push(form, key, text),
        Value::Bool(flag) => push(form, key, &flag.to_string()),
        Value::I64(number) => push(form, key, &number.to_string()),
        other => push(form, key, &other.to_string()),
    }
}

fn push(form: &mut String, key: &str, value: &str) {
    paylink::stripe::wire::form::push(form, key, value);
}
