//! The rules of one value.

use uuid::Uuid;

use super::path::Path;
use super::{Checker, Scope};
use crate::contract::violation::Reason;
use crate::pb::plan::{Kind, Rules};
use crate::pb::walk;

/// What holds where the proto states nothing.
pub(super) static NO_RULES: &Rules = &Rules {
    min_len: None,
    max_len: None,
    pattern: None,
    uuid: false,
    gte: None,
    lte: None,
    defined_only: false,
    min_items: None,
    max_items: None,
    items: None,
    keys: None,
};

impl Checker<'_> {
    pub(super) fn one(
        &mut self,
        kind: Kind,
        rules: &Rules,
        value: walk::Value<'_>,
        scope: Scope<'_>,
        path: Path<'_>,
    ) {
        match kind {
            Kind::Bool | Kind::Timestamp => {}
            Kind::Int => self.number(rules, value.int(), path),
            Kind::String => self.text(rules, value, "", path),
            Kind::Enum(words) => {
                if rules.defined_only && words.word(value.enum_number()).is_none() {
                    self.violate(
                        path,
                        Reason::UnknownValue,
                        "must be one of the values of its enum",
                    );
                }
            }
            Kind::Message(message) => self.message(message.get(), value.bytes(), scope, path),
        }
    }

    pub(super) fn text(&mut self, rules: &Rules, value: walk::Value<'_>, of: &str, path: Path<'_>) {
        let (min, max) = (rules.min_len.unwrap_or(0), rules.max_len.unwrap_or(u64::MAX));
        let bytes = value.bytes().len() as u64;
        // A character has 1 to 4 bytes, so most texts need no count of theirs.
        if bytes > max || bytes / 4 < min {
            let chars = value.text().chars().count() as u64;
            if chars > max {
                let text = format!("{of}must have at most {max} characters");
                self.violate(path, Reason::Length, text);
            } else if chars < min {
                let text = format!("{of}must have at least {min} characters");
                self.violate(path, Reason::Length, text);
            }
        }
        if let Some(pattern) = &rules.pattern
            && !pattern.is_match(value.text())
        {
            self.violate(path, Reason::Format, format!("{of}must match {}", pattern.as_str()));
        }
        if rules.uuid && Uuid::try_parse_ascii(value.bytes()).is_err() {
            self.violate(path, Reason::Format, format!("{of}must be a UUID"));
        }
    }

    /// Checks how many items a list or a map has.
    pub(super) fn items(&mut self, rules: &Rules, items: u32, path: Path<'_>) {
        let items = u64::from(items);
        if let Some(max) = rules.max_items.filter(|&max| items > max) {
            self.violate(path, Reason::Count, format!("must have at most {max} entries"));
        }
        if let Some(min) = rules.min_items.filter(|&min| items < min) {
            self.violate(path, Reason::Count, format!("must have at least {min} entries"));
        }
    }

    fn number(&mut self, rules: &Rules, number: i64, path: Path<'_>) {
        if let Some(gte) = rules.gte.filter(|&gte| number < gte) {
            self.violate(path, Reason::Range, format!("must be at least {gte}"));
        }
        if let Some(lte) = rules.lte.filter(|&lte| number > lte) {
            self.violate(path, Reason::Range, format!("must be at most {lte}"));
        }
    }
}
