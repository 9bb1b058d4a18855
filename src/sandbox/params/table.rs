//! The facts file: which parameters each endpoint takes.

use std::collections::HashMap;
use std::sync::Arc;

/// The facts that are compiled in.
const FACTS: &str = include_str!("facts.txt");

/// The parameters of every endpoint, by `METHOD /path/{placeholder}`.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Tables {
    endpoints: HashMap<&'static str, Field>,
}

/// What one parameter takes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct Field {
    /// The kind of value.
    pub(super) kind: Kind,
    /// Its parent may not be sent without it.
    pub(super) required: bool,
    /// The empty string unsets it.
    pub(super) clear: bool,
    /// The least value of a number.
    pub(super) min: Option<i64>,
    /// The greatest value of a number, the most characters of a text or elements of a list.
    pub(super) max: Option<i64>,
    /// The words of a closed set.
    pub(super) words: Arc<[&'static str]>,
    /// The members of an object.
    pub(super) members: Vec<(&'static str, Field)>,
    /// What each element of a list, or each value of a map, takes.
    pub(super) element: Option<Box<Field>>,
}

/// The kinds of value that the form encoding carries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Kind {
    /// Any text.
    Text,
    /// An absolute `http` or `https` URL.
    Url,
    /// Letters and digits.
    Alnum,
    /// A whole number, or one of the words of a closed set.
    Integer,
    /// A decimal number.
    Number,
    /// A decimal number that stays text, so that no digit is lost.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// An ISO 4217 code that Stripe supports.
    Currency,
    /// One of a closed set.
    Word,
    /// Named members.
    #[default]
    Object,
    /// Elements in order.
    List,
    /// Free names: metadata when no element is declared.
    Map,
    /// A time in Unix seconds.
    Time,
    /// A time in Unix seconds, or an object of `gt`, `gte`, `lt`, `lte`.
    Range,
}

// === impl Tables ===

impl Tables {
    /// Reads the compiled-in facts. The error says which line is not understood, so that a slip in
    /// the file ends the start, not a request.
    pub(in crate::sandbox) fn compiled() -> Result<Self, String> {
        Self::parse(FACTS)
    }

    /// The parameters of an endpoint, as the members of one object.
    pub(in crate::sandbox) fn endpoint(&self, name: &str) -> Option<&Field> {
        self.endpoints.get(name)
    }

    fn parse(text: &'static str) -> Result<Self, String> {
        let mut sets: HashMap<&str, Arc<[&'static str]>> = HashMap::new();
        let mut tables = Self::default();
        let mut current = "";
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let fault = || format!("not understood: {line}");
            if let Some(set) = line.strip_prefix("set ") {
                let (name, words) = set.split_once(' ').ok_or_else(fault)?;
                let further = words.split(' ');
                let words = sets.get(name).into_iter().flat_map(|set| set.iter().copied());
                let words = words.chain(further).collect();
                sets.insert(name, words);
            } else if let Some(parameter) = line.strip_prefix("  ") {
                let (path, spec) = parameter.split_once(' ').ok_or_else(fault)?;
                let field = Field::parse(spec, &sets).ok_or_else(fault)?;
                let root = tables.endpoints.get_mut(current).ok_or_else(fault)?;
                root.place(path, field).ok_or_else(fault)?;
            } else {
                current = line;
                tables.endpoints.insert(current, Field::default());
            }
        }
        Ok(tables)
    }
}

// === impl Field ===

impl Field {
    fn parse(spec: &'static str, sets: &HashMap<&str, Arc<[&'static str]>>) -> Option<Self> {
        let mut attributes = spec.split(' ');
        let mut field = Self { kind: Kind::parse(attributes.next()?)?, ..Self::default() };
        for attribute in attributes {
            match attribute.split_once('=') {
                None if attribute == "required" => field.required = true,
                None if attribute == "clear" => field.clear = true,
                Some(("min", bound)) => field.min = Some(bound.parse().ok()?),
                Some(("max", bound)) => field.max = Some(bound.parse().ok()?),
                Some(("of", words)) => {
                    field.words = match words.strip_prefix('@') {
                        Some(set) => Arc::clone(sets.get(set)?),
                        None => words.split('|').collect(),
                    };
                }
                _ => return None,
            }
        }
        Some(field)
    }

    /// Hangs a field into the tree; the fields on its path come before it in the file.
    fn place(&mut self, path: &'static str, field: Self) -> Option<()> {
        let end = path.find(['.', '[', '{']).unwrap_or(path.len());
        let (segment, rest) = path.split_at(end);
        if segment.is_empty() {
            let rest = rest.strip_prefix("[]").or_else(|| rest.strip_prefix("{}"))?;
            if rest.is_empty() {
                self.element = Some(Box::new(field));
                return Some(());
            }
            return self.element.as_mut()?.place(rest.strip_prefix('.').unwrap_or(rest), field);
        }
        if rest.is_empty() {
            self.members.push((segment, field));
            return Some(());
        }
        let (_, member) = self.members.iter_mut().find(|(name, _)| *name == segment)?;
        member.place(rest.strip_prefix('.').unwrap_or(rest), field)
    }

    /// The names of the members.
    #[cfg(test)]
    pub(in crate::sandbox) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| *name)
    }

    /// The member of that name.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        self.members.iter().find(|(member, _)| *member == name).map(|(_, field)| field)
    }
}

// === impl Kind ===

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "text" => Self::Text,
            "url" => Self::Url,
            "alnum" => Self::Alnum,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "decimal" => Self::Decimal,
            "boolean" => Self::Boolean,
            "currency" => Self::Currency,
            "word" => Self::Word,
            "object" => Self::Object,
            "list" => Self::List,
            "map" => Self::Map,
            "time" => Self::Time,
            "range" => Self::Range,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_facts_are_understood() {
        let tables = Tables::compiled().unwrap();
        let link = tables.endpoint("POST /v1/payment_links").unwrap();
        let items = link.member("line_items").unwrap();
        assert!(items.required);
        assert_eq!(items.max, Some(20));
        let quantity = items.element.as_ref().unwrap().member("quantity").unwrap();
        assert_eq!((quantity.kind, quantity.required), (Kind::Integer, true));
    }

    #[test]
    fn a_set_lends_its_words() {
        let tables = Tables::compiled().unwrap();
        let link = tables.endpoint("POST /v1/payment_links").unwrap();
        let countries = link.member("shipping_address_collection").unwrap();
        let country = countries.member("allowed_countries").unwrap().element.as_ref().unwrap();
        assert_eq!(country.words.len(), 238);
    }

    #[test]
    fn a_slip_in_the_file_is_named() {
        let error = Tables::parse("GET /v1/x\n  name txt").unwrap_err();
        assert_eq!(error, "not understood:   name txt");
    }
}
