//! The `invoice` object.

use serde_json::{Value, json};

use super::super::object;
use super::super::object::Members;
use super::super::taxes::{self, Tax};
use super::bill::{Bill, Entry};

/// A draft of an invoice.
pub(super) fn invoice(id: &str, bill: &Bill, customer: &Value, now: i64) -> Value {
    let sum =
        |part: fn(&Entry) -> i64| bill.entries.iter().map(part).fold(0_i64, i64::saturating_add);
    let (subtotal, off) = (sum(|entry| entry.amount), sum(|entry| entry.discount));
    let shipping = |part: &str| bill.shipping.at(part).as_i64().unwrap_or_default();
    let taxes = taxes::sums(&bill.entries.iter().filter_map(|entry| entry.tax));
    let added = taxes.iter().copied().map(Tax::added).fold(0, i64::saturating_add);
    let tax = taxes.iter().map(|tax| tax.amount).fold(0, i64::saturating_add);
    let total =
        subtotal.saturating_sub(off).saturating_add(added).saturating_add(shipping("amount_total"));
    let period = bill.entries.first().map_or((now, now), |entry| entry.period);
    let lines: Vec<Value> = bill.entries.iter().map(|entry| entry.line(bill, id)).collect();
    let discount = bill.discount.at("id");
    let discounts: Vec<&Value> = (!discount.is_null()).then_some(discount).into_iter().collect();
    let taken: Vec<Value> =
        discounts.iter().map(|discount| json!({ "amount": off, "discount": discount })).collect();
    let mut invoice = blank();
    object::overlay(&mut invoice, &draft());
    let mut described = json!({
        "id": id,
        "amount_due": total,
        "amount_remaining": total,
        "amount_shipping": shipping("amount_subtotal"),
        "auto_advance": !bill.subscription.is_null(),
        "billing_reason": bill.reason,
        "created": now,
        "currency": bill.currency,
        "customer": bill.customer,
        "customer_address": customer.at("address"),
        "customer_email": customer.at("email"),
        "customer_name": customer.at("name"),
        "customer_phone": customer.at("phone"),
        "customer_shipping": customer.at("shipping"),
        "discounts": discounts,
        "lines": {
            "object": "list",
            "data": lines,
            "has_more": false,
            "url": format!("/v1/invoices/{id}/lines"),
        },
        "parent": parent(bill.subscription),
        "period_end": if bill.reason == "subscription_cycle" { period.0 } else { now },
        "period_start": now.min(period.0),
        "shipping_cost": shipping_cost(bill.shipping),
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal.saturating_sub(tax.saturating_sub(added)),
        "total": total,
        "total_discount_amounts": taken,
        "total_excluding_tax":
            total.saturating_sub(tax).saturating_sub(shipping("amount_tax")),
        "total_taxes": taxes.into_iter().map(Tax::of_invoice).collect::<Vec<_>>(),
    });
    if bill.taxed {
        let calculated = json!({ "enabled": true, "provider": "stripe", "status": "complete" });
        object::overlay(&mut described, &json!({ "automatic_tax": calculated }));
    }
    object::overlay(&mut invoice, &described);
    settle_words(&mut invoice, bill.settings);
    invoice
}

/// What the link says about its invoices.
fn settle_words(invoice: &mut Value, settings: &Value) {
    for name in ["account_tax_ids", "custom_fields", "description", "footer"] {
        object::set(invoice, name, settings.at(name).clone());
    }
    object::set(invoice, "metadata", object::metadata(settings.get("metadata")));
}

fn parent(subscription: &Value) -> Value {
    if subscription.is_null() {
        return Value::Null;
    }
    json!({
        "quote_details": null,
        "subscription_details": {
            "metadata": subscription.at("metadata"),
            "subscription": subscription.at("id"),
        },
        "type": "subscription_details",
    })
}

fn shipping_cost(of_session: &Value) -> Value {
    if of_session.is_null() {
        return Value::Null;
    }
    let mut cost = json!({});
    for name in ["amount_subtotal", "amount_tax", "amount_total", "shipping_rate"] {
        object::set(&mut cost, name, of_session.at(name).clone());
    }
    cost
}

/// What is the same for every invoice.
fn blank() -> Value {
    json!({
        "object": "invoice",
        "account_country": "US",
        "account_name": "Sandbox",
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "application": null,
        "attempt_count": 0,
        "attempted": false,
        "automatic_tax": {
            "disabled_reason": null,
            "enabled": false,
            "liability": null,
            "provider": null,
            "status": null,
        },
        "automatically_finalizes_at": null,
        "collection_method": "charge_automatically",
        "customer_account": null,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": null,
        "default_source": null,
        "default_tax_rates": [],
        "due_date": null,
        "effective_at": null,
        "ending_balance": null,
        "from_invoice": null,
        "hosted_invoice_url": null,
        "invoice_pdf": null,
        "issuer": { "type": "self" },
        "last_finalization_error": null,
    })
}

/// What is the same for every draft.
fn draft() -> Value {
    json!({
        "latest_revision": null,
        "livemode": false,
        "next_payment_attempt": null,
        "number": null,
        "on_behalf_of": null,
        "payment_settings": {
            "default_mandate": null,
            "payment_method_options": null,
            "payment_method_types": null,
        },
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": null,
        "rendering": null,
        "shipping_details": null,
        "starting_balance": 0,
        "statement_descriptor": null,
        "status": "draft",
        "status_transitions": {
            "finalized_at": null,
            "marked_uncollectible_at": null,
            "paid_at": null,
            "voided_at": null,
        },
        "test_clock": null,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": null,
    })
}
