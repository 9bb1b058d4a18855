//! Customers: made by sessions that need one, and only read through the API.

use serde_json::{Value, json};

use super::api::{Call, Origin};
use super::checkout::Payer;
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{events, identifier, list as lists};

/// `GET /v1/customers/{customer}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.customers.named(&call.id).cloned()
}

/// `GET /v1/customers`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.customers, call, "/v1/customers", |customer| {
        lists::matches(&call.params, "email", customer)
            && lists::in_range(call.params.get("created"), customer.at("created"))
    })
}

/// Makes a customer of a payer; the answer is its identifier.
pub(super) fn create(state: &mut State, payer: &Payer) -> String {
    let id = identifier::fresh("cus_", 14);
    let customer = json!({
        "id": id,
        "object": "customer",
        "address": payer.billing,
        "balance": 0,
        "created": state.clock.now(),
        "currency": null,
        "customer_account": null,
        "default_source": null,
        "delinquent": false,
        "description": null,
        "discount": null,
        "email": payer.email,
        "invoice_prefix": identifier::fresh("", 8).to_uppercase(),
        "invoice_settings": {
            "custom_fields": null,
            "default_payment_method": null,
            "footer": null,
            "rendering_options": null,
        },
        "livemode": false,
        "metadata": {},
        "name": payer.name,
        "phone": payer.phone,
        "preferred_locales": ["en"],
        "shipping": null,
        "tax_exempt": "none",
        "test_clock": null,
    });
    state.customers.insert(&id, customer.clone());
    events::emit(state, "customer.created", &customer, &Origin::default());
    id
}
