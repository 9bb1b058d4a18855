//! The chain of the feed: each change carries the hash of the one before it.
//!
//! Whoever has followed the feed can prove that nothing was left out, put in or
//! changed: the hash of a change covers the hash before it, and so all before.
//!
//! `hash = SHA-256(previous_hash ‖ sequence ‖ record_time ‖ previous_state ‖
//! payment_hash ‖ stripe_event)`, where numbers are big-endian, 8 bytes for
//! `sequence` and for `record_time` in milliseconds since 1970, 4 for
//! `previous_state`, `payment_hash` is the SHA-256 of the stored payment, and
//! `stripe_event` is UTF-8. Before the first change stands the SHA-256 of the
//! installation's name.

use sha2::{Digest as _, Sha256};

use super::Error;

/// A SHA-256.
pub type Hash = [u8; 32];

/// What a hash covers beside the one before it.
pub(super) struct Link<'a> {
    pub(super) sequence: i64,
    pub(super) recorded_at_ms: i64,
    pub(super) previous_state: i32,
    pub(super) payment: &'a [u8],
    pub(super) event_id: &'a str,
}

// === impl Link ===

impl Link<'_> {
    /// Gives the hash of the change that follows `previous`.
    pub(super) fn after(&self, previous: &Hash) -> Hash {
        Sha256::new()
            .chain_update(previous)
            .chain_update(self.sequence.to_be_bytes())
            .chain_update(self.recorded_at_ms.to_be_bytes())
            .chain_update(self.previous_state.to_be_bytes())
            .chain_update(of(self.payment))
            .chain_update(self.event_id)
            .finalize()
            .into()
    }
}

/// Gives the hash of what is stored.
pub(super) fn of(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Reads a hash that was stored.
pub(super) fn read(bytes: &[u8]) -> Result<Hash, Error> {
    bytes.try_into().map_err(|_| Error::Corrupt { what: "a hash of the feed".into() })
}
