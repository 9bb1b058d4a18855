//! Chains: each link carries the hash of the one before it.
//!
//! Whoever has followed a chain can prove that nothing was left out, put in or
//! changed: the hash of a link covers the hash before it, and so all before.
//!
//! `hash = SHA-256(previous_hash ‖ sequence ‖ …)`, where `sequence` has 8 bytes, the
//! highest first, and what follows is said by what is chained. Before the first link
//! stands the SHA-256 of the installation's name.

use sha2::{Digest as _, Sha256};

use super::Error;

/// A SHA-256.
pub type Hash = [u8; 32];

/// A place in a chain: after a link, or before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The sequence of the link; 0 before the first.
    pub sequence: i64,
    /// The link's hash, which stands for all that came before as well.
    pub hash: Hash,
}

// === impl Place ===

impl Place {
    /// The place before the first link in a memory of that name.
    pub(super) fn start(epoch: &str) -> Self {
        Self { sequence: 0, hash: of(epoch.as_bytes()) }
    }

    /// The place after the link that follows this one. `cover` adds what its hash
    /// covers beside its place.
    pub(super) fn next(&self, cover: impl FnOnce(Sha256) -> Sha256) -> Self {
        let sequence = self.sequence + 1;
        let hash = Sha256::new().chain_update(self.hash).chain_update(sequence.to_be_bytes());
        Self { sequence, hash: cover(hash).finalize().into() }
    }

    pub(super) fn read(sequence: i64, hash: &[u8]) -> Result<Self, Error> {
        let corrupt = |_| Error::Corrupt { what: format!("the hash of {sequence} in a chain") };
        Ok(Self { sequence, hash: hash.try_into().map_err(corrupt)? })
    }
}

/// Gives the hash of what is stored.
pub(super) fn of(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}
