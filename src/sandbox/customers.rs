//! Customers: made by sessions that need one, or by the API.

use serde_json::{Value, json};

use super::api::{Call, Origin};
use super::checkout::{Payer, plausible_email};
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{events, identifier, list as lists, object, subscriptions};

/// What a request may set, beside metadata.
const SET: [&str; 10] = [
    "address",
    "business_name",
    "description",
    "email",
    "individual_name",
    "name",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
];

/// `POST /v1/customers`.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    check_email(call)?;
    let mut customer = blank(state);
    assign(&mut customer, call);
    Ok(keep(state, customer, &call.origin))
}

/// `GET /v1/customers/{customer}`. One that was deleted is still known as such.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.customers.named(&call.id).cloned()
}

/// `POST /v1/customers/{customer}`.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    check_email(call)?;
    let before = existing(state, &call.id)?.clone();
    let mut after = before.clone();
    assign(&mut after, call);
    *state.customers.named_mut(&call.id)? = after.clone();
    events::emit_updated(state, "customer.updated", &before, &after, &call.origin);
    Ok(after)
}

/// `DELETE /v1/customers/{customer}`, which ends what the customer subscribes to.
pub(super) fn delete(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let customer = existing(state, &call.id)?.clone();
    subscriptions::end_all_of(state, &call.id, &call.origin);
    let deleted = json!({ "id": call.id, "object": "customer", "deleted": true });
    *state.customers.named_mut(&call.id)? = deleted.clone();
    events::emit(state, "customer.deleted", &customer, &call.origin);
    Ok(deleted)
}

/// `GET /v1/customers`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.customers, call, "/v1/customers", |customer| {
        customer.at("deleted") != true
            && ["email", "test_clock"]
                .iter()
                .all(|name| lists::matches(&call.params, name, customer))
            && lists::in_range(call.params.get("created"), customer.at("created"))
    })
}

/// Makes a customer of a payer; the answer is its identifier.
pub(super) fn of_payer(state: &mut State, payer: &Payer) -> String {
    let mut customer = blank(state);
    let described = json!({
        "address": payer.billing,
        "email": payer.email,
        "name": payer.name,
        "phone": payer.phone,
        "preferred_locales": ["en"],
    });
    object::overlay(&mut customer, &described);
    let customer = keep(state, customer, &Origin::default());
    customer.at("id").as_str().unwrap_or_default().to_owned()
}

fn existing<'a>(state: &'a State, id: &str) -> Result<&'a Value, Refusal> {
    let customer = state.customers.named(id)?;
    let there = (customer.at("deleted") != true).then_some(customer);
    there.ok_or_else(|| Refusal::missing("customer", id))
}

fn check_email(call: &Call) -> Result<(), Refusal> {
    match call.text("email") {
        Some(email) if !plausible_email(email) => {
            let message = format!("Invalid email address: {email}");
            Err(Refusal::invalid(message).code("email_invalid").param("email"))
        }
        _ => Ok(()),
    }
}

fn keep(state: &mut State, customer: Value, origin: &Origin) -> Value {
    let id = customer.at("id").as_str().unwrap_or_default().to_owned();
    state.customers.insert(&id, customer.clone());
    events::emit(state, "customer.created", &customer, origin);
    customer
}

fn assign(customer: &mut Value, call: &Call) {
    for name in SET {
        match call.params.get(name) {
            // These are left out rather than null, and exemption has a word for none.
            Some(Value::Null) if ["business_name", "individual_name"].contains(&name) => {
                if let Value::Object(members) = customer {
                    members.remove(name);
                }
            }
            Some(Value::Null) if name == "tax_exempt" => object::set(customer, name, "none"),
            Some(value) if ["address", "shipping"].contains(&name) => {
                object::set(customer, name, complete(name, value));
            }
            Some(value) => object::set(customer, name, value.clone()),
            None => {}
        }
    }
    let merged = object::merge_metadata(customer.at("metadata"), call.params.get("metadata"));
    object::set(customer, "metadata", merged);
}

/// An address with all of its members, or shipping details with such an address.
fn complete(name: &str, sent: &Value) -> Value {
    if sent.is_null() {
        return Value::Null;
    }
    let address = json!({
        "city": null, "country": null, "line1": null, "line2": null, "postal_code": null,
        "state": null,
    });
    let mut whole = match name {
        "shipping" => json!({ "address": address, "name": null, "phone": null }),
        _ => address,
    };
    object::overlay(&mut whole, sent);
    whole
}

/// A new customer of whom nothing is known.
fn blank(state: &State) -> Value {
    json!({
        "id": identifier::fresh("cus_", 14),
        "object": "customer",
        "address": null,
        "balance": 0,
        "created": state.clock.now(),
        "currency": null,
        "customer_account": null,
        "default_source": null,
        "delinquent": false,
        "description": null,
        "discount": null,
        "email": null,
        "invoice_prefix": identifier::fresh("", 8).to_uppercase(),
        "invoice_settings": {
            "custom_fields": null,
            "default_payment_method": null,
            "footer": null,
            "rendering_options": null,
        },
        "livemode": false,
        "metadata": {},
        "name": null,
        "next_invoice_sequence": 1,
        "phone": null,
        "preferred_locales": [],
        "shipping": null,
        "tax_exempt": "none",
        "test_clock": null,
    })
}
