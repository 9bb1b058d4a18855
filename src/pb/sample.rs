//! Messages for tests and benchmarks, made of what the plan says: a new field is
//! covered the moment it is in the proto.

use std::collections::HashMap;

use prost::encoding::{WireType, encode_key, encode_varint};

use super::plan::{Field, Kind, Message, Rules, Shape};

/// Texts to choose from. Those in front are what callers send every day, and
/// satisfy every pattern in the proto; those behind are hard to encode.
const TEXTS: [&str; 24] = [
    "price_1QyZ8tLkdIwHu7ix",
    "https://shop.example/thanks?from=paylink",
    "usd",
    "eur",
    "jpy",
    "US",
    "DE",
    "25.125",
    "12.5",
    "100",
    "2500",
    "0198c0de-0000-7000-8000-000000000001",
    "Engraving",
    "unit",
    "A poster, framed by hand",
    "Poster & frame",
    "ключ=значение",
    "a[b][c]",
    "100%+1",
    "\u{1F5BC}",
    "\"quoted\\\"",
    "line\nbreak\u{0}",
    "",
    "~*-._",
];

/// How many items a list of a full sample has, where its rules allow as many.
const FULL_ITEMS: u64 = 3;

/// Whose fields a sample has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// What a caller sets to create something.
    Caller,
    /// What Stripe answers.
    Stripe,
}

/// Makes a message with every field. Of fields that exclude each other, every
/// occurrence of the message has another.
pub fn full(message: &'static Message, by: By) -> Vec<u8> {
    Sampler { by, entropy: None, turns: HashMap::new() }.message(message)
}

/// Makes a message out of arbitrary bytes. The more there are, the larger it is.
pub fn arbitrary(message: &'static Message, by: By, entropy: &[u8]) -> Vec<u8> {
    Sampler { by, entropy: Some(entropy), turns: HashMap::new() }.message(message)
}

struct Sampler<'a> {
    by: By,
    entropy: Option<&'a [u8]>,
    turns: HashMap<String, usize>,
}

// === impl Sampler ===

impl Sampler<'_> {
    fn message(&mut self, message: &'static Message) -> Vec<u8> {
        let left_out = self.left_out(message);
        let mut out = Vec::new();
        for (at, field) in message.fields.iter().enumerate() {
            let theirs = match self.by {
                By::Caller => !field.output_only && !field.identifier && !field.update_only,
                By::Stripe => !field.local,
            };
            let must = field.required || is_demanded(message, at);
            if theirs && !left_out.contains(&at) && (must || self.choose(4) > 0) {
                self.field(field, &mut out);
            }
        }
        out
    }

    /// Chooses one field of each set of fields that exclude each other, and
    /// gives the others.
    fn left_out(&mut self, message: &Message) -> Vec<usize> {
        let cases = |choice| {
            let fields = message.fields.iter().enumerate();
            fields.filter(move |(_, field)| field.choice == Some(choice)).map(|(at, _)| at)
        };
        let choices = (0..message.choices.len()).map(|choice| cases(choice).collect());
        let sets = message.exclusive.iter().map(|set| set.fields.clone()).chain(choices);
        let sets: Vec<Vec<usize>> = sets.collect();
        let mut out = Vec::new();
        for (nth, set) in sets.iter().enumerate() {
            let turn = self.turns.entry(format!("{} {nth}", message.name)).or_default();
            *turn += 1;
            let turn = *turn;
            // The last one first: it is the message that takes the place of an id.
            let full = set.len() - 1 - (turn - 1) % set.len();
            let kept = if self.entropy.is_none() { full } else { self.choose(set.len()) };
            out.extend(set.iter().enumerate().filter(|(at, _)| *at != kept).map(|(_, at)| *at));
        }
        out
    }

    fn field(&mut self, field: &Field, out: &mut Vec<u8>) {
        let rules = &field.rules;
        let no_rules = Rules::default();
        match field.shape {
            // A text that must be given is not empty.
            Shape::Single
                if field.kind == Kind::String && (field.required || field.choice.is_some()) =>
            {
                let nth = if self.entropy.is_none() { 0 } else { self.choose(TEXTS.len()) };
                bytes(field.number, nth_text(rules, 1, nth).as_bytes(), out);
            }
            Shape::Single => self.value(field.kind, rules, 0, field.number, out),
            Shape::Repeated => {
                let rules = rules.items.as_deref().unwrap_or(&no_rules);
                for nth in 0..self.items(field) {
                    self.value(field.kind, rules, nth, field.number, out);
                }
            }
            Shape::Map => {
                let rules = rules.items.as_deref().unwrap_or(&no_rules);
                let keys = field.rules.keys.as_deref().unwrap_or(&no_rules);
                for nth in 0..self.items(field) {
                    let mut entry = Vec::new();
                    bytes(1, nth_text(keys, 0, nth).as_bytes(), &mut entry);
                    self.value(field.kind, rules, nth, 2, &mut entry);
                    bytes(field.number, &entry, out);
                }
            }
        }
    }

    fn value(&mut self, kind: Kind, rules: &Rules, nth: usize, number: u32, out: &mut Vec<u8>) {
        match kind {
            Kind::Bool => varint(number, u64::from(self.choose(3) != 1), out),
            Kind::Int => {
                let (least, most) = (rules.gte.unwrap_or(0), rules.lte.unwrap_or(i64::MAX));
                let value = [least, most, 2500][self.choose(3)];
                varint(number, value.clamp(least, most).cast_unsigned(), out);
            }
            Kind::String => {
                let nth = if self.entropy.is_none() { nth } else { self.choose(TEXTS.len()) };
                bytes(number, nth_text(rules, 0, nth).as_bytes(), out);
            }
            Kind::Enum(words) => {
                let (word, _) = words.words[self.choose(words.words.len())];
                varint(number, u64::from(word.cast_unsigned()), out);
            }
            Kind::Timestamp => {
                let mut time = Vec::new();
                varint(1, 1_700_000_000, &mut time);
                bytes(number, &time, out);
            }
            Kind::Message(message) => {
                let inner = self.message(message.get());
                bytes(number, &inner, out);
            }
        }
    }

    fn items(&mut self, field: &Field) -> usize {
        let most = field.rules.max_items.unwrap_or(FULL_ITEMS).min(FULL_ITEMS);
        let least = field.rules.min_items.unwrap_or(u64::from(field.required)).min(most);
        usize::try_from(most).unwrap().min(self.choose(4).max(usize::try_from(least).unwrap()))
    }

    /// Chooses a number below `of`. A full sample always chooses the last; what
    /// entropy has run out chooses the first.
    fn choose(&mut self, of: usize) -> usize {
        match &mut self.entropy {
            None => of - 1,
            Some(entropy) => entropy.split_off_first().map_or(0, |&byte| usize::from(byte) % of),
        }
    }
}

/// Tells whether one of the fields that a field stands among must be there.
fn is_demanded(message: &Message, at: usize) -> bool {
    let choice = message.fields[at].choice.and_then(|choice| message.choices.get(choice));
    let mut sets = message.exclusive.iter();
    choice.is_some_and(|choice| choice.required)
        || sets.any(|set| set.required && set.fields.contains(&at))
}

/// Gives the nth of the texts that satisfy the rules and have as many characters.
fn nth_text(rules: &Rules, least: u64, nth: usize) -> &'static str {
    let fits = |text: &&&str| {
        let chars = text.chars().count() as u64;
        rules.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
            && rules.max_len.is_none_or(|max| chars <= max)
            && chars >= rules.min_len.unwrap_or(0).max(least)
            && (!rules.uuid || text.len() == 36)
    };
    let mut fitting = TEXTS.iter().filter(fits);
    let count = fitting.clone().count();
    assert!(count > 0, "TEXTS has nothing that satisfies {rules:?}");
    fitting.nth(nth % count).unwrap()
}

fn varint(number: u32, value: u64, out: &mut Vec<u8>) {
    encode_key(number, WireType::Varint, out);
    encode_varint(value, out);
}

fn bytes(number: u32, value: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}
