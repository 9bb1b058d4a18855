//! What happens on one connection, and whether it may go on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long the parts of a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Until the first bytes make clear what is spoken.
    pub(super) first_bytes: Duration,
    /// From the first bytes of a request of HTTP/1 until its headers are there.
    pub(super) headers: Duration,
    /// Without any call.
    pub(super) idle: Duration,
    /// Until what is ready of an answer is taken.
    pub(super) unread: Duration,
    /// In all, before the client is asked to connect anew.
    pub(super) age: Duration,
    /// From then on, until calls under way have ended.
    pub(super) grace: Duration,
}

/// One connection's state. Clones of the pointer are of the same connection.
#[derive(Debug)]
pub(super) struct Conversation {
    limits: Limits,
    state: Mutex<State>,
}

/// What is to become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Stay,
    /// It takes no further calls, and ends when those under way have.
    Leave,
    /// It ends now, for this reason.
    Cut(&'static str),
}

/// A call under way, until its answer has been taken or given up.
#[derive(Debug)]
pub(super) struct Call {
    conversation: Arc<Conversation>,
    number: u64,
}

#[derive(Debug)]
struct State {
    begun: Instant,
    spoken: bool,
    /// Since when a request of HTTP/1 has begun whose headers are not all there.
    head_since: Option<Instant>,
    flooded: bool,
    calls: usize,
    /// Since when there is no call.
    idle_since: Instant,
    next_number: u64,
    /// Since when answers wait to be taken.
    unread: HashMap<u64, Instant>,
    leaving_since: Option<Instant>,
}

// === impl Limits ===

impl Limits {
    /// How often to look whether a limit is reached.
    pub(super) fn pace(self) -> Duration {
        let Self { first_bytes, headers, idle, unread, age, grace } = self;
        let shortest = [first_bytes, headers, idle, unread, age, grace].into_iter().min();
        // Limits of zero would be asked for without a pause.
        shortest.unwrap_or_default().max(Duration::from_millis(40)) / 4
    }
}

// === impl Conversation ===

impl Conversation {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            begun: now,
            spoken: false,
            head_since: None,
            flooded: false,
            calls: 0,
            idle_since: now,
            next_number: 0,
            unread: HashMap::new(),
            leaving_since: None,
        };
        Arc::new(Self { limits, state: Mutex::new(state) })
    }

    /// Says what is to become of the connection.
    pub(super) fn judge(&self) -> Verdict {
        let Limits { first_bytes, headers, idle, unread, age, grace } = self.limits;
        let state = self.state();
        let now = Instant::now();
        let for_long = |since: Instant, limit| now.duration_since(since) >= limit;
        if !state.spoken && for_long(state.begun, first_bytes) {
            return Verdict::Cut("silent");
        }
        if state.head_since.is_some_and(|since| for_long(since, headers)) {
            return Verdict::Cut("headers");
        }
        if state.unread.values().any(|since| for_long(*since, unread)) {
            return Verdict::Cut("unread");
        }
        match state.leaving_since {
            Some(since) if for_long(since, grace) => Verdict::Cut("grace"),
            None if for_long(state.begun, age) => Verdict::Leave,
            None if state.calls == 0 && for_long(state.idle_since, idle) => Verdict::Leave,
            _ => Verdict::Stay,
        }
    }

    /// The first bytes have come.
    pub(super) fn spoken(&self) {
        self.state().spoken = true;
    }

    /// Bytes of HTTP/1 have come. Between two calls they begin the next one.
    pub(super) fn heard_plainly(&self) {
        let mut state = self.state();
        if state.calls == 0 {
            state.head_since.get_or_insert_with(Instant::now);
        }
    }

    /// It was a flood.
    pub(super) fn flooded(&self) {
        self.state().flooded = true;
    }

    /// Whether it was a flood.
    pub(super) fn was_flooded(&self) -> bool {
        self.state().flooded
    }

    /// The client is asked to take its further calls elsewhere.
    pub(super) fn leave(&self) {
        self.state().leaving_since = Some(Instant::now());
    }

    /// A call has come.
    pub(super) fn call(self: &Arc<Self>) -> Call {
        let mut state = self.state();
        state.calls += 1;
        state.head_since = None;
        let number = state.next_number;
        state.next_number += 1;
        Call { conversation: self.clone(), number }
    }

    /// Nothing under the lock can leave half a change behind.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Call ===

impl Call {
    /// A part of the answer is there for the client to take.
    pub(super) fn offers(&self) {
        self.conversation.state().unread.insert(self.number, Instant::now());
    }

    /// The client has taken all that there was, and waits for us.
    pub(super) fn waits(&self) {
        self.conversation.state().unread.remove(&self.number);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.conversation.state();
        state.unread.remove(&self.number);
        state.calls -= 1;
        state.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LIMITS: Limits = Limits {
        first_bytes: Duration::from_secs(5),
        headers: Duration::from_secs(4),
        idle: Duration::from_mins(5),
        unread: Duration::from_secs(90),
        age: Duration::from_mins(30),
        grace: Duration::from_secs(65),
    };

    /// Begins a conversation whose first bytes have come.
    fn spoken() -> Arc<Conversation> {
        let conversation = Conversation::new(LIMITS);
        conversation.spoken();
        conversation
    }

    async fn after(secs: u64, conversation: &Conversation) -> Verdict {
        advance(Duration::from_secs(secs)).await;
        conversation.judge()
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_cut_off() {
        let silent = Conversation::new(LIMITS);
        assert_eq!(after(4, &silent).await, Verdict::Stay);
        assert_eq!(after(1, &silent).await, Verdict::Cut("silent"));
        assert_eq!(after(6, &spoken()).await, Verdict::Stay);
    }

    #[tokio::test(start_paused = true)]
    async fn headers_have_their_time_from_their_first_bytes_on() {
        let conversation = spoken();
        for _ in 0..2 {
            // Between two requests nothing is late.
            assert_eq!(after(200, &conversation).await, Verdict::Stay);
            conversation.heard_plainly();
            assert_eq!(after(3, &conversation).await, Verdict::Stay);
            conversation.heard_plainly();
            let call = conversation.call();
            // Nor is what comes of its body.
            conversation.heard_plainly();
            assert_eq!(after(200, &conversation).await, Verdict::Stay);
            drop(call);
        }
        conversation.heard_plainly();
        assert_eq!(after(3, &conversation).await, Verdict::Stay);
        conversation.heard_plainly();
        assert_eq!(after(1, &conversation).await, Verdict::Cut("headers"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_calls_no_more_is_asked_to_leave() {
        let conversation = spoken();
        let call = conversation.call();
        assert_eq!(after(301, &conversation).await, Verdict::Stay);
        drop(call);
        assert_eq!(after(299, &conversation).await, Verdict::Stay);
        assert_eq!(after(1, &conversation).await, Verdict::Leave);
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_that_is_not_taken_is_enough_though_others_are() {
        let conversation = spoken();
        let (taken, left) = (conversation.call(), conversation.call());
        left.offers();
        for _ in 0..8 {
            taken.offers();
            assert_eq!(after(10, &conversation).await, Verdict::Stay);
            taken.waits();
        }
        assert_eq!(after(10, &conversation).await, Verdict::Cut("unread"));
        drop(left);
        assert_eq!(conversation.judge(), Verdict::Stay);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_waits_for_us_may_be_silent() {
        let conversation = spoken();
        let stream = conversation.call();
        stream.offers();
        stream.waits();
        assert_eq!(after(1_000, &conversation).await, Verdict::Stay);
    }

    #[tokio::test(start_paused = true)]
    async fn old_age_asks_to_leave_and_then_cuts() {
        let conversation = spoken();
        let _stream = conversation.call();
        assert_eq!(after(1_799, &conversation).await, Verdict::Stay);
        assert_eq!(after(1, &conversation).await, Verdict::Leave);
        conversation.leave();
        assert_eq!(after(64, &conversation).await, Verdict::Stay);
        assert_eq!(after(1, &conversation).await, Verdict::Cut("grace"));
    }
}
