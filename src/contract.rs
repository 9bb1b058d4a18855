//! What a request must satisfy before anything is done about it.
//!
//! [`check`] applies the rules that `proto/` states (and Google's AIPs behind
//! them) to any request, and reports every violation at once. A request that
//! passes becomes a [`Draft`], which is what the slices act on.

mod mask;
pub mod page;
pub mod pricing;
mod rules;
mod violation;

use std::ops::Range;

use prost::{Message, Name};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub use self::mask::{Mask, Node};
pub use self::page::Page;
pub use self::violation::{Reason, Violation, Violations};

use crate::pb::plan::{self, Kind, Shape};
use crate::pb::walk;

/// A request under examination.
#[derive(Debug)]
pub struct Check {
    draft: Draft,
    violations: Vec<Violation>,
}

/// A request that satisfies its contract, encoded once for all later use.
#[derive(Debug)]
pub struct Draft {
    request: &'static plan::Message,
    bytes: Vec<u8>,
    resource: Option<Resource>,
    mask: Option<Mask>,
    request_id: Uuid,
    is_callers_id: bool,
    whole: Option<Fingerprint>,
    validate_only: bool,
    page: Page,
}

/// Tells requests apart: equal only of requests that ask for the same.
pub type Fingerprint = [u8; 32];

/// Where the resource stands in its request.
#[derive(Debug)]
struct Resource {
    field: &'static str,
    message: &'static plan::Message,
    bytes: Range<usize>,
}

/// An encoded message beside its plan, as far as an update touches it.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The message's plan.
    pub message: &'static plan::Message,
    /// The message, encoded.
    pub bytes: &'a [u8],
    /// What an update touches; `None` is everything, as in a create.
    pub mask: Option<&'a Mask>,
}

/// Checks a request against every rule that its proto states.
///
/// A request with an `update_mask` is checked as an update: rules apply to what
/// the mask names, and immutable fields must not be named.
#[must_use]
pub fn check<R: Message + Name>(request: &R) -> Check {
    let plan = plan::of::<R>();
    let mut check = Check {
        draft: Draft {
            request: plan,
            bytes: request.encode_to_vec(),
            resource: None,
            mask: None,
            request_id: Uuid::nil(),
            is_callers_id: false,
            whole: None,
            validate_only: false,
            page: Page::default(),
        },
        violations: Vec::new(),
    };
    check.read_parts();
    let Check { draft, violations } = &mut check;
    rules::check(plan, &draft.bytes, draft.mask.as_ref(), violations);
    check
}

/// Drafts a request that has passed, and to which this service has added something of
/// its own: the bounds of the contract are those of callers.
#[must_use]
pub fn completed<R: Message + Name>(request: &R) -> Draft {
    check(request).draft
}

// === impl Check ===

impl Check {
    /// Adds what rules over several fields have found.
    #[must_use]
    pub fn and(mut self, found: impl IntoIterator<Item = Violation>) -> Self {
        self.violations.extend(found);
        self
    }

    /// Gives the draft, or every violation.
    pub fn pass(self) -> Result<Draft, Violations> {
        if self.violations.is_empty() { Ok(self.draft) } else { Err(Violations(self.violations)) }
    }

    /// Finds the parts that have the same meaning in every request.
    fn read_parts(&mut self) {
        let Draft {
            request,
            bytes,
            resource,
            mask,
            request_id,
            is_callers_id,
            validate_only,
            page,
            ..
        } = &mut self.draft;
        let mut paths = Vec::new();
        let (mut token, mut chosen) = ("", None);
        for (_, field, value) in walk::fields(request, bytes) {
            match (field.name.as_str(), field.kind) {
                ("request_id", _) => chosen = Uuid::parse_str(value.text()).ok(),
                ("validate_only", _) => *validate_only = value.int() != 0,
                ("page_size", _) => page.size = page::size(value.int()),
                ("page_token", _) => token = value.text(),
                ("update_mask", Kind::Message(message)) => {
                    let listed = walk::fields(message.get(), value.bytes());
                    paths = listed.map(|(_, _, path)| path.text()).collect();
                }
                (_, Kind::Message(message)) if field.shape == Shape::Single => {
                    // Offsets outlive the borrow of the bytes they point into.
                    let start = value.bytes().as_ptr() as usize - bytes.as_ptr() as usize;
                    let bytes = start..start + value.bytes().len();
                    *resource =
                        Some(Resource { field: &field.name, message: message.get(), bytes });
                }
                _ => {}
            }
        }
        // A read needs no id, and to make one takes longer than all the rest of its checks.
        if request.field_named("request_id").is_some() {
            *request_id = chosen.unwrap_or_else(Uuid::now_v7);
            *is_callers_id = chosen.is_some();
        }
        page.bind(request, bytes, token, &mut self.violations);
        if request.field_named("update_mask").is_some()
            && let Some(resource) = resource
        {
            let given = bytes.get(resource.bytes.clone()).unwrap_or_default();
            *mask = Some(Mask::new(&paths, resource.message, given, &mut self.violations));
        }
    }
}

// === impl Draft ===

impl Draft {
    /// The resource that the request carries; of a request without one, the request itself.
    #[must_use]
    pub fn part(&self) -> Part<'_> {
        let (message, bytes) = match &self.resource {
            Some(own) => (own.message, self.bytes.get(own.bytes.clone()).unwrap_or_default()),
            None => (self.request, self.bytes.as_slice()),
        };
        Part { message, bytes, mask: self.mask.as_ref() }
    }

    /// The name of the request's field that holds the resource, such as `payment_link`.
    #[must_use]
    pub fn resource_field(&self) -> Option<&'static str> {
        self.resource.as_ref().map(|resource| resource.field)
    }

    /// The id of the resource that an update is about.
    #[must_use]
    pub fn resource_id(&self) -> &str {
        let Part { message, bytes, .. } = self.part();
        let id = walk::fields(message, bytes).find(|(_, field, _)| field.identifier);
        id.map(|(_, _, id)| id.text()).unwrap_or_default()
    }

    /// What the request is about, by the name that it has in the request; empty where it
    /// names nothing, as one that creates something.
    #[must_use]
    pub fn object(&self) -> &str {
        if self.mask.is_some() {
            return self.resource_id();
        }
        let mut named = walk::fields(self.request, &self.bytes);
        let named = named.find(|(_, field, _)| field.names_object);
        named.map(|(_, _, name)| name.text()).unwrap_or_default()
    }

    /// Whether the request is to be checked, and nothing done (AIP-163).
    #[must_use]
    pub fn validate_only(&self) -> bool {
        self.validate_only
    }

    /// The id of the call: the caller's `request_id`, or one made here (AIP-155);
    /// nil of a request that has no place for one.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        self.request_id
    }

    /// Whether the caller chose the id of the call.
    #[must_use]
    pub fn is_callers_id(&self) -> bool {
        self.is_callers_id
    }

    /// Makes this a part of the whole request, so that it is the same request
    /// only where the whole is.
    #[must_use]
    pub fn part_of(mut self, whole: &Draft) -> Self {
        self.whole = Some(whole.fingerprint());
        self
    }

    /// Tells what the request asks for, whatever its id. One message has one
    /// encoding, in which maps are sorted and what this version does not know is
    /// left out.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new().chain_update(self.request.name.as_bytes());
        for (_, field, value) in walk::fields(self.request, &self.bytes) {
            if field.name == "request_id" {
                continue;
            }
            hash.update(field.number.to_be_bytes());
            match value {
                walk::Value::Varint(number) => hash.update(number.to_be_bytes()),
                walk::Value::Bytes(bytes) => {
                    hash.update((bytes.len() as u64).to_be_bytes());
                    hash.update(bytes);
                }
            }
        }
        hash.chain_update(self.whole.unwrap_or_default()).finalize().into()
    }

    /// Names the method by its request, such as `paylink.v1.CreateProductRequest`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        &self.request.name
    }

    /// Which page of a list is asked for.
    #[must_use]
    pub fn page(&self) -> &Page {
        &self.page
    }
}

#[cfg(test)]
mod tests;
