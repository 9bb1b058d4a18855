//! Stripe's rate limits: so many requests a second of each key, and fewer of its searches.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many searches a key makes in a second at most, where there are limits.
const SEARCHES_MAX: u32 = 20;
/// How many keys are told apart in a second. Beyond it all are counted anew.
const KEYS_MAX: usize = 10_000;

/// What has been asked in the current second.
#[derive(Debug)]
pub(in crate::sandbox) struct Limits {
    requests_max: u32,
    second: Mutex<Second>,
}

#[derive(Debug, Default)]
struct Second {
    at: i64,
    /// Requests and searches by key.
    counts: HashMap<String, (u32, u32)>,
}

// === impl Limits ===

impl Limits {
    /// So many requests a second of each key; 0 for as many as come.
    pub(in crate::sandbox) fn new(requests_max: u32) -> Self {
        Self { requests_max, second: Mutex::default() }
    }

    /// Counts a request; the answer is Stripe's word for the limit that it breaks, if it does.
    pub(super) fn count(&self, key: &str, path: &str, now_s: i64) -> Option<&'static str> {
        if self.requests_max == 0 {
            return None;
        }
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.at != now_s || second.counts.len() >= KEYS_MAX {
            *second = Second { at: now_s, counts: HashMap::new() };
        }
        let (requests, searches) = second.counts.entry(key.to_owned()).or_default();
        *requests = requests.saturating_add(1);
        if *requests > self.requests_max {
            return Some("global-rate");
        }
        if path.ends_with("/search") {
            *searches = searches.saturating_add(1);
        }
        (*searches > SEARCHES_MAX && path.ends_with("/search")).then_some("endpoint-rate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_requests_in_each_second() {
        let limits = Limits::new(2);
        let count = |key: &str, now_s: i64| limits.count(key, "/v1/products", now_s);
        assert_eq!([count("a", 1), count("a", 1), count("b", 1)], [None; 3]);
        assert_eq!(count("a", 1), Some("global-rate"));
        assert_eq!(count("a", 2), None);
    }

    #[test]
    fn searches_have_a_limit_of_their_own() {
        let limits = Limits::new(1000);
        let search = || limits.count("a", "/v1/products/search", 1);
        assert!((0..SEARCHES_MAX).all(|_| search().is_none()));
        assert_eq!(search(), Some("endpoint-rate"));
        assert_eq!(limits.count("a", "/v1/products", 1), None);
    }

    #[test]
    fn nothing_is_limited_by_zero() {
        let limits = Limits::new(0);
        assert!((0..1000).all(|_| limits.count("a", "/v1/products/search", 1).is_none()));
    }
}
