//! What is left to be done once a link was deactivated. Pure.

use crate::operations::Changed;
use crate::pb;
use crate::pb::payment_link::DeactivationReason;
use crate::pb::time::millis;
use crate::storage::{Ending, SeenLink};

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The pages are expired that buyers have open.
    ExpirePages,
    /// The link is activated: it was prolonged, by a call whose note came too late.
    Undo,
    /// Nothing: it was changed since, by others, and is as they want it.
    Nothing,
}

/// Decides by Stripe's answer to the deactivation, and by what is known of the link.
pub(super) fn after(
    ending: &Ending,
    ended: &Changed<pb::PaymentLink>,
    known: Option<&SeenLink>,
) -> Next {
    if ending.reason != DeactivationReason::Expired {
        return Next::ExpirePages;
    }
    let end = ended.resource.expire_time.as_ref();
    let has_moved = end.is_none_or(|end| millis(end) > ending.due_at_ms);
    match known {
        // What was deactivated for another reason stays so.
        Some(SeenLink { link, .. })
            if has_moved
                && !link.active
                && link.deactivation_reason() != DeactivationReason::Expired =>
        {
            Next::Nothing
        }
        _ if has_moved => Next::Undo,
        Some(known) if known.link.active && known.seen_at_ms > ended.sent_at_ms => Next::Nothing,
        _ => Next::ExpirePages,
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_end_is_undone_only_where_nothing_else_has_ended_the_link() {
        use DeactivationReason::{Caller, Expired, OrderPaid, Unspecified};
        let check = |reason, end_secs: i64, known: Option<(DeactivationReason, i64)>, expected| {
            let ending = Ending {
                account: String::new(),
                link: "plink_1".into(),
                reason,
                id: Uuid::nil(),
                due_at_ms: 7_000,
                attempts: 1,
            };
            let expire_time = Some(Timestamp { seconds: end_secs, nanos: 0 });
            let resource = pb::PaymentLink { expire_time, ..Default::default() };
            let ended = Changed { resource, sent_at_ms: 8_000 };
            let known = known.map(|(reason, seen_at_ms)| {
                let active = reason == Unspecified;
                let deactivation_reason = reason.into();
                let link = pb::PaymentLink { active, deactivation_reason, ..Default::default() };
                SeenLink { account: String::new(), link, created_at_ms: 0, seen_at_ms }
            });
            assert_eq!(after(&ending, &ended, known.as_ref()), expected);
        };
        check(Expired, 7, Some((Unspecified, 6_000)), Next::ExpirePages);
        check(Expired, 7, Some((Expired, 9_000)), Next::ExpirePages);
        check(Expired, 7, Some((Caller, 9_000)), Next::ExpirePages);
        check(Expired, 7, None, Next::ExpirePages);
        // It was activated since, and its pages are wanted.
        check(Expired, 7, Some((Unspecified, 9_000)), Next::Nothing);
        check(Expired, 9, Some((Unspecified, 9_000)), Next::Undo);
        // This is how the event of the deactivation shows it.
        check(Expired, 9, Some((Expired, 9_000)), Next::Undo);
        check(Expired, 9, None, Next::Undo);
        check(Expired, 9, Some((Caller, 9_000)), Next::Nothing);
        check(OrderPaid, 9, Some((Unspecified, 9_000)), Next::ExpirePages);
    }
}
