use super::*;
use crate::payments::Config;

const HOUR: Duration = Duration::from_hours(1);
const LONGEST_MONTH: Duration = Duration::from_hours(31 * 24);

/// The settings that an installation begins with.
fn config() -> Config {
    let defaults = include_str!("../../../config/default.toml");
    let mut defaults: toml::Table = toml::from_str(defaults).unwrap();
    defaults.remove("payments").unwrap().try_into().unwrap()
}

/// What a month of 31 days came to.
#[derive(Debug, Default)]
struct Month {
    reads: i64,
    longest_pause: Duration,
    sweeps: u32,
    put_off: u32,
}

/// Goes through a month without webhooks: a poll takes so many reads, as does a sweep, and
/// in the middle of it so many are taken by others.
fn live(reads_a_poll: i64, reads_a_sweep: i64, taken: i64) -> Month {
    let config = config();
    let usual = Duration::from_millis(config.poll_only_interval_ms.get());
    let every = Duration::from_millis(config.sweep_interval_ms.get());
    let (mut month, mut spent, mut taken) = (Month::default(), 0, Some(taken));
    let (mut now, mut polled, mut swept) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    while now < LONGEST_MONTH {
        let max = config.reads_per_month_max.into();
        let polls = Some(usual);
        let left = |spent| Allowance {
            month: 0,
            rest: LONGEST_MONTH.saturating_sub(now),
            spent,
            max,
            polls,
        };
        let pause = now.saturating_sub(polled);
        if pause >= left(spent).interval(usual) {
            spent += reads_a_poll;
            polled = now;
            month.longest_pause = month.longest_pause.max(pause);
        }
        let is_due = now.saturating_sub(swept) >= every;
        if is_due && left(spent).spare() > 0 {
            spent += reads_a_sweep;
            swept = now;
            month.sweeps += 1;
        } else if is_due {
            month.put_off += 1;
        }
        if now > LONGEST_MONTH / 2 {
            spent += taken.take().unwrap_or_default();
        }
        now += Duration::from_secs(30);
    }
    Month { reads: spent, ..month }
}

#[test]
fn the_default_settings_leave_room_for_all_that_a_month_needs() {
    let month = live(1, 1, 0);
    let usual = Duration::from_millis(config().poll_only_interval_ms.get());
    assert!(month.reads < i64::from(config().reads_per_month_max) - 500, "{month:?}");
    assert_eq!((month.longest_pause, month.put_off), (usual, 0));
    assert!(month.sweeps >= 31 * 24 - 1, "{month:?}");
}

#[test]
fn sweeps_give_way_before_polls_do() {
    let month = live(1, 4, 0);
    let usual = Duration::from_millis(config().poll_only_interval_ms.get());
    assert!(month.put_off > 0 && month.sweeps > 300, "{month:?}");
    assert!(month.longest_pause <= usual * 2, "{month:?}");
    assert!(month.reads <= i64::from(config().reads_per_month_max) + 4, "{month:?}");
}

#[test]
fn however_much_was_read_polls_go_on_every_hour() {
    for (reads_a_poll, taken) in [(1, 2_000), (1, 10_000), (3, 0), (3, 10_000)] {
        let month = live(reads_a_poll, 1, taken);
        assert!(month.longest_pause <= HOUR, "{month:?}");
    }
}

#[test]
fn what_is_left_is_spread_over_the_rest_of_the_month() {
    let check = |left: i64, rest_hours, expected_mins| {
        let polls = Some(Duration::from_mins(6));
        let rest = Duration::from_hours(rest_hours);
        let allowance = Allowance { month: 0, rest, spent: 1_000 - left, max: 1_000, polls };
        assert_eq!(allowance.interval(Duration::from_mins(1)), Duration::from_mins(expected_mins));
    };
    check(101, 10, 1);
    check(100, 10, 6);
    check(60, 10, 10);
    check(1, 10, 60);
    check(0, 10, 60);
    check(-5, 10, 60);
}

#[test]
fn a_hard_bound_is_all_there_is_where_webhooks_tell() {
    let check = |spent, spare| {
        let allowance = Allowance { month: 0, rest: HOUR, spent, max: 10, polls: None };
        assert_eq!((allowance.spare(), allowance.interval(HOUR)), (spare, HOUR));
    };
    check(0, 10);
    check(10, 0);
}

#[test]
fn a_month_ends_with_its_last_day() {
    let check = |now: &str, expected| {
        let (number, rest) = month(now.parse().unwrap());
        assert_eq!((number - 2026 * 12, rest), expected, "{now}");
    };
    check("2026-01-31T23:00:00Z", (1, HOUR));
    check("2026-01-01T00:00:00Z", (1, LONGEST_MONTH));
    check("2026-12-31T12:00:00Z", (12, 12 * HOUR));
    check("2028-02-29T00:00:00Z", (26, 24 * HOUR));
}
