//! The passage of time when the clock is moved.
//!
//! What falls due on the way happens in its order, each at its own moment, and its events are
//! delivered before the next thing happens.

use std::time::Duration;

use tokio::time::Instant;

use super::{Shared, connected, expire_due};

/// How many moments a move stops at. What is due at later ones happens at the end of the move.
const STOPS_MAX: usize = 10_000;
/// How long a move waits for receivers that do not answer, in all.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Moves the clock forward. Everything due by then has happened when this is done, and every event
/// of it has been sent at least once, as far as its receivers answered in time.
pub(super) async fn advance(shared: &Shared, by_ms: i64) {
    let patience = Instant::now() + WAIT_MAX;
    let target_ms = shared.look(|state| state.clock.now_ms().saturating_add(by_ms));
    for _ in 0..STOPS_MAX {
        quiet(shared, patience).await;
        let moved = shared.with(|state| {
            let agenda_ms = connected::next_due(state).map(|due| due.saturating_mul(1000));
            let next_ms = [agenda_ms, state.outbox.next_due()].into_iter().flatten().min();
            let next_ms = next_ms.filter(|next_ms| *next_ms <= target_ms)?;
            state.clock.move_to(next_ms);
            expire_due(state);
            state.outbox.signals().wake.notify_one();
            Some(())
        });
        if moved.is_none() || Instant::now() >= patience {
            break;
        }
    }
    shared.with(|state| {
        state.clock.move_to(target_ms);
        expire_due(state);
        state.outbox.signals().wake.notify_one();
    });
    quiet(shared, patience).await;
}

/// Waits until nothing is being sent and nothing is due to be.
async fn quiet(shared: &Shared, patience: Instant) {
    let settled = shared.look(|state| state.outbox.signals().settled);
    loop {
        let notified = settled.notified();
        if shared.look(|state| state.outbox.is_quiet(state.clock.now_ms())) {
            return;
        }
        if tokio::time::timeout_at(patience, notified).await.is_err() {
            return;
        }
    }
}
