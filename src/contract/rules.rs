//! The rules of single fields, applied to an encoded request by its plan.

mod value;

use std::fmt::Write as _;

use super::mask::{Mask, Node};
use super::violation::{Reason, Violation};
use crate::pb::plan::{Field, Kind, Message, Shape};
use crate::pb::walk;

/// How many characters of a map key a field path shows.
const KEY_SHOWN_CHARS: usize = 40;

/// A walk in progress.
struct Checker<'a> {
    path: String,
    violations: &'a mut Vec<Violation>,
    updating: bool,
    full: bool,
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
    let mut checker = Checker { path: String::new(), violations, updating, full };
    let mut given = vec![0; request.fields.len()];
    for (at, field, value) in walk::fields(request, bytes) {
        let resource = matches!(field.kind, Kind::Message(m) if m.get().resource.is_some());
        let index = count(&mut given, at);
        match (field.kind, mask) {
            (Kind::Message(message), Some(mask)) if resource => {
                checker.at(field, None, |checker| {
                    checker.identity(message.get(), value.bytes());
                    checker.message(message.get(), value.bytes(), Scope::Touched(&mask.root));
                });
            }
            _ => checker.value(field, index, value, Scope::Whole),
        }
    }
    checker.absences(request, &given, Scope::Whole);
}

// === impl Checker ===

impl Checker<'_> {
    fn message(&mut self, message: &'static Message, bytes: &[u8], scope: Scope<'_>) {
        let mut given = vec![0; message.fields.len()];
        for (at, field, value) in walk::fields(message, bytes) {
            let index = count(&mut given, at);
            let Some(scope) = scope.of(at) else { continue };
            if field.output_only {
                continue;
            }
            if field.immutable && self.updating {
                if !self.full {
                    self.at(field, None, |checker| {
                        checker.violate(Reason::Immutable, "cannot change after creation");
                    });
                }
                continue;
            }
            if field.update_only && !self.updating {
                self.at(field, None, |checker| {
                    checker.violate(Reason::UpdateOnly, "can be set by an update only");
                });
                continue;
            }
            self.value(field, index, value, scope);
        }
        self.absences(message, &given, scope);
    }

    fn value(&mut self, field: &Field, index: usize, value: walk::Value<'_>, scope: Scope<'_>) {
        match field.shape {
            Shape::Single => self.at(field, None, |checker| {
                checker.one(field.kind, &field.rules, value, scope);
            }),
            Shape::Repeated => self.at(field, Some(index), |checker| {
                let rules = field.rules.items.as_deref().unwrap_or(value::NO_RULES);
                checker.one(field.kind, rules, value, scope);
            }),
            Shape::Map => {
                let (key, value) = walk::entry(value.bytes());
                if matches!(scope, Scope::Touched(node) if !node.has_key(key)) {
                    return;
                }
                self.at(field, None, |checker| checker.entry(field, key, value));
            }
        }
    }

    fn entry(&mut self, field: &Field, key: &str, value: Option<walk::Value<'_>>) {
        let shown: String = key.chars().take(KEY_SHOWN_CHARS).collect();
        let length = self.path.len();
        let _ = write!(self.path, "[{shown:?}]");
        if let Some(rules) = &field.rules.keys {
            self.text(rules, key, "the key ");
        }
        if let Some(value) = value {
            let rules = field.rules.items.as_deref().unwrap_or(value::NO_RULES);
            self.one(field.kind, rules, value, Scope::Whole);
        }
        self.path.truncate(length);
    }

    /// Reports what is not there, or there too often.
    fn absences(&mut self, message: &'static Message, given: &[usize], scope: Scope<'_>) {
        for (at, (field, &given)) in message.fields.iter().zip(given).enumerate() {
            let Some(within) = scope.of(at) else { continue };
            if field.output_only || (field.immutable && self.updating) {
                continue;
            }
            // What is changed by its id keeps whatever is not given.
            let kept = self.updating && given == 0 && message.has_identifier();
            if !kept || matches!(scope, Scope::Touched(node) if !node.whole) {
                self.at(field, None, |checker| checker.count(field, given, scope, within));
            }
        }
        // Which fields go together is asked of whole messages only: an update
        // that touches one of them says nothing of the others.
        if matches!(scope, Scope::Touched(node) if !node.whole) {
            return;
        }
        for (nth, choice) in message.choices.iter().enumerate() {
            let cases = || message.fields.iter().enumerate().filter(|f| f.1.choice == Some(nth));
            if choice.required && !cases().any(|(at, _)| given.get(at) > Some(&0)) {
                let names: Vec<&str> = cases().map(|(_, field)| field.name.as_str()).collect();
                self.violate(Reason::OneOf, format!("one of {} must be given", names.join(", ")));
            }
        }
        for exclusive in &message.exclusive {
            let fields = || exclusive.fields.iter().filter_map(|&at| message.fields.get(at));
            if self.updating && fields().all(|field| field.immutable) {
                continue;
            }
            let count = exclusive.fields.iter().filter(|&&at| given.get(at) > Some(&0)).count();
            if count > 1 || (exclusive.required && count == 0) {
                let names: Vec<&str> = fields().map(|field| field.name.as_str()).collect();
                let how = if exclusive.required { "exactly" } else { "at most" };
                let text = format!("{how} one of {} must be given", names.join(", "));
                self.violate(Reason::OneOf, text);
            }
        }
    }

    fn count(&mut self, field: &Field, given: usize, scope: Scope<'_>, within: Scope<'_>) {
        let partly = matches!(within, Scope::Touched(node) if !node.whole);
        let named = matches!(scope, Scope::Touched(node) if !node.whole) && !partly;
        if given == 0 {
            if field.required && !partly {
                self.violate(Reason::Required, "is required");
            } else if named && !field.clearable {
                self.violate(Reason::NotClearable, "cannot be cleared; give it a value");
            }
        } else if field.shape != Shape::Single {
            self.items(&field.rules, given);
        }
    }

    /// An update says by its id which resource it is about.
    fn identity(&mut self, message: &'static Message, bytes: &[u8]) {
        let given = walk::fields(message, bytes).any(|(_, field, _)| field.identifier);
        if let (false, Some(field)) = (given, message.fields.iter().find(|f| f.identifier)) {
            self.at(field, None, |checker| checker.violate(Reason::Required, "is required"));
        }
    }

    /// Does something with the path of a field, or of one of its items.
    fn at(&mut self, field: &Field, index: Option<usize>, go: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(&field.name);
        if let Some(index) = index {
            let _ = write!(self.path, "[{index}]");
        }
        go(self);
        self.path.truncate(length);
    }

    fn violate(&mut self, reason: Reason, description: impl Into<String>) {
        self.violations.push(Violation::new(self.path.clone(), reason, description));
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

/// Counts one more value of a field, and gives its index.
fn count(given: &mut [usize], at: usize) -> usize {
    let Some(count) = given.get_mut(at) else { return 0 };
    *count += 1;
    *count - 1
}
