//! Refunds: the money of a charge on its way back, whole or in parts.

use serde_json::{Map, Value, json};

use super::agenda::Due;
use super::api::{Call, Origin};
use super::balance::{self, Movement};
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{disputes, events, identifier, list as lists, methods, money, object};

/// How long a refund stays as it was made, where the card says that it changes.
const SETTLES_AFTER_S: i64 = 60;

/// `POST /v1/refunds`.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let charge = refundable(state, call)?.clone();
    let amount = amount(&charge, &call.params)?;
    Ok(make(state, &charge, amount, &call.params, &call.origin))
}

/// `GET /v1/refunds/{refund}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.refunds.named(&call.id).cloned()
}

/// `GET /v1/refunds`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.refunds, call, "/v1/refunds", |refund| {
        ["charge", "payment_intent"].iter().all(|name| lists::matches(&call.params, name, refund))
            && lists::in_range(call.params.get("created"), refund.at("created"))
    })
}

/// `POST /v1/refunds/{refund}`, which changes nothing but metadata.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let before = state.refunds.named(&call.id)?.at("metadata").clone();
    let metadata = object::merge_metadata(&before, call.params.get("metadata"));
    change(state, &call.id, &json!({ "metadata": metadata }), &call.origin);
    retrieve(state, call)
}

/// `POST /v1/refunds/{refund}/cancel`. Only a refund that waits for the buyer can be canceled, and
/// none to a card does.
pub(super) fn cancel(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let refund = state.refunds.named(&call.id)?;
    let status = refund.at("status").as_str().unwrap_or_default();
    Err(Refusal::invalid(format!(
        "You can only cancel a refund with a status of requires_action. This refund has a status \
         of {status}."
    )))
}

/// Makes a refund that is known to be possible, and tells of it.
pub(super) fn make(
    state: &mut State,
    charge: &Value,
    amount: i64,
    params: &Map<String, Value>,
    origin: &Origin,
) -> Value {
    let captured = charge.at("captured") == true;
    // What was only set aside is let go at once, whatever the card does with its refunds.
    let later = if captured { charge.at("refund_outcome") } else { &Value::Null };
    let pends = later == "pends";
    let id = identifier::fresh("re_3", 23);
    let mut refund = json!({
        "id": id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": null,
        "charge": charge.at("id"),
        "created": state.clock.now(),
        "currency": charge.at("currency"),
        "metadata": object::metadata(params.get("metadata")),
        "payment_intent": charge.at("payment_intent"),
        "reason": params.get("reason"),
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": if pends { "pending" } else { "succeeded" },
        "transfer_reversal": null,
    });
    if pends {
        object::set(&mut refund, "pending_reason", "processing");
    }
    let method = charge.at("payment_method_details").at("type").as_str().unwrap_or_default();
    if let Some(details) = methods::destination(method, captured) {
        object::set(&mut refund, "destination_details", details);
    }
    if captured {
        let entered = enter(state, &refund, "refund", -amount);
        object::set(&mut refund, "balance_transaction", entered);
    }
    state.refunds.insert(&id, refund.clone());
    events::emit(state, "refund.created", &refund, origin);
    count(state, charge, amount, "charge.refunded", origin);
    disputes::note_refund(state, charge, origin);
    if later.is_string() {
        state.agenda.note(state.clock.now() + SETTLES_AFTER_S, Due::SettleRefund(id));
    }
    refund
}

/// What has not been refunded of a charge, in minor units.
pub(super) fn left(charge: &Value) -> i64 {
    let amount = |name: &str| charge.at(name).as_i64().unwrap_or_default();
    amount("amount").saturating_sub(amount("amount_refunded"))
}

/// Settles a refund as its card has it: it arrives, or it comes back.
pub(super) fn settle(state: &mut State, id: &str) {
    let Some(before) = state.refunds.get(id).cloned() else {
        return;
    };
    let nobody = Origin::default();
    if before.at("status") == "pending" {
        if let Some(Value::Object(members)) = state.refunds.get_mut(id) {
            members.remove("pending_reason");
        }
        change(state, id, &json!({ "status": "succeeded" }), &nobody);
        return;
    }
    let amount = before.at("amount").as_i64().unwrap_or_default();
    let entered = enter(state, &before, "refund_failure", amount);
    let failed = json!({
        "failure_balance_transaction": entered,
        "failure_reason": "expired_or_canceled_card",
        "status": "failed",
    });
    change(state, id, &failed, &nobody);
    if let Some(refund) = state.refunds.get(id).cloned() {
        events::emit(state, "refund.failed", &refund, &nobody);
    }
    let charge = before.at("charge").as_str().and_then(|id| state.charges.get(id)).cloned();
    if let Some(charge) = charge {
        count(state, &charge, -amount, "charge.updated", &nobody);
    }
}

/// The charge that a request wants refunded.
fn refundable<'a>(state: &'a State, call: &Call) -> Result<&'a Value, Refusal> {
    let charge = match (call.text("charge"), call.text("payment_intent")) {
        (Some(_), Some(_)) => return Err(Refusal::only_one_of("payment_intent", "charge")),
        (None, None) => {
            return Err(Refusal::invalid(
                "One of the following params should be provided for this request: payment_intent \
                 or charge.",
            ));
        }
        (Some(id), None) => state.charges.referred(id, "charge")?,
        (None, Some(id)) => {
            let intent = state.intents.referred(id, "payment_intent")?;
            let charge = intent.at("latest_charge").as_str().and_then(|id| state.charges.get(id));
            let paid = charge.filter(|charge| charge.at("paid") == true);
            paid.ok_or_else(|| nothing_to_refund(id))?
        }
    };
    let id = charge.at("id").as_str().unwrap_or_default();
    if charge.at("paid") != true {
        let message = format!("Charge {id} has not been paid, so it cannot be refunded.");
        return Err(Refusal::invalid(message));
    }
    if charge.at("captured") != true {
        // What was set aside is let go with its payment intent.
        return Err(nothing_to_refund(charge.at("payment_intent").as_str().unwrap_or_default()));
    }
    if disputes::holds(state, charge) {
        let message = format!("Charge {id} has been charged back; cannot issue a refund.");
        return Err(Refusal::invalid(message).code("charge_disputed"));
    }
    if left(charge) == 0 {
        let message = format!("Charge {id} has already been refunded.");
        return Err(Refusal::invalid(message).code("charge_already_refunded"));
    }
    Ok(charge)
}

fn nothing_to_refund(intent: &str) -> Refusal {
    let message =
        format!("This PaymentIntent ({intent}) does not have a successful charge to refund.");
    Refusal::invalid(message)
}

/// How much is refunded: what was asked for, or all that is left.
fn amount(charge: &Value, params: &Map<String, Value>) -> Result<i64, Refusal> {
    let (left, whole) = (left(charge), charge.at("amount").as_i64().unwrap_or_default());
    let asked = params.get("amount").and_then(Value::as_i64).unwrap_or(left);
    if asked <= left {
        return Ok(asked);
    }
    let currency = charge.at("currency").as_str().unwrap_or_default();
    let shown = |amount| money::format(amount, currency);
    let (bound, noun) = if left == whole {
        (whole, "charge amount")
    } else {
        (left, "unrefunded amount on charge")
    };
    let message =
        format!("Refund amount ({}) is greater than {noun} ({})", shown(asked), shown(bound));
    Err(Refusal::invalid(message).param("amount"))
}

/// Counts what was refunded, or has come back, in the charge.
fn count(state: &mut State, before: &Value, amount: i64, kind: &str, origin: &Origin) {
    let refunded = before.at("amount_refunded").as_i64().unwrap_or_default() + amount;
    let mut after = before.clone();
    object::set(&mut after, "amount_refunded", refunded);
    let whole = left(&after) == 0;
    object::set(&mut after, "refunded", whole);
    if let Some(charge) = before.at("id").as_str().and_then(|id| state.charges.get_mut(id)) {
        *charge = after.clone();
    }
    events::emit_updated(state, kind, before, &after, origin);
}

fn enter(state: &mut State, refund: &Value, kind: &'static str, amount: i64) -> Value {
    let movement = Movement {
        kind,
        category: kind,
        amount,
        fee: 0,
        source: refund,
        description: &"REFUND FOR PAYMENT".into(),
    };
    balance::enter(state, &movement).at("id").clone()
}

fn change(state: &mut State, id: &str, after: &Value, origin: &Origin) {
    let Some(refund) = state.refunds.get_mut(id) else {
        return;
    };
    let before = refund.clone();
    if let (Value::Object(refund), Value::Object(after)) = (&mut *refund, after) {
        refund.extend(after.clone());
    }
    let after = refund.clone();
    for kind in ["refund.updated", "charge.refund.updated"] {
        events::emit_updated(state, kind, &before, &after, origin);
    }
}
