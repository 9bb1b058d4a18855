//! Disputes: a buyer who wants the money back from the bank, and how that ends.

mod open;

use serde_json::{Value, json};

use super::agenda::Due;
use super::api::{Call, Origin};
use super::balance::{self, DISPUTE_FEE, Movement};
use super::object::Members;
use super::refunds;
use super::refusal::Refusal;
use super::store::State;
use super::{events, list as lists, object};
pub(super) use open::open;

/// How long the bank thinks about evidence that does not say how the dispute ends.
const DECIDES_AFTER_S: i64 = 75 * 24 * 60 * 60;
/// The evidence that wins a dispute, as Stripe's test mode has it.
const WINNING: &str = "winning_evidence";
/// The evidence that loses a dispute.
const LOSING: &str = "losing_evidence";

/// `GET /v1/disputes/{dispute}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.disputes.named(&call.id).cloned()
}

/// `GET /v1/disputes`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.disputes, call, "/v1/disputes", |dispute| {
        ["charge", "payment_intent"].iter().all(|name| lists::matches(&call.params, name, dispute))
            && lists::in_range(call.params.get("created"), dispute.at("created"))
    })
}

/// `POST /v1/disputes/{dispute}`: evidence, which is submitted unless the request says otherwise.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let before = state.disputes.named(&call.id)?.clone();
    let evidence = call.params.get("evidence");
    let submits = match call.params.get("submit") {
        Some(submit) => *submit == true,
        None => evidence.is_some(),
    };
    if (submits || evidence.is_some()) && !needs_response(&before) {
        let message = "This dispute is already closed or under review; evidence can no longer be \
                       submitted.";
        return Err(Refusal::invalid(message));
    }
    let mut after = before.clone();
    let merged = object::merge_metadata(before.at("metadata"), call.params.get("metadata"));
    object::set(&mut after, "metadata", merged);
    if let (Some(kept), Some(sent)) = (after.get_mut("evidence"), evidence) {
        object::overlay(kept, sent);
        object::overlay(&mut after, &json!({ "evidence_details": { "has_evidence": true } }));
    }
    if submits {
        submit(&mut after);
    }
    replace(state, &call.id, &before, &after, &call.origin);
    if submits {
        judge(state, &after, &call.origin);
    }
    retrieve(state, call)
}

/// `POST /v1/disputes/{dispute}/close`: the seller has nothing to say.
pub(super) fn close(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    if !needs_response(state.disputes.named(&call.id)?) {
        return Err(Refusal::invalid("This dispute is already closed."));
    }
    end(state, &call.id, "lost", &call.origin);
    retrieve(state, call)
}

/// Decides a dispute that nobody has decided: the seller was silent, or the bank made up its mind.
pub(super) fn decide(state: &mut State, id: &str) {
    let Some(dispute) = state.disputes.get_mut(id) else {
        return;
    };
    let now = state.clock.now();
    let due_by = dispute.at("evidence_details").at("due_by").as_i64();
    let submitted_at = dispute.at("submitted_at").as_i64();
    let is_over = match submitted_at {
        None => due_by.is_some_and(|due| due <= now),
        Some(time) => time + DECIDES_AFTER_S <= now,
    };
    if is_over && !is_closed(dispute) {
        if submitted_at.is_none() {
            object::overlay(dispute, &json!({ "evidence_details": { "past_due": true } }));
        }
        end(state, id, "lost", &Origin::default());
    }
}

/// Whether a dispute holds the money of a charge, so that it cannot be refunded.
pub(super) fn holds(state: &State, charge: &Value) -> bool {
    let of_charge = |dispute: &&Value| dispute.at("charge") == charge.at("id");
    charge.at("disputed") == true
        && state
            .disputes
            .newest()
            .find(of_charge)
            .is_some_and(|dispute| !is_inquiry(dispute) && dispute.at("status") != "won")
}

/// A bank that only asked is content once all of the money is on its way back.
pub(super) fn note_refund(state: &mut State, charge: &Value, origin: &Origin) {
    let id = charge.at("id");
    let whole = id.as_str().and_then(|id| state.charges.get(id));
    if charge.at("disputed") != true || whole.is_none_or(|charge| refunds::left(charge) > 0) {
        return;
    }
    let asks = |dispute: &&Value| dispute.at("charge") == id && !is_closed(dispute);
    let found = state.disputes.newest().find(asks).and_then(|dispute| dispute.at("id").as_str());
    if let Some(dispute) = found.map(str::to_owned) {
        end(state, &dispute, "lost", origin);
    }
}

fn submit(dispute: &mut Value) {
    let status = if is_inquiry(dispute) { "warning_under_review" } else { "under_review" };
    let count = dispute.at("evidence_details").at("submission_count").as_i64().unwrap_or_default();
    let submitted = json!({
        "evidence_details": { "submission_count": count + 1 },
        "status": status,
    });
    object::overlay(dispute, &submitted);
}

/// Ends a dispute as its evidence says, or lets the bank think.
fn judge(state: &mut State, dispute: &Value, origin: &Origin) {
    let id = dispute.at("id").as_str().unwrap_or_default();
    match dispute.at("evidence").at("uncategorized_text").as_str().map(str::trim) {
        Some(WINNING) => end(state, id, "won", origin),
        Some(LOSING) => end(state, id, "lost", origin),
        _ => {
            let now = state.clock.now();
            if let Some(dispute) = state.disputes.get_mut(id) {
                object::set(dispute, "submitted_at", now);
            }
            state.agenda.note(now + DECIDES_AFTER_S, Due::DecideDispute(id.to_owned()));
        }
    }
}

/// Closes a dispute; a win brings the money back. An inquiry took none, and is only closed.
fn end(state: &mut State, id: &str, outcome: &str, origin: &Origin) {
    let Some(dispute) = state.disputes.get(id) else {
        return;
    };
    let mut after = dispute.clone();
    let asked_only = is_inquiry(dispute);
    object::set(&mut after, "status", if asked_only { "warning_closed" } else { outcome });
    let reinstated = outcome == "won" && !asked_only;
    if reinstated {
        let amount = after.at("amount").as_i64().unwrap_or_default();
        move_money(state, &mut after, "dispute_reversal", amount, -DISPUTE_FEE);
    }
    if let Some(dispute) = state.disputes.get_mut(id) {
        *dispute = after.clone();
    }
    events::emit(state, "charge.dispute.closed", &after, origin);
    if reinstated {
        events::emit(state, "charge.dispute.funds_reinstated", &after, origin);
    }
}

/// Enters what a dispute takes or gives back, and shows it in the dispute.
fn move_money(
    state: &mut State,
    dispute: &mut Value,
    category: &'static str,
    amount: i64,
    fee: i64,
) {
    let description = match category {
        "dispute" => format!("Chargeback withdrawal for {}", words(dispute.at("charge"))),
        _ => format!("Chargeback reversal for {}", words(dispute.at("charge"))),
    };
    let movement = Movement {
        kind: "adjustment",
        category,
        amount,
        fee,
        source: dispute,
        description: &description.into(),
    };
    let entered = balance::enter(state, &movement);
    if let Some(Value::Array(movements)) = dispute.get_mut("balance_transactions") {
        movements.push(entered);
    }
}

fn replace(state: &mut State, id: &str, before: &Value, after: &Value, origin: &Origin) {
    if let Some(dispute) = state.disputes.get_mut(id) {
        *dispute = after.clone();
    }
    events::emit_updated(state, "charge.dispute.updated", before, after, origin);
}

fn needs_response(dispute: &Value) -> bool {
    words(dispute.at("status")).ends_with("needs_response")
}

fn is_inquiry(dispute: &Value) -> bool {
    words(dispute.at("status")).starts_with("warning_")
}

fn is_closed(dispute: &Value) -> bool {
    ["won", "lost", "warning_closed"].contains(&words(dispute.at("status")))
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
