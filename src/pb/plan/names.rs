//! Finds what a name at Stripe stands for.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Values by name.
pub(super) type Names<V> = HashMap<String, V, BuildHasherDefault<NameHasher>>;

/// Hashes by length and both ends, which tells the names of a message apart.
/// The names come from the proto, so nobody can choose them to collide.
#[derive(Default)]
pub(super) struct NameHasher(u64);

/// An odd number with bits all over: 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

// === impl NameHasher ===

impl NameHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(SPREAD);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, name: &[u8]) {
        self.mix(name.len() as u64);
        match (name.first_chunk(), name.last_chunk()) {
            (Some(first), Some(last)) => {
                self.mix(u64::from_le_bytes(*first));
                self.mix(u64::from_le_bytes(*last));
            }
            _ => self.mix(name.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))),
        }
    }

    /// The end of a text, which its length has told already.
    fn write_u8(&mut self, _end: u8) {}

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}
