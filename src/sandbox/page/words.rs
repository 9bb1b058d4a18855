//! The page's own words and amounts in the languages that it speaks. Words of the seller's stay as
//! they are.
//!
//! A language is a file in `words/`, each line of which has the English words and the same in that
//! language, and a line in each `match` here.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::super::checkout::Session;
use super::super::money;

type Table = LazyLock<HashMap<&'static str, &'static str>>;

static GERMAN: Table = LazyLock::new(|| read(include_str!("words/de.txt")));
static SPANISH: Table = LazyLock::new(|| read(include_str!("words/es.txt")));
static FRENCH: Table = LazyLock::new(|| read(include_str!("words/fr.txt")));

fn read(lines: &'static str) -> HashMap<&'static str, &'static str> {
    lines.lines().filter_map(|line| line.split_once('\t')).collect()
}

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// English, which every other language falls back to.
    English,
    /// German.
    German,
    /// Spanish.
    Spanish,
    /// French.
    French,
}

// === impl Words ===

impl Words {
    /// The language that the link's address asked for.
    pub(super) fn of(session: &Session) -> Self {
        Self::tagged(session.visit.locale.as_deref().unwrap_or_default())
    }

    /// The language of a tag such as `fr-CA`.
    pub(super) fn tagged(tag: &str) -> Self {
        match tag.split('-').next() {
            Some("de") => Self::German,
            Some("es") => Self::Spanish,
            Some("fr") => Self::French,
            _ => Self::English,
        }
    }

    /// The tag of the language.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Spanish => "es",
            Self::French => "fr",
        }
    }

    /// English words in this language; as they are if they are not known.
    pub(super) fn say(self, english: &str) -> &str {
        let table = match self {
            Self::English => return english,
            Self::German => &GERMAN,
            Self::Spanish => &SPANISH,
            Self::French => &FRENCH,
        };
        table.get(english).copied().unwrap_or(english)
    }

    /// An amount of minor units, as it is written in this language.
    pub(super) fn amount(self, amount: i64, currency: &str) -> String {
        match self {
            Self::English => money::format(amount, currency),
            Self::German | Self::Spanish => money::european(amount, currency, ".", ","),
            Self::French => money::european(amount, currency, "\u{202f}", ","),
        }
    }

    /// An amount of minor units, as it is typed in this language.
    pub(super) fn typed(self, amount: i64, currency: &str) -> String {
        money::plain(amount, currency).replace('.', &self.point().to_string())
    }

    /// Minor units out of what was typed in this language; none if it is no amount.
    pub(super) fn read_amount(self, typed: &str, currency: &str) -> Option<i64> {
        money::parse(typed, currency, self.point())
    }

    /// The mark before the minor units.
    fn point(self) -> char {
        if self == Self::English { '.' } else { ',' }
    }

    /// The same with one value in the place of `{}`.
    pub(super) fn with(self, english: &str, value: &str) -> String {
        self.fill(english, &[value])
    }

    /// The same with values in the places of `{}`, in their order.
    pub(super) fn fill(self, english: &str, values: &[&str]) -> String {
        let mut parts = self.say(english).split("{}");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for (at, part) in parts.enumerate() {
            filled.push_str(values.get(at).copied().unwrap_or_default());
            filled.push_str(part);
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: [(&str, &Table); 3] = [
        (include_str!("words/de.txt"), &GERMAN),
        (include_str!("words/es.txt"), &SPANISH),
        (include_str!("words/fr.txt"), &FRENCH),
    ];

    /// Everything that can hold `words.say("…")` or `words.fill("…", …)`.
    const SOURCES: &[&str] = &[
        include_str!("base.html"),
        include_str!("challenge.html"),
        include_str!("done.html"),
        include_str!("field.html"),
        include_str!("pay.html"),
        include_str!("asks.rs"),
        include_str!("entry.rs"),
        include_str!("offers.rs"),
        include_str!("payment.rs"),
        include_str!("reply.rs"),
        include_str!("summary.rs"),
    ];

    #[test]
    fn words_are_said_in_the_language_of_the_tag() {
        assert_eq!(Words::tagged("de").say("Email"), "E-Mail");
        assert_eq!(Words::tagged("fr-CA").say("Email"), "E-mail");
        assert_eq!(Words::tagged("es-419").say("Email"), "Correo electrónico");
        assert_eq!(Words::tagged("ja").say("Email"), "Email");
    }

    #[test]
    fn amounts_are_written_in_the_language_of_the_tag() {
        let written = |tag: &str| Words::tagged(tag).amount(123_456, "eur");
        assert_eq!(written("en"), "€1,234.56");
        assert_eq!(written("de"), "1.234,56\u{a0}€");
        assert_eq!(written("fr"), "1\u{202f}234,56\u{a0}€");
        assert_eq!(Words::German.typed(1_250, "eur"), "12,50");
    }

    #[test]
    fn values_take_their_places_in_order() {
        let said = Words::French.fill("{} every {} months", &["$5.00", "3"]);
        assert_eq!(said, "$5.00 tous les 3 mois");
    }

    #[test]
    fn every_word_of_the_page_is_translated() {
        for source in SOURCES {
            for call in ["words.say(\"", "words.with(\"", "words.fill(\""] {
                for rest in source.split(call).skip(1) {
                    let said = rest.split('"').next().unwrap();
                    for (_, table) in TABLES {
                        assert!(table.contains_key(said), "{said:?} is not translated");
                    }
                }
            }
        }
    }

    #[test]
    fn every_language_says_the_same_with_the_same_places() {
        let places = |text: &str| text.matches("{}").count();
        for (lines, table) in TABLES {
            assert_eq!(table.len(), GERMAN.len());
            assert_eq!(table.len(), lines.lines().count(), "a line is said twice");
            for (english, said) in table.iter() {
                assert!(GERMAN.contains_key(english), "{english}");
                assert_eq!(places(english), places(said), "{english}");
            }
        }
    }
}
