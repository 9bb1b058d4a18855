//! A fault in the words of the request header `Paylink-Sandbox-Fault`, for a single request.
//!
//! The first word is the effect, further ones say more: `rate-limited; retry-after=2`,
//! `cut; after-commit`, `slow; delay-ms=300`.

use super::{RequestEffect, RequestFault};

/// The effects by their words.
const EFFECTS: &[(&str, RequestEffect)] = &[
    ("rate-limited", RequestEffect::RateLimited),
    ("lock-timeout", RequestEffect::LockTimeout),
    ("stored-error", RequestEffect::StoredError),
    ("error", RequestEffect::Error),
    ("unavailable", RequestEffect::Unavailable),
    ("bad-gateway", RequestEffect::BadGateway),
    ("slow", RequestEffect::Slow),
    ("hang", RequestEffect::Hang),
    ("truncated", RequestEffect::Truncated),
    ("cut", RequestEffect::Cut),
];

/// Reads a fault. The error is the word that is not understood.
pub(in crate::sandbox) fn parse(text: &str) -> Result<RequestFault, String> {
    let mut words = text.split(';').map(str::trim);
    let first = words.next().unwrap_or_default();
    let effect = EFFECTS.iter().find(|(word, _)| *word == first);
    let mut fault = RequestFault::new(effect.ok_or(first)?.1);
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match (name, value) {
            ("after-commit", "") => fault.after_commit = true,
            ("delay-ms", value) => {
                fault.delay_ms = value.parse().map_err(|_| word.to_owned())?;
            }
            ("retry-after", value) => fault.retry_after = Some(value.to_owned()),
            ("should-retry", value) => {
                fault.should_retry = Some(value.parse().map_err(|_| word.to_owned())?);
            }
            ("reason", value) => value.clone_into(&mut fault.reason),
            _ => return Err(word.to_owned()),
        }
    }
    Ok(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_the_effect() {
        for (word, effect) in EFFECTS {
            assert_eq!(parse(word), Ok(RequestFault::new(*effect)));
        }
        assert_eq!(parse("no"), Err("no".to_owned()));
        assert_eq!(parse(""), Err(String::new()));
    }

    #[test]
    fn further_words_say_more() {
        let fault = parse("rate-limited; retry-after=2; reason=endpoint-rate; should-retry=true");
        let expected = RequestFault {
            retry_after: Some("2".to_owned()),
            reason: "endpoint-rate".to_owned(),
            should_retry: Some(true),
            ..RequestFault::new(RequestEffect::RateLimited)
        };
        assert_eq!(fault, Ok(expected));
        let late = parse("slow; delay-ms=5; after-commit").unwrap();
        assert_eq!((late.delay_ms, late.after_commit), (5, true));
    }

    #[test]
    fn a_word_that_is_not_understood_is_named() {
        assert_eq!(parse("cut; soon"), Err("soon".to_owned()));
        assert_eq!(parse("slow; delay-ms=x"), Err("delay-ms=x".to_owned()));
    }
}
