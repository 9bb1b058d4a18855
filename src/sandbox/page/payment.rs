//! The ways to pay that a session offers, each with what it asks for.

use serde_json::Value;

use super::super::checkout::Session;
use super::super::methods::{self, Detail, Kind, Method};
use super::super::object::Members;
use super::asks::line;
use super::fields::{Block, Field, Head, Rule, Section};
use super::words::Words;

/// Cards to try.
const CARDS: &[(&str, &str)] = &[
    ("4242 4242 4242 4242", "works"),
    ("4000 0025 0000 3155", "asks for 3-D Secure"),
    ("4000 0000 0000 9995", "lacks funds"),
    ("4000 0000 0000 0002", "is declined"),
    ("4000 0000 0000 0259", "is disputed later"),
];
const US_ACCOUNTS: &[(&str, &str)] = &[
    ("000123456789", "works, with routing number 110000000"),
    ("000222222227", "lacks funds"),
    ("000111111113", "is closed"),
];
const IBANS: &[(&str, &str)] = &[
    ("DE89 3704 0044 0532 0130 00", "works"),
    ("DE08 3704 0044 0532 0130 03", "takes its time"),
    ("DE62 3704 0044 0532 0130 01", "lacks funds"),
];
const BACS_ACCOUNTS: &[(&str, &str)] =
    &[("00012345", "works, with sort code 108800"), ("22222227", "lacks funds")];
const BECS_ACCOUNTS: &[(&str, &str)] =
    &[("000123456", "works, with BSB number 000000"), ("222222227", "lacks funds")];

/// The name of the choice among methods.
pub(super) const METHOD: &str = "payment_method";

/// Whether a session needs something to pay with.
pub(super) fn is_asked(session: &Session) -> bool {
    let object = &session.object;
    let always = object.at("payment_method_collection") == "always";
    session.due() > 0 || (object.at("mode") == "subscription" && always)
}

/// The method of a session that offers no other.
pub(super) fn only(session: &Session) -> Option<&'static Method> {
    match offered(session).as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

/// The section of the payment. With one way to pay there is nothing to choose.
pub(super) fn section(session: &Session, words: Words) -> Section {
    let offered = offered(session);
    let several = offered.len() > 1;
    let blocks = offered.iter().enumerate().map(|(at, method)| {
        let head = several.then(|| Head {
            name: METHOD,
            value: method.word,
            label: words.say(method.name).to_owned(),
            ticks: false,
            on: at == 0,
        });
        block(session, method, head, words)
    });
    let blocks = blocks.collect();
    Section { title: words.say("Payment details").to_owned(), note: None, blocks }
}

/// The methods that a session offers, in the link's order.
pub(super) fn offered(session: &Session) -> Vec<&'static Method> {
    let words = session.object.at("payment_method_types").as_array();
    let words = words.into_iter().flatten().filter_map(Value::as_str);
    words.filter_map(methods::named).collect()
}

fn block(session: &Session, method: &Method, head: Option<Head>, words: Words) -> Block {
    let named = |text: &str| Some(words.fill(text, &[words.say(method.name)]));
    match method.kind {
        Kind::Card => Block { head, fields: card(session, words), note: None, trials: CARDS },
        Kind::Debit(details) => Block {
            head,
            fields: account(method, details, words),
            note: named("By paying you allow the seller to debit your account by {}."),
            trials: match method.word {
                "us_bank_account" => US_ACCOUNTS,
                "sepa_debit" => IBANS,
                "bacs_debit" => BACS_ACCOUNTS,
                _ => BECS_ACCOUNTS,
            },
        },
        Kind::Voucher => Block {
            head,
            note: named("You get a voucher of {} to pay within three days."),
            ..Block::default()
        },
        Kind::Elsewhere => Block {
            head,
            note: named("You confirm the payment on a page of {}."),
            ..Block::default()
        },
    }
}

fn card(session: &Session, words: Words) -> Vec<Field> {
    let restrictions = session.object.pointer("/payment_method_options/card/restrictions");
    let blocked = restrictions.map(|restrictions| restrictions.at("brands_blocked"));
    let blocked = blocked.and_then(Value::as_array).into_iter().flatten();
    let blocked = blocked.filter_map(Value::as_str).map(str::to_owned).collect();
    let field = |name: &str, label: &str, rule| Field::new(name, words.say(label), rule);
    vec![
        field("card_number", "Card number", Rule::CardNumber { blocked })
            .auto("cc-number", "1234 1234 1234 1234"),
        field("card_expiry", "Expiry", Rule::Expiry).auto("cc-exp", "MM / YY"),
        field("card_cvc", "Security code", Rule::SecurityCode).auto("cc-csc", "CVC"),
        line("card_name", words.say("Name on card")).auto("cc-name", ""),
    ]
}

fn account(method: &Method, details: &[Detail], words: Words) -> Vec<Field> {
    let field = |detail: &Detail| {
        let rule = match detail.digits {
            Some((min, max)) => {
                Rule::Account { method: method.word, detail: detail.word, min, max }
            }
            None => Rule::Iban,
        };
        let field = Field::new(method.field(detail.word), words.say(detail.label), rule);
        Field { placeholder: detail.good, ..field }
    };
    let holder = line(&method.field("name"), words.say("Name on account")).auto("name", "");
    details.iter().map(field).chain([holder]).collect()
}
