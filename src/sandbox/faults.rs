//! What is to go wrong, and for which requests and events: rules, and nothing but matching.
//!
//! A rule strikes so many times and then rests. Where several match, the one that was made first
//! strikes. [`layer`] acts on what strikes a request, and `events` on what strikes an event.

mod answer;
pub(super) mod layer;
mod words;

use serde::{Deserialize, Serialize};

pub(super) use words::parse;

/// How many rules are kept. Rules that have struck as often as they were to make room first.
pub(super) const RULES_MAX: usize = 200;

/// The rules.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Faults {
    rules: Vec<Rule>,
    next: u64,
}

/// What strikes, when, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rule {
    /// `fault_…`, given when the rule is made.
    pub(super) id: String,
    /// How many matching requests or events it lets pass first.
    pub(super) skip: u32,
    /// How many it strikes after that.
    pub(super) count: u32,
    /// How many it has met.
    pub(super) met: u32,
    /// What it strikes, and how.
    pub(super) fault: Fault,
}

/// What a rule strikes, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fault {
    /// Requests. Each pattern matches everything when it is empty; `*` stands for any characters.
    Request {
        /// The HTTP method.
        method: String,
        /// The path.
        path: String,
        /// The idempotency key.
        key: String,
        /// What happens to the request.
        effect: RequestFault,
    },
    /// Events.
    Event {
        /// The type, a pattern as above.
        kind: String,
        /// What happens to the event.
        effect: EventEffect,
    },
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RequestFault {
    /// What the caller meets.
    pub(super) effect: RequestEffect,
    /// Whether the request is carried out before the caller meets it.
    pub(super) after_commit: bool,
    /// How long it takes, in milliseconds, where the effect is about time.
    pub(super) delay_ms: u64,
    /// What the header `Retry-After` says, if there is one.
    pub(super) retry_after: Option<String>,
    /// What the header `Stripe-Should-Retry` says, if there is one.
    pub(super) should_retry: Option<bool>,
    /// What the header `Stripe-Rate-Limited-Reason` says of a rate limit.
    pub(super) reason: String,
}

/// What the caller of a request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RequestEffect {
    /// 429: too many requests.
    RateLimited,
    /// 429 with the code `lock_timeout`: another request holds the object.
    LockTimeout,
    /// 500 that is kept under the idempotency key and met again by every repetition.
    StoredError,
    /// 500 that is not kept.
    Error,
    /// 503 with Stripe's error object.
    Unavailable,
    /// 502 with a page of HTML, as an edge gives it.
    BadGateway,
    /// The true answer, late.
    Slow,
    /// No answer, and then the connection ends.
    Hang,
    /// The true answer's head and the first half of its body; then the connection ends.
    Truncated,
    /// The connection is reset, without an answer.
    Cut,
}

/// What happens to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum EventEffect {
    /// It is delivered twice.
    Duplicated,
    /// It exists twice, under two identifiers.
    GeneratedTwice,
    /// It is delivered after the one that follows it.
    Reordered,
    /// It is delivered late.
    Delayed {
        /// By so many milliseconds.
        delay_ms: i64,
    },
    /// It can be listed and is never delivered.
    Dropped,
    /// It does not exist at all.
    NotGenerated,
    /// It says that it was made in the same second as the one before it.
    SameSecond,
}

/// There are too many rules that have not struck as often as they are to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

// === impl Faults ===

impl Faults {
    /// Adds a rule; the answer is the rule with its identifier.
    pub(super) fn inject(&mut self, fault: Fault, skip: u32, count: u32) -> Result<&Rule, Full> {
        if self.rules.len() >= RULES_MAX {
            let spent = self.rules.iter().position(Rule::is_spent).ok_or(Full)?;
            self.rules.remove(spent);
        }
        self.next += 1;
        let id = format!("fault_{}", self.next);
        self.rules.push(Rule { id, skip, count, met: 0, fault });
        self.rules.last().ok_or(Full)
    }

    /// Every rule, oldest first.
    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Forgets a rule, or all of them. The answer is how many there were.
    pub(super) fn clear(&mut self, id: Option<&str>) -> usize {
        let before = self.rules.len();
        self.rules.retain(|rule| id.is_some_and(|id| rule.id != id));
        before - self.rules.len()
    }

    /// What strikes a request, if anything does.
    pub(super) fn strike_request(
        &mut self,
        method: &str,
        path: &str,
        key: &str,
    ) -> Option<RequestFault> {
        self.rules.iter_mut().find_map(|rule| match &rule.fault {
            Fault::Request { method: wanted, path: at, key: under, effect }
                if matches(wanted, method) && matches(at, path) && matches(under, key) =>
            {
                let effect = effect.clone();
                rule.strikes().then_some(effect)
            }
            _ => None,
        })
    }

    /// What strikes an event, if anything does.
    pub(super) fn strike_event(&mut self, kind: &str) -> Option<EventEffect> {
        self.rules.iter_mut().find_map(|rule| match rule.fault {
            Fault::Event { kind: ref wanted, effect } if matches(wanted, kind) => {
                rule.strikes().then_some(effect)
            }
            _ => None,
        })
    }
}

// === impl Rule ===

impl Rule {
    /// How many it has struck.
    pub(super) fn struck(&self) -> u32 {
        self.met.saturating_sub(self.skip).min(self.count)
    }

    fn is_spent(&self) -> bool {
        self.struck() >= self.count
    }

    /// Meets what matches. True if it strikes.
    fn strikes(&mut self) -> bool {
        if self.is_spent() {
            return false;
        }
        self.met = self.met.saturating_add(1);
        self.met > self.skip
    }
}

// === impl RequestFault ===

impl RequestFault {
    /// A fault with that effect, and everything else as it usually is.
    pub(super) fn new(effect: RequestEffect) -> Self {
        let (after_commit, retry_after, should_retry) = (false, None, None);
        let (delay_ms, reason) = (0, "global-rate".to_owned());
        Self { effect, after_commit, delay_ms, retry_after, should_retry, reason }
    }
}

/// Whether a text is as a pattern says, in which `*` stands for any characters. Nothing wanted
/// means that everything will do.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return pattern.is_empty();
    };
    let mut last = None;
    for part in parts {
        if let Some(between) = last.replace(part) {
            let Some(at) = rest.find(between) else { return false };
            rest = rest.get(at + between.len()..).unwrap_or_default();
        }
    }
    match last {
        Some(end) => rest.ends_with(end),
        None => rest.is_empty() || pattern.is_empty(),
    }
}

#[cfg(test)]
mod tests;
