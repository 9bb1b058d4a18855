//! The periods of a subscription: how long what recurs lasts.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;

use super::super::object::Members;

/// The end of the period of that number, counted from one. Each is measured from the anchor, so
/// that a month that began on a 31st does not grow shorter for ever after a February.
pub(super) fn end(anchor: i64, recurring: &Value, number: i64) -> i64 {
    let count = recurring.at("interval_count").as_i64().unwrap_or(1).saturating_mul(number);
    let span = match recurring.at("interval").as_str() {
        Some("day") => Span::new().try_days(count),
        Some("week") => Span::new().try_weeks(count),
        Some("year") => Span::new().try_years(count),
        _ => Span::new().try_months(count),
    };
    let start = Timestamp::from_second(anchor).map(|time| time.to_zoned(TimeZone::UTC));
    let end = span.and_then(|span| start?.checked_add(span));
    // Beyond the end of time nothing is ever due.
    end.map_or(i64::MAX, |end| end.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(interval: &str, count: i64, number: i64, expected: &str) {
        let anchor: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let recurring = json!({ "interval": interval, "interval_count": count });
        let end = end(anchor.as_second(), &recurring, number);
        assert_eq!(Timestamp::from_second(end).unwrap().to_string(), expected);
    }

    #[test]
    fn months_end_on_their_day_or_their_last() {
        check("month", 1, 1, "2026-02-28T12:00:00Z");
        check("month", 1, 2, "2026-03-31T12:00:00Z");
        check("month", 3, 1, "2026-04-30T12:00:00Z");
    }

    #[test]
    fn other_intervals_are_counted_too() {
        check("day", 1, 3, "2026-02-03T12:00:00Z");
        check("week", 2, 1, "2026-02-14T12:00:00Z");
        check("year", 1, 2, "2028-01-31T12:00:00Z");
    }
}
