//! Walks encoded messages field by field, by the plan.
//!
//! One encoding of a request serves its checks and its form, and an answer is
//! written once: no reflective message is built in between.

use prost::encoding::{WireType, decode_key, decode_varint};

use super::plan::{Field, Kind, Message, Shape};

/// A value as it stands in the encoding.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// A bool, a number or an enum's number.
    Varint(u64),
    /// A string, a message or a map entry.
    Bytes(&'a [u8]),
}

/// The fields of an encoded message, each with its index in the plan. The items
/// of a list come one by one.
#[derive(Debug)]
pub struct Fields<'a> {
    message: &'static Message,
    rest: &'a [u8],
    packed: Option<(usize, &'static Field, &'a [u8])>,
}

/// Starts a walk over an encoded message. What is not valid protobuf ends the
/// walk early; callers walk what prost has just encoded.
#[must_use]
pub fn fields<'a>(message: &'static Message, bytes: &'a [u8]) -> Fields<'a> {
    Fields { message, rest: bytes, packed: None }
}

/// Splits a map entry into its key and value. Absent parts are defaults.
#[must_use]
pub fn entry(bytes: &[u8]) -> (&str, Option<Value<'_>>) {
    let (mut rest, mut key, mut value) = (bytes, "", None);
    while let Some((number, part)) = next(&mut rest) {
        match part {
            Value::Bytes(bytes) if number == 1 => key = Value::Bytes(bytes).text(),
            part => value = Some(part),
        }
    }
    (key, value)
}

/// Gives the seconds of an encoded `google.protobuf.Timestamp`.
#[must_use]
pub fn seconds(timestamp: &[u8]) -> i64 {
    let mut rest = timestamp;
    while let Some((number, part)) = next(&mut rest) {
        if number == 1 {
            return part.int();
        }
    }
    0
}

// === impl Value ===

impl<'a> Value<'a> {
    /// Reads the value as a number; bytes read as 0.
    #[must_use]
    #[expect(clippy::cast_possible_wrap, reason = "protobuf encodes signed numbers this way")]
    pub fn int(self) -> i64 {
        match self {
            Value::Varint(number) => number as i64,
            Value::Bytes(_) => 0,
        }
    }

    /// Reads the value as an enum's number.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "enum numbers have 32 bits")]
    pub fn enum_number(self) -> i32 {
        self.int() as i32
    }

    /// Reads the value as bytes; a number reads as none.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Value::Varint(_) => &[],
            Value::Bytes(bytes) => bytes,
        }
    }

    /// Reads the value as text. prost strings are valid UTF-8.
    #[must_use]
    pub fn text(self) -> &'a str {
        str::from_utf8(self.bytes()).unwrap_or_default()
    }
}

// === impl Fields ===

impl<'a> Iterator for Fields<'a> {
    type Item = (usize, &'static Field, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((at, field, rest)) = &mut self.packed {
                if let Ok(number) = decode_varint(rest) {
                    return Some((*at, field, Value::Varint(number)));
                }
                self.packed = None;
            }
            let (number, value) = next(&mut self.rest)?;
            let Some((at, field)) = self.message.field(number) else { continue };
            let scalar = matches!(field.kind, Kind::Bool | Kind::Int | Kind::Enum(_));
            match value {
                Value::Bytes(items) if scalar && field.shape == Shape::Repeated => {
                    self.packed = Some((at, field, items));
                }
                value => return Some((at, field, value)),
            }
        }
    }
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, Value<'a>)> {
    let (number, wire_type) = decode_key(rest).ok()?;
    match wire_type {
        WireType::Varint => Some((number, Value::Varint(decode_varint(rest).ok()?))),
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
            let (value, after) = rest.split_at_checked(length)?;
            *rest = after;
            Some((number, Value::Bytes(value)))
        }
        _ => None,
    }
}
