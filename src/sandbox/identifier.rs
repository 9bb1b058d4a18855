//! Identifiers in the shapes of Stripe's.

use rand::RngExt;

const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new identifier: the prefix and that many random letters and digits.
pub(super) fn fresh(prefix: &str, length: usize) -> String {
    let mut rng = rand::rng();
    let random = (0..length).map(|_| {
        let at = rng.random_range(0..ALPHABET.len());
        char::from(*ALPHABET.get(at).unwrap_or(&b'0'))
    });
    prefix.chars().chain(random).collect()
}
