//! The path of a value in its request, such as `payment_link.line_items[2].quantity`.

use std::fmt;

use crate::pb::plan::Field;

/// How many characters of a map key a path shows.
const KEY_SHOWN_CHARS: usize = 40;

/// A place in a request. Each place points to the one around it, so that a path
/// costs nothing until something is wrong there.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    step: Option<(&'a Path<'a>, &'a Field, Part<'a>)>,
}

/// A field, or one part of it.
#[derive(Clone, Copy)]
enum Part<'a> {
    Whole,
    Item(usize),
    Entry(&'a str),
}

// === impl Path ===

impl<'a> Path<'a> {
    /// The request itself.
    pub(super) const ROOT: Path<'static> = Path { step: None };

    /// A field of the message here.
    pub(super) fn field(&'a self, field: &'a Field) -> Self {
        Self { step: Some((self, field, Part::Whole)) }
    }

    /// An item of a list in the message here.
    pub(super) fn item(&'a self, field: &'a Field, index: usize) -> Self {
        Self { step: Some((self, field, Part::Item(index))) }
    }

    /// The value of a key of a map in the message here.
    pub(super) fn entry(&'a self, field: &'a Field, key: &'a str) -> Self {
        Self { step: Some((self, field, Part::Entry(key))) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((above, field, part)) = self.step else { return Ok(()) };
        if above.step.is_some() {
            write!(f, "{above}.")?;
        }
        f.write_str(&field.name)?;
        match part {
            Part::Whole => Ok(()),
            Part::Item(index) => write!(f, "[{index}]"),
            Part::Entry(key) => {
                let shown: String = key.chars().take(KEY_SHOWN_CHARS).collect();
                write!(f, "[{shown:?}]")
            }
        }
    }
}
