//! Tokens that were verified: callers send the same one with every call, and to
//! verify a signature takes longer than most answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Proved;
use super::keys::KeySet;

/// What is known. A token is kept as its hash.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<[u8; 32], Entry>>);

#[derive(Debug)]
struct Entry {
    /// The keys of the time. With others it must be verified again.
    keys: Arc<KeySet>,
    proved: Proved,
    until: Instant,
}

/// How many tokens are kept.
const TOKENS_MAX: usize = 4096;

// === impl Known ===

impl Known {
    pub(super) fn get(&self, token: &str, keys: &Arc<KeySet>) -> Option<Proved> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.get(&hash(token))?;
        let holds = Arc::ptr_eq(&entry.keys, keys) && entry.until > Instant::now();
        holds.then(|| entry.proved.clone())
    }

    pub(super) fn keep(&self, token: &str, keys: Arc<KeySet>, proved: Proved, until: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TOKENS_MAX {
            let now = Instant::now();
            known.retain(|_, entry| entry.until > now);
        }
        if known.len() >= TOKENS_MAX {
            known.clear();
        }
        known.insert(hash(token), Entry { keys, proved, until });
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
