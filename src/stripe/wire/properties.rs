//! What holds for every message, whatever the proto says of it and whatever
//! anyone sends.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::{Message, Name};
use serde_json::{Map, Value};

use super::json::tests::answer::answer;
use super::{form, json};
use crate::contract::{self, Part};
use crate::pb::plan::{self, Kind};
use crate::pb::sample::{self, By};
use crate::pb::{self, walk};

/// Enough to give every field of the largest message a few choices.
const ENTROPY_BYTES_MAX: usize = 600;

fn entropy() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..ENTROPY_BYTES_MAX)
}

fn any_message() -> impl Strategy<Value = &'static plan::Message> {
    prop::sample::select(plan::all().iter().collect::<Vec<_>>())
}

/// JSON with the keys of the contract in all the wrong places.
fn any_json() -> impl Strategy<Value = Value> {
    let names = plan::all().iter().flat_map(|message| &message.fields);
    let names: Vec<String> = names.map(|field| field.wire_name.clone()).collect();
    let key = prop_oneof![prop::sample::select(names), Just("type".into()), ".{0,8}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        key.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 200, 12, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key.clone(), inner), 0..12)
                .prop_map(|entries| Value::from(Map::from_iter(entries))),
        ]
    })
}

/// The parameters that stand for an answer: what a form must hold, said by other code.
fn flatten(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}[{name}]"),
    };
    // By `object` Stripe says what an object is, and an audit record which one it is about.
    let says_its_kind = |name: &str, value: &Value| {
        let kind = |kind: &str| plan::all().iter().any(|message| message.name == kind);
        name == "object" && value.as_str().is_some_and(kind)
    };
    match value {
        Value::Null => {}
        Value::Object(list) if list.get("object") == Some(&"list".into()) => {
            flatten(path, &list["data"], found);
        }
        Value::Object(object) => {
            object
                .iter()
                .filter(|(name, value)| !says_its_kind(name, value))
                .for_each(|(name, value)| flatten(&below(name), value, found));
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(at, item)| flatten(&below(&at.to_string()), item, found)),
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        other => found.push((path.to_owned(), other.to_string())),
    }
}

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

/// Reads what Stripe would answer about a message, and expects the message.
fn check<M: Message + Name + Default + PartialEq>(entropy: &[u8]) {
    let bytes = sample::arbitrary(plan::of::<M>(), By::Stripe, entropy);
    let text = answer(plan::of::<M>(), &bytes).to_string();
    let read = json::read::<M>(text.as_bytes()).unwrap();
    assert!(read.message == M::decode(bytes.as_slice()).unwrap(), "{text}");
    assert_eq!(read.unknown, 0, "{text}");
}

#[test]
fn every_option_of_a_link_passes_the_checks_and_comes_back() {
    let request = plan::of::<pb::CreatePaymentLinkRequest>();
    let request = sample::full(request, By::Caller);
    let mut request = pb::CreatePaymentLinkRequest::decode(request.as_slice()).unwrap();
    let link = request.payment_link.as_mut().unwrap();
    // How long a link lasts is said once, and its end ever after.
    let ttl = link.ttl.take().unwrap();
    link.expire_time = Some(prost_types::Timestamp { seconds: ttl.seconds, nanos: 0 });
    let draft = contract::check(&request).pass().unwrap();
    let part = draft.part();
    let text = answer(part.message, part.bytes).to_string();
    let read = json::read::<pb::PaymentLink>(text.as_bytes()).unwrap();
    assert_eq!(Some(read.message), request.payment_link);
}

proptest! {
    #[test]
    fn a_form_holds_every_parameter_and_nothing_else(
        message in any_message(),
        entropy in entropy(),
    ) {
        let bytes = sample::arbitrary(message, By::Caller, &entropy);
        let written = form::write(Part { message, bytes: &bytes, mask: None });
        prop_assert!(written.is_empty() || written.split('&').all(|pair| pair.contains('=')));

        let parsed = form_urlencoded::parse(written.as_bytes()).into_owned().collect();
        let mut expected = Vec::new();
        flatten("", &answer(message, &bytes), &mut expected);
        prop_assert_eq!(sorted(parsed), sorted(expected));
    }

    #[test]
    fn an_answer_reads_as_the_message_that_it_is_about(entropy in entropy()) {
        check::<pb::PaymentLink>(&entropy);
        check::<pb::Price>(&entropy);
        check::<pb::Product>(&entropy);
        check::<pb::Payment>(&entropy);
        check::<pb::ListPaymentLinksResponse>(&entropy);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in vec(any::<u8>(), 0..200)) {
        let _ = json::read::<pb::PaymentLink>(&bytes);
    }

    #[test]
    fn no_json_breaks_the_reader(value in any_json()) {
        let text = value.to_string();
        let read = json::read::<pb::PaymentLink>(text.as_bytes());
        prop_assert_eq!(read.is_ok(), value.is_object(), "{}", text);
    }

    #[test]
    fn no_damage_breaks_the_reader(entropy in entropy(), at: prop::sample::Index, byte: u8) {
        let link = plan::of::<pb::PaymentLink>();
        let bytes = sample::arbitrary(link, By::Stripe, &entropy);
        let mut answer = answer(link, &bytes).to_string().into_bytes();
        let at = at.index(answer.len());
        answer[at] = byte;
        let _ = json::read::<pb::PaymentLink>(&answer);
        answer.truncate(at);
        prop_assert!(json::read::<pb::PaymentLink>(&answer).is_err());
    }

    #[test]
    fn no_bytes_break_the_walk(message in any_message(), bytes in vec(any::<u8>(), 0..200)) {
        for (_, field, value) in walk::fields(message, &bytes) {
            let _ = (value.int(), value.text(), walk::entry(value.bytes()));
            if field.kind == Kind::Timestamp {
                let _ = walk::seconds(value.bytes());
            }
        }
        let _ = form::write(Part { message, bytes: &bytes, mask: None });
    }

    #[test]
    fn no_mask_breaks_a_form(paths in vec(any_path(), 0..6), entropy in entropy()) {
        let link = sample::arbitrary(plan::of::<pb::PaymentLink>(), By::Caller, &entropy);
        let request = pb::UpdatePaymentLinkRequest {
            payment_link: pb::PaymentLink::decode(link.as_slice()).ok(),
            update_mask: Some(prost_types::FieldMask { paths }),
            ..Default::default()
        };
        if let Ok(draft) = contract::check(&request).pass() {
            let written = form::write(draft.part());
            prop_assert!(written.split('&').all(|pair| pair.contains('=')));
        }
    }
}

/// A path that may be one of the mask's, or may not.
fn any_path() -> impl Strategy<Value = String> {
    let names = plan::of::<pb::PaymentLink>().fields.iter();
    let names: Vec<String> = names.map(|field| field.name.clone()).collect();
    prop_oneof![
        3 => prop::sample::select(names.clone()),
        1 => (prop::sample::select(names), "[a-z`.]{0,6}").prop_map(|(a, b)| format!("{a}.{b}")),
        1 => ".{0,12}",
    ]
}
