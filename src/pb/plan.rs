//! What the descriptors say of each message, read once and laid out for use.
//!
//! The rules of a field, its name at Stripe and whether it can change are
//! options in `proto/`. Everything that acts on them (the checks of a request,
//! the form that Stripe takes, the JSON that Stripe gives) walks this plan, so
//! a new field is a line of proto and no code.

mod names;
mod pattern;
mod read;

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

pub use self::pattern::Pattern;

/// One message of the contract.
#[derive(Debug)]
pub struct Message {
    /// The full proto name, such as `paylink.v1.Product`.
    pub name: String,
    /// The fields in the order of declaration.
    pub fields: Vec<Field>,
    /// The real oneofs.
    pub choices: Vec<Choice>,
    /// Sets of fields of which at most one, or exactly one, may be given.
    pub exclusive: Vec<Exclusive>,
    /// A parameter that Stripe wants beside the fields, always with the same value.
    pub constant: Option<(String, String)>,
    /// What Stripe calls the message, where it is a resource.
    pub resource: Option<Resource>,
    by_number: Vec<Option<usize>>,
    by_wire_name: names::Names<Key>,
}

/// Where a resource lives at Stripe.
#[derive(Debug)]
pub struct Resource {
    /// The path of all of them, such as `/v1/products`.
    pub collection: String,
    /// The path of one of them with its id left out, such as `/v1/products/{id}`.
    pub item: String,
    /// The word in the `object` field.
    pub object: String,
    /// Properties that are always expanded.
    pub expand: Vec<String>,
}

/// One field of a message.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent mark in the proto")]
pub struct Field {
    /// The proto's field number.
    pub number: u32,
    /// The proto's name.
    pub name: String,
    /// Stripe's name.
    pub wire_name: String,
    /// What a value is.
    pub kind: Kind,
    /// How many values there are.
    pub shape: Shape,
    /// The index in [`Message::choices`] of the oneof that the field is a case of.
    pub choice: Option<usize>,
    /// The field must be given.
    pub required: bool,
    /// The field cannot change after creation.
    pub immutable: bool,
    /// The field is set by the service; a request's value is ignored.
    pub output_only: bool,
    /// The field is given by requests alone, and no answer has it.
    pub input_only: bool,
    /// The field is the resource's own id.
    pub identifier: bool,
    /// The field names what a request is about.
    pub names_object: bool,
    /// The field is paylink's own and unknown to Stripe.
    pub local: bool,
    /// Stripe takes an empty value on update, which clears the field.
    pub clearable: bool,
    /// Stripe takes the field on update only.
    pub update_only: bool,
    /// Callers may choose this id when they create the resource.
    pub chosen: bool,
    /// The key of the metadata beside it that holds the field's value at Stripe.
    pub noted_as: Option<String>,
    /// Of an id: the fields of the same message that Stripe gives in the object
    /// which has the id.
    pub parts: Vec<Part>,
    /// What a value must satisfy.
    pub rules: Rules,
}

/// A field that Stripe gives within another.
#[derive(Debug)]
pub struct Part {
    /// Its name there.
    pub name: String,
    /// The field's number.
    pub number: u32,
}

/// A method that is served.
#[derive(Debug)]
pub(super) struct Method {
    /// Whether its answer is a stream.
    pub(super) streams: bool,
    /// What a caller must be permitted.
    pub(super) permission: String,
    /// Whether it can change something. It can unless the contract says that it has no
    /// side effects, so that a new method cannot be forgotten.
    pub(super) mutates: bool,
}

/// What a name at Stripe stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The field at this index in [`Message::fields`].
    Field(usize),
    /// The name of a oneof's case.
    Discriminator,
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One, or none.
    Single,
    /// A list.
    Repeated,
    /// A map from strings; [`Field::kind`] is that of the values.
    Map,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// A signed integer of 32 or 64 bits.
    Int,
    /// Text.
    String,
    /// One of a closed set of words.
    Enum(&'static Enum),
    /// A `google.protobuf.Timestamp`.
    Timestamp,
    /// A message of the contract.
    Message(MessageId),
}

/// A message's place in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageId(usize);

/// A closed set of words.
#[derive(Debug, PartialEq, Eq)]
pub struct Enum {
    /// The numbers and Stripe's words for them, without a zero that is no word of Stripe's.
    pub words: Vec<(i32, String)>,
}

/// A oneof.
#[derive(Debug)]
pub struct Choice {
    /// The oneof's name.
    pub name: String,
    /// One of the cases must be given.
    pub required: bool,
    /// The parameter that holds the name of the case.
    pub discriminator: Option<String>,
}

/// Fields of which at most one may be given.
#[derive(Debug)]
pub struct Exclusive {
    /// Indexes in [`Message::fields`].
    pub fields: Vec<usize>,
    /// One of them must be given.
    pub required: bool,
}

/// What a value must satisfy: the `buf.validate` rules that the contract uses.
#[derive(Debug, Default)]
pub struct Rules {
    /// Characters, at least.
    pub min_len: Option<u64>,
    /// Characters, at most.
    pub max_len: Option<u64>,
    /// The text matches this.
    pub pattern: Option<Pattern>,
    /// The text is a UUID.
    pub uuid: bool,
    /// The number is at least this.
    pub gte: Option<i64>,
    /// The number is at most this.
    pub lte: Option<i64>,
    /// The word is one of the set.
    pub defined_only: bool,
    /// List items, at least.
    pub min_items: Option<u64>,
    /// List items or map entries, at most.
    pub max_items: Option<u64>,
    /// What each list item or map value must satisfy.
    pub items: Option<Box<Rules>>,
    /// What each map key must satisfy.
    pub keys: Option<Box<Rules>>,
}

struct Plan {
    messages: Vec<Message>,
    by_name: HashMap<String, usize>,
}

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let messages = read::messages();
    let by_name = messages.iter().enumerate().map(|(at, m)| (m.name.clone(), at)).collect();
    Plan { messages, by_name }
});

/// Gives the plan of a message type.
///
/// # Panics
///
/// Never for the types of [`super`], which come from the same descriptors.
#[must_use]
pub fn of<M: prost::Name>() -> &'static Message {
    #[expect(clippy::expect_used, reason = "types and plan come from the same descriptors")]
    named(&M::full_name()).expect("every generated message is in the plan")
}

/// Gives the resource that a path at Stripe is of: of all of them, or of one.
#[must_use]
pub fn resource_at(path: &str) -> Option<&'static Resource> {
    PLAN.messages.iter().filter_map(|message| message.resource.as_ref()).find(|resource| {
        let rest = path.strip_prefix(&*resource.collection);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Gives the plan of a message by its full proto name.
#[must_use]
pub fn named(full_name: &str) -> Option<&'static Message> {
    PLAN.by_name.get(full_name).and_then(|&at| PLAN.messages.get(at))
}

/// Gives every message.
#[must_use]
pub fn all() -> &'static [Message] {
    &PLAN.messages
}

/// Describes every method that is served, by its name.
pub(super) fn methods() -> BTreeMap<String, Method> {
    read::methods()
}

// === impl Message ===

impl Message {
    /// Gives the field of a number.
    #[must_use]
    pub fn field(&self, number: u32) -> Option<(usize, &Field)> {
        let at = (*self.by_number.get(number as usize)?)?;
        Some((at, self.fields.get(at)?))
    }

    /// Tells whether the message is something with an id of its own.
    #[must_use]
    pub fn has_identifier(&self) -> bool {
        self.fields.iter().any(|field| field.identifier)
    }

    /// Gives the field that a key of the message's metadata holds, where it holds one.
    #[must_use]
    pub fn field_noted_as(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.noted_as.as_deref() == Some(key))
    }

    /// Gives the field of a proto name.
    #[must_use]
    pub fn field_named(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// Gives the field of a name at Stripe.
    #[must_use]
    pub fn field_at_stripe(&self, wire_name: &str) -> Option<(usize, &Field)> {
        match self.key_at_stripe(wire_name)? {
            Key::Field(at) => Some((at, self.fields.get(at)?)),
            Key::Discriminator => None,
        }
    }

    /// Tells what a name at Stripe stands for.
    #[must_use]
    pub fn key_at_stripe(&self, wire_name: &str) -> Option<Key> {
        self.by_wire_name.get(wire_name).copied()
    }
}

// === impl MessageId ===

impl MessageId {
    /// Gives the message.
    #[must_use]
    pub fn get(self) -> &'static Message {
        #[expect(clippy::indexing_slicing, reason = "ids are made with the plan, in bounds")]
        &PLAN.messages[self.0]
    }
}

// === impl Enum ===

impl Enum {
    /// Gives Stripe's word for a number.
    #[must_use]
    pub fn word(&self, number: i32) -> Option<&str> {
        self.words.iter().find(|(n, _)| *n == number).map(|(_, word)| word.as_str())
    }

    /// Gives the number of one of Stripe's words.
    #[must_use]
    pub fn number(&self, word: &str) -> Option<i32> {
        self.words.iter().find(|(_, w)| w == word).map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb;

    #[test]
    fn the_plan_holds_what_the_proto_says() {
        let link = of::<pb::PaymentLink>();
        let resource = link.resource.as_ref().unwrap();
        assert_eq!(
            (&*resource.item, &*resource.object),
            ("/v1/payment_links/{id}", "payment_link")
        );
        assert_eq!(resource.expand, ["line_items"]);

        let (_, items) = link.field_named("line_items").unwrap();
        assert!(items.required && items.shape == Shape::Repeated);
        assert_eq!((items.rules.min_items, items.rules.max_items), (Some(1), Some(20)));
        let Kind::Message(item) = items.kind else { panic!("line items are messages") };
        let exclusive = &item.get().exclusive[0];
        assert!(exclusive.required && exclusive.fields.len() == 2);

        let (_, metadata) = link.field_named("metadata").unwrap();
        assert!(metadata.clearable && metadata.shape == Shape::Map);
        assert_eq!(metadata.rules.keys.as_ref().unwrap().max_len, Some(40));
        assert_eq!(metadata.rules.items.as_ref().unwrap().max_len, Some(500));
    }

    #[test]
    fn words_lose_the_prefix_of_their_enum() {
        let (_, field) = of::<pb::Recurring>().field_named("interval").unwrap();
        let Kind::Enum(interval) = field.kind else { panic!("an interval is an enum") };
        assert_eq!(interval.word(3), Some("month"));
        assert_eq!(interval.number("year"), Some(4));
        assert_eq!((interval.word(0), interval.number("fortnight")), (None, None));
    }

    #[test]
    fn a_list_is_called_data_at_stripe() {
        let list = of::<pb::ListProductsResponse>();
        assert_eq!(list.field_at_stripe("data").unwrap().1.name, "products");
    }
}
