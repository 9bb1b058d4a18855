//! Rules on amounts that several resources share.

use super::violation::{Reason, Violation};
use crate::pb::recurring::Interval;

/// Refuses an interval of more than three years:
/// <https://docs.stripe.com/api/prices/create#create_price-recurring-interval_count>.
#[must_use]
pub fn interval(at: &str, interval: Interval, count: Option<i64>) -> Option<Violation> {
    let most = match interval {
        Interval::Unspecified => return None,
        Interval::Day => 1095,
        Interval::Week => 156,
        Interval::Month => 36,
        Interval::Year => 3,
    };
    count.filter(|&count| count > most).map(|_| {
        let text = format!("must be at most {most} of this interval, which is three years");
        Violation::new(format!("{at}.interval_count"), Reason::Range, text)
    })
}
