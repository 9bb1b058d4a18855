//! Tax rates: a share of a price, under a name.

use serde_json::{Value, json};

use super::api::Call;
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{events, identifier, list as lists, object};

/// What an update may set, beside metadata.
const SET: [&str; 7] =
    ["active", "country", "description", "display_name", "jurisdiction", "state", "tax_type"];

/// `POST /v1/tax_rates`.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let share = call.params.get("percentage").and_then(Value::as_f64).unwrap_or_default();
    if !(0.0..=100.0).contains(&share) {
        let message = "Percentage must be between 0 and 100.";
        return Err(Refusal::invalid(message).param("percentage"));
    }
    let id = identifier::fresh("txr_1", 23);
    let mut rate = json!({
        "id": id,
        "object": "tax_rate",
        "active": true,
        "country": null,
        "created": state.clock.now(),
        "description": null,
        "display_name": null,
        "effective_percentage": null,
        "flat_amount": null,
        "inclusive": call.flag("inclusive"),
        "jurisdiction": null,
        "jurisdiction_level": null,
        "livemode": false,
        "metadata": object::metadata(call.params.get("metadata")),
        "percentage": call.params.get("percentage"),
        "rate_type": "percentage",
        "state": null,
        "tax_type": null,
    });
    object::assign(&mut rate, &call.params, &SET);
    state.tax_rates.insert(&id, rate.clone());
    events::emit(state, "tax_rate.created", &rate, &call.origin);
    Ok(rate)
}

/// `GET /v1/tax_rates/{tax_rate}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.tax_rates.named(&call.id).cloned()
}

/// `POST /v1/tax_rates/{tax_rate}`.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let before = state.tax_rates.named(&call.id)?.clone();
    let mut after = before.clone();
    object::assign(&mut after, &call.params, &SET);
    let merged = object::merge_metadata(before.at("metadata"), call.params.get("metadata"));
    object::set(&mut after, "metadata", merged);
    *state.tax_rates.named_mut(&call.id)? = after.clone();
    events::emit_updated(state, "tax_rate.updated", &before, &after, &call.origin);
    Ok(after)
}

/// `GET /v1/tax_rates`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.tax_rates, call, "/v1/tax_rates", |rate| {
        ["active", "inclusive"].iter().all(|name| lists::matches(&call.params, name, rate))
            && lists::in_range(call.params.get("created"), rate.at("created"))
    })
}
