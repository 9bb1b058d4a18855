//! Reads the plan out of the descriptors.
//!
//! A rule or option that this code does not know stops the program, and so the
//! tests: a contract must not say what nothing enforces.

use std::collections::{BTreeMap, HashMap};

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, ExtensionDescriptor, FieldDescriptor,
    MessageDescriptor, MethodDescriptor, OneofDescriptor, Value,
};
use prost_types::MethodOptions;
use prost_types::method_options::IdempotencyLevel;

use super::names::Names;
use super::{
    Choice, Enum, Exclusive, Field, Key, Kind, Message, MessageId, Method, Part, Pattern, Resource,
    Rules, Shape,
};

/// The options that the contract uses.
struct Options {
    behavior: ExtensionDescriptor,
    rules: ExtensionDescriptor,
    message_rules: ExtensionDescriptor,
    oneof_rules: ExtensionDescriptor,
    mapping: ExtensionDescriptor,
    resource: ExtensionDescriptor,
    constant: ExtensionDescriptor,
    discriminator: ExtensionDescriptor,
    zero_is_a_word: ExtensionDescriptor,
    names_object: ExtensionDescriptor,
}

/// The methods that are served beside those of the contract.
const FURTHER: [(&str, bool, &str); 4] = [
    ("grpc.health.v1.Health/Check", false, "health.read"),
    ("grpc.health.v1.Health/Watch", true, "health.read"),
    ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true, "reflection.read"),
    ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", true, "reflection.read"),
];

/// Describes every method, by its name. One without a permission stops the program.
#[expect(clippy::expect_used, reason = "the descriptors are compiled in, and tested")]
pub(super) fn methods() -> BTreeMap<String, Method> {
    let pool = pool();
    let option = pool.get_extension_by_name("paylink.annotations.v1.permission");
    let option = option.expect("options are imported");
    let described = |method: MethodDescriptor| {
        let options = method.options();
        let permission = options.get_extension(&option);
        let permission = permission.as_str().unwrap_or_default().to_owned();
        if permission.is_empty() {
            unknown(method.full_name());
        }
        let name = format!("{}/{}", method.parent_service().full_name(), method.name());
        let streams = method.is_server_streaming();
        (name, Method { streams, permission, mutates: mutates(&method) })
    };
    let own = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let further = FURTHER.map(|(name, streams, permission)| {
        let permission = permission.to_owned();
        (name.to_owned(), Method { streams, permission, mutates: false })
    });
    own.map(described).chain(further).collect()
}

fn mutates(method: &MethodDescriptor) -> bool {
    let options = method.method_descriptor_proto().options.as_ref();
    options.map(MethodOptions::idempotency_level) != Some(IdempotencyLevel::NoSideEffects)
}

/// Reads every message of our own package, and the few others that it uses.
#[expect(clippy::expect_used, reason = "the descriptors are compiled in, and tested")]
pub(super) fn messages() -> Vec<Message> {
    let pool = pool();
    let option = |name: &str| pool.get_extension_by_name(name).expect("options are imported");
    let options = Options {
        behavior: option("google.api.field_behavior"),
        rules: option("buf.validate.field"),
        message_rules: option("buf.validate.message"),
        oneof_rules: option("buf.validate.oneof"),
        mapping: option("paylink.annotations.v1.stripe"),
        resource: option("paylink.annotations.v1.resource"),
        constant: option("paylink.annotations.v1.constant"),
        discriminator: option("paylink.annotations.v1.discriminator"),
        zero_is_a_word: option("paylink.annotations.v1.zero_is_a_word"),
        names_object: option("paylink.annotations.v1.names_object"),
    };
    let chosen: Vec<MessageDescriptor> = pool
        .all_messages()
        .filter(|message| message.package_name() == "paylink.v1" && !message.is_map_entry())
        .chain(pool.get_message_by_name("google.protobuf.FieldMask"))
        .chain(pool.get_message_by_name("google.protobuf.Duration"))
        .collect();
    let ids = chosen.iter().enumerate().map(|(at, m)| (m.full_name().to_owned(), at)).collect();
    chosen.iter().map(|message| options.message(message, &ids)).collect()
}

#[expect(clippy::expect_used, reason = "the descriptors are compiled in, and tested")]
fn pool() -> DescriptorPool {
    DescriptorPool::decode(super::super::DESCRIPTORS).expect("descriptors decode")
}

// === impl Options ===

impl Options {
    fn message(&self, message: &MessageDescriptor, ids: &HashMap<String, usize>) -> Message {
        let mut fields: Vec<Field> =
            message.fields().map(|field| self.field(message, &field, ids)).collect();
        self.place_parts(message, &mut fields);
        let mut by_number = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            let number = field.number as usize;
            by_number.resize(by_number.len().max(number + 1), None);
            if let Some(slot) = by_number.get_mut(number) {
                *slot = Some(at);
            }
        }
        let choices: Vec<Choice> = real_oneofs(message).map(|one| self.choice(&one)).collect();
        let own = message.options();
        Message {
            name: message.full_name().to_owned(),
            by_wire_name: by_wire_name(&fields, &choices),
            by_number,
            choices,
            exclusive: sub(&own, &self.message_rules)
                .map(|rules| exclusive(&rules, &fields))
                .unwrap_or_default(),
            constant: sub(&own, &self.constant)
                .map(|constant| (plain(text(&constant, "name")), plain(text(&constant, "value")))),
            resource: sub(&own, &self.resource).map(|resource| Resource {
                collection: format!("/v1/{}", text(&resource, "path")),
                item: format!("/v1/{}/{{id}}", text(&resource, "path")),
                object: text(&resource, "object"),
                expand: texts(&resource, "expand"),
            }),
            fields,
        }
    }

    /// Tells the fields that hold others which these are.
    fn place_parts(&self, message: &MessageDescriptor, fields: &mut [Field]) {
        for own in message.fields() {
            let Some(mapping) = sub(&own.options(), &self.mapping) else { continue };
            let within = text(&mapping, "within");
            if within.is_empty() {
                continue;
            }
            match fields.iter_mut().find(|field| field.name == within) {
                Some(holder) => {
                    holder.parts.push(Part { name: own.name().to_owned(), number: own.number() });
                }
                None => unknown(own.full_name()),
            }
        }
    }

    fn choice(&self, oneof: &OneofDescriptor) -> Choice {
        let options = oneof.options();
        Choice {
            name: oneof.name().to_owned(),
            required: sub(&options, &self.oneof_rules)
                .is_some_and(|rules| flag(&rules, "required")),
            discriminator: sub(&options, &self.discriminator).map(|d| plain(text(&d, "name"))),
        }
    }

    fn field(
        &self,
        message: &MessageDescriptor,
        field: &FieldDescriptor,
        ids: &HashMap<String, usize>,
    ) -> Field {
        let options = field.options();
        let behavior = options.get_extension(&self.behavior);
        let is = |word: &str| has_behavior(&behavior, &self.behavior, word);
        let mapping = sub(&options, &self.mapping);
        let marked = |mark: &str| mapping.as_ref().is_some_and(|mapping| flag(mapping, mark));
        let said = |what: &str| {
            mapping.as_ref().map(|mapping| text(mapping, what)).filter(|said| !said.is_empty())
        };
        let named = mapping.as_ref().map(|mapping| text(mapping, "name")).unwrap_or_default();
        let wire_name = if named.is_empty() { field.name().to_owned() } else { named };
        Field {
            number: field.number(),
            name: field.name().to_owned(),
            wire_name: plain(wire_name),
            kind: self.kind(field, ids),
            shape: match (field.is_map(), field.is_list()) {
                (true, _) => Shape::Map,
                (_, true) => Shape::Repeated,
                _ => Shape::Single,
            },
            choice: field
                .containing_oneof()
                .and_then(|own| real_oneofs(message).position(|oneof| oneof == own)),
            required: is("REQUIRED"),
            immutable: is("IMMUTABLE"),
            output_only: is("OUTPUT_ONLY"),
            input_only: is("INPUT_ONLY"),
            identifier: is("IDENTIFIER"),
            names_object: options.get_extension(&self.names_object).as_bool() == Some(true)
                || (field.name() == "id" && !is("IDENTIFIER")),
            local: marked("local") || said("within").is_some(),
            clearable: marked("clearable"),
            update_only: marked("update_only"),
            chosen: marked("chosen"),
            noted_as: said("noted_as"),
            parts: Vec::new(),
            rules: sub(&options, &self.rules).map(|rules| field_rules(&rules)).unwrap_or_default(),
        }
    }

    fn kind(&self, field: &FieldDescriptor, ids: &HashMap<String, usize>) -> Kind {
        let mut of = field.kind();
        if let (true, prost_reflect::Kind::Message(entry)) = (field.is_map(), &of) {
            of = entry.map_entry_value_field().kind();
        }
        match of {
            prost_reflect::Kind::Bool => Kind::Bool,
            prost_reflect::Kind::Int32 | prost_reflect::Kind::Int64 => Kind::Int,
            // Bytes are of answers alone, which nothing here reads.
            prost_reflect::Kind::String | prost_reflect::Kind::Bytes => Kind::String,
            // Leaked once, with the plan, which lives as long as the process.
            prost_reflect::Kind::Enum(words) => {
                Kind::Enum(Box::leak(Box::new(self.words_of(&words))))
            }
            prost_reflect::Kind::Message(m) if m.full_name() == "google.protobuf.Timestamp" => {
                Kind::Timestamp
            }
            prost_reflect::Kind::Message(m) => match ids.get(m.full_name()) {
                Some(at) => Kind::Message(MessageId(*at)),
                None => unknown(m.full_name()),
            },
            _ => unknown(field.full_name()),
        }
    }

    /// Turns `SUBMIT_TYPE_PAY` of `SubmitType` into Stripe's `pay`.
    fn words_of(&self, words: &EnumDescriptor) -> Enum {
        let zero = words.default_value();
        let prefix = zero.name().trim_end_matches("UNSPECIFIED");
        let zero_counts = words.options().get_extension(&self.zero_is_a_word).as_bool();
        let known = words.values().filter(|value| value.number() != 0 || zero_counts == Some(true));
        let word = |name: &str| name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase();
        Enum { words: known.map(|value| (value.number(), plain(word(value.name())))).collect() }
    }
}

// === impl Rules ===

impl Rules {
    fn take(&mut self, rule: &FieldDescriptor, value: &Value) {
        let number = value.as_i64().or(value.as_i32().map(i64::from));
        let nested = || value.as_message().map(field_rules).map(Box::new);
        match rule.name() {
            "min_len" => self.min_len = value.as_u64(),
            "max_len" => self.max_len = value.as_u64(),
            "pattern" => self.pattern = Some(pattern(value.as_str().unwrap_or_default())),
            "uuid" => self.uuid = value.as_bool() == Some(true),
            "gte" => self.gte = number,
            "lte" => self.lte = number,
            "defined_only" => self.defined_only = value.as_bool() == Some(true),
            "min_items" => self.min_items = value.as_u64(),
            "max_items" | "max_pairs" => self.max_items = value.as_u64(),
            "items" | "values" => self.items = nested(),
            "keys" => self.keys = nested(),
            _ => unknown(rule.full_name()),
        }
    }
}

/// Reads `buf.validate.FieldRules`.
fn field_rules(rules: &DynamicMessage) -> Rules {
    let mut read = Rules::default();
    for (kind, value) in rules.fields() {
        let Value::Message(inner) = value else { unknown(kind.full_name()) };
        for (rule, value) in inner.fields() {
            read.take(&rule, value);
        }
    }
    read
}

fn by_wire_name(fields: &[Field], choices: &[Choice]) -> Names<Key> {
    let discriminators = choices.iter().filter_map(|choice| choice.discriminator.clone());
    let discriminators = discriminators.map(|name| (name, Key::Discriminator));
    let at_stripe = |field: &Field| !field.local && field.noted_as.is_none();
    let fields = fields.iter().enumerate().filter(|(_, field)| at_stripe(field));
    let fields = fields.map(|(at, field)| (field.wire_name.clone(), Key::Field(at)));
    discriminators.chain(fields).collect()
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap_or_else(|_| unknown(text))
}

fn exclusive(rules: &DynamicMessage, fields: &[Field]) -> Vec<Exclusive> {
    let one = |rule: &Value| {
        let rule = rule.as_message()?;
        let at = |name: String| fields.iter().position(|field| field.name == name);
        let fields = texts(rule, "fields").into_iter().filter_map(at).collect();
        Some(Exclusive { fields, required: flag(rule, "required") })
    };
    let oneofs = rules.get_field_by_name("oneof");
    oneofs.iter().flat_map(|v| v.as_list().unwrap_or_default()).filter_map(one).collect()
}

/// Holds a name or word of Stripe's to what forms need not escape.
fn plain(name: String) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.bytes().all(plain) { name } else { unknown(&name) }
}

fn real_oneofs(message: &MessageDescriptor) -> impl Iterator<Item = OneofDescriptor> + '_ {
    message.oneofs().filter(|oneof| !oneof.is_synthetic())
}

fn has_behavior(given: &Value, option: &ExtensionDescriptor, word: &str) -> bool {
    let prost_reflect::Kind::Enum(words) = option.kind() else { return false };
    let wanted = words.get_value_by_name(word).map(|value| value.number());
    given.as_list().unwrap_or_default().iter().any(|one| one.as_enum_number() == wanted)
}

fn sub(options: &DynamicMessage, option: &ExtensionDescriptor) -> Option<DynamicMessage> {
    options.has_extension(option).then(|| options.get_extension(option).as_message().cloned())?
}

fn text(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field);
    value.and_then(|value| value.as_str().map(Into::into)).unwrap_or_default()
}

fn texts(message: &DynamicMessage, field: &str) -> Vec<String> {
    let values = message.get_field_by_name(field);
    let values = values.iter().flat_map(|values| values.as_list().unwrap_or_default());
    values.filter_map(|value| value.as_str().map(Into::into)).collect()
}

fn flag(message: &DynamicMessage, field: &str) -> bool {
    message.get_field_by_name(field).and_then(|value| value.as_bool()).unwrap_or_default()
}

#[expect(clippy::panic, reason = "a contract that nothing enforces must not start")]
fn unknown(what: &str) -> ! {
    panic!("proto/ uses {what}, which src/pb/plan/read.rs does not know")
}
