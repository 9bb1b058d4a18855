//! What the buyer entered: read, checked field by field, and turned into a payer.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::cards::{self, Card};
use super::super::checkout::{Choice as Chosen, Choices, Payer, Session, plausible_email};
use super::super::methods::{self, Account, Kind, Means, Method};
use super::super::object::Members;
use super::fields::{Field, Rule, Section};
use super::words::Words;
use super::{asks, payment, tax_ids};

/// The most values that a submission may hold; a page asks for far fewer.
const VALUES_MAX: usize = 200;
/// The longest value that is kept for when the page is shown again, in bytes.
const KEPT_BYTES_MAX: usize = 1024;

/// What a card is known by.
const SECRET: [&str; 3] = ["card_number", "card_expiry", "card_cvc"];

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

    /// What is shown again after a reload, or when the buyer comes back from their bank: all but
    /// what a card is known by.
    pub(super) fn kept(&self, sections: &[Section]) -> HashMap<String, String> {
        let blocks = || sections.iter().flat_map(|section| &section.blocks);
        let fields = blocks().flat_map(|block| &block.fields).map(|field| field.name.as_str());
        let heads = blocks().filter_map(|block| Some(block.head.as_ref()?.name));
        let names = fields.chain(heads).filter(|name| !SECRET.contains(name));
        let values = names.map(|name| (name.to_owned(), self.get(name).to_owned()));
        values.filter(|(_, value)| value.len() <= KEPT_BYTES_MAX).collect()
    }

    /// Puts back what was kept.
    pub(super) fn restore(&self, sections: &mut [Section]) {
        for section in sections.iter_mut().filter(|_| !self.values.is_empty()) {
            self.open(section);
            for field in section.blocks.iter_mut().flat_map(|block| &mut block.fields) {
                if let Some(value) = self.values.get(&field.name).filter(|_| !field.is_locked()) {
                    field.value.clone_from(value);
                }
            }
        }
    }

    /// The quantities and amounts, the way of shipping and the code that the buyer chose.
    pub(super) fn choices(&self, session: &Session) -> Choices {
        let words = Words::of(session);
        let choice = |id: &String| Chosen {
            line: id.clone(),
            quantity: self.get(&format!("quantity_{id}")).parse().ok(),
            amount: words.read_amount(self.get(&format!("amount_{id}")), session.currency()),
        };
        let given = |name: &str| self.values.get(name).map(|value| value.trim().to_owned());
        Choices {
            lines: session.lines.iter().map(|line| choice(&line.id)).collect(),
            shipping_rate: given("shipping_rate"),
            code: given("promotion_code"),
        }
    }

    /// Fills the fields with what was entered and marks what is wrong. True if nothing is.
    pub(super) fn fill(&self, sections: &mut [Section], today: (i64, i64), words: Words) -> bool {
        for section in sections.iter_mut() {
            self.open(section);
            for field in section.blocks.iter_mut().flat_map(|block| &mut block.fields) {
                if !field.is_locked() {
                    self.get(&field.name).clone_into(&mut field.value);
                }
            }
        }
        let mut right = true;
        for field in sections.iter_mut().flat_map(Section::asked_mut) {
            field.error = self.check(field, today, words).err();
            right &= field.error.is_none();
        }
        right
    }

    /// Opens the blocks that the buyer chose. Where one of several has to be chosen and none was,
    /// the page's own choice stands.
    fn open(&self, section: &mut Section) {
        let heads = || section.blocks.iter().filter_map(|block| block.head.as_ref());
        let chosen = heads().any(|head| !head.ticks && self.get(head.name) == head.value);
        for head in section.blocks.iter_mut().filter_map(|block| block.head.as_mut()) {
            if head.ticks || chosen {
                head.on = self.get(head.name) == head.value;
            }
        }
    }

    /// Where the buyer lives, as far as they were asked.
    fn country(&self) -> &str {
        let given = ["billing_country", "shipping_country"].map(|name| self.get(name));
        given.into_iter().find(|country| !country.is_empty()).unwrap_or(asks::HOME)
    }

    fn check(&self, field: &Field, today: (i64, i64), words: Words) -> Result<(), String> {
        let value = field.value.as_str();
        if value.is_empty() {
            // Not every country has a number to ask for.
            let unknown = field.rule == Rule::TaxId && tax_ids::kind(self.country()).is_none();
            return if field.optional || unknown { Ok(()) } else { Err(missing(field, words)) };
        }
        self.check_value(field, value, today, words)
    }

    fn check_value(
        &self,
        field: &Field,
        value: &str,
        today: (i64, i64),
        words: Words,
    ) -> Result<(), String> {
        let told = |message: &str| words.say(message).to_owned();
        match &field.rule {
            Rule::Email { .. } if !plausible_email(value) => {
                Err(told("Enter an email address such as you@example.com."))
            }
            Rule::Phone if !plausible_phone(value) => {
                Err(told("Enter a phone number of 6 to 15 digits."))
            }
            Rule::Line { min, max } => check_length(value, *min, *max, words),
            Rule::Digits { min, max } => check_digits(value, *min, *max, words),
            Rule::Account { method, detail, min, max } => {
                let value = compact(value);
                check_digits(&value, *min, *max, words)?;
                methods::check_number(method, detail, &value).map_err(told)
            }
            Rule::Iban => methods::check_iban(value).map(drop).map_err(told),
            Rule::TaxId if !tax_ids::is_plausible(self.country(), value) => {
                Err(told("This does not look like a tax ID of that country."))
            }
            Rule::Choice(choices) if !choices.iter().any(|choice| choice.value == value) => {
                Err(told("Choose an option from the list."))
            }
            Rule::CardNumber { blocked } => {
                let number = cards::check_number(value).map_err(told)?;
                let brand = cards::brand(&number);
                let is_blocked = |word: &str| blocked.iter().any(|blocked| blocked == word);
                if brand.block_word.is_some_and(is_blocked) {
                    return Err(words.fill("{} cards are not accepted here.", &[brand.name]));
                }
                Ok(())
            }
            Rule::Expiry => cards::check_expiry(value, today).map(drop).map_err(told),
            Rule::SecurityCode => {
                cards::check_cvc(value, &digits(self.get("card_number"))).map_err(told)
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
        let asked =
            |name: &str| sections.iter().flat_map(Section::asked).find(|field| field.name == name);
        let given = |name: &str| {
            asked(name).map(|field| field.value.clone()).filter(|value| !value.is_empty())
        };
        payer.email = given("email").unwrap_or_default();
        payer.phone = given("phone");
        payer.individual_name = given("individual_name");
        payer.business_name = given("business_name").or_else(|| given("tax_name"));
        payer.terms_accepted = given("terms").is_some();
        payer.promotions = asked("promotions").map(|field| !field.value.is_empty());
        payer.billing = address("billing", &given);
        payer.tax_id = given("tax_id")
            .and_then(|number| Some((tax_ids::kind(self.country())?.to_owned(), number)));
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
        let method = chosen(session, sections);
        payer.name = method
            .and_then(|method| given(&method.field("name")))
            .or_else(|| payer.individual_name.clone());
        payer.means = method.and_then(|method| self.means(method, &payer.email, today));
        payer
    }

    /// What the buyer pays with, by a method.
    fn means(&self, method: &Method, email: &str, today: (i64, i64)) -> Option<Means> {
        let given = |detail: &str| compact(self.get(&method.field(detail))).to_uppercase();
        let account = |number, bank| {
            Some(Means::Account(Account { method: method.word.to_owned(), number, bank }))
        };
        match method.kind {
            Kind::Card => {
                let (exp_month, exp_year) =
                    cards::check_expiry(self.get("card_expiry"), today).ok()?;
                let number = digits(self.get("card_number"));
                Some(Means::Card(Card { number, exp_month, exp_year }))
            }
            Kind::Debit([bank, number]) => account(given(number.word), given(bank.word)),
            Kind::Debit([number]) => account(given(number.word), String::new()),
            Kind::Debit(_) => None,
            Kind::Voucher | Kind::Elsewhere => account(email.to_owned(), String::new()),
        }
    }
}

/// The method that a page was submitted with; none where nothing is to be paid with.
fn chosen(session: &Session, sections: &[Section]) -> Option<&'static Method> {
    let heads = sections.iter().flat_map(|section| &section.blocks);
    let mut heads = heads.filter_map(|block| block.head.as_ref());
    let picked = heads.find(|head| head.name == payment::METHOD && head.on);
    match picked {
        Some(head) => methods::named(head.value),
        None => payment::only(session).filter(|_| payment::is_asked(session)),
    }
}

fn check_length(value: &str, min: usize, max: usize, words: Words) -> Result<(), String> {
    match value.chars().count() {
        length if length < min => {
            Err(words.fill("Enter at least {} characters.", &[&min.to_string()]))
        }
        length if length > max => {
            Err(words.fill("Enter at most {} characters.", &[&max.to_string()]))
        }
        _ => Ok(()),
    }
}

fn check_digits(value: &str, min: usize, max: usize, words: Words) -> Result<(), String> {
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(words.say("Enter digits only.").to_owned());
    }
    match value.len() {
        length if length < min => Err(words.fill("Enter at least {} digits.", &[&min.to_string()])),
        length if length > max => Err(words.fill("Enter at most {} digits.", &[&max.to_string()])),
        _ => Ok(()),
    }
}

fn missing(field: &Field, words: Words) -> String {
    match field.rule {
        Rule::Tick { .. } => words.say("Tick this box to go on.").to_owned(),
        Rule::Choice(_) => words.say("Choose an option from the list.").to_owned(),
        _ if words == Words::English => words.fill("Enter your {}.", &[&in_sentence(&field.label)]),
        _ => words.fill("Enter your {}.", &[&field.label]),
    }
}

/// Numbers are typed with spaces and dashes, for people to read.
fn compact(typed: &str) -> String {
    typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()
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
