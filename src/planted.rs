//! Bugs that tests plant, to see that other tests would catch them. A release
//! has none: there, the question is answered when it is compiled.

use std::cell::Cell;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Each retry goes under a key of its own.
    FreshKey,
    /// A write is sent before it is on record.
    SentUnrecorded,
    /// A failure is told before it is on record.
    ToldUnrecorded,
    /// What an earlier attempt may have done is forgotten.
    ForgottenDoubt,
    /// A write is sent again under a key that Stripe may have forgotten.
    LateRetry,
    /// A link that was made twice is left published.
    NoSweep,
    /// An event is acknowledged before it is on disk.
    AcknowledgedUnsafe,
    /// An event counts as often as it is delivered.
    CountedAgain,
    /// A place in the feed is given that is not taken back with what was to have it.
    PlaceKept,
    /// An event is done with before its payment knows of it, each in a write of its own.
    SettledApart,
    /// A payment takes an order that another has taken.
    OrderTakenTwice,
    /// An order is paid, and its links are left as they are.
    OrderLeftOpen,
    /// A replacement that is taken up again leaves the old link as it is.
    HalfReplaced,
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Plants a bug in what runs on this thread, or takes it out again.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether a bug is planted here.
#[must_use]
pub fn is(bug: Bug) -> bool {
    cfg!(debug_assertions) && PLANTED.get() == Some(bug)
}
