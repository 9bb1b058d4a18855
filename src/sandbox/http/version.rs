//! The version of the API that a request asks for.
//!
//! The sandbox answers in its own version whatever is asked for. It takes the versions that Stripe
//! has had, and later ones, so that newer clients work unchanged; it refuses what never was one.

use super::super::params::Tables;
use super::super::refusal::Refusal;
use super::super::{API_VERSION, params};

/// Refuses a version that is none.
pub(super) fn check(tables: &Tables, asked: Option<&str>) -> Result<(), Refusal> {
    match asked {
        Some(version) if !is_known(tables, version) => {
            Err(Refusal::invalid(format!("Invalid Stripe API version: {version}")))
        }
        _ => Ok(()),
    }
}

fn is_known(tables: &Tables, version: &str) -> bool {
    params::versions(tables).any(|known| known == version) || is_later(version)
}

/// Whether it has the form of a version and a later date than the sandbox's.
fn is_later(version: &str) -> bool {
    let (date, name) = version.split_once('.').unwrap_or((version, "plain"));
    let digits =
        |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = date.split('-');
    let mut part = |length| parts.next().is_some_and(|part| digits(part, length));
    let formed = part(4) && part(2) && part(2);
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    formed && parts.next().is_none() && named && date > API_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: &str, expected: bool) {
        let tables = Tables::compiled().unwrap();
        assert_eq!(super::check(&tables, Some(version)).is_ok(), expected, "{version}");
    }

    #[test]
    fn versions_that_stripe_had_are_taken() {
        check(API_VERSION, true);
        check("2020-08-27", true);
        check("2024-09-30.acacia", true);
    }

    #[test]
    fn later_versions_are_taken() {
        check("2026-10-28.endive", true);
        check("2031-01-01", true);
    }

    #[test]
    fn what_never_was_a_version_is_refused() {
        for wrong in ["", "latest", "2020-08-28", "2024-09-30", "2026-10-28.", "2026-1-1", "9999"] {
            check(wrong, false);
        }
    }
}
