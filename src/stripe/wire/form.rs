//! Writes what Stripe takes: `application/x-www-form-urlencoded` with brackets.

use form_urlencoded::byte_serialize;

use crate::contract::{Node, Part};
use crate::pb::plan::{Field, Kind, Message, Shape};
use crate::pb::walk::{self, Value};

/// How much longer a form is than the message, keys being words; a guess that saves growing.
const GROWTH: usize = 4;
/// How long the keys of most forms are, at most; a guess that saves growing.
const KEY_BYTES: usize = 96;

/// Writes the form of a create, or, where the part has a mask, of an update.
#[must_use]
pub fn write(part: Part<'_>) -> String {
    let mut writer = Writer {
        form: Vec::with_capacity(part.bytes.len() * GROWTH),
        key: Vec::with_capacity(KEY_BYTES),
        updating: part.mask.is_some(),
    };
    writer.message(part.message, part.bytes, part.mask.map(|mask| &mask.root));
    // All that is not ASCII has been escaped.
    String::from_utf8(writer.form).unwrap_or_default()
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

struct Writer {
    form: Vec<u8>,
    key: Vec<u8>,
    updating: bool,
}

// === impl Writer ===

impl Writer {
    /// Writes the fields of a message, as far as the node touches them; without
    /// a node, all of them.
    fn message(&mut self, message: &'static Message, bytes: &[u8], node: Option<&Node>) {
        if let Some((name, value)) = &message.constant {
            self.at(name, |writer| writer.plain(value));
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
            if let Some(note) = &field.noted_as {
                self.note(note, |writer| writer.one(field.kind, value, None));
                continue;
            }
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
            Kind::Bool => self.plain(if value.int() == 0 { "false" } else { "true" }),
            Kind::Int => self.number(value.int()),
            Kind::String => self.text(value.bytes()),
            Kind::Enum(words) => self.plain(words.word(value.enum_number()).unwrap_or_default()),
            Kind::Timestamp => self.number(walk::seconds(value.bytes())),
            Kind::Message(message) => {
                self.message(message.get(), value.bytes(), node.filter(|node| !node.whole));
            }
        }
    }

    fn entry(&mut self, field: &Field, value: Value<'_>, node: Option<&Node>) {
        let (key, value) = walk::entry(value.bytes());
        if node.is_none_or(|node| node.has_key(key)) {
            let value = value.unwrap_or(Value::Bytes(&[]));
            self.at_key(key, |writer| writer.one(field.kind, value, None));
        }
    }

    /// Writes an empty value for what a mask names and the message does not set.
    fn clear(&mut self, message: &'static Message, bytes: &[u8], node: &Node) {
        for (at, touched) in &node.fields {
            let Some(field) = message.fields.get(*at) else { continue };
            let given = || walk::fields(message, bytes).filter(|(given, _, _)| given == at);
            if let Some(note) = &field.noted_as {
                if given().next().is_none() {
                    self.note(note, |writer| writer.plain(""));
                }
                continue;
            }
            self.at(&field.wire_name, |writer| {
                if touched.whole && given().next().is_none() {
                    writer.plain("");
                }
                for key in &touched.keys {
                    let kept = given().any(|(_, _, value)| walk::entry(value.bytes()).0 == key);
                    if !kept {
                        writer.at_key(key, |writer| writer.plain(""));
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

    /// Goes on below a key of the resource's metadata, where a field is kept.
    fn note(&mut self, key: &str, go: impl FnOnce(&mut Self)) {
        self.at("metadata", |writer| writer.at(key, go));
    }

    fn discriminate(&mut self, message: &'static Message, field: &Field) {
        let choice = field.choice.and_then(|choice| message.choices.get(choice));
        if let Some(discriminator) = choice.and_then(|choice| choice.discriminator.as_ref()) {
            self.at(discriminator, |writer| writer.plain(&field.wire_name));
        }
    }

    /// Goes on below a name of the contract, in which nothing needs escaping.
    fn at(&mut self, name: &str, go: impl FnOnce(&mut Self)) {
        self.below(|key| key.extend_from_slice(name.as_bytes()), go);
    }

    /// Goes on below a key of the caller's.
    fn at_key(&mut self, name: &str, go: impl FnOnce(&mut Self)) {
        self.below(|key| escape(name.as_bytes(), key), go);
    }

    fn at_index(&mut self, index: usize, go: impl FnOnce(&mut Self)) {
        self.below(|key| digits(index as u64, key), go);
    }

    fn below(&mut self, name: impl FnOnce(&mut Vec<u8>), go: impl FnOnce(&mut Self)) {
        let length = self.key.len();
        if length == 0 {
            name(&mut self.key);
        } else {
            self.key.push(b'[');
            name(&mut self.key);
            self.key.push(b']');
        }
        go(self);
        self.key.truncate(length);
    }

    fn start(&mut self) {
        if !self.form.is_empty() {
            self.form.push(b'&');
        }
        self.form.extend_from_slice(&self.key);
        self.form.push(b'=');
    }

    /// Writes a word of the contract, in which nothing needs escaping.
    fn plain(&mut self, word: &str) {
        self.start();
        self.form.extend_from_slice(word.as_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.start();
        escape(text, &mut self.form);
    }

    fn number(&mut self, number: i64) {
        self.start();
        if number < 0 {
            self.form.push(b'-');
        }
        digits(number.unsigned_abs(), &mut self.form);
    }
}

/// Escapes text. Most texts are ids and words, which stay as they are.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    if text.iter().all(|&byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_')) {
        out.extend_from_slice(text);
    } else {
        byte_serialize(text).for_each(|part| out.extend_from_slice(part.as_bytes()));
    }
}

/// Writes a number. The formatting of the standard library takes far longer.
fn digits(number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let mut rest = number;
    loop {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests;
