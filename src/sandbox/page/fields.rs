//! The fields that a session asks its buyer to fill in.
//!
//! Each field is declared once, with its rule; the page shows it, [`super::entry`] checks it.

use std::sync::LazyLock;

use serde_json::Value;

use super::super::checkout::Session;
use super::super::object::Members;

/// The countries by code and name, in the order of a drop-down list.
static COUNTRIES: LazyLock<Vec<Choice>> = LazyLock::new(|| {
    let lines = include_str!("countries.txt").lines();
    let choice = |(code, name): (&str, &str)| Choice { value: code.into(), label: name.into() };
    lines.filter_map(|line| line.split_once(' ')).map(choice).collect()
});

/// The country that a buyer is taken to live in until they say otherwise.
const HOME: &str = "US";
/// The most characters in a line of an address.
const LINE_CHARS_MAX: usize = 200;
/// The most characters in an answer to a custom field.
const ANSWER_CHARS_MAX: usize = 255;

/// Fields under one heading.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// The heading.
    pub(super) title: &'static str,
    /// A text under the heading, if the link has one.
    pub(super) note: Option<String>,
    /// The fields in order.
    pub(super) fields: Vec<Field>,
}

/// One field.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Its name in the form.
    pub(super) name: String,
    /// What the buyer reads.
    pub(super) label: String,
    /// What it takes.
    pub(super) rule: Rule,
    /// Whether it may stay empty.
    pub(super) optional: bool,
    /// What a browser may fill in by itself.
    pub(super) autocomplete: &'static str,
    /// An example of what to enter.
    pub(super) placeholder: &'static str,
    /// What it holds.
    pub(super) value: String,
    /// What is wrong with what it holds.
    pub(super) error: Option<String>,
}

/// What a field takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// An e-mail address, which the link may have settled.
    Email { locked: bool },
    /// A phone number.
    Phone,
    /// A text of so many characters.
    Line { min: usize, max: usize },
    /// Digits only, of so many characters.
    Digits { min: usize, max: usize },
    /// One of a list.
    Choice(Vec<Choice>),
    /// A box to tick.
    Tick,
    /// A card's number, of a brand that is not blocked.
    CardNumber { blocked: Vec<String> },
    /// A card's expiry.
    Expiry,
    /// A card's security code.
    SecurityCode,
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// What is sent.
    pub(super) value: String,
    /// What is shown.
    pub(super) label: String,
}

/// Everything that a session asks for, filled with what is known already.
pub(super) fn of(session: &Session, due: i64) -> Vec<Section> {
    let object = &session.object;
    let pays = due > 0 || object.at("mode") == "subscription";
    let mut sections = vec![contact(session)];
    if object.at("shipping_address_collection").is_object() {
        sections.push(shipping(object));
    }
    let custom: Vec<Field> =
        object.at("custom_fields").as_array().into_iter().flatten().map(custom).collect();
    if !custom.is_empty() {
        sections.push(Section { title: "Additional information", note: None, fields: custom });
    }
    if pays && (due > 0 || object.at("payment_method_collection") == "always") {
        sections.push(card(object));
    }
    if object.at("billing_address_collection") == "required" {
        let fields = address("billing", COUNTRIES.clone());
        sections.push(Section { title: "Billing address", note: None, fields });
    }
    let consents = consents(object);
    if !consents.is_empty() {
        sections.push(Section { title: "Your consent", note: None, fields: consents });
    }
    sections
}

fn contact(session: &Session) -> Section {
    let object = &session.object;
    let rule = Rule::Email { locked: session.visit.email_locked };
    let mut email = Field::new("email", "Email", rule).auto("email", "you@example.com");
    email.value = session.visit.email.clone().unwrap_or_default();
    let mut fields = vec![email];
    if object.at("phone_number_collection").at("enabled") == true {
        fields
            .push(Field::new("phone", "Phone number", Rule::Phone).auto("tel", "+1 201 555 0123"));
    }
    for (kind, label, autocomplete) in
        [("individual", "Full name", "name"), ("business", "Business name", "organization")]
    {
        let asked = object.at("name_collection").at(kind);
        if asked.at("enabled") == true {
            let rule = Rule::Line { min: 1, max: LINE_CHARS_MAX };
            let mut field = Field::new(format!("{kind}_name"), label, rule).auto(autocomplete, "");
            field.optional = asked.at("optional") == true;
            fields.push(field);
        }
    }
    Section { title: "Contact information", note: None, fields }
}

fn shipping(object: &Value) -> Section {
    let allowed = object.at("shipping_address_collection").at("allowed_countries");
    let is_allowed = |choice: &&Choice| {
        allowed.as_array().is_none_or(|codes| codes.iter().any(|code| *code == *choice.value))
    };
    let countries = COUNTRIES.iter().filter(is_allowed).cloned().collect();
    let rule = Rule::Line { min: 1, max: LINE_CHARS_MAX };
    let name = Field::new("shipping_name", "Full name", rule).auto("shipping name", "");
    let mut fields = vec![name];
    fields.extend(address("shipping", countries));
    Section { title: "Shipping address", note: text(object, "shipping_address"), fields }
}

fn card(object: &Value) -> Section {
    let blocked = object.pointer("/payment_method_options/card/restrictions/brands_blocked");
    let blocked = blocked.and_then(Value::as_array).into_iter().flatten();
    let blocked = blocked.filter_map(Value::as_str).map(str::to_owned).collect();
    let number = Rule::CardNumber { blocked };
    let name = Rule::Line { min: 1, max: LINE_CHARS_MAX };
    let mut fields = vec![
        Field::new("card_number", "Card number", number).auto("cc-number", "1234 1234 1234 1234"),
        Field::new("card_expiry", "Expiry", Rule::Expiry).auto("cc-exp", "MM / YY"),
        Field::new("card_cvc", "Security code", Rule::SecurityCode).auto("cc-csc", "CVC"),
        Field::new("card_name", "Name on card", name).auto("cc-name", "Full name on card"),
    ];
    if object.at("billing_address_collection") != "required" {
        fields.push(country("billing", COUNTRIES.clone()));
    }
    Section { title: "Payment details", note: None, fields }
}

fn address(prefix: &'static str, countries: Vec<Choice>) -> Vec<Field> {
    let line = |name: &str, label: &str, autocomplete, optional| {
        let rule = Rule::Line { min: 1, max: LINE_CHARS_MAX };
        let field = Field::new(format!("{prefix}_{name}"), label, rule).auto(autocomplete, "");
        Field { optional, ..field }
    };
    vec![
        country(prefix, countries),
        line("line1", "Address", "address-line1", false),
        line("line2", "Apartment, suite, floor", "address-line2", true),
        line("city", "City", "address-level2", false),
        line("state", "State or region", "address-level1", true),
        line("postal_code", "Postal code", "postal-code", true),
    ]
}

fn country(prefix: &str, countries: Vec<Choice>) -> Field {
    let home = countries.iter().find(|choice| choice.value == HOME).or(countries.first());
    let value = home.map(|choice| choice.value.clone()).unwrap_or_default();
    let field =
        Field::new(format!("{prefix}_country"), "Country or region", Rule::Choice(countries));
    Field { value, ..field.auto("country", "") }
}

fn custom(asked: &Value) -> Field {
    let kind = asked.at("type").as_str().unwrap_or_default();
    let detail = asked.at(kind);
    let length = |name: &str| detail.at(name).as_u64().and_then(|n| usize::try_from(n).ok());
    let min = length("minimum_length").unwrap_or(1);
    let max = length("maximum_length").unwrap_or(ANSWER_CHARS_MAX);
    let rule = match kind {
        "dropdown" => Rule::Choice(options(detail.at("options"))),
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

fn options(listed: &Value) -> Vec<Choice> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let choice = |option: &Value| Choice {
        value: text(option.at("value")),
        label: text(option.at("label")),
    };
    let nothing = Choice { value: String::new(), label: "Select…".to_owned() };
    let listed = listed.as_array().into_iter().flatten().map(choice);
    std::iter::once(nothing).chain(listed).collect()
}

fn consents(object: &Value) -> Vec<Field> {
    let asked = object.at("consent_collection");
    let mut fields = Vec::new();
    if asked.at("terms_of_service") == "required" {
        let own = text(object, "terms_of_service_acceptance");
        let label = own.unwrap_or_else(|| {
            "I agree to the seller's Terms of Service and Privacy Policy".to_owned()
        });
        fields.push(Field::new("terms", label, Rule::Tick));
    }
    if asked.at("promotions") == "auto" {
        let label = "Send me news and offers by e-mail";
        fields.push(Field { optional: true, ..Field::new("promotions", label, Rule::Tick) });
    }
    fields
}

/// One of the link's own texts.
pub(super) fn text(object: &Value, slot: &str) -> Option<String> {
    object.at("custom_text")[slot].at("message").as_str().map(str::to_owned)
}

// === impl Field ===

impl Field {
    fn new(name: impl Into<String>, label: impl Into<String>, rule: Rule) -> Self {
        Self {
            name: name.into(),
            label: label.into(),
            rule,
            optional: false,
            autocomplete: "off",
            placeholder: "",
            value: String::new(),
            error: None,
        }
    }

    fn auto(self, autocomplete: &'static str, placeholder: &'static str) -> Self {
        Self { autocomplete, placeholder, ..self }
    }

    /// The type of the input element.
    pub(super) fn input_type(&self) -> &'static str {
        match self.rule {
            Rule::Email { .. } => "email",
            Rule::Phone => "tel",
            _ => "text",
        }
    }

    /// The keyboard that a phone offers.
    pub(super) fn input_mode(&self) -> &'static str {
        match self.rule {
            Rule::Email { .. } => "email",
            Rule::Phone => "tel",
            Rule::Digits { .. } | Rule::CardNumber { .. } | Rule::Expiry | Rule::SecurityCode => {
                "numeric"
            }
            _ => "text",
        }
    }

    /// The list to choose from, if there is one.
    pub(super) fn choices(&self) -> Option<&[Choice]> {
        match &self.rule {
            Rule::Choice(choices) => Some(choices),
            _ => None,
        }
    }

    /// Whether it is a box to tick.
    pub(super) fn is_tick(&self) -> bool {
        self.rule == Rule::Tick
    }

    /// Whether the link settled what it holds.
    pub(super) fn is_locked(&self) -> bool {
        self.rule == Rule::Email { locked: true }
    }

    /// Whether two such fields stand side by side.
    pub(super) fn is_narrow(&self) -> bool {
        matches!(self.rule, Rule::Expiry | Rule::SecurityCode)
            || self.name.ends_with("_state")
            || self.name.ends_with("_postal_code")
    }

    /// The most characters that the browser lets through.
    pub(super) fn max_length(&self) -> usize {
        match self.rule {
            Rule::Line { max, .. } | Rule::Digits { max, .. } => max,
            Rule::CardNumber { .. } => 23,
            Rule::Expiry => 9,
            Rule::SecurityCode => 4,
            _ => 254,
        }
    }
}
