//! Charges: each try at taking the money, whether it went well or not.

use serde_json::{Value, json};

use super::api::{Call, Origin};
use super::balance::{self, Movement};
use super::cards::{Aftermath, Card, Decline};
use super::checkout::Charging;
use super::methods::Means;
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{disputes, early_fraud_warnings, events, identifier, list as lists, object};

/// `GET /v1/charges/{charge}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.charges.named(&call.id).cloned()
}

/// `GET /v1/charges`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.charges, call, "/v1/charges", |charge| {
        ["customer", "payment_intent", "transfer_group"]
            .iter()
            .all(|name| lists::matches(&call.params, name, charge))
            && lists::in_range(call.params.get("created"), charge.at("created"))
    })
}

/// Makes the charge of a payment, declined or not, and tells of it.
pub(super) fn make(state: &mut State, charging: &Charging, decline: Option<Decline>) -> Value {
    let intent = state.intents.get(charging.intent()).cloned().unwrap_or_default();
    let mut charge = describe(&intent, charging, decline, state.clock.now());
    if charge.at("captured") == true {
        enter(state, &mut charge);
    }
    let id = charge.at("id").as_str().unwrap_or_default().to_owned();
    state.charges.insert(&id, charge.clone());
    let kind = if decline.is_none() { "charge.succeeded" } else { "charge.failed" };
    events::emit(state, kind, &charge, &Origin::default());
    charge
}

/// Makes the charge of a payment that takes its time.
pub(super) fn await_bank(state: &mut State, charging: &Charging) -> Value {
    let intent = state.intents.get(charging.intent()).cloned().unwrap_or_default();
    let mut charge = describe(&intent, charging, None, state.clock.now());
    let pending = json!({
        "amount_captured": 0, "captured": false, "paid": false, "status": "pending",
    });
    object::overlay(&mut charge, &pending);
    let id = charge.at("id").as_str().unwrap_or_default().to_owned();
    state.charges.insert(&id, charge.clone());
    events::emit(state, "charge.pending", &charge, &Origin::default());
    charge
}

/// Notes what the bank said in the end; the answer is the charge.
pub(super) fn settle(state: &mut State, id: &str, decline: Option<Decline>) -> Value {
    let Some(mut charge) = state.charges.get(id).cloned() else {
        return Value::Null;
    };
    let settled = match decline {
        None => json!({
            "amount_captured": charge.at("amount"),
            "captured": true,
            "paid": true,
            "status": "succeeded",
        }),
        Some(decline) => json!({
            "failure_code": decline.code,
            "failure_message": decline.message,
            "outcome": outcome(Some(decline)),
            "status": "failed",
        }),
    };
    object::overlay(&mut charge, &settled);
    if decline.is_none() {
        enter(state, &mut charge);
    }
    if let Some(kept) = state.charges.get_mut(id) {
        kept.clone_from(&charge);
    }
    let kind = if decline.is_none() { "charge.succeeded" } else { "charge.failed" };
    events::emit(state, kind, &charge, &Origin::default());
    charge
}

/// `POST /v1/charges/{charge}`.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let before = state.charges.named(&call.id)?.clone();
    let mut after = before.clone();
    object::assign(&mut after, &call.params, &["description", "receipt_email"]);
    let merged = object::merge_metadata(before.at("metadata"), call.params.get("metadata"));
    object::set(&mut after, "metadata", merged);
    *state.charges.named_mut(&call.id)? = after.clone();
    events::emit_updated(state, "charge.updated", &before, &after, &call.origin);
    Ok(after)
}

/// Takes what was set aside; what is left of it goes back to the buyer.
pub(super) fn capture(state: &mut State, id: &str, amount: i64, origin: &Origin) {
    let Some(mut charge) = state.charges.get(id).cloned() else {
        return;
    };
    let whole = charge.at("amount").as_i64().unwrap_or_default();
    let captured = json!({
        "amount_captured": amount,
        "amount_refunded": whole.saturating_sub(amount),
        "captured": true,
    });
    object::overlay(&mut charge, &captured);
    enter(state, &mut charge);
    if let Some(kept) = state.charges.get_mut(id) {
        *kept = charge.clone();
    }
    events::emit(state, "charge.captured", &charge, origin);
}

/// Lets happen what follows a payment by its card.
pub(super) fn follow_up(state: &mut State, charge: &Value, aftermath: Option<Aftermath>) {
    let id = charge.at("id").as_str().unwrap_or_default();
    match aftermath {
        Some(Aftermath::Chargeback(reason)) => disputes::open(state, id, reason, false),
        Some(Aftermath::Inquiry) => disputes::open(state, id, "general", true),
        Some(Aftermath::Warning) => early_fraud_warnings::make(state, charge),
        _ => {}
    }
}

/// Enters a captured charge into the balance.
fn enter(state: &mut State, charge: &mut Value) {
    let amount = charge.at("amount_captured").as_i64().unwrap_or_default();
    let movement = Movement {
        kind: "charge",
        category: "charge",
        amount,
        fee: balance::fee(amount),
        source: charge,
        description: charge.at("description"),
    };
    let entered = balance::enter(state, &movement).at("id").clone();
    object::set(charge, "balance_transaction", entered);
}

fn refund_outcome(aftermath: Option<Aftermath>) -> Option<&'static str> {
    match aftermath? {
        Aftermath::RefundPends => Some("pends"),
        Aftermath::RefundFails => Some("fails"),
        _ => None,
    }
}

fn describe(intent: &Value, charging: &Charging, decline: Option<Decline>, now: i64) -> Value {
    let payer = charging.payer();
    let paid = decline.is_none();
    let captured = paid && intent.at("capture_method") != "manual";
    let amount = intent.at("amount");
    let nowhere = json!({
        "city": null, "country": null, "line1": null, "line2": null, "postal_code": null,
        "state": null,
    });
    let means = charging.means();
    let mut method = json!({ "type": means.word() });
    let details = match means {
        Means::Card(card) => card_details(card, amount),
        Means::Account(_) => means.shown(),
    };
    object::set(&mut method, means.word(), details);
    let mut charge = blank();
    let described = json!({
        "id": identifier::fresh("ch_3", 23),
        "amount": amount,
        "amount_captured": if captured { amount.clone() } else { 0.into() },
        "balance_transaction": null,
        "billing_details": {
            "address": if payer.billing.is_null() { nowhere } else { payer.billing.clone() },
            "email": payer.email,
            "name": payer.name,
            "phone": payer.phone,
            "tax_id": null,
        },
        "captured": captured,
        "created": now,
        "currency": intent.at("currency"),
        "customer": intent.at("customer"),
        "description": intent.at("description"),
        "failure_code": decline.map(|decline| decline.code),
        "failure_message": decline.map(|decline| decline.message),
        "metadata": intent.at("metadata"),
        "outcome": outcome(decline),
        "paid": paid,
        "payment_intent": intent.at("id"),
        "payment_method": identifier::fresh("pm_1", 23),
        "refund_outcome": refund_outcome(charging.means().aftermath()),
        "payment_method_details": method,
        "shipping": intent.at("shipping"),
        "statement_descriptor": intent.at("statement_descriptor"),
        "statement_descriptor_suffix": intent.at("statement_descriptor_suffix"),
        "status": if paid { "succeeded" } else { "failed" },
        "transfer_group": intent.at("transfer_group"),
    });
    object::overlay(&mut charge, &described);
    charge
}

/// What is the same for every charge.
fn blank() -> Value {
    json!({
        "object": "charge",
        "amount_refunded": 0,
        "application": null,
        "application_fee": null,
        "application_fee_amount": null,
        "calculated_statement_descriptor": "SANDBOX",
        "disputed": false,
        "failure_balance_transaction": null,
        "fraud_details": {},
        "livemode": false,
        "on_behalf_of": null,
        "radar_options": {},
        "receipt_email": null,
        "receipt_number": null,
        "receipt_url": null,
        "refunded": false,
        "review": null,
        "source_transfer": null,
        "transfer_data": null,
    })
}

fn outcome(decline: Option<Decline>) -> Value {
    let reason = decline.map(|decline| decline.reason.unwrap_or(decline.code));
    let blocked = reason == Some("fraudulent");
    let (status, told, kind) = match reason {
        None => ("approved_by_network", "Payment complete.", "authorized"),
        Some(_) if blocked => {
            ("not_sent_to_network", "Stripe blocked this payment as too risky.", "blocked")
        }
        Some(_) => (
            "declined_by_network",
            "The bank did not return any further details with this decline.",
            "issuer_declined",
        ),
    };
    json!({
        "advice_code": null,
        "network_advice_code": null,
        "network_decline_code": null,
        "network_status": status,
        "reason": reason,
        "risk_level": if blocked { "highest" } else { "normal" },
        "risk_score": if blocked { 95 } else { 20 },
        "seller_message": told,
        "type": kind,
    })
}

fn card_details(card: &Card, amount: &Value) -> Value {
    json!({
        "amount_authorized": amount,
        "authorization_code": null,
        "brand": card.brand().word,
        "checks": {
            "address_line1_check": null,
            "address_postal_code_check": null,
            "cvc_check": "pass",
        },
        "country": "US",
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "extended_authorization": { "status": "disabled" },
        "fingerprint": format!("sandbox{}", card.last4()),
        "funding": "credit",
        "incremental_authorization": { "status": "unavailable" },
        "installments": null,
        "last4": card.last4(),
        "mandate": null,
        "multicapture": { "status": "unavailable" },
        "network": card.brand().word,
        "network_token": { "used": false },
        "network_transaction_id": null,
        "overcapture": { "maximum_amount_capturable": amount, "status": "unavailable" },
        "regulated_status": "unregulated",
        "three_d_secure": null,
        "wallet": null,
    })
}
