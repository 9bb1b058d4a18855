//! The end of a session that went well.

use serde_json::{Value, json};

use super::super::object::Members;
use super::super::store::State;
use super::super::{customers, events, object, payment_intents, payment_links, redemption};
use super::bill;
use super::pay::{Payer, nobody};

/// Makes the customer of a session that needs one, before the money moves.
pub(super) fn prepare_customer(state: &mut State, id: &str, payer: &Payer, intent: &str) {
    let Some(session) = state.sessions.get(id) else {
        return;
    };
    let subscribes = session.object.at("mode") == "subscription";
    let invoiced = session.object.at("invoice_creation").at("enabled") == true;
    let always = session.object.at("customer_creation") == "always";
    if !(subscribes || invoiced || always) || !session.object.at("customer").is_null() {
        return;
    }
    let customer = customers::of_payer(state, payer);
    if let Some(session) = state.sessions.get_mut(id) {
        object::set(&mut session.object, "customer", customer.clone());
    }
    if let Some(intent) = state.intents.get_mut(intent) {
        object::set(intent, "customer", customer);
    }
}

/// Completes a session, with its payment intent unless nothing was due.
pub(super) fn complete(state: &mut State, id: &str, payer: &Payer, intent: Option<&str>) {
    if intent.is_none() {
        prepare_customer(state, id, payer, "");
    }
    let billed = bill::bill(state, id, payer, intent);
    let captured = intent.is_none_or(|intent| payment_intents::is_captured(state, intent));
    let Some(session) = state.sessions.get_mut(id) else {
        return;
    };
    let subscribes = session.object.at("mode") == "subscription";
    let payment_status = match intent {
        None => "no_payment_required",
        Some(_) if captured => "paid",
        Some(_) => "unpaid",
    };
    let after = json!({
        "status": "complete",
        "payment_status": payment_status,
        "url": null,
        "payment_intent": intent.filter(|_| !subscribes),
        "subscription": billed.subscription,
        "invoice": billed.invoice,
        "customer_details": details(payer),
        "collected_information": collected(payer),
        "consent": consent(session.object.at("consent_collection"), payer),
        "custom_fields": answered(session.object.at("custom_fields"), &payer.answers),
    });
    object::overlay(&mut session.object, &after);
    if session.object.at("automatic_tax").at("enabled") == true {
        let status = json!({ "automatic_tax": { "status": "complete", "provider": "stripe" } });
        object::overlay(&mut session.object, &status);
    }
    let complete = session.object.clone();
    if let Some(code) = session.promotion.code().map(str::to_owned) {
        redemption::redeem(state, &code);
    }
    let link = complete.at("payment_link").as_str().unwrap_or_default();
    events::emit(state, "checkout.session.completed", &complete, &nobody());
    payment_links::count_completed(state, link);
}

fn details(payer: &Payer) -> Value {
    let tax_id = payer.tax_id.as_ref().map(|(kind, value)| json!({ "type": kind, "value": value }));
    json!({
        "address": address(&payer.billing, &payer.shipping),
        "business_name": payer.business_name,
        "email": payer.email,
        "individual_name": payer.individual_name,
        "name": payer.name,
        "phone": payer.phone,
        "tax_exempt": "none",
        "tax_ids": Value::from_iter(tax_id),
    })
}

/// Where only a shipping address was asked for, it serves as the customer's.
fn address(billing: &Value, shipping: &Value) -> Value {
    if billing.is_null() { shipping.at("address").clone() } else { billing.clone() }
}

fn collected(payer: &Payer) -> Value {
    json!({
        "business_name": payer.business_name,
        "individual_name": payer.individual_name,
        "shipping_details": payer.shipping,
    })
}

fn consent(asked: &Value, payer: &Payer) -> Value {
    if asked.is_null() {
        return Value::Null;
    }
    let promotions = payer.promotions.map(|welcome| if welcome { "opt_in" } else { "opt_out" });
    json!({
        "promotions": promotions,
        "terms_of_service": payer.terms_accepted.then_some("accepted"),
    })
}

fn answered(fields: &Value, answers: &[(String, String)]) -> Value {
    let answer = |field: &Value| {
        let mut field = field.clone();
        let kind = field.at("type").as_str().unwrap_or_default().to_owned();
        let given = answers.iter().find(|(key, _)| field.at("key") == key.as_str());
        if let (Some((_, value)), Some(detail)) = (given, field.get_mut(&kind)) {
            object::set(detail, "value", value.as_str());
        }
        field
    };
    fields.as_array().into_iter().flatten().map(answer).collect()
}
