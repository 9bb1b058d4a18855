//! Times of the contract as milliseconds since 1970, and back.

use prost_types::Timestamp;

/// Gives a time in milliseconds since 1970; what is less is cut off.
#[must_use]
pub fn millis(time: &Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000).saturating_add(i64::from(time.nanos) / 1_000_000)
}

/// Gives the time of so many milliseconds since 1970.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "less than a second has 30 bits of nanoseconds"
)]
pub fn timestamp(millis: i64) -> Timestamp {
    let nanos = millis.rem_euclid(1_000) * 1_000_000;
    Timestamp { seconds: millis.div_euclid(1_000), nanos: nanos as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_comes_back() {
        for at_ms in [-1_001, -1, 0, 1, 999, 1_800_000_000_123] {
            assert_eq!(millis(&timestamp(at_ms)), at_ms);
        }
        assert_eq!(millis(&Timestamp { seconds: i64::MAX, nanos: 0 }), i64::MAX);
    }
}
