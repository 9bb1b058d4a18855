//! Reads what Stripe gives: JSON tokens become proto bytes in one pass, with no
//! tree in between.
//!
//! What this version does not know is no error: unknown fields are passed over,
//! unknown words read as unspecified, values of an unexpected type as absent,
//! and each is counted, so that Stripe's next release breaks no read.

mod slot;

use std::fmt;

use prost::encoding::{WireType, encode_key};
use prost::{Message, Name};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use self::slot::Slot;
use crate::pb::plan::{self, Field, Key, Kind};

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
    // Once for all is cheaper than once for each string.
    let json = str::from_utf8(json).map_err(serde_json::Error::custom)?;
    let mut notes = Notes::default();
    let mut bytes = Vec::with_capacity(json.len() / 2);
    let mut deserializer = serde_json::Deserializer::from_str(json);
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

/// What a key of an object stands for.
enum Known {
    Field(&'static Field),
    Discriminator,
    HasMore,
    No,
}

/// Looks a key up without owning it.
struct Lookup(&'static plan::Message);

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
        while let Some(key) = map.next_key_seed(Lookup(message))? {
            match key {
                Known::Field(field) => {
                    let before = out.len();
                    map.next_value_seed(Slot::of(message, field, out, notes))?;
                    given |= field.choice.is_some() && out.len() > before;
                }
                Known::Discriminator => {
                    // No word of the contract has anything in it that JSON escapes.
                    let word = map.next_value::<&RawValue>()?.get().trim_matches('"');
                    case = case_named(message, word);
                }
                Known::HasMore => notes.has_more = map.next_value::<&RawValue>()?.get() == "true",
                Known::No => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        // `{"type": "text", "text": null}` is a text without options, and a text all the same.
        if let (Some(field), false) = (case, given) {
            encode_key(field.number, WireType::LengthDelimited, out);
            out.push(0);
        }
        Ok(())
    }
}

/// Gives the case of a oneof that a word names, if it is a message.
fn case_named(message: &'static plan::Message, word: &str) -> Option<&'static Field> {
    let field = message.field_at_stripe(word).map(|(_, field)| field);
    field.filter(|field| field.choice.is_some() && matches!(field.kind, Kind::Message(_)))
}

// === impl Lookup ===

impl<'de> DeserializeSeed<'de> for Lookup {
    type Value = Known;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Known, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Lookup {
    type Value = Known;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Known, E> {
        Ok(match self.0.key_at_stripe(key) {
            Some(Key::Field(at)) => self.0.fields.get(at).map_or(Known::No, Known::Field),
            Some(Key::Discriminator) => Known::Discriminator,
            None if key == "has_more" => Known::HasMore,
            None => Known::No,
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
