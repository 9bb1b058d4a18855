//! Walks encoded messages field by field, by the plan.
//!
//! One encoding of a request serves its checks and its form, and an answer is
//! written once: no reflective message is built in between.

use prost::encoding::{WireType, decode_varint};

use super::plan::{Field, Kind, Message, Shape};

/// The low bits of a key, which hold the wire type; the number is in the others.
const WIRE_TYPE_BITS: u32 = 3;
const VARINT: u64 = WireType::Varint as u64;
const LENGTH_DELIMITED: u64 = WireType::LengthDelimited as u64;

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

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((at, field, rest)) = &mut self.packed {
                if let Some(number) = varint(rest) {
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

#[inline]
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, Value<'a>)> {
    let key = varint(rest)?;
    let number = u32::try_from(key >> WIRE_TYPE_BITS).ok()?;
    match key & ((1 << WIRE_TYPE_BITS) - 1) {
        VARINT => Some((number, Value::Varint(varint(rest)?))),
        LENGTH_DELIMITED => {
            let length = usize::try_from(varint(rest)?).ok()?;
            let (value, after) = rest.split_at_checked(length)?;
            *rest = after;
            Some((number, Value::Bytes(value)))
        }
        _ => None,
    }
}

/// Reads a varint. All but a few have one byte, which needs no loop; and every
/// walk ends here with none, which must not cost an error's allocation.
#[inline]
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let (&first, after) = rest.split_first()?;
    if first >= 0x80 {
        return long_varint(rest);
    }
    *rest = after;
    Some(first.into())
}

#[cold]
fn long_varint(rest: &mut &[u8]) -> Option<u64> {
    decode_varint(rest).ok()
}
