//! Numbers under which businesses pay taxes: what kind each country has, and how it looks.

/// Countries by the kind of number they have, with the least and the most letters and digits in it.
/// Stripe knows more kinds; buyers elsewhere are not asked.
const KINDS: &[(&str, usize, usize, &[&str])] = &[
    (
        "eu_vat",
        4,
        14,
        &[
            "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
            "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
        ],
    ),
    ("gb_vat", 9, 14, &["GB"]),
    ("us_ein", 9, 9, &["US"]),
    ("ca_bn", 9, 9, &["CA"]),
    ("au_abn", 11, 11, &["AU"]),
    ("nz_gst", 8, 9, &["NZ"]),
    ("ch_vat", 9, 15, &["CH"]),
    ("no_vat", 9, 12, &["NO"]),
    ("jp_trn", 14, 14, &["JP"]),
    ("in_gst", 15, 15, &["IN"]),
    ("sg_gst", 9, 10, &["SG"]),
    ("br_cnpj", 14, 14, &["BR"]),
    ("mx_rfc", 12, 13, &["MX"]),
    ("za_vat", 10, 10, &["ZA"]),
    ("ae_trn", 15, 15, &["AE"]),
    ("kr_brn", 10, 10, &["KR"]),
];

/// Stripe's word for the kind of number that businesses of a country have, if one is known.
pub(super) fn kind(country: &str) -> Option<&'static str> {
    of(country).map(|(kind, ..)| *kind)
}

/// Whether a text looks like a number of that country.
pub(super) fn is_plausible(country: &str, typed: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || " -./".contains(c);
    let counted = typed.chars().filter(char::is_ascii_alphanumeric).count();
    let begins = |kind: &str| match kind {
        // The number begins with the country; Greece's goes by the name that Greeks give it.
        "eu_vat" => typed.to_uppercase().starts_with(if country == "GR" { "EL" } else { country }),
        _ => true,
    };
    of(country).is_some_and(|(kind, min, max, _)| {
        typed.chars().all(known) && (*min..=*max).contains(&counted) && begins(kind)
    })
}

fn of(country: &str) -> Option<&'static (&'static str, usize, usize, &'static [&'static str])> {
    KINDS.iter().find(|(.., countries)| countries.contains(&country))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_of_the_kind_of_its_country() {
        assert_eq!(kind("FR"), Some("eu_vat"));
        assert_eq!(kind("US"), Some("us_ein"));
        assert_eq!(kind("AQ"), None);
    }

    #[test]
    fn a_number_looks_like_those_of_its_country() {
        assert!(is_plausible("DE", "DE 123 456 789"));
        assert!(is_plausible("GR", "EL123456789"));
        assert!(is_plausible("US", "12-3456789"));
        assert!(!is_plausible("DE", "FR123456789"));
        assert!(!is_plausible("US", "12"));
        assert!(!is_plausible("AQ", "12-3456789"));
    }
}
