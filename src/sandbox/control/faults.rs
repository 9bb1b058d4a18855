//! Faults as messages, and as the rules that they are.

use prost_types::Duration;
use tonic::Status;

use super::super::faults::{
    EventEffect, Fault, Full, RULES_MAX, RequestEffect, RequestFault, Rule,
};
use super::super::store::State;
use super::pb;
use pb::fault::event_fault::Effect as EventWord;
use pb::fault::request_fault::Effect as RequestWord;
use pb::fault::{EventFault, RequestFault as Requests, Target};

/// What a message calls each effect on a request.
const EFFECTS: &[(RequestWord, RequestEffect)] = &[
    (RequestWord::RateLimited, RequestEffect::RateLimited),
    (RequestWord::LockTimeout, RequestEffect::LockTimeout),
    (RequestWord::StoredError, RequestEffect::StoredError),
    (RequestWord::Error, RequestEffect::Error),
    (RequestWord::Unavailable, RequestEffect::Unavailable),
    (RequestWord::BadGateway, RequestEffect::BadGateway),
    (RequestWord::Slow, RequestEffect::Slow),
    (RequestWord::Hang, RequestEffect::Hang),
    (RequestWord::Truncated, RequestEffect::Truncated),
    (RequestWord::Cut, RequestEffect::Cut),
];

/// Adds a fault; the answer is the fault as it was understood.
pub(super) fn inject(state: &mut State, wanted: &pb::Fault) -> Result<pb::Fault, Status> {
    let fault = match &wanted.target {
        Some(Target::Request(requests)) => request(requests)?,
        Some(Target::Event(events)) => event(events)?,
        None => return Err(Status::invalid_argument("fault: say what goes wrong")),
    };
    let number = |name: &str, given: i32| {
        u32::try_from(given).map_err(|_| Status::invalid_argument(format!("{name}: below zero")))
    };
    let skip = number("fault.skip", wanted.skip)?;
    let count = number("fault.count", wanted.count)?.max(1);
    let full = |Full| {
        let text = format!("there are {RULES_MAX} faults that wait to strike");
        Status::resource_exhausted(text)
    };
    state.faults.inject(fault, skip, count).map(told).map_err(full)
}

/// A rule as a message.
pub(super) fn told(rule: &Rule) -> pb::Fault {
    let target = match &rule.fault {
        Fault::Request { method, path, key, effect } => Target::Request(Requests {
            method: method.clone(),
            path: path.clone(),
            idempotency_key: key.clone(),
            effect: effect_word(effect.effect).into(),
            after_commit: effect.after_commit,
            delay: (effect.delay_ms > 0)
                .then(|| duration(i64::try_from(effect.delay_ms).unwrap_or(i64::MAX))),
            retry_after: effect.retry_after.clone().unwrap_or_default(),
            should_retry: effect.should_retry,
            rate_limited_reason: effect.reason.clone(),
        }),
        Fault::Event { kind, effect } => {
            let (word, delay) = event_word(*effect);
            Target::Event(EventFault { r#type: kind.clone(), effect: word.into(), delay })
        }
    };
    let shown = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    pb::Fault {
        id: rule.id.clone(),
        target: Some(target),
        count: shown(rule.count),
        skip: shown(rule.skip),
        struck: shown(rule.struck()),
    }
}

/// What a message calls an effect on a request.
pub(super) fn effect_word(effect: RequestEffect) -> RequestWord {
    let found = EFFECTS.iter().find(|(_, listed)| *listed == effect);
    found.map_or(RequestWord::Unspecified, |(word, _)| *word)
}

fn request(wanted: &Requests) -> Result<Fault, Status> {
    let found = EFFECTS.iter().find(|(word, _)| *word == wanted.effect());
    let (_, effect) = found.ok_or_else(|| unsaid("fault.request.effect"))?;
    let mut fault = RequestFault::new(*effect);
    fault.after_commit = wanted.after_commit;
    let delay_ms = milliseconds("fault.request.delay", wanted.delay.as_ref())?;
    fault.delay_ms = u64::try_from(delay_ms).unwrap_or_default();
    fault.retry_after = (!wanted.retry_after.is_empty()).then(|| wanted.retry_after.clone());
    fault.should_retry = wanted.should_retry;
    if !wanted.rate_limited_reason.is_empty() {
        fault.reason.clone_from(&wanted.rate_limited_reason);
    }
    Ok(Fault::Request {
        method: wanted.method.clone(),
        path: wanted.path.clone(),
        key: wanted.idempotency_key.clone(),
        effect: fault,
    })
}

fn event(wanted: &EventFault) -> Result<Fault, Status> {
    let effect = match wanted.effect() {
        EventWord::Unspecified => return Err(unsaid("fault.event.effect")),
        EventWord::Duplicated => EventEffect::Duplicated,
        EventWord::GeneratedTwice => EventEffect::GeneratedTwice,
        EventWord::Reordered => EventEffect::Reordered,
        EventWord::Delayed => {
            let delay_ms = milliseconds("fault.event.delay", wanted.delay.as_ref())?;
            EventEffect::Delayed { delay_ms }
        }
        EventWord::Dropped => EventEffect::Dropped,
        EventWord::NotGenerated => EventEffect::NotGenerated,
        EventWord::SameSecond => EventEffect::SameSecond,
    };
    Ok(Fault::Event { kind: wanted.r#type.clone(), effect })
}

fn event_word(effect: EventEffect) -> (EventWord, Option<Duration>) {
    match effect {
        EventEffect::Duplicated => (EventWord::Duplicated, None),
        EventEffect::GeneratedTwice => (EventWord::GeneratedTwice, None),
        EventEffect::Reordered => (EventWord::Reordered, None),
        EventEffect::Delayed { delay_ms } => (EventWord::Delayed, Some(duration(delay_ms))),
        EventEffect::Dropped => (EventWord::Dropped, None),
        EventEffect::NotGenerated => (EventWord::NotGenerated, None),
        EventEffect::SameSecond => (EventWord::SameSecond, None),
    }
}

fn unsaid(field: &str) -> Status {
    Status::invalid_argument(format!("{field}: say which"))
}

fn milliseconds(field: &str, given: Option<&Duration>) -> Result<i64, Status> {
    let given = given.copied().unwrap_or_default();
    if given.seconds < 0 || given.nanos < 0 {
        return Err(Status::invalid_argument(format!("{field}: below zero")));
    }
    Ok(given.seconds.saturating_mul(1000).saturating_add(i64::from(given.nanos / 1_000_000)))
}

fn duration(ms: i64) -> Duration {
    let nanos = i32::try_from(ms.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
    Duration { seconds: ms.div_euclid(1000), nanos }
}
