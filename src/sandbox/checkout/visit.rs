//! What the address of a link says about its visitor.

use serde::{Deserialize, Serialize};

/// The longest reference of a client.
const REFERENCE_CHARS_MAX: usize = 200;
/// The longest promotion code.
const CODE_CHARS_MAX: usize = 500;
/// The longest value that describes where a visitor came from.
const SOURCE_CHARS_MAX: usize = 150;
/// The parameters that describe where a visitor came from.
const SOURCES: [&str; 5] = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"];

/// The languages of Stripe's page.
const LOCALES: [&str; 41] = [
    "auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr",
    "fr-CA", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt",
    "pt-BR", "ro", "ru", "sk", "sl", "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
];

/// What the address of a link said. What is not valid in it is passed over: the page works anyway.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::sandbox) struct Visit {
    /// An e-mail address to begin with.
    pub(in crate::sandbox) email: Option<String>,
    /// Whether the buyer may change that address.
    pub(in crate::sandbox) email_locked: bool,
    /// The seller's own reference.
    pub(in crate::sandbox) reference: Option<String>,
    /// Where the visitor came from, to be passed on to the page after the payment.
    pub(in crate::sandbox) sources: Vec<(String, String)>,
    /// A promotion code to begin with.
    pub(in crate::sandbox) code: String,
    /// The language of the page.
    pub(in crate::sandbox) locale: Option<String>,
    /// The days of a trial, from the link.
    pub(in crate::sandbox) trial_days: Option<i64>,
}

// === impl Visit ===

impl Visit {
    /// Reads the parameters of a link's address.
    pub(in crate::sandbox) fn parse(query: &str) -> Self {
        let mut visit = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "prefilled_email" if plausible_email(&value) && !visit.email_locked => {
                    visit.email = Some(value.into_owned());
                }
                "locked_prefilled_email" if plausible_email(&value) => {
                    visit.email = Some(value.into_owned());
                    visit.email_locked = true;
                }
                "client_reference_id" if plain(&value, REFERENCE_CHARS_MAX) => {
                    visit.reference = Some(value.into_owned());
                }
                "locale" if LOCALES.contains(&value.as_ref()) => {
                    visit.locale = Some(value.into_owned());
                }
                "prefilled_promo_code" if alphanumeric(&value) => visit.code = value.into_owned(),
                source if SOURCES.contains(&source) && plain(&value, SOURCE_CHARS_MAX) => {
                    visit.sources.push((name.into_owned(), value.into_owned()));
                }
                _ => {}
            }
        }
        visit
    }

    /// The country that the e-mail address puts the buyer in: `name+location_FR@example.com`.
    pub(in crate::sandbox) fn country(&self) -> Option<&str> {
        let (_, place) = self.email.as_ref()?.split_once("+location_")?;
        place.split_once('@').map(|(country, _)| country)
    }
}

/// Whether a text could be an e-mail address.
pub(in crate::sandbox) fn plausible_email(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    let domain_ok =
        |domain: &str| domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.');
    parts.is_some_and(|(local, domain)| !local.is_empty() && domain_ok(domain))
        && !text.contains(char::is_whitespace)
        && text.len() <= 254
}

fn alphanumeric(text: &str) -> bool {
    text.chars().count() <= CODE_CHARS_MAX && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn plain(text: &str, chars_max: usize) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.chars().count() <= chars_max && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_parameters_of_the_address_are_taken_over() {
        let visit = Visit::parse(
            "prefilled_email=a%40b.example&client_reference_id=order_1-x&utm_source=news\
             &prefilled_promo_code=SPRING20&locale=fr-CA",
        );
        assert_eq!(visit.locale.as_deref(), Some("fr-CA"));
        assert_eq!(visit.code, "SPRING20");
        assert_eq!(visit.email.as_deref(), Some("a@b.example"));
        assert_eq!(visit.reference.as_deref(), Some("order_1-x"));
        assert_eq!(visit.sources, [("utm_source".to_owned(), "news".to_owned())]);
    }

    #[test]
    fn invalid_parameters_of_the_address_are_passed_over() {
        let visit = Visit::parse(
            "prefilled_email=nobody&client_reference_id=a%20b&utm_source=a.b\
             &prefilled_promo_code=a-b&locale=xx",
        );
        assert_eq!((visit.email, visit.reference, visit.locale), (None, None, None));
        assert_eq!(visit.code, "");
        assert!(visit.sources.is_empty());
    }

    #[test]
    fn an_address_may_say_where_the_buyer_is() {
        let visit = Visit::parse("prefilled_email=a%2Blocation_FR@b.example");
        assert_eq!(visit.country(), Some("FR"));
        assert_eq!(Visit::parse("prefilled_email=a@b.example").country(), None);
    }

    #[test]
    fn a_locked_address_wins() {
        let visit = Visit::parse("locked_prefilled_email=a@b.example&prefilled_email=c@d.example");
        assert_eq!(visit.email.as_deref(), Some("a@b.example"));
        assert!(visit.email_locked);
    }
}
