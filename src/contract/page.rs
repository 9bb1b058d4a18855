//! Pages of lists, and the opaque tokens between them (AIP-158).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::violation::{Reason, Violation, Violations};
use crate::pb::plan::Message;
use crate::pb::walk;

/// How many items a page has when the request does not say.
pub const SIZE_DEFAULT: u32 = 10;
/// How many items a page has at most; a request for more is a request for this many.
pub const SIZE_MAX: u32 = 100;

const FINGERPRINT_BYTES: usize = 8;

/// Which page of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many items, at most.
    pub size: u32,
    /// The last item of the page before, in the words of whoever wrote the token.
    pub after: Option<String>,
    fingerprint: [u8; FINGERPRINT_BYTES],
}

/// Turns a request's `page_size` into a number of items.
#[must_use]
pub fn size(asked: i64) -> u32 {
    match u32::try_from(asked) {
        Ok(0) | Err(_) => SIZE_DEFAULT,
        Ok(asked) => asked.min(SIZE_MAX),
    }
}

// === impl Page ===

impl Default for Page {
    fn default() -> Self {
        Self { size: SIZE_DEFAULT, after: None, fingerprint: [0; FINGERPRINT_BYTES] }
    }
}

impl Page {
    /// Gives the token of the page that follows the given item.
    #[must_use]
    pub fn token_after(&self, last: &str) -> String {
        URL_SAFE_NO_PAD.encode([&self.fingerprint, last.as_bytes()].concat())
    }

    /// Reads the place after which the page begins; `None` of the first page.
    pub fn place<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Violations> {
        let Some(after) = &self.after else { return Ok(None) };
        // A token is not signed, so that it can name the right request and no place.
        let refused = || {
            let rule = "must be the next_page_token of an answer to the same request";
            Violations(vec![Violation::new("page_token", Reason::PageToken, rule)])
        };
        read(after).map(Some).ok_or_else(refused)
    }

    /// Gives the token of a page that Stripe names itself; none where it names none.
    #[must_use]
    pub fn token_of(&self, page: &str) -> String {
        if page.is_empty() { String::new() } else { self.token_after(page) }
    }

    /// Reads the token, and ties it to the method and its other arguments.
    pub(super) fn bind(
        &mut self,
        request: &'static Message,
        bytes: &[u8],
        token: &str,
        violations: &mut Vec<Violation>,
    ) {
        if request.field_named("page_token").is_none() {
            return;
        }
        self.fingerprint = fingerprint(request, bytes);
        if token.is_empty() {
            return;
        }
        self.after = self.read(token);
        if self.after.is_none() {
            violations.push(Violation::new(
                "page_token",
                Reason::PageToken,
                "must be the next_page_token of an answer to the same request",
            ));
        }
    }

    fn read(&self, token: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (fingerprint, last) = bytes.split_at_checked(FINGERPRINT_BYTES)?;
        let last = String::from_utf8(last.to_vec()).ok()?;
        (fingerprint == self.fingerprint && !last.is_empty()).then_some(last)
    }
}

/// Tells requests apart by all but the place in the list.
fn fingerprint(request: &'static Message, bytes: &[u8]) -> [u8; FINGERPRINT_BYTES] {
    let mut hash = Sha256::new();
    hash.update(&request.name);
    for (_, field, value) in walk::fields(request, bytes) {
        if !matches!(field.name.as_str(), "page_size" | "page_token") {
            hash.update(field.number.to_be_bytes());
            hash.update(value.int().to_be_bytes());
            hash.update(value.bytes());
        }
    }
    let mut short = [0; FINGERPRINT_BYTES];
    short.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    short
}
