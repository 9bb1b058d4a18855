//! The fields that an update touches (AIP-134, AIP-161).

use super::rules::METADATA;
use super::violation::{Reason, Violation};
use crate::pb::plan::{Kind, Message, Shape};
use crate::pb::{self, walk};

/// The fields of a resource that an update touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask {
    /// What is touched of the resource.
    pub root: Node,
    /// The mask was `*`: everything that can change is touched, and what cannot
    /// change may be given, as by a caller who sends back what was read.
    pub full: bool,
}

/// What is touched of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Everything below here is touched.
    pub whole: bool,
    /// The touched fields, by index in the plan, where not everything is touched.
    pub fields: Vec<(usize, Node)>,
    /// The touched keys, where this is a map and not all of it is touched.
    pub keys: Vec<String>,
}

/// Why a path names nothing that an update could change.
type Refusal = (Reason, &'static str);

// === impl Mask ===

impl Mask {
    /// Reads the paths of a mask. Without any, the mask is what the resource sets.
    pub(super) fn new(
        paths: &[&str],
        message: &'static Message,
        resource: &[u8],
        violations: &mut Vec<Violation>,
    ) -> Self {
        if paths.is_empty() {
            return Self::implied(message, resource, violations);
        }
        if paths == ["*"] {
            return Self::full(message, resource);
        }
        let mut mask = Self::default();
        for path in paths {
            if let Err((reason, why)) = mask.root.add(message, path) {
                let text = format!("`{}` {why}", shorten(path));
                violations.push(Violation::new("update_mask", reason, text));
            }
        }
        mask
    }

    /// Touches all that can change: what is set, and what is unset and can be cleared.
    fn full(message: &'static Message, resource: &[u8]) -> Self {
        let mut mask = Self { full: true, ..Self::default() };
        let given: Vec<usize> = walk::fields(message, resource).map(|(at, _, _)| at).collect();
        for (at, field) in message.fields.iter().enumerate() {
            let fixed = field.output_only || field.identifier || field.immutable || field.local;
            if !fixed && (field.clearable || given.contains(&at)) {
                mask.root.child(at).whole = true;
            }
        }
        mask
    }

    fn implied(
        message: &'static Message,
        resource: &[u8],
        violations: &mut Vec<Violation>,
    ) -> Self {
        let mut mask = Self::default();
        for (at, field, _) in walk::fields(message, resource) {
            if !field.output_only && !field.identifier {
                mask.root.child(at).whole = true;
            }
        }
        if mask.root.fields.is_empty() {
            let text = "names nothing to change, and no field is set";
            violations.push(Violation::new("update_mask", Reason::Required, text));
        }
        mask
    }
}

// === impl Node ===

impl Node {
    /// Gives what is touched of a field, if anything.
    #[must_use]
    pub fn of(&self, at: usize) -> Option<&Node> {
        if self.whole {
            return Some(self);
        }
        self.fields.iter().find(|(field, _)| *field == at).map(|(_, node)| node)
    }

    /// Tells whether a key of this map is touched.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        self.whole || self.keys.iter().any(|touched| touched == key)
    }

    fn add(&mut self, message: &'static Message, path: &str) -> Result<(), Refusal> {
        let (name, rest) = match path.split_once('.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        let Some((at, field)) = message.field_named(name) else {
            let why = match name {
                "*" => "is not a field of the resource; alone it names them all",
                _ => "is not a field of the resource",
            };
            return Err((Reason::UnknownField, why));
        };
        if field.output_only || field.identifier || field.local {
            return Err((Reason::OutputOnly, "is set by the service alone"));
        }
        if field.immutable {
            return Err((Reason::Immutable, "cannot change after creation"));
        }
        let own = rest.is_some_and(|key| key.trim_matches('`').starts_with(pb::OWN_METADATA));
        if own && field.name == METADATA {
            return Err((Reason::Reserved, "is the service's own"));
        }
        let child = self.child(at);
        match (rest, field.shape, field.kind) {
            (None, _, _) => child.whole = true,
            (Some(key), Shape::Map, _) => child.keys.push(key.trim_matches('`').to_owned()),
            (Some(rest), Shape::Single, Kind::Message(inner)) => child.add(inner.get(), rest)?,
            (Some(_), Shape::Repeated, _) => {
                return Err((Reason::UnknownField, "goes into a list; name the whole list"));
            }
            (Some(_), _, _) => {
                return Err((Reason::UnknownField, "goes into a field that has no parts"));
            }
        }
        Ok(())
    }

    fn child(&mut self, at: usize) -> &mut Node {
        let known = self.fields.iter().position(|(field, _)| *field == at);
        let place = known.unwrap_or_else(|| {
            self.fields.push((at, Node::default()));
            self.fields.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the place was found or made just now")]
        &mut self.fields[place].1
    }
}

fn shorten(path: &str) -> String {
    path.chars().take(100).collect()
}
