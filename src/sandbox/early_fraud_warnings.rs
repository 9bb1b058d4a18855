//! Early fraud warnings: the network's word that a buyer calls a payment a fraud.

use serde_json::{Value, json};

use super::api::{Call, Origin};
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{events, identifier, list as lists};

/// `GET /v1/radar/early_fraud_warnings/{early_fraud_warning}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.warnings.named(&call.id).cloned()
}

/// `GET /v1/radar/early_fraud_warnings`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.warnings, call, "/v1/radar/early_fraud_warnings", |warning| {
        ["charge", "payment_intent"].iter().all(|name| lists::matches(&call.params, name, warning))
            && lists::in_range(call.params.get("created"), warning.at("created"))
    })
}

/// Warns of a charge.
pub(super) fn make(state: &mut State, charge: &Value) {
    let id = identifier::fresh("issfr_1", 23);
    let warning = json!({
        "id": id,
        "object": "radar.early_fraud_warning",
        "actionable": true,
        "charge": charge.at("id"),
        "created": state.clock.now(),
        "fraud_type": "made_with_stolen_card",
        "livemode": false,
        "payment_intent": charge.at("payment_intent"),
    });
    state.warnings.insert(&id, warning.clone());
    events::emit(state, "radar.early_fraud_warning.created", &warning, &Origin::default());
}
