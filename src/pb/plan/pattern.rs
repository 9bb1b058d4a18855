//! The patterns of texts.

use regex::Regex;

/// A regular expression. Most of ours ask for one kind of byte, such as
/// `^[a-z]{3}$`, which a table answers faster than any automaton.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    bytes: Option<Bytes>,
}

/// Texts of so many bytes out of a set.
#[derive(Debug)]
struct Bytes {
    set: [bool; 256],
    length: std::ops::RangeInclusive<usize>,
}

// === impl Pattern ===

impl Pattern {
    /// Reads a pattern.
    pub(super) fn new(text: &str) -> Result<Self, regex::Error> {
        Ok(Self { regex: Regex::new(text)?, bytes: Bytes::of(text) })
    }

    /// Tells whether a text matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        match &self.bytes {
            Some(bytes) => bytes.hold(text),
            None => self.regex.is_match(text),
        }
    }

    /// The regular expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }
}

// === impl Bytes ===

impl Bytes {
    /// Reads `^[set]*$` and `^[set]{2}$`. Any other pattern is left to the automaton.
    fn of(pattern: &str) -> Option<Self> {
        let (set, count) = pattern.strip_prefix("^[")?.strip_suffix('$')?.rsplit_once(']')?;
        let (negated, set) = match set.strip_prefix('^') {
            Some(rest) => (true, rest),
            None => (false, set),
        };
        let length = match count.strip_prefix('{').and_then(|count| count.strip_suffix('}')) {
            Some(exact) => exact.parse().map(|exact| exact..=exact).ok()?,
            None if count == "*" => 0..=usize::MAX,
            None => return None,
        };
        // A byte that is not ASCII is part of a character, which `*` does not count.
        if negated && count != "*" {
            return None;
        }
        let listed = listed(set)?;
        let mut own = [false; 256];
        own.iter_mut().zip(0..=u8::MAX).for_each(|(is, byte)| {
            *is = listed.iter().any(|range| range.contains(&byte)) != negated;
        });
        Some(Self { set: own, length })
    }

    fn hold(&self, text: &str) -> bool {
        let is_in = |byte: u8| self.set.get(usize::from(byte)) == Some(&true);
        self.length.contains(&text.len()) && text.bytes().all(is_in)
    }
}

/// Reads what is between the brackets: letters, digits, ranges of them, and escaped signs.
fn listed(set: &str) -> Option<Vec<std::ops::RangeInclusive<u8>>> {
    let mut found = Vec::new();
    let mut rest = set.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'\\', [sign, after @ ..]) if sign.is_ascii_punctuation() => {
                found.push(*sign..=*sign);
                rest = after;
            }
            (from, [b'-', to, after @ ..])
                if from.is_ascii_alphanumeric() && to.is_ascii_alphanumeric() =>
            {
                found.push(from..=*to);
                rest = after;
            }
            (one, _) if one.is_ascii_alphanumeric() || one == b'_' => found.push(one..=one),
            _ => return None,
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, text: &str) {
        let pattern = Pattern::new(pattern).unwrap();
        assert_eq!(pattern.is_match(text), pattern.regex.is_match(text), "{pattern:?} {text:?}");
    }

    proptest! {
        #[test]
        fn a_table_says_what_the_automaton_says(
            text in prop_oneof![".{0,5}", "[a-zA-Z0-9_]{0,5}", r"[\[\]a-z-]{0,5}"],
        ) {
            for pattern in ["^[a-z]{3}$", "^[A-Z]{2}$", "^[A-Za-z0-9]*$", r"^[^\[\]]*$", "^[_]*$"] {
                check(pattern, &text);
            }
        }
    }

    #[test]
    fn other_patterns_are_left_to_the_automaton() {
        for pattern in [
            "^[a-z]+$",
            "^[a-z]{2,3}$",
            "[a-z]*$",
            "^[a-z]*",
            r"^[\s]*$",
            r"^[^a]{2}$",
            "^[é]*$",
            "^[a-z]*[0-9]*$",
            "^[a-]*$",
            "^[[:alpha:]]*$",
            "^[a&&b]*$",
        ] {
            assert!(Bytes::of(pattern).is_none(), "{pattern}");
        }
    }
}
