//! Currencies: which ones Stripe supports, how many decimal places they have, how amounts read.

/// The currencies that Stripe supports, in its order.
pub(super) const SUPPORTED: &[&str] = &[
    "usd", "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd",
    "bdt", "bgn", "bhd", "bif", "bmd", "bnd", "bob", "brl", "bsd", "bwp", "byn", "bzd", "cad",
    "cdf", "chf", "clp", "cny", "cop", "crc", "cve", "czk", "djf", "dkk", "dop", "dzd", "egp",
    "etb", "eur", "fjd", "fkp", "gbp", "gel", "gip", "gmd", "gnf", "gtq", "gyd", "hkd", "hnl",
    "hrk", "htg", "huf", "idr", "ils", "inr", "isk", "jmd", "jod", "jpy", "kes", "kgs", "khr",
    "kmf", "krw", "kwd", "kyd", "kzt", "lak", "lbp", "lkr", "lrd", "lsl", "mad", "mdl", "mga",
    "mkd", "mmk", "mnt", "mop", "mur", "mvr", "mwk", "mxn", "myr", "mzn", "nad", "ngn", "nio",
    "nok", "npr", "nzd", "omr", "pab", "pen", "pgk", "php", "pkr", "pln", "pyg", "qar", "ron",
    "rsd", "rub", "rwf", "sar", "sbd", "scr", "sek", "sgd", "shp", "sle", "sos", "srd", "std",
    "szl", "thb", "tjs", "tnd", "top", "try", "ttd", "twd", "tzs", "uah", "ugx", "uyu", "uzs",
    "vnd", "vuv", "wst", "xaf", "xcd", "xof", "xpf", "yer", "zar", "zmw",
];

const ZERO_DECIMAL: &[&str] = &[
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];

const THREE_DECIMAL: &[&str] = &["bhd", "jod", "kwd", "omr", "tnd"];

/// The least amount of a charge in minor units, where Stripe states one.
const MINIMUM_CHARGE: &[(&str, i64)] = &[
    ("usd", 50),
    ("eur", 50),
    ("gbp", 30),
    ("jpy", 50),
    ("chf", 50),
    ("cad", 50),
    ("aud", 50),
    ("sek", 300),
    ("nok", 300),
    ("dkk", 250),
    ("pln", 200),
    ("czk", 1500),
    ("huf", 17500),
    ("mxn", 1000),
    ("hkd", 400),
    ("sgd", 50),
    ("aed", 200),
    ("inr", 50),
    ("brl", 50),
    ("krw", 50),
    ("thb", 1000),
    ("myr", 200),
    ("ron", 200),
    ("nzd", 50),
    ("zar", 50),
];

/// Currencies whose sign needs no explanation; every other amount names its currency.
const SIGNS: &[(&str, &str)] = &[
    ("usd", "$"),
    ("eur", "€"),
    ("gbp", "£"),
    ("jpy", "¥"),
    ("cad", "CA$"),
    ("aud", "A$"),
    ("nzd", "NZ$"),
    ("hkd", "HK$"),
    ("mxn", "MX$"),
    ("brl", "R$"),
    ("inr", "₹"),
    ("krw", "₩"),
    ("vnd", "₫"),
    ("ils", "₪"),
    ("cny", "CN¥"),
    ("twd", "NT$"),
    ("php", "₱"),
];

/// Whether Stripe supports a currency, by its lower-case code.
pub(super) fn supported(currency: &str) -> bool {
    SUPPORTED.contains(&currency)
}

/// The decimal places that a reader expects of a currency.
pub(super) fn places(currency: &str) -> u32 {
    if ZERO_DECIMAL.contains(&currency) {
        0
    } else if THREE_DECIMAL.contains(&currency) {
        3
    } else {
        2
    }
}

/// The least amount of a charge in minor units; 0 where Stripe states none.
pub(super) fn minimum_charge(currency: &str) -> i64 {
    MINIMUM_CHARGE.iter().find(|(code, _)| *code == currency).map_or(0, |(_, amount)| *amount)
}

/// An amount of minor units as a reader expects it: `$1,234.50`, `¥500`, `KWD 1.250`.
pub(super) fn format(amount: i64, currency: &str) -> String {
    let digits = digits(amount, currency, ",", ".");
    let minus = if amount < 0 { "-" } else { "" };
    match sign(currency) {
        Some(sign) => format!("{minus}{sign}{digits}"),
        None => format!("{minus}{}\u{a0}{digits}", currency.to_uppercase()),
    }
}

/// The same as most of Europe writes it, with the languages' own marks: `1.234,50 €`.
pub(super) fn european(amount: i64, currency: &str, group: &str, point: &str) -> String {
    let digits = digits(amount, currency, group, point);
    let minus = if amount < 0 { "-" } else { "" };
    match sign(currency) {
        Some(sign) => format!("{minus}{digits}\u{a0}{sign}"),
        None => format!("{minus}{digits}\u{a0}{}", currency.to_uppercase()),
    }
}

/// An amount of minor units in major units without grouping, as a form field takes it: `1234.50`.
pub(super) fn plain(amount: i64, currency: &str) -> String {
    let places = places(currency);
    let unit = 10_i64.pow(places);
    if places == 0 {
        return amount.to_string();
    }
    let width = places as usize;
    format!("{}.{:0width$}", amount / unit, amount % unit)
}

/// Reads major units, as a person types them, into minor units. Nothing finer than a minor unit.
/// `point` is the mark before the minor units in the person's language. Of comma and full stop, the
/// other one separates thousands, or where it cannot, the minor units.
pub(super) fn parse(text: &str, currency: &str, point: char) -> Option<i64> {
    let text: String = text.split_whitespace().collect();
    let other = if point == '.' { ',' } else { '.' };
    let other_is_point = match (text.rfind(other), text.rfind(point)) {
        (Some(other), Some(point)) => other > point,
        (Some(at), None) => text.matches(other).count() == 1 && text.len() - at != 4,
        (None, _) => false,
    };
    let (point, group) = if other_is_point { (other, point) } else { (point, other) };
    let text = text.replace(group, "");
    let (whole, fraction) = text.split_once(point).unwrap_or((&text, ""));
    let places = places(currency) as usize;
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || fraction.len() > places {
        return None;
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

fn sign(currency: &str) -> Option<&'static str> {
    SIGNS.iter().find(|(code, _)| *code == currency).map(|(_, sign)| *sign)
}

/// The digits of an amount without its sign.
fn digits(amount: i64, currency: &str, group: &str, point: &str) -> String {
    let plain = plain(amount.saturating_abs(), currency);
    match plain.split_once('.') {
        Some((whole, fraction)) => format!("{}{point}{fraction}", grouped(whole, group)),
        None => grouped(&plain, group),
    }
}

fn grouped(whole: &str, group: &str) -> String {
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push_str(group);
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(amount: i64, currency: &str, expected: &str) {
        assert_eq!(format(amount, currency), expected);
    }

    #[test]
    fn two_decimals_are_the_rule() {
        check(1_234_567, "usd", "$12,345.67");
        check(5, "eur", "€0.05");
        check(-1_000, "gbp", "-£10.00");
    }

    #[test]
    fn some_currencies_have_no_decimals() {
        check(500, "jpy", "¥500");
        check(1_500_000, "krw", "₩1,500,000");
    }

    #[test]
    fn some_currencies_have_three_decimals() {
        check(1_250, "kwd", "KWD\u{a0}1.250");
    }

    #[test]
    fn a_currency_without_a_known_sign_is_named() {
        check(9_900, "pln", "PLN\u{a0}99.00");
    }

    #[test]
    fn europeans_put_the_sign_last() {
        assert_eq!(european(1_234_567, "usd", ".", ","), "12.345,67\u{a0}$");
        assert_eq!(european(-500, "jpy", ".", ","), "-500\u{a0}¥");
        assert_eq!(european(9_900, "pln", ".", ","), "99,00\u{a0}PLN");
    }

    #[test]
    fn typed_amounts_are_read_to_the_minor_unit() {
        let english = |text, currency| parse(text, currency, '.');
        assert_eq!(english("12", "usd"), Some(1_200));
        assert_eq!(english(" 1,234.5 ", "usd"), Some(123_450));
        assert_eq!(english("500", "jpy"), Some(500));
        assert_eq!(english("12,50", "eur"), Some(1_250));
        assert_eq!(english("1.234,5", "eur"), Some(123_450));
        assert_eq!(english("1,234", "eur"), Some(123_400));
        assert_eq!(english("1.234", "eur"), None);
        assert_eq!(english("1.25", "kwd"), Some(1_250));
        assert_eq!(english("1,250", "kwd"), Some(1_250_000));
        assert_eq!(english("1.5", "jpy"), None);
        assert_eq!(english("1.005", "usd"), None);
        assert_eq!(english("-1", "usd"), None);
        assert_eq!(english("", "usd"), None);
    }

    #[test]
    fn amounts_are_typed_with_the_mark_of_the_language() {
        let german = |text, currency| parse(text, currency, ',');
        assert_eq!(german("1,250", "kwd"), Some(1_250));
        assert_eq!(german("1.250", "kwd"), Some(1_250_000));
        assert_eq!(german("1.250,5", "kwd"), Some(1_250_500));
        assert_eq!(german("12,50", "eur"), Some(1_250));
        assert_eq!(german("12.50", "eur"), Some(1_250));
        assert_eq!(german("1.234", "eur"), Some(123_400));
        assert_eq!(german("1,234.50", "eur"), Some(123_450));
        assert_eq!(german("1,005", "eur"), None);
        assert_eq!(german("1\u{202f}234,50", "eur"), Some(123_450));
    }
}
