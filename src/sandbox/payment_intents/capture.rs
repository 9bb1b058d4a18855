//! What a seller does with a payment intent: takes the money that was set aside, or lets it go.

use serde_json::{Map, Value, json};

use super::super::api::{Call, Origin};
use super::super::charges;
use super::super::object::Members;
use super::super::refunds;
use super::super::refusal::Refusal;
use super::super::store::State;
use super::super::{checkout, events, object};

/// `POST /v1/payment_intents/{intent}`.
pub(in crate::sandbox) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let intent = state.intents.named_mut(&call.id)?;
    object::assign(intent, &call.params, &["description", "receipt_email"]);
    let merged = object::merge_metadata(intent.at("metadata"), call.params.get("metadata"));
    object::set(intent, "metadata", merged);
    Ok(intent.clone())
}

/// `POST /v1/payment_intents/{intent}/capture`.
pub(in crate::sandbox) fn capture(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let intent = state.intents.named(&call.id)?;
    expect(intent, &["requires_capture"], "captured")?;
    let capturable = intent.at("amount_capturable").as_i64().unwrap_or_default();
    let amount = call.params.get("amount_to_capture").and_then(Value::as_i64).unwrap_or(capturable);
    if !(1..=capturable).contains(&amount) {
        let message = format!(
            "The amount to capture must be at least 1 and at most the {capturable} that can be \
             captured."
        );
        return Err(Refusal::invalid(message).code("amount_too_large").param("amount_to_capture"));
    }
    let charge = intent.at("latest_charge").as_str().unwrap_or_default().to_owned();
    charges::capture(state, &charge, amount, &call.origin);
    let merged = object::merge_metadata(
        state.intents.named(&call.id)?.at("metadata"),
        call.params.get("metadata"),
    );
    let captured = json!({
        "amount_capturable": 0,
        "amount_received": amount,
        "metadata": merged,
        "status": "succeeded",
    });
    change(state, &call.id, &captured, "payment_intent.succeeded", &call.origin);
    checkout::note_captured(state, &call.id);
    state.intents.named(&call.id).cloned()
}

/// `POST /v1/payment_intents/{intent}/cancel`. The intent of an open session ends with its session.
pub(in crate::sandbox) fn cancel(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let intent = state.intents.named(&call.id)?;
    let open = ["requires_payment_method", "requires_capture", "requires_action"];
    expect(intent, &open, "canceled")?;
    let set_aside = intent.at("status") == "requires_capture";
    if !set_aside && checkout::may_pay(state, &call.id) {
        let message = "You cannot perform this action on PaymentIntents created by Checkout.";
        return Err(Refusal::invalid(message));
    }
    let charge = intent.at("latest_charge").as_str().and_then(|id| state.charges.get(id)).cloned();
    if let Some(charge) = charge.filter(|_| set_aside) {
        refunds::make(state, &charge, refunds::left(&charge), &Map::new(), &call.origin);
    }
    let canceled = json!({
        "amount_capturable": 0,
        "canceled_at": state.clock.now(),
        "cancellation_reason": call.params.get("cancellation_reason"),
        "next_action": null,
        "status": "canceled",
    });
    change(state, &call.id, &canceled, "payment_intent.canceled", &call.origin);
    state.intents.named(&call.id).cloned()
}

fn expect(intent: &Value, wanted: &[&str], done: &str) -> Result<(), Refusal> {
    let status = intent.at("status").as_str().unwrap_or_default();
    if wanted.contains(&status) {
        return Ok(());
    }
    let message = format!(
        "This PaymentIntent could not be {done} because it has a status of {status}. Only a \
         PaymentIntent with one of the following statuses may be {done}: {}.",
        wanted.join(", ")
    );
    Err(Refusal::invalid(message).code("payment_intent_unexpected_state"))
}

/// Changes an intent and tells of it.
pub(super) fn change(state: &mut State, id: &str, after: &Value, kind: &str, origin: &Origin) {
    let Some(intent) = state.intents.get_mut(id) else {
        return;
    };
    if let (Value::Object(intent), Value::Object(after)) = (&mut *intent, after) {
        intent.extend(after.clone());
    }
    let intent = intent.clone();
    events::emit(state, kind, &intent, origin);
}
