//! What a session asks its buyer for.

use std::sync::LazyLock;

use serde_json::Value;

use super::super::checkout::Session;
use super::super::object::Members;
use super::fields::{Block, Choice, Field, Head, Rule, Section};
use super::payment;
use super::words::Words;

/// The countries by code and name, in the order of a drop-down list.
static COUNTRIES: LazyLock<Vec<Choice>> = LazyLock::new(|| {
    let lines = include_str!("countries.txt").lines();
    let choice = |(code, name): (&str, &str)| Choice { value: code.into(), label: name.into() };
    lines.filter_map(|line| line.split_once(' ')).map(choice).collect()
});

/// The country that a buyer is taken to live in until they say otherwise.
pub(super) const HOME: &str = "US";
/// The most characters in a line of an address.
pub(super) const LINE_CHARS_MAX: usize = 200;
/// The most characters in an answer to a custom field.
const ANSWER_CHARS_MAX: usize = 255;

/// Everything that a session asks for, filled with what is known already.
pub(super) fn of(session: &Session) -> Vec<Section> {
    let (object, words) = (&session.object, Words::of(session));
    let mut sections = vec![contact(session, words)];
    if object.at("shipping_address_collection").is_object() {
        sections.push(shipping(session, words));
    }
    let custom = object.at("custom_fields").as_array().into_iter().flatten();
    let custom: Vec<Field> = custom.map(|asked| field(asked, words)).collect();
    if !custom.is_empty() {
        sections.push(Section::plain(words.say("Additional information"), custom));
    }
    let pays = payment::is_asked(session);
    if pays {
        sections.push(payment::section(session, words));
    }
    if object.at("billing_address_collection") == "required" {
        let fields = address("billing", COUNTRIES.clone(), session, words);
        sections.push(Section::plain(words.say("Billing address"), fields));
    } else if pays && let Some(payment) = sections.last_mut() {
        payment.blocks.push(Block { fields: residence(session, words), ..Block::default() });
    }
    if object.at("tax_id_collection").at("enabled") == true {
        sections.push(tax_id(object, words));
    }
    let consents = consents(object, words);
    if !consents.is_empty() {
        sections.push(Section::plain(words.say("Your consent"), consents));
    }
    sections
}

fn contact(session: &Session, words: Words) -> Section {
    let object = &session.object;
    let rule = Rule::Email { locked: session.visit.email_locked };
    let mut email = Field::new("email", words.say("Email"), rule).auto("email", "you@example.com");
    email.value = session.visit.email.clone().unwrap_or_default();
    let mut fields = vec![email];
    if object.at("phone_number_collection").at("enabled") == true {
        let phone = Field::new("phone", words.say("Phone number"), Rule::Phone);
        fields.push(phone.auto("tel", "+1 201 555 0123"));
    }
    for (kind, label, autocomplete) in
        [("individual", "Full name", "name"), ("business", "Business name", "organization")]
    {
        let asked = object.at("name_collection").at(kind);
        if asked.at("enabled") == true {
            let mut field = line(&format!("{kind}_name"), words.say(label)).auto(autocomplete, "");
            field.optional = asked.at("optional") == true;
            fields.push(field);
        }
    }
    Section::plain(words.say("Contact information"), fields)
}

fn shipping(session: &Session, words: Words) -> Section {
    let object = &session.object;
    let allowed = object.at("shipping_address_collection").at("allowed_countries");
    let is_allowed = |choice: &&Choice| {
        allowed.as_array().is_none_or(|codes| codes.iter().any(|code| *code == *choice.value))
    };
    let countries = COUNTRIES.iter().filter(is_allowed).cloned().collect();
    let mut fields = vec![line("shipping_name", words.say("Full name")).auto("shipping name", "")];
    fields.extend(address("shipping", countries, session, words));
    let section = Section::plain(words.say("Shipping address"), fields);
    Section { note: text(object, "shipping_address"), ..section }
}

fn address(
    prefix: &'static str,
    countries: Vec<Choice>,
    session: &Session,
    words: Words,
) -> Vec<Field> {
    let part = |name: &str, label: &str, autocomplete, optional| {
        let field = line(&format!("{prefix}_{name}"), words.say(label)).auto(autocomplete, "");
        Field { optional, ..field }
    };
    vec![
        country(prefix, countries, session, words),
        part("line1", "Address", "address-line1", false),
        part("line2", "Apartment, suite, floor", "address-line2", true),
        part("city", "City", "address-level2", false),
        part("state", "State or region", "address-level1", true),
        part("postal_code", "Postal code", "postal-code", true),
    ]
}

/// As much of the billing address as a payment needs; taxes need more of it.
fn residence(session: &Session, words: Words) -> Vec<Field> {
    let mut fields = vec![country("billing", COUNTRIES.clone(), session, words)];
    let taxed = session.object.at("automatic_tax").at("enabled") == true;
    if taxed && !session.object.at("shipping_address_collection").is_object() {
        let postal_code = line("billing_postal_code", words.say("Postal code"));
        fields.push(postal_code.auto("postal-code", ""));
    }
    fields
}

fn country(prefix: &str, countries: Vec<Choice>, session: &Session, words: Words) -> Field {
    let home = session.visit.country().unwrap_or(HOME);
    let home = countries.iter().find(|choice| choice.value == home).or(countries.first());
    let value = home.map(|choice| choice.value.clone()).unwrap_or_default();
    let label = words.say("Country or region");
    let field = Field::new(format!("{prefix}_country"), label, Rule::Choice(countries));
    Field { value, ..field.auto("country", "") }
}

fn field(asked: &Value, words: Words) -> Field {
    let kind = asked.at("type").as_str().unwrap_or_default();
    let detail = asked.at(kind);
    let length = |name: &str| detail.at(name).as_u64().and_then(|n| usize::try_from(n).ok());
    let min = length("minimum_length").unwrap_or(1);
    let max = length("maximum_length").unwrap_or(ANSWER_CHARS_MAX);
    let rule = match kind {
        "dropdown" => Rule::Choice(options(detail.at("options"), words)),
        "numeric" => Rule::Digits { min, max },
        _ => Rule::Line { min, max },
    };
    let key = asked.at("key").as_str().unwrap_or_default();
    let label = asked.at("label").at("custom").as_str().unwrap_or(key);
    let mut field = Field::new(format!("custom_{key}"), label, rule);
    field.optional = asked.at("optional") == true;
    let value = detail.at("default_value").as_str().unwrap_or_default().to_owned();
    Field { value, ..field }
}

fn options(listed: &Value, words: Words) -> Vec<Choice> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let choice = |option: &Value| Choice {
        value: text(option.at("value")),
        label: text(option.at("label")),
    };
    let nothing = Choice { value: String::new(), label: words.say("Select…").to_owned() };
    let listed = listed.as_array().into_iter().flatten().map(choice);
    std::iter::once(nothing).chain(listed).collect()
}

/// The number under which a business pays taxes, and the business's name unless that is asked for
/// anyway. Where it is required, every buyer is asked.
fn tax_id(object: &Value, words: Words) -> Section {
    let required = object.at("tax_id_collection").at("required") == "if_supported";
    let mut fields = vec![Field::new("tax_id", words.say("Tax ID"), Rule::TaxId)];
    if object.at("name_collection").at("business").at("enabled") != true {
        let name = line("tax_name", words.say("Business name")).auto("organization", "");
        fields.insert(0, name);
    }
    let head = (!required).then(|| Head {
        name: "tax_business",
        value: "yes",
        label: words.say("I'm purchasing as a business").to_owned(),
        ticks: true,
        on: false,
    });
    let block = Block { head, fields, ..Block::default() };
    Section { title: words.say("Tax ID").to_owned(), note: None, blocks: vec![block] }
}

fn consents(object: &Value, words: Words) -> Vec<Field> {
    let asked = object.at("consent_collection");
    let mut fields = Vec::new();
    if asked.at("terms_of_service") == "required" {
        let usual = words.say("I agree to the seller's Terms of Service and Privacy Policy");
        let label = text(object, "terms_of_service_acceptance").unwrap_or(usual.to_owned());
        fields.push(Field::new("terms", label, Rule::Tick { about: Some("/c/terms") }));
    }
    if asked.at("promotions") == "auto" {
        let label = words.say("Send me news and offers by e-mail");
        let field = Field::new("promotions", label, Rule::Tick { about: None });
        fields.push(Field { optional: true, ..field });
    }
    fields
}

/// A text of the usual length.
pub(super) fn line(name: &str, label: &str) -> Field {
    Field::new(name, label, Rule::Line { min: 1, max: LINE_CHARS_MAX })
}

/// One of the link's own texts.
pub(super) fn text(object: &Value, slot: &str) -> Option<String> {
    object.at("custom_text").at(slot).at("message").as_str().map(str::to_owned)
}
