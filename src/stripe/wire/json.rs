//! Reads what Stripe gives: JSON tokens become proto bytes in one pass, with no
//! tree in between.
//!
//! What this version does not know is no error: unknown fields are passed over,
//! unknown words read as unspecified, values of an unexpected type as absent,
//! and each is counted, so that Stripe's next release breaks no read.

use std::fmt;

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use prost::{Message, Name};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::pb::plan::{self, Field, Kind, Shape};

/// An answer, read.
#[derive(Debug)]
pub struct Read<M> {
    /// The message.
    pub message: M,
    /// How many words and values were not understood.
    pub unknown: u32,
    /// Whether a list goes on after this page.
    pub has_more: bool,
}

/// Reads a JSON object as a message. Fails on text that is not a JSON object only.
pub fn read<M: Message + Name + Default>(json: &[u8]) -> Result<Read<M>, serde_json::Error> {
    let mut notes = Notes::default();
    let mut bytes = Vec::with_capacity(json.len() / 2);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let object = Object { message: plan::of::<M>(), out: &mut bytes, notes: &mut notes };
    object.deserialize(&mut deserializer)?;
    deserializer.end()?;
    let message = M::decode(bytes.as_slice()).map_err(serde_json::Error::custom)?;
    Ok(Read { message, unknown: notes.unknown, has_more: notes.has_more })
}

#[derive(Default)]
struct Notes {
    unknown: u32,
    has_more: bool,
}

/// A JSON object that is a message.
struct Object<'a> {
    message: &'static plan::Message,
    out: &'a mut Vec<u8>,
    notes: &'a mut Notes,
}

/// A JSON value that belongs to a field.
struct Slot<'a> {
    field: &'static Field,
    shape: Shape,
    out: &'a mut Vec<u8>,
    notes: &'a mut Notes,
}

// === impl Object ===

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Object { message, out, notes } = self;
        let mut case = None;
        let mut given = false;
        while let Some(key) = map.next_key_seed(Key(message))? {
            match key {
                Known::Field(field) => {
                    let before = out.len();
                    map.next_value_seed(Slot { field, shape: field.shape, out, notes })?;
                    given |= field.choice.is_some() && out.len() > before;
                }
                Known::Discriminator => case = map.next_value_seed(Case(message))?,
                Known::HasMore => notes.has_more = map.next_value()?,
                Known::No => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        // `{"type": "text", "text": null}` is a text without options, and a text all the same.
        if let (Some(field), false) = (case, given) {
            encode_key(field.number, WireType::LengthDelimited, out);
            encode_varint(0, out);
        }
        Ok(())
    }
}

/// What a key of an object stands for.
enum Known {
    Field(&'static Field),
    Discriminator,
    HasMore,
    No,
}

/// Looks a key up without owning it.
struct Key(&'static plan::Message);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Known;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Known, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Known;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Known, E> {
        let discriminates = |choice: &plan::Choice| choice.discriminator.as_deref() == Some(key);
        Ok(if let Some((_, field)) = self.0.field_at_stripe(key) {
            Known::Field(field)
        } else if self.0.choices.iter().any(discriminates) {
            Known::Discriminator
        } else if key == "has_more" {
            Known::HasMore
        } else {
            Known::No
        })
    }
}

/// Reads the word that tells the cases of a oneof apart.
struct Case(&'static plan::Message);

impl<'de> DeserializeSeed<'de> for Case {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Case {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a word")
    }

    fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
        let field = self.0.field_at_stripe(word).map(|(_, field)| field);
        Ok(field.filter(|field| field.choice.is_some() && matches!(field.kind, Kind::Message(_))))
    }
}

// === impl Slot ===

impl Slot<'_> {
    fn varint(self, value: u64) {
        encode_key(self.field.number, WireType::Varint, self.out);
        encode_varint(value, self.out);
    }

    fn bytes(self, value: &[u8]) {
        encode_key(self.field.number, WireType::LengthDelimited, self.out);
        encode_varint(value.len() as u64, self.out);
        self.out.extend_from_slice(value);
    }

    fn not_understood(self) {
        self.notes.unknown += 1;
    }

    #[expect(clippy::cast_sign_loss, reason = "protobuf encodes signed numbers this way")]
    fn number(self, number: i64) {
        match self.field.kind {
            Kind::Int => self.varint(number as u64),
            Kind::String => self.bytes(number.to_string().as_bytes()),
            Kind::Timestamp => nested(self.field.number, self.out, |out| {
                encode_key(1, WireType::Varint, out);
                encode_varint(number as u64, out);
            }),
            _ => self.not_understood(),
        }
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
        match self.field.kind {
            Kind::Bool => self.varint(value.into()),
            _ => self.not_understood(),
        }
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.number(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.number(value),
            Err(_) => self.not_understood(),
        }
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        match self.field.kind {
            Kind::String => self.bytes(value.to_string().as_bytes()),
            _ => self.not_understood(),
        }
        Ok(())
    }

    #[expect(clippy::cast_sign_loss, reason = "enum numbers are not negative")]
    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        match self.field.kind {
            Kind::String => self.bytes(value.as_bytes()),
            Kind::Enum(words) => match words.number(value) {
                Some(number) => self.varint(number as u64),
                None => self.not_understood(),
            },
            _ => self.not_understood(),
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Slot { field, shape, out, notes } = self;
        if shape != Shape::Repeated {
            notes.unknown += 1;
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let shape = Shape::Single;
        while seq.next_element_seed(Slot { field, shape, out, notes })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Slot { field, shape, out, notes } = self;
        match (shape, field.kind) {
            (Shape::Single, Kind::Message(message)) => nested(field.number, out, |out| {
                Object { message: message.get(), out, notes }.visit_map(map)
            }),
            (Shape::Map, _) => {
                while let Some(key) = map.next_key::<String>()? {
                    nested(field.number, out, |out| {
                        encode_key(1, WireType::LengthDelimited, out);
                        encode_varint(key.len() as u64, out);
                        out.extend_from_slice(key.as_bytes());
                        map.next_value_seed(MapValue(Slot { field, shape, out, notes }))
                    })?;
                }
                Ok(())
            }
            // An expanded object where the contract has an id, or a list object for a list.
            (Shape::Single | Shape::Repeated, _) => {
                let wanted = if shape == Shape::Single { "id" } else { "data" };
                while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
                    if key == wanted {
                        map.next_value_seed(Slot { field, shape, out, notes })?;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// The value of a map entry: always the entry's second field.
struct MapValue<'a>(Slot<'a>);

impl<'de> DeserializeSeed<'de> for MapValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Slot { field, out, notes, .. } = self.0;
        let start = out.len();
        let slot = Slot { field, shape: Shape::Single, out: &mut *out, notes };
        slot.deserialize(deserializer)?;
        renumber(out, start, field.number);
        Ok(())
    }
}

/// Gives a value that was written under a field's number the number 2.
fn renumber(out: &mut Vec<u8>, start: usize, number: u32) {
    let mut rest = out.get(start..).unwrap_or_default();
    if let Ok((_, wire_type)) = prost::encoding::decode_key(&mut rest) {
        let end = start + prost::encoding::key_len(number);
        let mut key = Vec::with_capacity(1);
        encode_key(2, wire_type, &mut key);
        out.splice(start..end, key);
    }
}

/// Writes a length-delimited field whose length is known only afterwards.
fn nested<T>(number: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    encode_key(number, WireType::LengthDelimited, out);
    let start = out.len();
    let result = write(out);
    let length = (out.len() - start) as u64;
    let room = encoded_len_varint(length);
    out.resize(out.len() + room, 0);
    let end = out.len() - room;
    out.copy_within(start..end, start + room);
    if let Some(mut prefix) = out.get_mut(start..start + room) {
        encode_varint(length, &mut prefix);
    }
    result
}

#[cfg(test)]
mod tests;
