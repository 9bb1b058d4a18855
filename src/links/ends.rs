//! The end of a link: when it is, and why it came. Pure.

use prost_types::{Duration, Timestamp};

use crate::contract::{Reason, Violation};
use crate::pb;
use crate::pb::payment_link::DeactivationReason;

/// The parameter that holds when a link ends, in unix seconds.
pub(super) const END: &str = "metadata[pl_expires]";

/// The longest that a link can be asked to stay active for, in seconds.
const TTL_SECS_MAX: i64 = 10 * 366 * 24 * 60 * 60;

/// A request that carries a link with an end.
pub(super) trait Dated {
    /// The link.
    fn link(&mut self) -> Option<&mut pb::PaymentLink>;
}

impl Dated for pb::CreatePaymentLinkRequest {
    fn link(&mut self) -> Option<&mut pb::PaymentLink> {
        self.payment_link.as_mut()
    }
}

impl Dated for pb::UpdatePaymentLinkRequest {
    fn link(&mut self) -> Option<&mut pb::PaymentLink> {
        self.payment_link.as_mut()
    }
}

/// Says when the link of a request ends, where the request says how long it lasts.
pub(super) fn dated<R: Dated>(mut request: R, now_ms: i64) -> R {
    if let Some(link) = request.link()
        && let Some(ttl) = link.ttl.take()
    {
        link.expire_time = end(None, Some(ttl), now_ms);
    }
    request
}

/// Reads a mask that names `ttl` as one that names the end, which it sets.
pub(super) fn with_end_for_ttl(
    mut request: pb::UpdatePaymentLinkRequest,
) -> pb::UpdatePaymentLinkRequest {
    let paths = request.update_mask.iter_mut().flat_map(|mask| &mut mask.paths);
    for path in paths.filter(|path| *path == "ttl") {
        "expire_time".clone_into(path);
    }
    request
}

/// Works out an end. Stripe's notes hold whole seconds, so it is rounded up.
pub(super) fn end(at: Option<Timestamp>, ttl: Option<Duration>, now_ms: i64) -> Option<Timestamp> {
    let ttl_ms =
        |ttl: Duration| ttl.seconds.saturating_mul(1_000) + i64::from(ttl.nanos) / 1_000_000;
    let from_now = ttl.map(|ttl| now_ms.saturating_add(ttl_ms(ttl)).saturating_add(999));
    let from_now = from_now.map(|at_ms| Timestamp { seconds: at_ms.div_euclid(1_000), nanos: 0 });
    at.or(from_now)
}

/// Whether an end lies in the past.
pub(super) fn has_passed(end: Option<Timestamp>, now_ms: i64) -> bool {
    end.is_some_and(|end| end.seconds.saturating_mul(1_000) <= now_ms)
}

/// Finds what no rule of the contract says of a duration.
pub(super) fn check_ttl(ttl: Option<&Duration>, field: &str) -> Option<Violation> {
    let fits = ttl.is_none_or(|ttl| (1..=TTL_SECS_MAX).contains(&ttl.seconds) && ttl.nanos >= 0);
    let text = "must be a second at least, and ten years at most";
    (!fits).then(|| Violation::new(field, Reason::Range, text))
}

/// Says why a link cannot be paid, where its notes do not.
pub(super) fn explained(mut link: pb::PaymentLink) -> pb::PaymentLink {
    let reason = match link.deactivation_reason() {
        _ if link.active => DeactivationReason::Unspecified,
        DeactivationReason::Unspecified if has_reached_limit(&link) => DeactivationReason::Limit,
        DeactivationReason::Unspecified => DeactivationReason::Outside,
        noted => noted,
    };
    link.set_deactivation_reason(reason);
    link
}

fn has_reached_limit(link: &pb::PaymentLink) -> bool {
    let sessions = link.restrictions.as_ref().and_then(|limits| limits.completed_sessions.as_ref());
    sessions.is_some_and(|sessions| sessions.limit.is_some_and(|limit| sessions.count >= limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_never_before_what_was_asked_for() {
        let ttl = |seconds, nanos| Some(Duration { seconds, nanos });
        let check = |ttl, now_ms, expected| {
            assert_eq!(end(None, ttl, now_ms).map(|end| end.seconds), expected);
        };
        check(ttl(60, 0), 1_000, Some(61));
        check(ttl(60, 0), 1_001, Some(62));
        check(ttl(1, 500_000_000), 0, Some(2));
        check(None, 0, None);
        let at = Timestamp { seconds: 7, nanos: 0 };
        assert_eq!(end(Some(at), None, 0), Some(at));
    }

    #[test]
    fn a_link_lasts_a_second_at_least_and_ten_years_at_most() {
        let fits = |seconds, nanos| check_ttl(Some(&Duration { seconds, nanos }), "ttl").is_none();
        assert!(fits(1, 0) && fits(TTL_SECS_MAX, 0));
        assert!(!fits(0, 999_999_999) && !fits(-5, 0) && !fits(TTL_SECS_MAX + 1, 0));
        assert!(!fits(1, -1) && check_ttl(None, "ttl").is_none());
    }

    #[test]
    fn an_inactive_link_says_why() {
        use DeactivationReason::{Caller, Limit, Outside, Unspecified};
        let check = |active, noted: DeactivationReason, count, expected| {
            let limit = pb::payment_link::restrictions::CompletedSessions { limit: Some(2), count };
            let link = pb::PaymentLink {
                active,
                deactivation_reason: noted.into(),
                restrictions: Some(pb::payment_link::Restrictions {
                    completed_sessions: Some(limit),
                }),
                ..Default::default()
            };
            assert_eq!(explained(link).deactivation_reason(), expected);
        };
        check(true, Caller, 0, Unspecified);
        check(false, Caller, 2, Caller);
        check(false, Unspecified, 2, Limit);
        check(false, Unspecified, 1, Outside);
    }
}
