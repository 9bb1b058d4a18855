//! Writes what Stripe takes: `application/x-www-form-urlencoded` with brackets.

use std::fmt::Write as _;

use form_urlencoded::byte_serialize;

use crate::contract::{Node, Part};
use crate::pb::plan::{Field, Kind, Message, Shape};
use crate::pb::walk::{self, Value};

/// Writes the form of a create, or, where the part has a mask, of an update.
#[must_use]
pub fn write(part: Part<'_>) -> String {
    let mut writer = Writer { updating: part.mask.is_some(), ..Writer::default() };
    writer.message(part.message, part.bytes, part.mask.map(|mask| &mask.root));
    writer.form
}

/// Adds one parameter to a form or a query.
pub fn push(form: &mut String, key: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    form.push_str(key);
    form.push('=');
    form.extend(byte_serialize(value.as_bytes()));
}

#[derive(Default)]
struct Writer {
    form: String,
    key: String,
    updating: bool,
}

// === impl Writer ===

impl Writer {
    /// Writes the fields of a message, as far as the node touches them; without
    /// a node, all of them.
    fn message(&mut self, message: &'static Message, bytes: &[u8], node: Option<&Node>) {
        if let Some((name, value)) = &message.constant {
            self.at(name, |writer| writer.value(value));
        }
        let mut index = 0;
        let mut last = None;
        for (at, field, value) in walk::fields(message, bytes) {
            index = if last == Some(at) { index + 1 } else { 0 };
            last = Some(at);
            let within = match node {
                None => None,
                Some(node) => match node.of(at) {
                    Some(node) => Some(node),
                    None => continue,
                },
            };
            if !self.sends(field) {
                continue;
            }
            self.discriminate(message, field);
            self.at(&field.wire_name, |writer| match field.shape {
                Shape::Single => writer.one(field.kind, value, within),
                Shape::Repeated => {
                    writer.at_index(index, |writer| writer.one(field.kind, value, None));
                }
                Shape::Map => writer.entry(field, value, within),
            });
        }
        if let Some(node) = node.filter(|node| !node.whole) {
            self.clear(message, bytes, node);
        }
    }

    fn one(&mut self, kind: Kind, value: Value<'_>, node: Option<&Node>) {
        match kind {
            Kind::Bool => self.value(if value.int() == 0 { "false" } else { "true" }),
            Kind::Int => self.display(value.int()),
            Kind::String => self.value(value.text()),
            Kind::Enum(words) => self.value(words.word(value.enum_number()).unwrap_or_default()),
            Kind::Timestamp => self.display(walk::seconds(value.bytes())),
            Kind::Message(message) => {
                self.message(message.get(), value.bytes(), node.filter(|node| !node.whole));
            }
        }
    }

    fn entry(&mut self, field: &Field, value: Value<'_>, node: Option<&Node>) {
        let (key, value) = walk::entry(value.bytes());
        if node.is_none_or(|node| node.has_key(key)) {
            let value = value.unwrap_or(Value::Bytes(&[]));
            self.at(key, |writer| writer.one(field.kind, value, None));
        }
    }

    /// Writes an empty value for what a mask names and the message does not set.
    fn clear(&mut self, message: &'static Message, bytes: &[u8], node: &Node) {
        for (at, touched) in &node.fields {
            let Some(field) = message.fields.get(*at) else { continue };
            let given = || walk::fields(message, bytes).filter(|(given, _, _)| given == at);
            self.at(&field.wire_name, |writer| {
                if touched.whole && given().next().is_none() {
                    writer.value("");
                }
                for key in &touched.keys {
                    let kept = given().any(|(_, _, value)| walk::entry(value.bytes()).0 == key);
                    if !kept {
                        writer.at(key, |writer| writer.value(""));
                    }
                }
                if let (Kind::Message(inner), false, Shape::Single) =
                    (field.kind, touched.whole, field.shape)
                    && given().next().is_none()
                {
                    writer.clear(inner.get(), &[], touched);
                }
            });
        }
    }

    /// Ids inside a list say which item an update is about; the resource's own
    /// id is in the path, unless a create chooses it.
    fn sends(&self, field: &Field) -> bool {
        let says_which = self.updating && !self.key.is_empty();
        let chooses = !self.updating && field.chosen;
        let fixed = self.updating && field.immutable;
        let named = !field.identifier || says_which || chooses;
        !field.output_only && !field.local && !fixed && named
    }

    fn discriminate(&mut self, message: &'static Message, field: &Field) {
        let choice = field.choice.and_then(|choice| message.choices.get(choice));
        if let Some(discriminator) = choice.and_then(|choice| choice.discriminator.as_ref()) {
            self.at(discriminator, |writer| writer.value(&field.wire_name));
        }
    }

    fn at(&mut self, name: &str, go: impl FnOnce(&mut Self)) {
        let length = self.key.len();
        if length == 0 {
            self.key.extend(byte_serialize(name.as_bytes()));
        } else {
            self.key.push('[');
            self.key.extend(byte_serialize(name.as_bytes()));
            self.key.push(']');
        }
        go(self);
        self.key.truncate(length);
    }

    fn at_index(&mut self, index: usize, go: impl FnOnce(&mut Self)) {
        let length = self.key.len();
        let _ = write!(self.key, "[{index}]");
        go(self);
        self.key.truncate(length);
    }

    fn value(&mut self, value: &str) {
        push(&mut self.form, &self.key, value);
    }

    fn display(&mut self, number: i64) {
        push(&mut self.form, &self.key, "");
        let _ = write!(self.form, "{number}");
    }
}

#[cfg(test)]
mod tests;
