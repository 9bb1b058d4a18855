//! The beginning of a dispute.

use serde_json::{Value, json};

use super::super::agenda::Due;
use super::super::api::Origin;
use super::super::balance::DISPUTE_FEE;
use super::super::object::Members;
use super::super::store::State;
use super::super::{events, identifier, object};
use super::move_money;

/// How long the seller may answer.
const RESPONSE_S: i64 = 9 * 24 * 60 * 60;
/// The evidence that a seller may give, each of it null at first.
const EVIDENCE: [&str; 27] = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
];

/// Disputes a charge. A bank that only asks leaves the money where it is.
pub(in crate::sandbox) fn open(state: &mut State, charge: &str, reason: &str, asks_only: bool) {
    let Some(charge) = state.charges.get_mut(charge) else {
        return;
    };
    let nobody = Origin::default();
    let undisputed = charge.clone();
    object::set(charge, "disputed", true);
    let charge = charge.clone();
    events::emit_updated(state, "charge.updated", &undisputed, &charge, &nobody);
    let mut dispute = describe(&charge, reason, asks_only, state.clock.now());
    let id = dispute.at("id").as_str().unwrap_or_default().to_owned();
    let due_by = dispute.at("evidence_details").at("due_by").as_i64().unwrap_or_default();
    if !asks_only {
        let amount = dispute.at("amount").as_i64().unwrap_or_default();
        move_money(state, &mut dispute, "dispute", -amount, DISPUTE_FEE);
    }
    state.disputes.insert(&id, dispute.clone());
    state.agenda.note(due_by, Due::DecideDispute(id));
    events::emit(state, "charge.dispute.created", &dispute, &nobody);
    if !asks_only {
        events::emit(state, "charge.dispute.funds_withdrawn", &dispute, &nobody);
    }
}

fn describe(charge: &Value, reason: &str, asks_only: bool, now: i64) -> Value {
    let mut evidence = json!({ "enhanced_evidence": {} });
    for name in EVIDENCE {
        object::set(&mut evidence, name, Value::Null);
    }
    object::set(
        &mut evidence,
        "customer_email_address",
        charge.at("billing_details").at("email").clone(),
    );
    object::set(&mut evidence, "customer_name", charge.at("billing_details").at("name").clone());
    let mut dispute = json!({
        "id": identifier::fresh("du_1", 23),
        "object": "dispute",
        "amount": charge.at("amount"),
        "balance_transactions": [],
        "charge": charge.at("id"),
        "created": now,
        "currency": charge.at("currency"),
        "enhanced_eligibility_types": [],
        "evidence": evidence,
        "evidence_details": {
            "due_by": now + RESPONSE_S,
            "enhanced_eligibility": {},
            "has_evidence": false,
            "past_due": false,
            "submission_count": 0,
        },
        "is_charge_refundable": asks_only,
        "livemode": false,
        "metadata": {},
        "payment_intent": charge.at("payment_intent"),
        "reason": reason,
        "status": if asks_only { "warning_needs_response" } else { "needs_response" },
        "submitted_at": null,
    });
    let card = charge.at("payment_method_details").at("card");
    if card.is_object() {
        let details = json!({
            "card": {
                "brand": card.at("brand"),
                "case_type": if asks_only { "inquiry" } else { "chargeback" },
                "network_reason_code": if reason == "fraudulent" { "10.4" } else { "13.1" },
            },
            "type": "card",
        });
        object::set(&mut dispute, "payment_method_details", details);
    }
    dispute
}
