//! Idempotency keys: what was answered the first time is answered again.
//!
//! A key is saved once its request begins to be carried out, whatever comes of it. A request that
//! fails the check of its parameters leaves no trace, and neither does one that meets another under
//! the same key.

use std::collections::{BTreeMap, VecDeque};

use axum::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// How long Stripe remembers a key at least, and this sandbox exactly.
const KEPT_S: i64 = 24 * 60 * 60;
/// The longest key, in characters.
const KEY_CHARS_MAX: usize = 255;

/// The keys that have been used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ledger {
    entries: BTreeMap<String, Entry>,
    by_age: VecDeque<(i64, String)>,
    capacity: usize,
}

/// An answer as it was first given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// Its status.
    #[serde(with = "status")]
    pub(super) status: StatusCode,
    /// Its body, byte for byte.
    #[serde(with = "text")]
    pub(super) body: Bytes,
    /// The identifier of the request that was carried out.
    pub(super) request_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    begun_at: i64,
    fingerprint: String,
    /// Empty while the first request is being carried out.
    saved: Option<Saved>,
}

// === impl Ledger ===

impl Ledger {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: BTreeMap::new(), by_age: VecDeque::new(), capacity }
    }

    /// Begins a request under a key, or finds the answer that it was given before.
    pub(super) fn begin(
        &mut self,
        key: &str,
        fingerprint: String,
        now: i64,
    ) -> Result<Option<Saved>, Refusal> {
        self.prune(now);
        if key.chars().count() > KEY_CHARS_MAX {
            return Err(Refusal::invalid(format!(
                "Idempotency keys can have up to {KEY_CHARS_MAX} characters."
            )));
        }
        match self.entries.get(key) {
            None => {
                let entry = Entry { begun_at: now, fingerprint, saved: None };
                self.entries.insert(key.to_owned(), entry);
                self.by_age.push_back((now, key.to_owned()));
                Ok(None)
            }
            Some(entry) if entry.fingerprint != fingerprint => Err(mismatch(key)),
            Some(Entry { saved: Some(saved), .. }) => Ok(Some(saved.clone())),
            Some(_) => Err(in_use(key)),
        }
    }

    /// Saves the answer to the request that began under a key.
    pub(super) fn finish(&mut self, key: &str, saved: Saved) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.saved = Some(saved);
        }
    }

    /// Forgets a request that was never carried out.
    pub(super) fn forget(&mut self, key: &str) {
        self.entries.remove(key);
        // It is one of the youngest, so it is found soon.
        if let Some(at) = self.by_age.iter().rposition(|(_, noted)| noted == key) {
            self.by_age.remove(at);
        }
    }

    /// Forgets the requests that were being carried out: nobody waits for them any more.
    pub(super) fn forget_unfinished(&mut self) {
        self.entries.retain(|_, entry| entry.saved.is_some());
        self.by_age.retain(|(_, key)| self.entries.contains_key(key));
    }

    /// Forgets the keys whose time is over, and the oldest of too many. A request that is under way
    /// is none of too many: repeated, it would be carried out twice.
    fn prune(&mut self, now: i64) {
        let mut at = 0;
        while let Some((begun_at, key)) = self.by_age.get(at) {
            let is_over = now - begun_at >= KEPT_S;
            if !is_over && self.by_age.len() <= self.capacity {
                break;
            }
            let under_way = self.entries.get(key).is_some_and(|entry| entry.saved.is_none());
            if under_way && !is_over {
                at += 1;
                continue;
            }
            self.entries.remove(key);
            self.by_age.remove(at);
        }
    }
}

fn mismatch(key: &str) -> Refusal {
    let message = format!(
        "Keys for idempotent requests can only be used with the same parameters they were first \
         used with. Try using a key other than '{key}' if you meant to execute a different request."
    );
    Refusal { kind: "idempotency_error", ..Refusal::invalid(message) }
}

fn in_use(key: &str) -> Refusal {
    let message = format!(
        "There is currently another in-progress request using this Idempotent Key (that probably \
         means you submitted twice, and the other request is still going through): {key}. Please \
         try again later."
    );
    let refusal = Refusal::invalid(message).code("idempotency_key_in_use");
    Refusal { status: StatusCode::CONFLICT, kind: "idempotency_error", ..refusal }
}

/// A status as its number.
mod status {
    use axum::http::StatusCode;
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(super) fn serialize<S: Serializer>(it: &StatusCode, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u16(it.as_u16())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<StatusCode, D::Error> {
        StatusCode::from_u16(u16::deserialize(from)?).map_err(de::Error::custom)
    }
}

/// A body as its text: all that the sandbox saves is JSON.
mod text {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(it: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&String::from_utf8_lossy(it))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        String::deserialize(from).map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(body: &'static str) -> Saved {
        let body = Bytes::from_static(body.as_bytes());
        Saved { status: StatusCode::OK, body, request_id: "req_1".to_owned() }
    }

    fn ledger_with(key: &str) -> Ledger {
        let mut ledger = Ledger::new(10);
        assert_eq!(ledger.begin(key, "a=1".into(), 0), Ok(None));
        ledger
    }

    #[test]
    fn the_same_request_gets_the_same_answer() {
        let mut ledger = ledger_with("k");
        ledger.finish("k", saved("one"));
        assert_eq!(ledger.begin("k", "a=1".into(), 5), Ok(Some(saved("one"))));
    }

    #[test]
    fn another_request_under_the_key_is_refused() {
        let mut ledger = ledger_with("k");
        ledger.finish("k", saved("one"));
        let refusal = ledger.begin("k", "a=2".into(), 5).unwrap_err();
        assert_eq!((refusal.status.as_u16(), refusal.kind), (400, "idempotency_error"));
    }

    #[test]
    fn a_request_under_way_is_not_begun_twice() {
        let refusal = ledger_with("k").begin("k", "a=1".into(), 0).unwrap_err();
        let seen = (refusal.status.as_u16(), refusal.code);
        assert_eq!(seen, (409, Some("idempotency_key_in_use")));
    }

    #[test]
    fn a_request_that_was_not_carried_out_leaves_no_trace() {
        let mut ledger = ledger_with("k");
        ledger.forget("k");
        assert_eq!(ledger.begin("k", "a=2".into(), 0), Ok(None));
    }

    #[test]
    fn keys_are_forgotten_after_a_day() {
        let mut ledger = ledger_with("k");
        ledger.finish("k", saved("one"));
        assert!(ledger.begin("k", "a=1".into(), KEPT_S - 1).unwrap().is_some());
        assert_eq!(ledger.begin("k", "a=2".into(), KEPT_S), Ok(None));
    }

    #[test]
    fn a_request_under_way_is_remembered_however_many_follow() {
        let mut ledger = ledger_with("slow");
        for number in 0..30 {
            let key = number.to_string();
            assert_eq!(ledger.begin(&key, "a=1".into(), 1), Ok(None));
            ledger.finish(&key, saved("one"));
        }
        assert_eq!(ledger.begin("slow", "a=1".into(), 1).unwrap_err().status.as_u16(), 409);
        ledger.finish("slow", saved("late"));
        assert!(ledger.entries.len() <= 11, "{}", ledger.entries.len());
    }

    #[test]
    fn requests_that_were_not_carried_out_take_no_room() {
        let mut ledger = ledger_with("k");
        ledger.finish("k", saved("one"));
        for number in 0..30 {
            let key = number.to_string();
            assert_eq!(ledger.begin(&key, "a=1".into(), 1), Ok(None));
            ledger.forget(&key);
        }
        assert_eq!(ledger.begin("k", "a=1".into(), 1), Ok(Some(saved("one"))));
    }

    #[test]
    fn a_key_begun_anew_lives_its_own_day() {
        let mut ledger = ledger_with("k");
        ledger.forget("k");
        assert_eq!(ledger.begin("k", "a=2".into(), 10), Ok(None));
        ledger.finish("k", saved("two"));
        assert!(ledger.begin("k", "a=2".into(), KEPT_S + 5).unwrap().is_some());
    }
}
