//! What events tell of links, for the index of links.
//!
//! An event shows the link without what it sells, and events come late and out of
//! order. So one that shows something else than the index only says that the link
//! is to be read again.

use crate::operations;
use crate::pb;
use crate::storage::{DueEvent, SeenLink};
use crate::stripe::Made;
use crate::stripe::webhook::Event;

/// The kinds of events that tell of links.
pub(super) const KINDS: [&str; 2] = [CREATED, "payment_link.updated"];

const CREATED: &str = "payment_link.created";

/// A link whose making is noted this much later than it happened is noted again.
const CREATED_LATE_MS: i64 = 10_000;

/// What an event shows of a link.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) link: pb::PaymentLink,
    /// When the link was made at the latest.
    pub(super) created_at_ms: i64,
    is_creation: bool,
    /// Whether the event is of a change that is ours, whose answer tells more.
    pub(super) is_own: bool,
}

/// Reads an event about a link; `None` where it is about something else.
pub(super) fn shown(event: &DueEvent) -> Option<Shown> {
    let parsed = Event::parse(&event.body).ok()?;
    if !KINDS.contains(&parsed.kind.as_str()) {
        return None;
    }
    let link: pb::PaymentLink = parsed.object()?;
    let made = Made::of_event(&event.body);
    (!link.id.is_empty()).then(|| Shown {
        link,
        created_at_ms: parsed.created.saturating_mul(1_000),
        is_creation: parsed.kind == CREATED,
        is_own: made.is_some_and(|made| operations::is_key(&made.key)),
    })
}

// === impl Shown ===

impl Shown {
    /// Whether the index knows all that the event shows.
    pub(super) fn is_known(&self, known: &SeenLink) -> bool {
        let late_ms = known.created_at_ms.saturating_sub(self.created_at_ms);
        known.is(&self.link) && !(self.is_creation && late_ms > CREATED_LATE_MS)
    }
}
