//! Payments that take their time: the session is complete before the money is there.

use super::super::agenda::Due;
use super::super::methods::Course;
use super::super::object::Members;
use super::super::store::State;
use super::super::{charges, events, invoices, object, payment_intents, subscriptions};
use super::complete;
use super::pay::{Charging, nobody};

/// Completes a session whose payment a bank has yet to answer, and notes when it does.
pub(super) fn begin(state: &mut State, id: &str, charging: &Charging) {
    complete::prepare_customer(state, id, &charging.payer, &charging.intent);
    let charge = charges::await_bank(state, charging);
    payment_intents::process(state, &charging.intent, &charge);
    complete::complete(state, id, &charging.payer, Some(&charging.intent));
    let Some(session) = state.sessions.get_mut(id) else { return };
    let charge = charge.at("id").as_str().unwrap_or_default().to_owned();
    session.underway = Some((charging.clone(), charge));
    let wait = match charging.means.delay() {
        Some(Course::Settles(wait) | Course::Bounces(wait, _) | Course::Disputed(wait)) => wait,
        Some(Course::Stays) | None => return,
    };
    state.agenda.note(state.clock.now() + wait, Due::SettlePayment(id.to_owned()));
}

/// Lets the bank answer.
pub(in crate::sandbox) fn settle(state: &mut State, id: &str) {
    let underway = state.sessions.get_mut(id).and_then(|session| session.underway.take());
    let Some((charging, charge)) = underway else { return };
    let decline = match charging.means.delay() {
        Some(Course::Bounces(_, decline)) => Some(decline),
        _ => None,
    };
    let charge = charges::settle(state, &charge, decline);
    match decline {
        None => payment_intents::succeed(state, &charging.intent, &charge),
        Some(decline) => {
            let (intent, means) = (&charging.intent, &charging.means);
            payment_intents::fail(state, intent, decline, means, Some(&charge));
        }
    }
    let Some(session) = state.sessions.get_mut(id) else { return };
    if decline.is_none() {
        object::set(&mut session.object, "payment_status", "paid");
    }
    let object = session.object.clone();
    let text = |name: &str| object.at(name).as_str();
    match (text("invoice"), text("subscription"), decline) {
        (Some(invoice), _, None) => invoices::pay(state, invoice, Some(&charging.intent)),
        (Some(invoice), Some(subscription), _) => subscriptions::fail(state, subscription, invoice),
        (Some(invoice), None, _) => invoices::fail(state, invoice, None),
        (None, ..) => {}
    }
    let outcome = if decline.is_none() { "succeeded" } else { "failed" };
    let kind = format!("checkout.session.async_payment_{outcome}");
    events::emit(state, &kind, &object, &nobody());
    charges::follow_up(state, &charge, charging.means.aftermath());
}
