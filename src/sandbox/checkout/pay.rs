//! The payment of a session: the buyer's details, the bank's answer, and what follows from it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::api::Origin;
use super::super::cards::{Decline, Verdict};
use super::super::methods::Means;
use super::super::object::Members;
use super::super::store::State;
use super::super::{charges, payment_intents};
use super::{Session, complete, delayed, standing};

/// What the buyer entered, checked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::sandbox) struct Payer {
    /// Where the receipt goes.
    pub(in crate::sandbox) email: String,
    /// The name on the card or the account.
    pub(in crate::sandbox) name: Option<String>,
    /// A phone number, where it was asked for.
    pub(in crate::sandbox) phone: Option<String>,
    /// The billing address, in the API's form; null where none was asked for.
    pub(in crate::sandbox) billing: Value,
    /// The shipping name and address, in the API's form; null where none was asked for.
    pub(in crate::sandbox) shipping: Value,
    /// The answers to the link's custom fields, by key.
    pub(in crate::sandbox) answers: Vec<(String, String)>,
    /// Whether the terms of service were accepted.
    pub(in crate::sandbox) terms_accepted: bool,
    /// Whether news are welcome, where that was asked.
    pub(in crate::sandbox) promotions: Option<bool>,
    /// The name of the buyer's business, where it was asked for.
    pub(in crate::sandbox) business_name: Option<String>,
    /// The name of the buyer, where it was asked for apart from the card's.
    pub(in crate::sandbox) individual_name: Option<String>,
    /// The kind and the number of a tax identity, where one was given.
    pub(in crate::sandbox) tax_id: Option<(String, String)>,
    /// What it is paid with, unless nothing is due.
    pub(in crate::sandbox) means: Option<Means>,
}

/// A payment that has begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::sandbox) struct Charging {
    pub(super) payer: Payer,
    pub(super) means: Means,
    pub(super) intent: String,
}

/// What came of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Outcome {
    /// The session is complete.
    Complete,
    /// The buyer's bank wants to know that it is them.
    Challenged,
    /// The bank said no; the buyer may try again.
    Declined(Decline),
    /// The session could not be paid: it was complete, expired, or its link inactive.
    Closed,
}

/// Pays a session. A session is paid once: a second submission finds it closed.
pub(in crate::sandbox) fn pay(state: &mut State, id: &str, payer: Payer) -> Outcome {
    if standing(state, id).is_err() {
        return Outcome::Closed;
    }
    let due = state.sessions.get(id).map_or(0, Session::due);
    let Some(means) = payer.means.clone().filter(|_| due > 0) else {
        complete::complete(state, id, &payer, None);
        return Outcome::Complete;
    };
    let intent = payment_intents::begin(state, id, due, &payer);
    let charging = Charging { payer, means, intent };
    if charging.means.is_challenged() {
        payment_intents::challenge(state, &charging.intent);
        if let Some(session) = state.sessions.get_mut(id) {
            session.challenge = Some(charging);
        }
        return Outcome::Challenged;
    }
    settle(state, id, &charging)
}

/// Goes on with a payment after the buyer proved who they are, or did not.
pub(in crate::sandbox) fn answer_challenge(state: &mut State, id: &str, proved: bool) -> Outcome {
    let waiting = state.sessions.get_mut(id).and_then(|session| session.challenge.take());
    let Some(charging) = waiting.filter(|_| standing(state, id).is_ok()) else {
        return Outcome::Closed;
    };
    if proved {
        return settle(state, id, &charging);
    }
    let refusal = charging.means.refusal();
    payment_intents::fail(state, &charging.intent, refusal, &charging.means, None);
    Outcome::Declined(refusal)
}

fn settle(state: &mut State, id: &str, charging: &Charging) -> Outcome {
    match charging.means.verdict() {
        Verdict::Declined(decline) => {
            let charge = charges::make(state, charging, Some(decline));
            let (intent, means) = (&charging.intent, &charging.means);
            payment_intents::fail(state, intent, decline, means, Some(&charge));
            Outcome::Declined(decline)
        }
        Verdict::Approved if charging.means.delay().is_some() => {
            delayed::begin(state, id, charging);
            Outcome::Complete
        }
        Verdict::Approved => {
            complete::prepare_customer(state, id, &charging.payer, &charging.intent);
            let charge = charges::make(state, charging, None);
            payment_intents::succeed(state, &charging.intent, &charge);
            complete::complete(state, id, &charging.payer, Some(&charging.intent));
            charges::follow_up(state, &charge, charging.means.aftermath());
            Outcome::Complete
        }
    }
}

// === impl Payer ===

impl Payer {
    /// What is known of a payer by the customer that was made of them.
    pub(in crate::sandbox) fn of_customer(customer: &Value) -> Self {
        let text = |name: &str| customer.at(name).as_str().map(str::to_owned);
        Self {
            email: text("email").unwrap_or_default(),
            name: text("name"),
            phone: text("phone"),
            billing: customer.at("address").clone(),
            ..Self::default()
        }
    }
}

// === impl Charging ===

impl Charging {
    /// A payment of a later period, which no session stands behind.
    pub(in crate::sandbox) fn again(payer: Payer, means: Means, intent: String) -> Self {
        Self { payer, means, intent }
    }

    /// The payer.
    pub(in crate::sandbox) fn payer(&self) -> &Payer {
        &self.payer
    }

    /// What it is paid with.
    pub(in crate::sandbox) fn means(&self) -> &Means {
        &self.means
    }

    /// The payment intent, by its identifier.
    pub(in crate::sandbox) fn intent(&self) -> &str {
        &self.intent
    }
}

/// The page causes events that no request of the API stands behind.
pub(super) fn nobody() -> Origin {
    Origin::default()
}
