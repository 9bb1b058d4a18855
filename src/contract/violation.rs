//! What is wrong with a request, field by field.

use std::fmt;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field in the request, such as `payment_link.line_items[2].quantity`.
    pub field: String,
    /// Which kind of rule is broken.
    pub reason: Reason,
    /// The rule, in words, without the value.
    pub description: String,
}

/// Which kind of rule is broken. A reason stays as it is from version to version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The field must be given.
    Required,
    /// One, or exactly one, of several fields must be given.
    OneOf,
    /// The text is too short or too long.
    Length,
    /// The text is not of the form that the field takes.
    Format,
    /// The number is too small or too large.
    Range,
    /// There are too few or too many items.
    Count,
    /// Two items are equal where each must be unique.
    Duplicate,
    /// The value is none of the set.
    UnknownValue,
    /// The mask names no field of the resource.
    UnknownField,
    /// The field cannot change after creation (AIP-203).
    Immutable,
    /// The field can be set by an update only.
    UpdateOnly,
    /// The field is set by the service alone (AIP-203).
    OutputOnly,
    /// Stripe has no way to clear the field.
    NotClearable,
    /// The page token was not given by this method with these arguments (AIP-158).
    PageToken,
    /// The fields contradict one another.
    Conflict,
    /// The name is one that the service keeps for itself.
    Reserved,
}

/// All that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Summary(.0))]
pub struct Violations(pub Vec<Violation>);

// === impl Violation ===

impl Violation {
    /// Tells of one broken rule.
    pub fn new(field: impl Into<String>, reason: Reason, description: impl Into<String>) -> Self {
        Self { field: field.into(), reason, description: description.into() }
    }
}

// === impl Reason ===

impl Reason {
    /// The reason as `google.rpc.BadRequest` carries it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Required => "FIELD_REQUIRED",
            Reason::OneOf => "ONE_OF_REQUIRED",
            Reason::Length => "LENGTH_OUT_OF_RANGE",
            Reason::Format => "FORMAT_INVALID",
            Reason::Range => "VALUE_OUT_OF_RANGE",
            Reason::Count => "COUNT_OUT_OF_RANGE",
            Reason::Duplicate => "DUPLICATE",
            Reason::UnknownValue => "UNKNOWN_VALUE",
            Reason::UnknownField => "UNKNOWN_FIELD",
            Reason::Immutable => "IMMUTABLE",
            Reason::UpdateOnly => "UPDATE_ONLY",
            Reason::OutputOnly => "OUTPUT_ONLY",
            Reason::NotClearable => "NOT_CLEARABLE",
            Reason::PageToken => "PAGE_TOKEN_INVALID",
            Reason::Conflict => "CONFLICT",
            Reason::Reserved => "RESERVED",
        }
    }
}

// === impl Violations ===

/// Says the first violation, and how many follow.
struct Summary<'a>(&'a [Violation]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.0.split_first() else { return Ok(()) };
        write!(f, "{}: {}", first.field, first.description)?;
        if !rest.is_empty() {
            write!(f, " (and {} more)", rest.len())?;
        }
        Ok(())
    }
}
