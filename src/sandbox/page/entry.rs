//! What the buyer entered: read, checked field by field, and turned into a payer.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::cards::{self, Card};
use super::super::checkout::{Choice as Chosen, Choices, Payer, Session, plausible_email};
use super::super::money;
use super::super::object::Members;
use super::fields::{Field, Rule, Section};

/// The most values that a submission may hold; a page asks for far fewer.
const VALUES_MAX: usize = 200;

/// The submitted values by name.
#[derive(Debug, Default)]
pub(super) struct Entry {
    values: HashMap<String, String>,
}

// === impl Entry ===

impl Entry {
    /// Reads a submitted form.
    pub(super) fn parse(body: &Bytes) -> Self {
        let pairs = form_urlencoded::parse(body).into_owned().take(VALUES_MAX);
        Self { values: pairs.collect() }
    }

    /// Values that were not submitted as a form.
    pub(super) fn of(values: HashMap<String, String>) -> Self {
        Self { values }
    }

    /// Takes a value for a name that has none yet, as an untouched field of the page does.
    pub(super) fn keep(&mut self, name: &str, value: &str) {
        self.values.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }

    /// The value of that name, trimmed; empty if it was not sent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.values.get(name).map(|value| value.trim()).unwrap_or_default()
    }

    /// The quantities and amounts, the way of shipping and the code that the buyer chose.
    pub(super) fn choices(&self, session: &Session) -> Choices {
        let choice = |id: &String| Chosen {
            line: id.clone(),
            quantity: self.get(&format!("quantity_{id}")).parse().ok(),
            amount: money::parse(self.get(&format!("amount_{id}")), session.currency()),
        };
        let given = |name: &str| self.values.get(name).map(|value| value.trim().to_owned());
        Choices {
            lines: session.lines.iter().map(|line| choice(&line.id)).collect(),
            shipping_rate: given("shipping_rate"),
            code: given("promotion_code"),
        }
    }

    /// Fills the fields with what was entered and marks what is wrong. True if nothing is.
    pub(super) fn fill(&self, sections: &mut [Section], today: (i64, i64)) -> bool {
        let mut right = true;
        for field in sections.iter_mut().flat_map(|section| &mut section.fields) {
            if !field.is_locked() {
                self.get(&field.name).clone_into(&mut field.value);
            }
            field.error = self.check(field, today).err();
            right &= field.error.is_none();
        }
        right
    }

    fn check(&self, field: &Field, today: (i64, i64)) -> Result<(), String> {
        let value = field.value.as_str();
        if value.is_empty() {
            return if field.optional { Ok(()) } else { Err(missing(field)) };
        }
        let length = value.chars().count();
        let sized = |min: usize, max: usize, what: &str| match length {
            length if length < min => Err(format!("Enter at least {min} {what}.")),
            length if length > max => Err(format!("Enter at most {max} {what}.")),
            _ => Ok(()),
        };
        match &field.rule {
            Rule::Email { .. } if !plausible_email(value) => {
                Err("Enter an email address such as you@example.com.".to_owned())
            }
            Rule::Phone if !plausible_phone(value) => {
                Err("Enter a phone number of 6 to 15 digits.".to_owned())
            }
            Rule::Line { min, max } => sized(*min, *max, "characters"),
            Rule::Digits { .. } if !value.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err("Enter digits only.".to_owned())
            }
            Rule::Digits { min, max } => sized(*min, *max, "digits"),
            Rule::Choice(choices) if !choices.iter().any(|choice| choice.value == value) => {
                Err("Choose an option from the list.".to_owned())
            }
            Rule::CardNumber { blocked } => {
                let number = cards::check_number(value)?;
                let brand = cards::brand(&number);
                let is_blocked = |word: &str| blocked.iter().any(|blocked| blocked == word);
                if brand.block_word.is_some_and(is_blocked) {
                    return Err(format!("{} cards are not accepted here.", brand.name));
                }
                Ok(())
            }
            Rule::Expiry => cards::check_expiry(value, today).map(drop).map_err(str::to_owned),
            Rule::SecurityCode => {
                cards::check_cvc(value, &digits(self.get("card_number"))).map_err(str::to_owned)
            }
            _ => Ok(()),
        }
    }

    /// The payer of fields that are all right.
    pub(super) fn payer(
        &self,
        session: &Session,
        sections: &[Section],
        today: (i64, i64),
    ) -> Payer {
        let mut payer = Payer::default();
        let asked = |name: &str| {
            sections.iter().flat_map(|section| &section.fields).find(|field| field.name == name)
        };
        let given = |name: &str| {
            asked(name).map(|field| field.value.clone()).filter(|value| !value.is_empty())
        };
        payer.email = given("email").unwrap_or_default();
        payer.phone = given("phone");
        payer.individual_name = given("individual_name");
        payer.business_name = given("business_name");
        payer.name = given("card_name").or_else(|| payer.individual_name.clone());
        payer.terms_accepted = given("terms").is_some();
        payer.promotions = asked("promotions").map(|field| !field.value.is_empty());
        payer.billing = address("billing", &given);
        if let Some(name) = given("shipping_name") {
            payer.shipping = json!({ "address": address("shipping", &given), "name": name });
        }
        payer.answers = session
            .object
            .at("custom_fields")
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|field| field.at("key").as_str())
            .filter_map(|key| Some((key.to_owned(), given(&format!("custom_{key}"))?)))
            .collect();
        payer.card = given("card_number").and_then(|number| {
            let (exp_month, exp_year) = cards::check_expiry(self.get("card_expiry"), today).ok()?;
            Some(Card { number: digits(&number), exp_month, exp_year })
        });
        payer
    }
}

fn missing(field: &Field) -> String {
    match field.rule {
        Rule::Tick => "Tick this box to go on.".to_owned(),
        Rule::Choice(_) => "Choose an option from the list.".to_owned(),
        _ => format!("Enter your {}.", in_sentence(&field.label)),
    }
}

/// A label inside a sentence: it begins with a small letter, unless it is an abbreviation.
fn in_sentence(label: &str) -> String {
    let mut chars = label.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => label.to_owned(),
    }
}

fn plausible_phone(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_digit() || " +-().".contains(c);
    (6..=15).contains(&digits(text).len()) && text.chars().all(allowed)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn address(prefix: &str, given: &impl Fn(&str) -> Option<String>) -> Value {
    let Some(country) = given(&format!("{prefix}_country")) else {
        return Value::Null;
    };
    let part = |name: &str| given(&format!("{prefix}_{name}"));
    json!({
        "city": part("city"),
        "country": country,
        "line1": part("line1"),
        "line2": part("line2"),
        "postal_code": part("postal_code"),
        "state": part("state"),
    })
}
