//! Invoices: what a subscription's period, or one purchase, comes to.

mod bill;
mod change;
mod shape;

use serde_json::{Value, json};

use super::api::{Call, Origin};
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{events, identifier, list as lists, object};
pub(super) use bill::{Bill, Entry, recurring_words};
pub(super) use change::{give_up, pay as pay_now, update, void};

/// `GET /v1/invoices/{invoice}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.invoices.named(&call.id).cloned()
}

/// `GET /v1/invoices`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.invoices, call, "/v1/invoices", |invoice| {
        ["collection_method", "customer", "customer_account", "status"]
            .iter()
            .all(|name| lists::matches(&call.params, name, invoice))
            && call.text("subscription").is_none_or(|wanted| subscription(invoice) == Some(wanted))
            && lists::in_range(call.params.get("created"), invoice.at("created"))
            && !call.params.contains_key("due_date")
    })
}

/// `GET /v1/invoices/{invoice}/lines`.
pub(super) fn lines(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let lines = state.invoices.named(&call.id)?.at("lines").at("data").clone();
    let lines = lines.as_array().cloned().unwrap_or_default();
    let url = format!("/v1/invoices/{}/lines", call.id);
    lists::page_in_order(lines, "invoice line item", &call.params, &url)
}

/// `GET /v1/invoice_payments/{invoice_payment}`.
pub(super) fn payment(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.invoice_payments.named(&call.id).cloned()
}

/// `GET /v1/invoice_payments`.
pub(super) fn payments(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let of = call.params.get("payment").unwrap_or(&Value::Null);
    lists::page(&state.invoice_payments, call, "/v1/invoice_payments", |payment| {
        ["invoice", "status"].iter().all(|name| lists::matches(&call.params, name, payment))
            && lists::in_range(call.params.get("created"), payment.at("created"))
            && of.as_object().is_none_or(|of| {
                of.keys().all(|name| lists::matches(of, name, payment.at("payment")))
            })
    })
}

/// The subscription that an invoice is for, by its identifier.
pub(super) fn subscription(invoice: &Value) -> Option<&str> {
    invoice.at("parent").at("subscription_details").at("subscription").as_str()
}

/// Makes an invoice, and asks for its payment.
pub(super) fn make(state: &mut State, id: &str, bill: &Bill) {
    let number = number(state, bill.customer);
    let customer = state.customers.get(bill.customer).cloned().unwrap_or_default();
    let mut invoice = shape::invoice(id, bill, &customer, state.clock.now());
    state.invoices.insert(id, invoice.clone());
    let nobody = Origin::default();
    events::emit(state, "invoice.created", &invoice, &nobody);
    let now = state.clock.now();
    let open = json!({
        "effective_at": now,
        "ending_balance": 0,
        "number": number,
        "status": "open",
        "status_transitions": { "finalized_at": now },
    });
    object::overlay(&mut invoice, &open);
    state.invoices.insert(id, invoice.clone());
    events::emit(state, "invoice.finalized", &invoice, &nobody);
}

/// Notes that an invoice is paid: by a payment intent, or by nothing because nothing was due or was
/// paid elsewhere. One that is paid or void stays so.
pub(super) fn pay(state: &mut State, id: &str, intent: Option<&str>) {
    let now = state.clock.now();
    let Some(invoice) = owed(state, id) else {
        return;
    };
    let due = invoice.at("amount_due").clone();
    let attempts = invoice.at("attempt_count").as_i64().unwrap_or_default();
    let paid = json!({
        "amount_paid": due,
        "amount_remaining": 0,
        "attempt_count": attempts.max(i64::from(intent.is_some())),
        "attempted": true,
        "auto_advance": false,
        "next_payment_attempt": null,
        "status": "paid",
        "status_transitions": { "paid_at": now },
    });
    object::overlay(invoice, &paid);
    let invoice = invoice.clone();
    let nobody = Origin::default();
    for kind in ["invoice.paid", "invoice.payment_succeeded"] {
        events::emit(state, kind, &invoice, &nobody);
    }
    if let Some(intent) = intent {
        let payment = note_payment(state, &invoice, intent);
        events::emit(state, "invoice_payment.paid", &payment, &nobody);
    }
}

/// Counts an attempt of the schedule at having an invoice paid. Beside these, only the first
/// attempt counts, whoever made it; its outcome counts it.
pub(super) fn count_attempt(state: &mut State, id: &str) {
    if let Some(invoice) = state.invoices.get_mut(id) {
        let attempts = invoice.at("attempt_count").as_i64().unwrap_or_default();
        let counts = invoice.at("amount_due").as_i64() != Some(0);
        object::set(invoice, "attempt_count", attempts + i64::from(counts));
    }
}

/// Notes that an invoice could not be paid, and when it is tried again, if ever.
pub(super) fn fail(state: &mut State, id: &str, next_attempt: Option<i64>) {
    if let Some(invoice) = owed(state, id) {
        object::set(invoice, "next_payment_attempt", next_attempt);
        decline(state, id);
    }
}

/// Notes that an invoice could not be paid, which changes nothing about when it is tried again.
pub(super) fn decline(state: &mut State, id: &str) {
    let Some(invoice) = owed(state, id) else {
        return;
    };
    let attempts = invoice.at("attempt_count").as_i64().unwrap_or_default();
    object::overlay(invoice, &json!({ "attempt_count": attempts.max(1), "attempted": true }));
    let invoice = invoice.clone();
    events::emit(state, "invoice.payment_failed", &invoice, &Origin::default());
}

/// An invoice that is neither paid nor void.
fn owed<'a>(state: &'a mut State, id: &str) -> Option<&'a mut Value> {
    let is_owed = |invoice: &&mut Value| {
        ["open", "uncollectible"].iter().any(|status| invoice.at("status") == *status)
    };
    state.invoices.get_mut(id).filter(is_owed)
}

fn note_payment(state: &mut State, invoice: &Value, intent: &str) -> Value {
    let now = state.clock.now();
    let id = identifier::fresh("inpay_1", 23);
    let payment = json!({
        "id": id,
        "object": "invoice_payment",
        "amount_paid": invoice.at("amount_due"),
        "amount_requested": invoice.at("amount_due"),
        "created": now,
        "currency": invoice.at("currency"),
        "invoice": invoice.at("id"),
        "is_default": true,
        "livemode": false,
        "payment": { "payment_intent": intent, "type": "payment_intent" },
        "status": "paid",
        "status_transitions": { "canceled_at": null, "paid_at": now },
    });
    state.invoice_payments.insert(&id, payment.clone());
    payment
}

/// The next number of a customer's invoices.
fn number(state: &mut State, customer: &str) -> Value {
    let Some(customer) = state.customers.get_mut(customer) else {
        return Value::Null;
    };
    let sequence = customer.at("next_invoice_sequence").as_i64().unwrap_or(1);
    object::set(customer, "next_invoice_sequence", sequence + 1);
    let prefix = customer.at("invoice_prefix").as_str().unwrap_or_default();
    format!("{prefix}-{sequence:04}").into()
}
