//! The value of one field, in any of the shapes that Stripe gives it.

use std::fmt;

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Notes, Object};
use crate::pb;
use crate::pb::plan::{Field, Kind, Message, Part, Shape};

/// A JSON value that belongs to a field.
pub(super) struct Slot<'a> {
    /// The message that the field is in.
    message: &'static Message,
    field: &'static Field,
    /// The field's number, or that of the value in a map entry.
    number: u32,
    /// The field's shape, or that of its items.
    shape: Shape,
    out: &'a mut Vec<u8>,
    notes: &'a mut Notes,
}

/// The number of the key in every map entry.
const ENTRY_KEY: u32 = 1;
/// The number of the value in every map entry.
const ENTRY_VALUE: u32 = 2;

// === impl Slot ===

impl<'a> Slot<'a> {
    /// The place of a field's value.
    pub(super) fn of(
        message: &'static Message,
        field: &'static Field,
        out: &'a mut Vec<u8>,
        notes: &'a mut Notes,
    ) -> Self {
        Self { message, field, number: field.number, shape: field.shape, out, notes }
    }

    /// What a value of a scalar type is to be, where the field has one value.
    fn kind(&self) -> Option<Kind> {
        (self.shape == Shape::Single).then_some(self.field.kind)
    }

    fn varint(self, value: u64) {
        encode_key(self.number, WireType::Varint, self.out);
        encode_varint(value, self.out);
    }

    fn text(self, value: &str) {
        text(self.number, value, self.out);
    }

    fn not_understood(self) {
        self.notes.unknown += 1;
    }

    fn integer(self, value: i64) {
        let value_bits = value.cast_unsigned();
        match self.kind() {
            Some(Kind::Int) => self.varint(value_bits),
            Some(Kind::String) => self.text(&value.to_string()),
            Some(Kind::Timestamp) => {
                let start = open(self.number, self.out);
                encode_key(1, WireType::Varint, self.out);
                encode_varint(value_bits, self.out);
                close(start, self.out);
            }
            _ => self.not_understood(),
        }
    }

    /// Reads an object as the entries of a map.
    fn entries<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Slot { message, field, out, notes, .. } = self;
        loop {
            let before = out.len();
            let start = open(field.number, out);
            match map.next_key_seed(EntryKey(message, out))? {
                None => {
                    out.truncate(before);
                    return Ok(());
                }
                Some(Entry::Callers) => {
                    let (number, shape) = (ENTRY_VALUE, Shape::Single);
                    map.next_value_seed(Slot { message, field, number, shape, out, notes })?;
                    close(start, out);
                }
                Some(Entry::Noted(noted)) => {
                    out.truncate(before);
                    map.next_value_seed(Slot::of(message, noted, out, notes))?;
                }
                Some(Entry::Own) => {
                    out.truncate(before);
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
    }

    /// Reads the property of an object that is wanted of it, and those that are
    /// fields beside it.
    fn property<'de, A: MapAccess<'de>>(self, name: &str, mut map: A) -> Result<(), A::Error> {
        let Slot { message, field, number, shape, out, notes } = self;
        while let Some(wanted) = map.next_key_seed(Is(name, &field.parts))? {
            match wanted.map(|part| part.map_or(number, |part| part.number)) {
                Some(number) => {
                    map.next_value_seed(Slot { message, field, number, shape, out, notes })?;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Slot<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Slot<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of {}", self.field.name)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        match self.kind() {
            Some(Kind::Bool) => self.varint(value.into()),
            _ => self.not_understood(),
        }
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.integer(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => self.not_understood(),
        }
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        match self.kind() {
            Some(Kind::String) => self.text(&value.to_string()),
            _ => self.not_understood(),
        }
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        match self.kind() {
            Some(Kind::String) => self.text(value),
            // A note is a text, whatever its field is.
            Some(Kind::Timestamp) => match value.parse() {
                Ok(seconds) => self.integer(seconds),
                Err(_) => self.not_understood(),
            },
            Some(Kind::Enum(words)) => match words.number(value) {
                Some(number) => self.varint(i64::from(number).cast_unsigned()),
                None => self.not_understood(),
            },
            _ => self.not_understood(),
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Slot { message, field, number, shape, out, notes } = self;
        if shape != Shape::Repeated {
            notes.unknown += 1;
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let shape = Shape::Single;
        while seq.next_element_seed(Slot { message, field, number, shape, out, notes })?.is_some() {
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        match (self.shape, self.field.kind) {
            (Shape::Single, Kind::Message(message)) => {
                let Slot { number, out, notes, .. } = self;
                let start = open(number, out);
                let object = Object { message: message.get(), out, notes };
                object.visit_map(map)?;
                close(start, out);
                Ok(())
            }
            (Shape::Map, _) => self.entries(map),
            // An expanded object where the contract has an id.
            (Shape::Single, _) => self.property("id", map),
            // A list object for a list.
            (Shape::Repeated, _) => self.property("data", map),
        }
    }
}

/// What an entry of a map is.
enum Entry {
    /// The callers' own.
    Callers,
    /// The value of a field beside the map.
    Noted(&'static Field),
    /// The service's own, which callers do not see.
    Own,
}

/// Writes the key of a map entry without owning it, and tells what the entry is.
struct EntryKey<'a>(&'static Message, &'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for EntryKey<'_> {
    type Value = Entry;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for EntryKey<'_> {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Entry, E> {
        text(ENTRY_KEY, key, self.1);
        if !key.starts_with(pb::OWN_METADATA) {
            return Ok(Entry::Callers);
        }
        Ok(self.0.field_noted_as(key).map_or(Entry::Own, Entry::Noted))
    }
}

/// Compares a key without owning it: it is the one that is wanted, or a part
/// beside it.
struct Is<'a>(&'a str, &'static [Part]);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = Option<Option<&'static Part>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = Option<Option<&'static Part>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        if key == self.0 {
            return Ok(Some(None));
        }
        Ok(self.1.iter().find(|part| part.name == key).map(Some))
    }
}

fn text(number: u32, value: &str, out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value.as_bytes());
}

/// Starts a field whose length is known only when it is closed. One byte is
/// left for the length, which is enough for all but a few.
fn open(number: u32, out: &mut Vec<u8>) -> usize {
    encode_key(number, WireType::LengthDelimited, out);
    out.push(0);
    out.len()
}

fn close(start: usize, out: &mut Vec<u8>) {
    let length = out.len() - start;
    let more = encoded_len_varint(length as u64) - 1;
    if more > 0 {
        let end = out.len();
        out.resize(end + more, 0);
        out.copy_within(start..end, start + more);
    }
    if let Some(mut room) = out.get_mut(start - 1..start + more) {
        encode_varint(length as u64, &mut room);
    }
}
