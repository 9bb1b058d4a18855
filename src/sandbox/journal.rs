//! What was asked of the sandbox, for tests that want to know what a client really did.

use std::collections::VecDeque;

use axum::http::request::Parts;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::faults::RequestEffect;

/// How many requests are remembered. Beyond it the oldest is forgotten.
const REQUESTS_MAX: usize = 5_000;
/// How much of a body is remembered, in bytes.
const BODY_BYTES_MAX: usize = 4_096;

/// The requests, oldest first.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Journal {
    asked: VecDeque<(u64, Asked)>,
    next: u64,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// `req_…`.
    pub(super) id: String,
    /// When it came, in Unix milliseconds.
    pub(super) time_ms: i64,
    /// The HTTP method.
    pub(super) method: String,
    /// The path, without what follows a question mark.
    pub(super) path: String,
    /// What follows the question mark.
    pub(super) query: String,
    /// The beginning of the body, as text.
    pub(super) body: String,
    /// The idempotency key; empty if there is none.
    pub(super) key: String,
    /// What struck it.
    pub(super) struck: Option<RequestEffect>,
    /// The status of the answer, once there is one.
    pub(super) status: Option<u16>,
}

// === impl Journal ===

impl Journal {
    /// Notes a request.
    pub(super) fn note(&mut self, asked: Asked) {
        self.asked.push_back((self.next, asked));
        self.next += 1;
        if self.asked.len() > REQUESTS_MAX {
            self.asked.pop_front();
        }
    }

    /// Notes what a request was answered, if it was.
    pub(super) fn answered(&mut self, id: &str, status: Option<u16>) {
        let asked = self.asked.iter_mut().rev().find(|(_, asked)| asked.id == id);
        if let Some((_, asked)) = asked {
            asked.status = status;
        }
    }

    /// Every request that is remembered with its number, oldest first, from that number on.
    pub(super) fn requests(&self, from: u64) -> impl Iterator<Item = (u64, &Asked)> {
        let numbered = self.asked.iter().map(|(number, asked)| (*number, asked));
        numbered.skip_while(move |(number, _)| *number < from)
    }
}

// === impl Asked ===

impl Asked {
    /// A request that has no answer yet. It does not remember the API key.
    pub(super) fn new(
        id: &str,
        time_ms: i64,
        parts: &Parts,
        body: Option<&Bytes>,
        struck: Option<RequestEffect>,
    ) -> Self {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let body = body.map_or(&[][..], |body| &body[..]);
        let body = body.get(..BODY_BYTES_MAX).unwrap_or(body);
        Self {
            id: id.to_owned(),
            time_ms,
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            body: String::from_utf8_lossy(body).into_owned(),
            key: header("idempotency-key").unwrap_or_default().to_owned(),
            struck,
            status: None,
        }
    }
}
