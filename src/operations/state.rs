//! What can become of an operation: pure, so that every path can be tested.

use std::time::Duration;

use bytes::Bytes;

use super::origin::name_of;
use crate::planted::{self, Bug};
use crate::storage::{Operation, OperationState};
use crate::stripe::call::{Answer, Place};
use crate::stripe::{self, Effect, Made, Write};

/// How long an operation is held without a sign of life. Other processes take
/// it up after that.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// Stripe may forget a key after a day. Nothing is sent under one that it may
/// forget meanwhile: <https://docs.stripe.com/api/idempotent_requests>.
const KEY_AGE_MAX: Duration = Duration::from_hours(20);
/// The pause before the first re-sending; it doubles from there.
const RESEND_FIRST: Duration = Duration::from_secs(2);
/// The longest pause between two.
const RESEND_MAX: Duration = Duration::from_mins(5);
/// How long to wait between two searches: an event may be late.
pub(super) const SEARCH_PAUSE: Duration = Duration::from_mins(10);
/// How often nothing must be found before there is nothing.
const SEARCHES_MIN: i64 = 2;
/// How often an operation gets a new key at most.
const GENERATION_MAX: i64 = 1;
/// For how long Stripe can answer for an earlier request under the same key.
const KEY_KNOWN_MAX: Duration = Duration::from_hours(25);
/// The status of what is not there.
pub(super) const NOT_FOUND: u16 = 404;

/// What an attempt has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    /// It had its effect.
    Done {
        /// The id of the resource.
        resource: String,
        /// Stripe's answer.
        answer: Bytes,
    },
    /// Stripe has judged it.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The refusal, to be told again.
        refusal: Bytes,
    },
    /// This attempt certainly had no effect.
    Nothing,
    /// It may have had its effect.
    Doubt {
        /// Whether Stripe will give the same failure for as long as it knows the key.
        is_failure_stored: bool,
    },
}

/// What is to be done about an operation without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Send it, under its key.
    Send,
    /// It was found: read what it made.
    Fetch,
    /// Look for what it may have left behind.
    Search,
    /// It left nothing behind: give it a new key.
    Renew,
    /// Nothing more can be found out.
    GiveUp,
}

// === impl Report ===

impl Report {
    /// Reads the outcome of an attempt.
    pub(super) fn of(outcome: &Result<Answer, stripe::Error>, effect: Effect) -> Self {
        match outcome {
            Ok(Answer { resource, body, .. }) => {
                Report::Done { resource: resource.clone(), answer: body.clone() }
            }
            // An earlier attempt may have deleted it, and it is not there any more.
            Err(stripe::Error::Doubtful(last))
                if effect == Effect::Delete
                    && last.verdict().is_some_and(|refusal| refusal.status == NOT_FOUND) =>
            {
                Report::Done { resource: String::new(), answer: Bytes::new() }
            }
            Err(error) => match error.verdict() {
                Some(refusal) => {
                    Report::Refused { status: refusal.status, refusal: refusal.kept() }
                }
                None if !error.may_have_acted() => Report::Nothing,
                None => Report::Doubt { is_failure_stored: error.is_stored_failure() },
            },
        }
    }
}

// === impl Operation ===

impl Operation {
    /// The key that its attempts go under now.
    pub(super) fn idempotency_key(&self) -> String {
        match self.generation {
            0 => self.key.clone(),
            generation => format!("{}-g{generation}", self.key),
        }
    }

    /// What is sent.
    pub(super) fn write(&self) -> Write {
        Write::stored(self.path.clone(), self.form.clone())
    }

    /// Whether it makes something new.
    pub(super) fn creates(&self) -> bool {
        Place::stored(self.path.clone()).is_collection()
    }

    /// Whether there is a result.
    pub(super) fn has_ended(&self) -> bool {
        use OperationState::{Done, Lost, Rejected};
        matches!(self.state, Done | Rejected | Lost)
    }

    /// Whether somebody is sending it.
    pub(super) fn is_held(&self, now_ms: i64) -> bool {
        self.state == OperationState::Sent && !self.holder.is_empty() && self.due_at_ms > now_ms
    }

    /// Whether that is what it was to make or change. One request can make others along with
    /// it, all under its key.
    pub(super) fn has_made(&self, made: &Made) -> bool {
        let kind = || stripe::event_kind(&self.write());
        name_of(&made.key) == self.key && kind().is_some_and(|kind| kind == made.kind)
    }

    /// Since when a request under its key may have left traces. Where Stripe answers for
    /// another request, that one may have come before.
    pub(super) fn traces_since_ms(&self) -> i64 {
        let before = if self.is_failure_stored { KEY_KNOWN_MAX } else { Duration::ZERO };
        self.created_at_ms.saturating_sub(millis(before))
    }

    /// Whether Stripe knows the key that it was sent under, and will for a while.
    fn is_key_alive(&self, now_ms: i64) -> bool {
        let age_ms = now_ms.saturating_sub(self.sent_at_ms);
        age_ms < millis(KEY_AGE_MAX) || planted::is(Bug::LateRetry)
    }

    /// What is to be done, where nobody holds it and there is no result.
    pub(super) fn step(&self, now_ms: i64) -> Step {
        let is_key_alive = self.is_key_alive(now_ms);
        if !self.resource.is_empty() {
            return Step::Fetch;
        }
        if self.state == OperationState::New || (is_key_alive && !self.is_failure_stored) {
            return Step::Send;
        }
        if stripe::event_kind(&self.write()).is_none() {
            return Step::GiveUp;
        }
        if self.searches < SEARCHES_MIN {
            return Step::Search;
        }
        // A change that was asked for long ago may not be made after later ones.
        let may_renew = self.creates() || is_key_alive;
        if may_renew && self.generation < GENERATION_MAX { Step::Renew } else { Step::GiveUp }
    }

    /// Whether it is `holder` who sends it.
    pub(super) fn is_held_by(&self, holder: &str) -> bool {
        self.state == OperationState::Sent && self.holder == holder
    }

    /// Takes it up, to send it.
    pub(super) fn taken(mut self, holder: &str, now_ms: i64) -> Self {
        match self.state {
            OperationState::New => self.sent_at_ms = now_ms,
            // Whoever held it may have sent it.
            _ => self.in_doubt = true,
        }
        holder.clone_into(&mut self.holder);
        self.state = OperationState::Sent;
        self.attempts += 1;
        self.due_at_ms = lease_end(now_ms);
        self
    }

    /// Holds it longer.
    pub(super) fn held(mut self, now_ms: i64) -> Self {
        self.due_at_ms = lease_end(now_ms);
        self
    }

    /// Draws the conclusion from what an attempt by `holder` has brought; `None`
    /// where it changes nothing. `chance` is from 0 on and below 1.
    pub(super) fn after(
        mut self,
        report: &Report,
        holder: &str,
        now_ms: i64,
        keep: Duration,
        chance: f64,
    ) -> Option<Self> {
        use OperationState::{Done, New, Rejected, Unknown};
        if self.state == Done {
            return None;
        }
        let deleted = !self.has_ended() && self.in_doubt && self.write().effect() == Effect::Delete;
        match report {
            Report::Done { resource, answer } => {
                self.resource.clone_from(resource);
                self.end(Done, answer.clone(), now_ms, keep);
            }
            // It is not there any more because of an attempt whose answer was lost.
            Report::Refused { status: NOT_FOUND, .. } if deleted => {
                self.end(Done, Bytes::new(), now_ms, keep);
            }
            _ if self.has_ended() => return None,
            Report::Refused { refusal, .. } => {
                self.end(Rejected, refusal.clone(), now_ms, keep);
            }
            // Whoever took it over knows better.
            _ if self.holder != holder => return None,
            Report::Nothing if !self.in_doubt || planted::is(Bug::ForgottenDoubt) => {
                self.state = New;
                self.due_at_ms = now_ms.saturating_add(millis(keep));
            }
            Report::Nothing | Report::Doubt { .. } => {
                self.is_failure_stored |=
                    matches!(report, Report::Doubt { is_failure_stored: true });
                self.in_doubt = true;
                self.state = Unknown;
                self.due_at_ms = now_ms.saturating_add(resend_pause_ms(self.attempts, chance));
            }
        }
        self.holder.clear();
        Some(self)
    }

    /// Notes which resource was found to be its own.
    pub(super) fn found(mut self, resource: String, now_ms: i64) -> Self {
        self.resource = resource;
        if self.state == OperationState::Lost {
            self.state = OperationState::Unknown;
        }
        if !self.is_held(now_ms) {
            self.due_at_ms = now_ms;
        }
        self
    }

    /// Notes that what was found is not there. Stripe may still know its answer by the key;
    /// otherwise there is nothing left to tell of.
    pub(super) fn gone(mut self, now_ms: i64, keep: Duration) -> Self {
        if self.is_key_alive(now_ms) && !self.is_failure_stored {
            self.resource.clear();
            return self;
        }
        self.lost(now_ms, keep)
    }

    /// Notes that nothing was found. Searches too close to each other are one.
    pub(super) fn missed(mut self, now_ms: i64) -> Self {
        if now_ms.saturating_sub(self.searched_at_ms) >= millis(SEARCH_PAUSE) {
            self.searches += 1;
            self.searched_at_ms = now_ms;
        }
        self.put_off(SEARCH_PAUSE, now_ms)
    }

    /// Looks at it again after a pause.
    pub(super) fn put_off(mut self, pause: Duration, now_ms: i64) -> Self {
        self.due_at_ms = now_ms.saturating_add(millis(pause));
        self
    }

    /// Gives it a new key, under which it is sent as if for the first time.
    pub(super) fn renewed(mut self, now_ms: i64) -> Self {
        self.generation += 1;
        self.state = OperationState::Unknown;
        self.sent_at_ms = now_ms;
        self.due_at_ms = now_ms;
        self.is_failure_stored = false;
        self.searches = 0;
        self
    }

    /// Ends it without a result.
    pub(super) fn lost(mut self, now_ms: i64, keep: Duration) -> Self {
        self.end(OperationState::Lost, Bytes::new(), now_ms, keep);
        self
    }

    fn end(&mut self, state: OperationState, answer: Bytes, now_ms: i64, keep: Duration) {
        self.state = state;
        self.answer = answer;
        // It will not be sent again, and what callers wrote into it is theirs.
        self.form = Bytes::new();
        self.holder.clear();
        self.due_at_ms = now_ms.saturating_add(millis(keep));
    }
}

/// When an operation that is taken up now is free again.
pub(super) fn lease_end(now_ms: i64) -> i64 {
    now_ms.saturating_add(millis(LEASE))
}

/// Half to all of a pause that doubles with every attempt.
fn resend_pause_ms(attempts: i64, chance: f64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default().min(16);
    let pause = RESEND_FIRST.saturating_mul(1 << doublings).min(RESEND_MAX);
    millis(pause.mul_f64(0.5 + chance / 2.0))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
