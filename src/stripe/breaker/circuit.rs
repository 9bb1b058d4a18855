//! The circuit of one class of calls: when it opens, and how it closes again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::dice;

/// This many failures with no success between them open the circuit.
const FAILURES_MAX: u32 = 5;
/// Failures are fast and successes slow: of calls that began together, the
/// failures are heard of first. So nothing is concluded sooner than this.
const OBSERVATION_MIN: Duration = Duration::from_millis(500);
/// The share of successes is taken over this time.
const WINDOW: Duration = Duration::from_secs(10);
/// The window has ten of these; older ones fall out one by one.
const SLOT: Duration = Duration::from_secs(1);
/// With fewer calls than this in the window, a share says nothing.
const SAMPLES_MIN: u32 = 10;
/// Processes that failed together come back apart.
const JITTER: (f64, f64) = (0.8, 1.2);

/// A circuit.
#[derive(Debug)]
pub(super) struct Circuit {
    first: Duration,
    longest: Duration,
    state: Mutex<State>,
}

/// Leave to make one attempt.
#[derive(Debug)]
pub(super) struct Pass {
    circuit: Arc<Circuit>,
    /// How often the circuit had changed when the attempt began. What comes
    /// back after a change is news of another time.
    age: u64,
    probes: bool,
}

/// What an attempt says of Stripe's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answers.
    Healthy,
    /// It does not, or cannot do its work.
    Failing,
    /// It answers, and has had enough. That counts in the share alone.
    Limiting,
    /// Nothing.
    Unknown,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    age: u64,
    /// How often it has opened since Stripe was last healthy.
    openings: u32,
    /// Failures since the last success, and when they began.
    failures: u32,
    failing_since: Option<Instant>,
    slots: VecDeque<Slot>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    /// One attempt is out to learn how Stripe is.
    Probing,
}

#[derive(Debug)]
struct Slot {
    start: Instant,
    good: u32,
    bad: u32,
}

// === impl Circuit ===

impl Circuit {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        let state = State {
            phase: Phase::Closed,
            age: 0,
            openings: 0,
            failures: 0,
            failing_since: None,
            slots: VecDeque::new(),
        };
        Self { first, longest, state: Mutex::new(state) }
    }

    /// Lets an attempt through, or says when to come back.
    pub(super) fn admit(circuit: &Arc<Circuit>, now: Instant) -> Result<Pass, Duration> {
        let mut state = circuit.state();
        let probes = match state.phase {
            Phase::Closed => false,
            Phase::Open { until } if until > now => return Err(until - now),
            Phase::Probing => return Err(circuit.first),
            Phase::Open { .. } => {
                state.phase = Phase::Probing;
                true
            }
        };
        Ok(Pass { circuit: circuit.clone(), age: state.age, probes })
    }

    /// Whether attempts are refused now, but for one that learns how Stripe is.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state().phase, Phase::Closed)
    }

    fn open(&self, state: &mut State, now: Instant) {
        let time = self.first.saturating_mul(1 << state.openings.min(16)).min(self.longest);
        let time = time.mul_f64(dice::between(JITTER.0, JITTER.1));
        state.turn(Phase::Open { until: now + time });
        state.openings += 1;
    }

    /// Nothing under the lock can leave half a state behind.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Pass ===

impl Pass {
    /// Adds what the attempt says. Gives whether the circuit is open, if that
    /// has changed.
    pub(super) fn report(mut self, verdict: Verdict, now: Instant) -> Option<bool> {
        let circuit = self.circuit.clone();
        let mut state = circuit.state();
        let probes = std::mem::take(&mut self.probes);
        if state.age != self.age {
            return None;
        }
        if probes {
            return match verdict {
                Verdict::Healthy => {
                    state.openings = 0;
                    state.turn(Phase::Closed);
                    Some(false)
                }
                Verdict::Failing | Verdict::Limiting => {
                    circuit.open(&mut state, now);
                    None
                }
                Verdict::Unknown => {
                    state.turn(Phase::Open { until: now });
                    None
                }
            };
        }
        if !state.breaks(verdict, now) {
            return None;
        }
        circuit.open(&mut state, now);
        Some(true)
    }
}

impl Drop for Pass {
    /// A probe that nobody waited for has learnt nothing; the next call probes.
    fn drop(&mut self) {
        if self.probes {
            let mut state = self.circuit.state();
            if state.age == self.age {
                state.turn(Phase::Open { until: Instant::now() });
            }
        }
    }
}

// === impl State ===

impl State {
    /// Enters a phase, with nothing held against Stripe from before.
    fn turn(&mut self, phase: Phase) {
        self.phase = phase;
        self.age += 1;
        self.failures = 0;
        self.failing_since = None;
        self.slots.clear();
    }

    /// Adds a verdict, and tells whether it is one too many.
    fn breaks(&mut self, verdict: Verdict, now: Instant) -> bool {
        match verdict {
            Verdict::Unknown => return false,
            Verdict::Healthy => (self.failures, self.failing_since) = (0, None),
            Verdict::Failing => {
                self.failures += 1;
                self.failing_since.get_or_insert(now);
            }
            Verdict::Limiting => {}
        }
        while self.slots.front().is_some_and(|slot| slot.start + WINDOW <= now) {
            self.slots.pop_front();
        }
        if self.slots.back().is_none_or(|slot| slot.start + SLOT <= now) {
            self.slots.push_back(Slot { start: now, good: 0, bad: 0 });
        }
        if let Some(slot) = self.slots.back_mut() {
            let count = if verdict == Verdict::Healthy { &mut slot.good } else { &mut slot.bad };
            *count += 1;
        }
        let (good, bad) =
            self.slots.iter().fold((0, 0), |(good, bad), slot| (good + slot.good, bad + slot.bad));
        let lasts = |start: Instant| start + OBSERVATION_MIN <= now;
        let fails = self.failures >= FAILURES_MAX && self.failing_since.is_some_and(lasts);
        // No success is one too many, though it may find more failures than successes.
        let is_bad = verdict != Verdict::Healthy;
        let mostly = is_bad && good + bad >= SAMPLES_MIN && good < bad;
        fails || mostly && self.slots.front().is_some_and(|slot| lasts(slot.start))
    }
}
