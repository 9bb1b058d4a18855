//! Payment intents: one for each session that has been paid or tried.

mod capture;

use serde_json::{Value, json};

use super::api::{Call, Origin};
use super::cards::Decline;
use super::checkout::Payer;
use super::methods::Means;
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{events, identifier, list as lists, object};
pub(super) use capture::{cancel, capture, update};

/// `GET /v1/payment_intents/{intent}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.intents.named(&call.id).cloned()
}

/// `GET /v1/payment_intents`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.intents, call, "/v1/payment_intents", |intent| {
        ["customer", "customer_account"]
            .iter()
            .all(|name| lists::matches(&call.params, name, intent))
            && lists::in_range(call.params.get("created"), intent.at("created"))
    })
}

/// The intent of a session: the one of an earlier try, or a new one.
pub(super) fn begin(state: &mut State, session: &str, amount: i64, payer: &Payer) -> String {
    let Some(of) = state.sessions.get(session) else {
        return String::new();
    };
    if let Some(id) = of.intent.clone()
        && let Some(intent) = state.intents.get_mut(&id)
    {
        object::set(intent, "amount", amount);
        object::set(intent, "shipping", shipping(payer));
        return id;
    }
    let link = of.object.at("payment_link").as_str().and_then(|id| state.links.get(id));
    let data = link.map(|link| link.object.at("payment_intent_data").clone()).unwrap_or_default();
    let id = identifier::fresh("pi_3", 23);
    let intent = describe(&id, &of.object, &data, amount, state.clock.now(), payer);
    state.intents.insert(&id, intent.clone());
    if let Some(session) = state.sessions.get_mut(session) {
        session.intent = Some(id.clone());
    }
    events::emit(state, "payment_intent.created", &intent, &Origin::default());
    id
}

/// The intent of a later period of a subscription.
pub(super) fn begin_later(
    state: &mut State,
    subscription: &Value,
    amount: i64,
    payer: &Payer,
) -> String {
    let id = identifier::fresh("pi_3", 23);
    let of = json!({
        "currency": subscription.at("currency"),
        "customer": subscription.at("customer"),
        "payment_method_types": ["card"],
    });
    let data = json!({ "description": "Subscription update" });
    let intent = describe(&id, &of, &data, amount, state.clock.now(), payer);
    state.intents.insert(&id, intent.clone());
    events::emit(state, "payment_intent.created", &intent, &Origin::default());
    id
}

/// The bank wants to know that it is the buyer.
pub(super) fn challenge(state: &mut State, id: &str) {
    let action =
        json!({ "type": "use_stripe_sdk", "use_stripe_sdk": { "type": "three_d_secure" } });
    change(
        state,
        id,
        &json!({ "status": "requires_action", "next_action": action }),
        "payment_intent.requires_action",
    );
}

/// The bank takes its time.
pub(super) fn process(state: &mut State, id: &str, charge: &Value) {
    let processing = json!({
        "last_payment_error": null,
        "latest_charge": charge.at("id"),
        "next_action": null,
        "payment_method": charge.at("payment_method"),
        "status": "processing",
    });
    change(state, id, &processing, "payment_intent.processing");
}

/// The bank took the charge; it may still have to be captured.
pub(super) fn succeed(state: &mut State, id: &str, charge: &Value) {
    let captured = charge.at("captured") == true;
    let amount = charge.at("amount");
    let mut after = json!({
        "last_payment_error": null,
        "latest_charge": charge.at("id"),
        "next_action": null,
        "payment_method": charge.at("payment_method"),
    });
    let outcome = if captured {
        json!({ "status": "succeeded", "amount_received": amount })
    } else {
        json!({ "status": "requires_capture", "amount_capturable": amount })
    };
    object::overlay(&mut after, &outcome);
    let kind = if captured {
        "payment_intent.succeeded"
    } else {
        "payment_intent.amount_capturable_updated"
    };
    change(state, id, &after, kind);
}

/// The payment failed; the intent waits for another card.
pub(super) fn fail(
    state: &mut State,
    id: &str,
    decline: Decline,
    means: &Means,
    charge: Option<&Value>,
) {
    let page = decline.code.replace('_', "-");
    let method = tried(means, charge, state.clock.now());
    let mut error = json!({
        "code": decline.code,
        "doc_url": format!("https://stripe.com/docs/error-codes/{page}"),
        "message": decline.message,
        "payment_method": method,
        "type": "card_error",
    });
    if let Some(reason) = decline.reason {
        object::set(&mut error, "decline_code", reason);
    }
    if let Some(charge) = charge {
        object::set(&mut error, "charge", charge.at("id").clone());
    }
    let mut after = json!({
        "last_payment_error": error,
        "next_action": null,
        "payment_method": null,
        "status": "requires_payment_method",
    });
    if let Some(charge) = charge {
        object::set(&mut after, "latest_charge", charge.at("id").clone());
    }
    change(state, id, &after, "payment_intent.payment_failed");
}

/// The payment method that failed.
fn tried(means: &Means, charge: Option<&Value>, now: i64) -> Value {
    let nobody = json!({
        "address": null, "email": null, "name": null, "phone": null, "tax_id": null,
    });
    let known = charge.map(|charge| charge.at("billing_details").clone());
    let mut method = json!({
        "id": identifier::fresh("pm_1", 23),
        "object": "payment_method",
        "billing_details": known.unwrap_or(nobody),
        "created": now,
        "customer": null,
        "livemode": false,
        "metadata": {},
        "type": means.word(),
    });
    object::set(&mut method, means.word(), means.kept());
    method
}

/// Whether the money has been taken, and not only set aside.
pub(super) fn is_captured(state: &State, id: &str) -> bool {
    state.intents.get(id).is_some_and(|intent| intent.at("status") == "succeeded")
}

/// Whether a bank takes its time.
pub(super) fn is_processing(state: &State, id: &str) -> bool {
    state.intents.get(id).is_some_and(|intent| intent.at("status") == "processing")
}

fn change(state: &mut State, id: &str, after: &Value, kind: &str) {
    capture::change(state, id, after, kind, &Origin::default());
}

fn describe(
    id: &str,
    session: &Value,
    data: &Value,
    amount: i64,
    now: i64,
    payer: &Payer,
) -> Value {
    let secret = identifier::fresh("", 24);
    let mut intent = blank();
    let described = json!({
        "id": id,
        "amount": amount,
        "amount_details": { "tip": {} },
        "capture_method": data.at("capture_method").as_str().unwrap_or("automatic_async"),
        "client_secret": format!("{id}_secret_{secret}"),
        "created": now,
        "currency": session.at("currency"),
        "customer": session.at("customer"),
        "description": data.at("description"),
        "metadata": object::metadata(data.get("metadata")),
        "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
        "payment_method_types": session.at("payment_method_types"),
        "setup_future_usage": data.at("setup_future_usage"),
        "shipping": shipping(payer),
        "statement_descriptor": data.at("statement_descriptor"),
        "statement_descriptor_suffix": data.at("statement_descriptor_suffix"),
        "transfer_group": data.at("transfer_group"),
    });
    object::overlay(&mut intent, &described);
    intent
}

/// Where what was bought goes; null if it goes nowhere.
fn shipping(payer: &Payer) -> Value {
    match &payer.shipping {
        Value::Null => Value::Null,
        shipping => json!({
            "address": shipping.at("address"),
            "carrier": null,
            "name": shipping.at("name"),
            "phone": payer.phone,
            "tracking_number": null,
        }),
    }
}

/// What is the same for every new intent.
fn blank() -> Value {
    json!({
        "object": "payment_intent",
        "amount_capturable": 0,
        "amount_received": 0,
        "application": null,
        "application_fee_amount": null,
        "automatic_payment_methods": null,
        "canceled_at": null,
        "cancellation_reason": null,
        "confirmation_method": "automatic",
        "customer_account": null,
        "excluded_payment_method_types": null,
        "last_payment_error": null,
        "latest_charge": null,
        "livemode": false,
        "next_action": null,
        "on_behalf_of": null,
        "payment_method": null,
        "payment_method_configuration_details": null,
        "processing": null,
        "receipt_email": null,
        "review": null,
        "status": "requires_payment_method",
        "transfer_data": null,
    })
}
