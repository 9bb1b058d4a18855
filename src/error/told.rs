//! A status in the making, within the bounds of what every client can read.

use std::collections::HashMap;
use std::time::Duration;

use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::DOMAIN;

/// The longest text in a status, in bytes on the wire.
pub(super) const TEXT_BYTES_MAX: usize = 512;
/// The longest word of Stripe's in a status, in bytes on the wire.
pub(super) const WORD_BYTES_MAX: usize = 128;
/// The largest details, in bytes: as base64 and with all that stands beside them
/// they take the 4 KiB of trailers that every client reads.
const DETAILS_BYTES_MAX: usize = 2240;
/// The language of everything that is said.
const LOCALE: &str = "en-US";
/// How long a client with a retry policy waits before it calls again:
/// <https://github.com/grpc/proposal/blob/master/A6-client-retries.md>.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// A status in the making.
pub(super) struct Told {
    pub(super) code: Code,
    reason: String,
    message: String,
    /// A sentence of ours alone, for people who never see the message.
    localized: String,
    metadata: HashMap<String, String>,
    pub(super) details: ErrorDetails,
}

// === impl Told ===

impl Told {
    pub(super) fn new(code: Code, reason: impl Into<String>, message: impl Into<String>) -> Self {
        let message = shorten(message.into(), TEXT_BYTES_MAX);
        Self {
            code,
            reason: reason.into(),
            localized: message.clone(),
            message,
            metadata: HashMap::new(),
            details: ErrorDetails::new(),
        }
    }

    /// Says it in another's words, too.
    pub(super) fn in_words(mut self, words: &str) -> Self {
        words.clone_into(&mut self.message);
        self
    }

    /// Says when the call can be made again.
    pub(super) fn again_after(mut self, delay: Duration) -> Self {
        self.details.set_retry_info(Some(delay));
        self
    }

    pub(super) fn violation(mut self, field: &str, reason: &str, description: &str) -> Self {
        self.details.set_bad_request(vec![violation(field, reason, description)]);
        self
    }

    pub(super) fn noting(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.insert(key.to_owned(), shorten(value.into(), WORD_BYTES_MAX));
        self
    }

    pub(super) fn status(mut self) -> Status {
        self.details.set_localized_message(LOCALE, self.localized);
        self.details.set_error_info(self.reason, DOMAIN, self.metadata);
        let metadata = pushback(self.code, &self.details);
        let build = |details: &ErrorDetails| {
            Status::with_error_details_and_metadata(
                self.code,
                self.message.as_str(),
                details.clone(),
                metadata.clone(),
            )
        };
        let status = build(&self.details);
        if status.details().len() <= DETAILS_BYTES_MAX {
            return status;
        }
        fitting(self.details, build)
    }
}

pub(super) fn violation(field: &str, reason: &str, description: &str) -> FieldViolation {
    let description = shorten(description.to_owned(), TEXT_BYTES_MAX / 2);
    FieldViolation { reason: reason.to_owned(), ..FieldViolation::new(field, description) }
}

/// Cuts a text at a character, so that it takes no more bytes than that on the
/// wire: gRPC writes all but printable ASCII as three for each.
pub(super) fn shorten(mut text: String, bytes_max: usize) -> String {
    let mut bytes = 0;
    let exceeds = |(_, character): &(usize, char)| {
        let plain = matches!(character, ' '..='~') && *character != '%';
        bytes += if plain { 1 } else { 3 * character.len_utf8() };
        bytes > bytes_max
    };
    if let Some((end, _)) = text.char_indices().find(exceeds) {
        text.truncate(end);
    }
    text
}

/// Tells clients with a retry policy what callers read in the details.
fn pushback(code: Code, details: &ErrorDetails) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    if let (Code::Unavailable | Code::ResourceExhausted, Some(delay)) = (code, delay)
        && let Ok(millis) = delay.as_millis().to_string().parse()
    {
        metadata.insert(PUSHBACK, millis);
    }
    metadata
}

/// Builds a status with as many violations as fit, and says how many do not. The
/// first ones are enough to go on with.
fn fitting(mut details: ErrorDetails, build: impl Fn(&ErrorDetails) -> Status) -> Status {
    let all = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    let mut with = |count: usize| {
        details.set_bad_request(all.iter().take(count).cloned().collect::<Vec<_>>());
        if let Some(info) = details.error_info() {
            let (reason, mut metadata) = (info.reason.clone(), info.metadata.clone());
            metadata.insert("violations_left_out".to_owned(), (all.len() - count).to_string());
            details.set_error_info(reason, DOMAIN, metadata);
        }
        build(&details)
    };
    let (mut fits, mut exceeds) = (0, all.len());
    while fits + 1 < exceeds {
        let middle = usize::midpoint(fits, exceeds);
        if with(middle).details().len() <= DETAILS_BYTES_MAX {
            fits = middle;
        } else {
            exceeds = middle;
        }
    }
    with(fits)
}
