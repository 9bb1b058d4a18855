//! What a seller does with an invoice: words, a payment before its time, or its end.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::api::Call;
use super::super::object::Members;
use super::super::refusal::Refusal;
use super::super::store::State;
use super::super::subscriptions::{self, Unpaid};
use super::super::{events, object};
use super::retrieve;

/// `POST /v1/invoices/{invoice}`.
pub(in crate::sandbox) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let before = state.invoices.named(&call.id)?.clone();
    let mut after = before.clone();
    object::assign(&mut after, &call.params, &["description"]);
    let merged = object::merge_metadata(before.at("metadata"), call.params.get("metadata"));
    object::set(&mut after, "metadata", merged);
    *state.invoices.named_mut(&call.id)? = after.clone();
    events::emit_updated(state, "invoice.updated", &before, &after, &call.origin);
    Ok(after)
}

/// `POST /v1/invoices/{invoice}/pay`: by what pays for its subscription, or by nothing that Stripe
/// knows of.
pub(in crate::sandbox) fn pay(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    standing(state, call, &["open", "uncollectible"], "pay")?;
    if call.flag("paid_out_of_band") {
        super::pay(state, &call.id, None);
        return retrieve(state, call);
    }
    match subscriptions::try_payment(state, &call.id) {
        Ok(()) => retrieve(state, call),
        Err(Unpaid::NoMeans) => {
            let message = "There is no `default_payment_method` set on this Customer or Invoice.";
            Err(Refusal::invalid(message))
        }
        Err(Unpaid::Declined(decline)) => Err(Refusal {
            status: StatusCode::PAYMENT_REQUIRED,
            kind: "card_error",
            ..Refusal::invalid(decline.message).code("card_declined")
        }),
    }
}

/// `POST /v1/invoices/{invoice}/void`.
pub(in crate::sandbox) fn void(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    standing(state, call, &["open", "uncollectible"], "void")?;
    end(state, call, "void", "voided_at", "invoice.voided")
}

/// `POST /v1/invoices/{invoice}/mark_uncollectible`.
pub(in crate::sandbox) fn give_up(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    standing(state, call, &["open"], "mark as uncollectible")?;
    let kind = "invoice.marked_uncollectible";
    end(state, call, "uncollectible", "marked_uncollectible_at", kind)
}

fn end(
    state: &mut State,
    call: &Call,
    status: &str,
    moment: &str,
    kind: &str,
) -> Result<Value, Refusal> {
    let ended = json!({
        "auto_advance": false,
        "next_payment_attempt": null,
        "status": status,
        "status_transitions": { (moment): state.clock.now() },
    });
    let invoice = state.invoices.named_mut(&call.id)?;
    object::overlay(invoice, &ended);
    let invoice = invoice.clone();
    events::emit(state, kind, &invoice, &call.origin);
    Ok(invoice)
}

/// The invoice, if it stands in a way in which that can be done to it.
fn standing<'a>(
    state: &'a State,
    call: &Call,
    allowed: &[&str],
    verb: &str,
) -> Result<&'a Value, Refusal> {
    let invoice = state.invoices.named(&call.id)?;
    let status = invoice.at("status").as_str().unwrap_or_default();
    if allowed.contains(&status) {
        return Ok(invoice);
    }
    if status == "paid" {
        return Err(Refusal::invalid("Invoice is already paid"));
    }
    let message = format!(
        "You can only {verb} invoices with a status of {}. This invoice has a status of {status}.",
        allowed.join(" or ")
    );
    Err(Refusal::invalid(message))
}
