//! Fields: each is declared once, with its rule; the page shows it, [`super::entry`] checks it.

/// Fields under one heading.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// The heading.
    pub(super) title: String,
    /// A text under the heading, if the link has one.
    pub(super) note: Option<String>,
    /// The fields in order.
    pub(super) blocks: Vec<Block>,
}

/// Fields that are asked for together.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    /// What the buyer chooses to be asked for the fields; none if they are always asked for.
    pub(super) head: Option<Head>,
    /// The fields in order.
    pub(super) fields: Vec<Field>,
    /// What is said below them.
    pub(super) note: Option<String>,
    /// Numbers to try, and what they do.
    pub(super) trials: &'static [(&'static str, &'static str)],
}

/// A choice that opens a block.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Its name in the form. Blocks of one name exclude each other.
    pub(super) name: &'static str,
    /// What is sent if it is chosen.
    pub(super) value: &'static str,
    /// What the buyer reads.
    pub(super) label: String,
    /// Whether it is a box to tick rather than one of several.
    pub(super) ticks: bool,
    /// Whether it is chosen.
    pub(super) on: bool,
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
    /// A box to tick, with an address at which to read what it is about.
    Tick { about: Option<&'static str> },
    /// A card's number, of a brand that is not blocked.
    CardNumber { blocked: Vec<String> },
    /// A card's expiry.
    Expiry,
    /// A card's security code.
    SecurityCode,
    /// A number of a bank account, by the words of its method and of the number.
    Account { method: &'static str, detail: &'static str, min: usize, max: usize },
    /// An international bank account number.
    Iban,
    /// A number under which a business pays taxes in the country of its address.
    TaxId,
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// What is sent.
    pub(super) value: String,
    /// What is shown.
    pub(super) label: String,
}

// === impl Section ===

impl Section {
    /// Fields that are always asked for.
    pub(super) fn plain(title: &str, fields: Vec<Field>) -> Self {
        let block = Block { fields, ..Block::default() };
        Self { title: title.to_owned(), note: None, blocks: vec![block] }
    }

    /// The fields that are asked for, given what is chosen.
    pub(super) fn asked(&self) -> impl Iterator<Item = &Field> {
        self.blocks.iter().filter(|block| block.is_open()).flat_map(|block| &block.fields)
    }

    /// The same, to be filled in.
    pub(super) fn asked_mut(&mut self) -> impl Iterator<Item = &mut Field> {
        self.blocks.iter_mut().filter(|block| block.is_open()).flat_map(|block| &mut block.fields)
    }
}

// === impl Block ===

impl Block {
    /// Whether its fields are asked for.
    pub(super) fn is_open(&self) -> bool {
        self.head.as_ref().is_none_or(|head| head.on)
    }

    /// Whether it asks for a card.
    pub(super) fn asks_for_card(&self) -> bool {
        self.fields.iter().any(|field| field.rule == Rule::Expiry)
    }
}

// === impl Field ===

impl Field {
    /// A field that must be filled in, and is empty.
    pub(super) fn new(name: impl Into<String>, label: impl Into<String>, rule: Rule) -> Self {
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

    /// The same with what a browser may fill in, and an example.
    pub(super) fn auto(self, autocomplete: &'static str, placeholder: &'static str) -> Self {
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
            Rule::Digits { .. }
            | Rule::CardNumber { .. }
            | Rule::Expiry
            | Rule::SecurityCode
            | Rule::Account { .. } => "numeric",
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
        matches!(self.rule, Rule::Tick { .. })
    }

    /// Where to read what a box is about.
    pub(super) fn about(&self) -> Option<&'static str> {
        match self.rule {
            Rule::Tick { about } => about,
            _ => None,
        }
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
            // People type spaces and dashes.
            Rule::Account { max, .. } => max * 2,
            Rule::CardNumber { .. } => 23,
            Rule::Expiry => 9,
            Rule::SecurityCode => 4,
            Rule::Iban => 42,
            Rule::TaxId => 40,
            _ => 254,
        }
    }
}
