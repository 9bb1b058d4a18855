//! Stripe's search query language: clauses of a field, an operator and a value, joined by `AND` or
//! by `OR`, but not by both.
//!
//! `name:"x"` is equal, whatever the case; `name~"x"` contains; `-name:"x"` is not; `name:null` is
//! absent; `metadata["k"]:"v"` looks into metadata. `>`, `<`, `>=` and `<=` are for numbers, of
//! which neither products nor prices have any to search for.

use std::str::Chars;

use serde_json::Value;

use super::super::object::Members;
use super::Fields;

/// The most clauses that Stripe joins in one query.
const CLAUSES_MAX: usize = 10;
/// The fewest characters of a part to look for.
const PART_CHARS_MIN: usize = 3;

/// What kind of value a field holds, and so which operators it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Kind {
    /// A word: it is equal or not.
    Token,
    /// A text: it may also contain another.
    Text,
    /// Metadata: a key in brackets names a word.
    Metadata,
}

/// A query that is understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    clauses: Vec<Clause>,
    /// Whether one of the clauses is enough.
    any: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Clause {
    field: String,
    key: Option<String>,
    negated: bool,
    /// Whether a part of the value is enough.
    part: bool,
    /// The value in lower case; none for `null`.
    value: Option<String>,
}

struct Reader<'a> {
    rest: Chars<'a>,
}

// === impl Query ===

impl Query {
    /// Reads a query. The error says what is not understood, for the developer.
    pub(super) fn parse(text: &str, fields: Fields) -> Result<Self, String> {
        let mut reader = Reader { rest: text.chars() };
        let mut clauses = Vec::new();
        let mut joint: Option<bool> = None;
        loop {
            let clause = reader.clause()?;
            clause.check(fields)?;
            clauses.push(clause);
            if clauses.len() > CLAUSES_MAX {
                return Err(format!("a query can have up to {CLAUSES_MAX} clauses."));
            }
            let any = match reader.word().to_ascii_uppercase().as_str() {
                "" if reader.rest.as_str().is_empty() => break,
                "AND" => false,
                "OR" => true,
                _ => return Err("expected AND or OR between two clauses.".to_owned()),
            };
            if joint.replace(any).is_some_and(|before| before != any) {
                return Err("AND and OR cannot be used in the same query.".to_owned());
            }
        }
        Ok(Self { clauses, any: joint.unwrap_or_default() })
    }

    /// Whether a query describes an object.
    pub(super) fn describes(&self, object: &Value) -> bool {
        if self.any {
            self.clauses.iter().any(|clause| clause.describes(object))
        } else {
            self.clauses.iter().all(|clause| clause.describes(object))
        }
    }
}

// === impl Clause ===

impl Clause {
    fn check(&self, fields: Fields) -> Result<(), String> {
        let name = &self.field;
        let kind = fields.iter().find(|(field, _)| field == name).map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| format!("Field `{name}` is an unsupported search field."))?;
        if (kind == Kind::Metadata) != self.key.is_some() {
            return Err(format!("Field `{name}` is not searched for that way."));
        }
        if self.part && kind != Kind::Text {
            return Err(format!("Field `{name}` does not support the operator `~`."));
        }
        match &self.value {
            None if self.part => Err("`null` cannot be part of a text.".to_owned()),
            Some(value) if self.part && value.chars().count() < PART_CHARS_MIN => {
                Err(format!("a part must have at least {PART_CHARS_MIN} characters."))
            }
            _ => Ok(()),
        }
    }

    fn describes(&self, object: &Value) -> bool {
        let mut held = object.at(&self.field);
        if let Some(key) = &self.key {
            held = held.at(key);
        }
        let held = match held {
            Value::Null => None,
            Value::String(text) => Some(text.to_lowercase()),
            other => Some(other.to_string()),
        };
        let found = match (&held, &self.value) {
            (Some(held), Some(value)) if self.part => held.contains(value),
            (held, value) => held == value,
        };
        found != self.negated
    }
}

// === impl Reader ===

impl Reader<'_> {
    fn clause(&mut self) -> Result<Clause, String> {
        let negated = self.skip("-");
        let field = self.word();
        if field.is_empty() {
            return Err("expected a field.".to_owned());
        }
        let key = if self.skip("[") { Some(self.key()?) } else { None };
        let part = match self.rest.next() {
            Some(':') => false,
            Some('~') => true,
            Some(operator @ ('<' | '>')) => {
                return Err(format!("Field `{field}` does not support the operator `{operator}`."));
            }
            _ => return Err(format!("expected an operator after `{field}`.")),
        };
        let value = match self.quoted()? {
            Some(text) => Some(text.to_lowercase()),
            None => match self.word() {
                word if word == "null" => None,
                word if word.is_empty() => {
                    return Err(format!("expected a value for `{field}`."));
                }
                word => Some(word.to_lowercase()),
            },
        };
        Ok(Clause { field, key, negated, part, value })
    }

    fn key(&mut self) -> Result<String, String> {
        let key = self.quoted()?.ok_or("expected a key in quotes.")?;
        if self.skip("]") { Ok(key) } else { Err("expected `]` after a key.".to_owned()) }
    }

    /// A text in single or double quotes, in which a backslash stands before a quote.
    fn quoted(&mut self) -> Result<Option<String>, String> {
        self.spaces();
        let Some(quote) = self.rest.clone().next().filter(|c| ['"', '\''].contains(c)) else {
            return Ok(None);
        };
        self.rest.next();
        let mut text = String::new();
        while let Some(c) = self.rest.next() {
            if c == quote {
                return Ok(Some(text));
            }
            let escaped = if c == '\\' { self.rest.next() } else { Some(c) };
            text.extend(escaped);
        }
        Err("a quote is not closed.".to_owned())
    }

    fn word(&mut self) -> String {
        self.spaces();
        let rest = self.rest.as_str();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'));
        let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.rest = rest.chars();
        word.to_owned()
    }

    fn skip(&mut self, mark: &str) -> bool {
        self.spaces();
        let rest = self.rest.as_str().strip_prefix(mark);
        self.rest = rest.map_or(self.rest.clone(), str::chars);
        rest.is_some()
    }

    fn spaces(&mut self) {
        self.rest = self.rest.as_str().trim_start().chars();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: Fields =
        &[("active", Kind::Token), ("name", Kind::Text), ("metadata", Kind::Metadata)];

    fn finds(query: &str, expected: bool) {
        let object = json!({
            "active": true, "name": "Blue \"Ink\"", "metadata": { "order id": "7" },
        });
        let query = Query::parse(query, FIELDS).unwrap();
        assert_eq!(query.describes(&object), expected, "{query:?}");
    }

    fn refuses(query: &str, expected: &str) {
        assert_eq!(Query::parse(query, FIELDS).unwrap_err(), expected);
    }

    #[test]
    fn a_value_is_equal_whatever_its_case() {
        finds(r#"name:"blue \"ink\"""#, true);
        finds(r#"name:"blue""#, false);
        finds("active:'true'", true);
        finds("active:true", true);
    }

    #[test]
    fn a_text_may_contain_another() {
        finds(r#"name~"INK""#, true);
        finds(r#"name~"red""#, false);
        refuses(r#"name~"in""#, "a part must have at least 3 characters.");
        refuses(r#"active~"true""#, "Field `active` does not support the operator `~`.");
    }

    #[test]
    fn a_clause_may_be_negated_or_ask_for_nothing() {
        finds(r#"-name:"blue""#, true);
        finds("name:null", false);
        finds("-name:null", true);
        finds(r#"metadata["other"]:null"#, true);
    }

    #[test]
    fn metadata_is_searched_by_key() {
        finds(r#"metadata["order id"]:"7""#, true);
        finds(r#"metadata['order id']:"8""#, false);
        refuses(r#"metadata:"7""#, "Field `metadata` is not searched for that way.");
    }

    #[test]
    fn clauses_are_joined_in_one_way() {
        finds(r#"active:"true" AND name~"blue""#, true);
        finds(r#"active:"false" OR name~"blue""#, true);
        finds(r#"active:"false" AND name~"blue""#, false);
        refuses(
            r#"active:"true" AND name~"blue" OR name~"red""#,
            "AND and OR cannot be used in the same query.",
        );
        refuses(r#"active:"true" name~"blue""#, "expected AND or OR between two clauses.");
    }

    #[test]
    fn what_is_not_understood_is_said() {
        refuses("", "expected a field.");
        refuses("name", "expected an operator after `name`.");
        refuses("name>5", "Field `name` does not support the operator `>`.");
        refuses("name:", "expected a value for `name`.");
        refuses(r#"name:"x"#, "a quote is not closed.");
        refuses(r#"colour:"red""#, "Field `colour` is an unsupported search field.");
    }
}
