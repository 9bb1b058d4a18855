//! Identifiers in the shapes of Stripe's.
//!
//! They are made deep inside of what works on the state, often where it is only borrowed. So the
//! source that they come from is a part of the state, and is lent to the thread for as long as the
//! thread works on that state: [`Source::lend`]. A source with a seed makes the same identifiers in
//! the same order every time.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};

const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many characters of the alphabet one number of the source is enough for: 62^10 < 2^64.
const CHARS_OF_A_NUMBER: usize = 10;

thread_local! {
    static LENT: RefCell<Source> = RefCell::new(Source::random());
}

/// Where identifiers come from: a sequence of numbers that the first one decides.
///
/// It is `SplitMix64`, written out so that a seed means the same in every release.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    position: u64,
    /// The identifier that the next object of its kind gets, if somebody chose it.
    wanted: Option<String>,
}

/// A new identifier: the prefix and that many random letters and digits.
pub(super) fn fresh(prefix: &str, length: usize) -> String {
    LENT.with_borrow_mut(|source| source.fresh(prefix, length))
}

/// Chooses the identifier of the next object that is made, if it is of that identifier's kind.
pub(super) fn want(id: &str) {
    LENT.with_borrow_mut(|source| source.wanted = Some(id.to_owned()));
}

/// Takes the choice back. True if no object has taken the identifier.
pub(super) fn want_no_more() -> bool {
    LENT.with_borrow_mut(|source| source.wanted.take()).is_some()
}

/// Does what makes identifiers. If it fails, those that it took will be given again.
pub(super) fn attempt<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let before = LENT.with_borrow(Source::clone);
    let done = work();
    if done.is_err() {
        LENT.with_borrow_mut(|source| *source = before);
    }
    done
}

// === impl Source ===

impl Source {
    /// A source like no other.
    pub(super) fn random() -> Self {
        Self { position: rand::random(), wanted: None }
    }

    /// The source of that seed.
    pub(super) fn seeded(seed: u64) -> Self {
        Self { position: seed, wanted: None }
    }

    /// Works with identifiers of this source.
    pub(super) fn lend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        LENT.with_borrow_mut(|lent| std::mem::swap(lent, self));
        let done = work();
        LENT.with_borrow_mut(|lent| std::mem::swap(lent, self));
        done
    }

    fn fresh(&mut self, prefix: &str, length: usize) -> String {
        let kind = prefix.trim_end_matches(|c: char| c.is_ascii_digit());
        if self.wanted.as_ref().is_some_and(|id| kind.ends_with('_') && id.starts_with(kind)) {
            return self.wanted.take().unwrap_or_default();
        }
        let mut id = String::with_capacity(prefix.len() + length);
        id.push_str(prefix);
        let mut number = 0;
        for at in 0..length {
            if at % CHARS_OF_A_NUMBER == 0 {
                number = self.next();
            }
            let letters = ALPHABET.len() as u64;
            let letter = usize::try_from(number % letters).unwrap_or_default();
            id.push(char::from(*ALPHABET.get(letter).unwrap_or(&b'0')));
            number /= letters;
        }
        id
    }

    fn next(&mut self) -> u64 {
        self.position = self.position.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.position ^ (self.position >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_makes_the_same_identifiers_again() {
        let made = |seed| Source::seeded(seed).lend(|| [fresh("price_1", 23), fresh("li_1", 23)]);
        assert_eq!(made(7), made(7));
        assert_ne!(made(7), made(8));
    }

    #[test]
    fn identifiers_do_not_repeat() {
        let mut source = Source::seeded(1);
        let made: HashSet<_> =
            source.lend(|| (0..100_000).map(|_| fresh("x_", 14)).collect::<HashSet<_>>());
        assert_eq!(made.len(), 100_000);
        assert!(made.iter().all(|id| id.len() == 16));
    }

    #[test]
    fn a_chosen_identifier_goes_to_the_next_object_of_its_kind() {
        Source::seeded(1).lend(|| {
            want("price_mug");
            assert_ne!(fresh("evt_1", 23), "price_mug");
            assert_eq!(fresh("price_1", 23), "price_mug");
            assert!(!want_no_more());
            want("price_mug");
            assert_ne!(fresh("li_1", 23), "price_mug");
            assert!(want_no_more());
        });
    }
}
