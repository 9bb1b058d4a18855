//! Why a link cannot be paid, in its notes and as callers are told. Pure.

use crate::pb;
use crate::pb::payment_link::DeactivationReason;

/// The parameter that notes why a link cannot be paid.
pub const REASON: &str = "metadata[pl_reason]";

/// The word for a reason, as it stands in a link's notes.
#[must_use]
pub fn word(reason: DeactivationReason) -> String {
    let name = reason.as_str_name();
    name.trim_start_matches("DEACTIVATION_REASON_").to_ascii_lowercase()
}

/// Says why a link cannot be paid, where its notes do not.
#[must_use]
pub fn explained(mut link: pb::PaymentLink) -> pb::PaymentLink {
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
