//! The rules of single fields, applied to an encoded request by its plan.

mod path;
mod value;

use self::path::Path;
use super::mask::{Mask, Node};
use super::violation::{Reason, Violation};
use crate::pb::plan::{Field, Kind, Message, Shape};
use crate::pb::{self, walk};

/// How many fields a request and the messages within each other have, mostly; a
/// guess that saves growing.
const FIELDS: usize = 128;

/// The notes of a resource, which callers share with the service.
pub(super) const METADATA: &str = "metadata";

/// A walk in progress.
struct Checker<'a> {
    violations: &'a mut Vec<Violation>,
    updating: bool,
    full: bool,
    /// How many values each field has, of the message in hand and of those
    /// around it, outermost first: one allocation for all.
    given: Vec<u32>,
}

/// How much of a message counts.
#[derive(Clone, Copy)]
enum Scope<'a> {
    Whole,
    Touched(&'a Node),
}

/// Finds every violation in a request. With a mask, the request's resource is an update.
pub(super) fn check(
    request: &'static Message,
    bytes: &[u8],
    mask: Option<&Mask>,
    violations: &mut Vec<Violation>,
) {
    let (updating, full) = (mask.is_some(), mask.is_some_and(|mask| mask.full));
    let given = Vec::with_capacity(FIELDS);
    let mut checker = Checker { violations, updating, full, given };
    let start = checker.open(request);
    for (at, field, value) in walk::fields(request, bytes) {
        let resource = matches!(field.kind, Kind::Message(m) if m.get().resource.is_some());
        let index = checker.count(start + at);
        match (field.kind, mask) {
            (Kind::Message(message), Some(mask)) if resource => {
                let path = Path::ROOT.field(field);
                checker.identity(message.get(), value.bytes(), path);
                let scope = Scope::Touched(&mask.root);
                checker.message(message.get(), value.bytes(), scope, path);
            }
            _ => checker.value(field, index, value, Scope::Whole, Path::ROOT),
        }
    }
    checker.absences(request, start, Scope::Whole, Path::ROOT);
}

// === impl Checker ===

impl Checker<'_> {
    fn message(
        &mut self,
        message: &'static Message,
        bytes: &[u8],
        scope: Scope<'_>,
        path: Path<'_>,
    ) {
        let start = self.open(message);
        for (at, field, value) in walk::fields(message, bytes) {
            let index = self.count(start + at);
            let Some(scope) = scope.of(at) else { continue };
            if field.output_only {
                continue;
            }
            if field.immutable && self.updating {
                if !self.full {
                    let text = "cannot change after creation";
                    self.violate(path.field(field), Reason::Immutable, text);
                }
                continue;
            }
            if field.update_only && !self.updating {
                let text = "can be set by an update only";
                self.violate(path.field(field), Reason::UpdateOnly, text);
                continue;
            }
            self.value(field, index, value, scope, path);
        }
        self.absences(message, start, scope, path);
        self.given.truncate(start);
    }

    fn value(
        &mut self,
        field: &Field,
        index: usize,
        value: walk::Value<'_>,
        scope: Scope<'_>,
        path: Path<'_>,
    ) {
        match field.shape {
            Shape::Single => self.one(field.kind, &field.rules, value, scope, path.field(field)),
            Shape::Repeated => {
                let rules = field.rules.items.as_deref().unwrap_or(value::NO_RULES);
                self.one(field.kind, rules, value, scope, path.item(field, index));
            }
            Shape::Map => {
                let (key, value) = walk::entry(value.bytes());
                if !matches!(scope, Scope::Touched(node) if !node.has_key(key)) {
                    self.entry(field, key, value, path.entry(field, key));
                }
            }
        }
    }

    fn entry(&mut self, field: &Field, key: &str, value: Option<walk::Value<'_>>, path: Path<'_>) {
        if field.name == METADATA && key.starts_with(pb::OWN_METADATA) {
            let text = format!("keys that begin with {} are the service's own", pb::OWN_METADATA);
            self.violate(path, Reason::Reserved, text);
        }
        if let Some(rules) = &field.rules.keys {
            self.text(rules, walk::Value::Bytes(key.as_bytes()), "the key ", path);
        }
        if let Some(value) = value {
            let rules = field.rules.items.as_deref().unwrap_or(value::NO_RULES);
            self.one(field.kind, rules, value, Scope::Whole, path);
        }
    }

    /// Reports what is not there, or there too often.
    fn absences(
        &mut self,
        message: &'static Message,
        start: usize,
        scope: Scope<'_>,
        path: Path<'_>,
    ) {
        let by_id = message.has_identifier();
        let partly = matches!(scope, Scope::Touched(node) if !node.whole);
        for (at, field) in message.fields.iter().enumerate() {
            let Some(within) = scope.of(at) else { continue };
            let given = self.given(start + at);
            // What is changed by its id keeps whatever is not given.
            let kept = self.updating && given == 0 && by_id && !partly;
            let fixed = self.updating && field.immutable;
            if !(field.output_only || fixed || kept) {
                self.extent(field, given, scope, within, path.field(field));
            }
        }
        // Which fields go together is asked of whole messages only: an update
        // that touches one of them says nothing of the others.
        if partly {
            return;
        }
        for (nth, choice) in message.choices.iter().enumerate() {
            let cases = || message.fields.iter().enumerate().filter(|f| f.1.choice == Some(nth));
            if choice.required && !cases().any(|(at, _)| self.given(start + at) > 0) {
                let names: Vec<&str> = cases().map(|(_, field)| field.name.as_str()).collect();
                let text = format!("one of {} must be given", names.join(", "));
                self.violate(path, Reason::OneOf, text);
            }
        }
        for exclusive in &message.exclusive {
            let fields = || exclusive.fields.iter().filter_map(|&at| message.fields.get(at));
            if self.updating && fields().all(|field| field.immutable) {
                continue;
            }
            let count = exclusive.fields.iter().filter(|&&at| self.given(start + at) > 0).count();
            if count > 1 || (exclusive.required && count == 0) {
                let names: Vec<&str> = fields().map(|field| field.name.as_str()).collect();
                let how = if exclusive.required { "exactly" } else { "at most" };
                let text = format!("{how} one of {} must be given", names.join(", "));
                self.violate(path, Reason::OneOf, text);
            }
        }
    }

    fn extent(
        &mut self,
        field: &Field,
        given: u32,
        scope: Scope<'_>,
        within: Scope<'_>,
        path: Path<'_>,
    ) {
        let partly = matches!(within, Scope::Touched(node) if !node.whole);
        let named = matches!(scope, Scope::Touched(node) if !node.whole) && !partly;
        if given == 0 {
            if field.required && !partly {
                self.violate(path, Reason::Required, "is required");
            } else if named && !field.clearable {
                self.violate(path, Reason::NotClearable, "cannot be cleared; give it a value");
            }
        } else if field.shape != Shape::Single {
            self.items(&field.rules, given, path);
        }
    }

    /// An update says by its id which resource it is about.
    fn identity(&mut self, message: &'static Message, bytes: &[u8], path: Path<'_>) {
        let given = walk::fields(message, bytes).any(|(_, field, _)| field.identifier);
        if let (false, Some(field)) = (given, message.fields.iter().find(|f| f.identifier)) {
            self.violate(path.field(field), Reason::Required, "is required");
        }
    }

    /// Makes room to count the values of each field of a message.
    fn open(&mut self, message: &'static Message) -> usize {
        let start = self.given.len();
        self.given.resize(start + message.fields.len(), 0);
        start
    }

    /// Counts one more value of a field, and gives its index.
    fn count(&mut self, at: usize) -> usize {
        let Some(count) = self.given.get_mut(at) else { return 0 };
        *count += 1;
        *count as usize - 1
    }

    fn given(&self, at: usize) -> u32 {
        self.given.get(at).copied().unwrap_or_default()
    }

    fn violate(&mut self, path: Path<'_>, reason: Reason, description: impl Into<String>) {
        self.violations.push(Violation::new(path.to_string(), reason, description));
    }
}

// === impl Scope ===

impl<'a> Scope<'a> {
    fn of(self, at: usize) -> Option<Scope<'a>> {
        match self {
            Scope::Whole => Some(Scope::Whole),
            Scope::Touched(node) => node.of(at).map(Scope::Touched),
        }
    }
}
