//! A share of a whole, as configuration has it.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, de::Unexpected};

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(f64);

/// A number, or the text of one, which is what the environment has.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Text(String),
}

// === impl Ratio ===

impl Ratio {
    /// Makes a ratio of a number from 0 to 1.
    #[must_use]
    pub fn new(number: f64) -> Option<Self> {
        (0.0..=1.0).contains(&number).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match Written::deserialize(deserializer) {
            Ok(Written::Number(number)) => Some(number),
            Ok(Written::Text(text)) => text.parse().ok(),
            Err(_) => None,
        };
        let expected = &"a number from 0 to 1";
        number
            .and_then(Self::new)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Other("something else"), expected))
    }
}
