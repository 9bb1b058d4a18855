//! Until when the files of a listener's TLS are good, for whoever watches over it.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use opentelemetry::metrics::Gauge;
use opentelemetry::{KeyValue, global};

use super::Contents;

const DAY_SECS: i64 = 24 * 60 * 60;

// Tags of DER, from X.690.
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

static NOT_AFTER: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("paylink")
        .i64_gauge("paylink.tls.not_after")
        .with_unit("s")
        .with_description("Until when a file of TLS is good, in Unix time.")
        .build()
});

/// How near the end of the listener's certificate is, as far as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Nearness {
    #[default]
    Far,
    Fortnight,
    Day,
    Over,
}

/// Tells until when each file is good.
pub(super) fn report(listener: &'static str, contents: &Contents) {
    for (file, end) in ends(contents) {
        let attributes = [KeyValue::new("listener", listener), KeyValue::new("file", file)];
        NOT_AFTER.record(end, &attributes);
    }
}

/// Finds until when each file is good, in Unix seconds.
pub(super) fn ends(contents: &Contents) -> Vec<(&'static str, i64)> {
    let authorities = contents.authorities().unwrap_or_default();
    let ends = [
        ("certificate", own_end(contents)),
        ("client_ca", authorities.iter().filter_map(|der| end(der)).min()),
        ("client_crl", revoked_end(contents)),
    ];
    ends.into_iter().filter_map(|(file, end)| Some((file, end?.as_second()))).collect()
}

// === impl Nearness ===

impl Nearness {
    /// Says once of each threshold that the end is nearer than that.
    pub(super) fn warn(&mut self, listener: &'static str, contents: &Contents) {
        let Some(end) = own_end(contents) else { return };
        let near = Self::of(end, Timestamp::now());
        if near > *self {
            tracing::warn!(listener, not_after = %end, "The certificate has to be replaced soon");
        }
        *self = near;
    }

    fn of(end: Timestamp, now: Timestamp) -> Self {
        match end.as_second() - now.as_second() {
            ..=0 => Self::Over,
            1..=DAY_SECS => Self::Day,
            left if left <= 14 * DAY_SECS => Self::Fortnight,
            _ => Self::Far,
        }
    }
}

/// The chain is good until the first of its certificates is not.
fn own_end(contents: &Contents) -> Option<Timestamp> {
    contents.chain().ok()?.iter().filter_map(|der| end(der)).min()
}

fn revoked_end(contents: &Contents) -> Option<Timestamp> {
    contents.revoked().ok()?.iter().filter_map(|der| end(der)).min()
}

/// Finds `notAfter` of a certificate, or `nextUpdate` of a list of revoked ones: the
/// second of the first two times that stand beside each other in the signed part,
/// or in its part `validity` (RFC 5280, sections 4.1 and 5.1).
fn end(der: &[u8]) -> Option<Timestamp> {
    let (_, whole, _) = element(der)?;
    let (_, mut signed, _) = element(whole)?;
    let mut times = Vec::new();
    while let Some((tag, content, rest)) = element(signed) {
        match tag {
            UTC_TIME | GENERALIZED_TIME => times.push((tag, content)),
            SEQUENCE => {
                // Only `validity` begins with a time.
                let mut inside = content;
                while let Some((tag @ (UTC_TIME | GENERALIZED_TIME), content, rest)) =
                    element(inside)
                {
                    times.push((tag, content));
                    inside = rest;
                }
            }
            _ => {}
        }
        if let Some((tag, text)) = times.get(1) {
            return time(*tag, text);
        }
        signed = rest;
    }
    None
}

/// Splits the first element of DER off: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Reads `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, the two forms that RFC 5280 allows.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // Years are of 1950 to 2049.
        UTC_TIME if text >= "50" => format!("19{text}"),
        UTC_TIME => format!("20{text}"),
        _ => text.to_owned(),
    };
    let (date, clock) = text.split_at_checked(8)?;
    let civil: DateTime = format!("{date}T{clock}").parse().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate_until(year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["paylink.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 2);
        params.not_after = date_time_ymd(year, 3, 4);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_found_in_either_form_of_time() {
        for (year, expected) in [
            (2030, "2030-03-04T00:00:00Z"),
            (2049, "2049-03-04T00:00:00Z"),
            (2150, "2150-03-04T00:00:00Z"),
        ] {
            assert_eq!(end(&certificate_until(year)), Some(expected.parse().unwrap()));
        }
    }

    #[test]
    fn what_is_cut_short_has_no_end_and_does_no_harm() {
        let whole = certificate_until(2030);
        for length in 0..whole.len() {
            // The outermost length no longer fits.
            assert_eq!(end(&whole[..length]), None);
        }
    }

    #[test]
    fn a_threshold_is_passed_once() {
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let near = |days: i64| {
            Nearness::of(Timestamp::from_second(now.as_second() + days * DAY_SECS).unwrap(), now)
        };
        assert_eq!(
            [15, 14, 2, 1, 0, -1].map(near),
            [
                Nearness::Far,
                Nearness::Fortnight,
                Nearness::Fortnight,
                Nearness::Day,
                Nearness::Over,
                Nearness::Over
            ]
        );
    }
}
