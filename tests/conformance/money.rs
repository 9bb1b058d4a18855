//! What payments tell of refunds, disputes and invoices, against what Stripe gives.

use paylink::pb;

use crate::answers::check;

#[test]
fn refunds_are_read_as_far_as_the_buyers_money_goes() {
    let path = "the way of the money through the bank, which nobody waits for";
    let account = "a movement between accounts, which no payment needs";
    let elsewhere = [
        ("description", "for charges that no payment link makes"),
        ("destination_details", path),
        ("failure_balance_transaction", "failure_reason says that it has failed"),
        ("instructions_email", "where Stripe has written to the buyer"),
        ("next_action", "what Stripe asks the buyer for by e-mail"),
        ("pending_reason", path),
        ("presentment_details", "the payment has what the buyer was shown"),
        ("receipt_number", "a number of the receipt that Stripe has sent"),
        ("source_transfer_reversal", account),
        ("transfer_reversal", account),
    ];
    check::<pb::Refund>("refund", &elsewhere, &[]);
}

#[test]
fn disputes_are_read_as_far_as_shipping_goes() {
    let dashboard = "for whoever answers the dispute, at Stripe";
    let elsewhere = [
        ("balance_transactions", "status says where the money is"),
        ("enhanced_eligibility_types", dashboard),
        ("evidence", dashboard),
        ("evidence_details.enhanced_eligibility", dashboard),
        ("evidence_details.has_evidence", dashboard),
        ("evidence_details.past_due", dashboard),
        ("evidence_details.submission_count", dashboard),
        ("is_charge_refundable", "RefundPayment asks Stripe, which knows"),
        ("livemode", "that of the payment"),
        ("metadata", dashboard),
        ("payment_method_details", dashboard),
    ];
    check::<pb::Dispute>("dispute", &elsewhere, &[]);
}

#[test]
fn invoices_are_read_as_far_as_money_goes() {
    let document = "what the invoice shows, which Stripe sends to the buyer";
    let settings = "a setting of the subscription";
    let sums = "a sum on the way to amount_due";
    let later = "what happens to an invoice that no payment link makes";
    let documents = [
        ("account_country", document),
        ("account_name", document),
        ("account_tax_ids", document),
        ("custom_fields", document),
        ("customer", "that of the payment"),
        ("customer_account", "that of the payment"),
        ("customer_address", document),
        ("customer_email", document),
        ("customer_name", document),
        ("customer_phone", document),
        ("customer_shipping", document),
        ("customer_tax_exempt", document),
        ("customer_tax_ids", document),
        ("description", document),
        ("footer", document),
        ("hosted_invoice_url", document),
        ("invoice_pdf", document),
        ("lines", document),
        ("receipt_number", document),
        ("rendering", document),
        ("shipping_details", document),
        ("statement_descriptor", document),
    ];
    let amounts = [
        ("amount_overpaid", sums),
        ("amount_paid_off_stripe", sums),
        ("amount_remaining", "amount_due less amount_paid"),
        ("amount_shipping", sums),
        ("ending_balance", sums),
        ("post_payment_credit_notes_amount", sums),
        ("pre_payment_credit_notes_amount", sums),
        ("shipping_cost", sums),
        ("starting_balance", sums),
        ("subtotal", sums),
        ("subtotal_excluding_tax", sums),
        ("total", sums),
        ("total_discount_amounts", sums),
        ("total_excluding_tax", sums),
        ("total_pretax_credit_amounts", sums),
        ("total_taxes", sums),
    ];
    let others = [
        ("application", settings),
        ("attempted", "attempt_count is more than zero"),
        ("auto_advance", settings),
        ("automatic_tax", settings),
        ("automatically_finalizes_at", settings),
        ("collection_method", settings),
        ("confirmation_secret", later),
        ("default_payment_method", settings),
        ("default_source", settings),
        ("default_tax_rates", settings),
        ("discounts", settings),
        ("due_date", later),
        ("effective_at", later),
        ("from_invoice", later),
        ("issuer", settings),
        ("last_finalization_error", later),
        ("latest_revision", later),
        ("livemode", "that of the payment"),
        ("metadata", settings),
        ("on_behalf_of", settings),
        ("parent.quote_details", later),
        ("parent.subscription_details.metadata", settings),
        ("parent.subscription_details.subscription_proration_date", settings),
        ("parent.type", "which of its details is set"),
        ("payment_settings", settings),
        ("payments", "a list of invoice payments, which are compared by themselves"),
        ("status_transitions", "when the status has changed, which events tell"),
        ("test_clock", later),
        ("threshold_reason", settings),
        ("webhooks_delivered_at", "events tell when they come"),
    ];
    check::<pb::Invoice>("invoice", &[&documents[..], &amounts, &others].concat(), &[]);
}

#[test]
fn invoice_payments_are_read_as_far_as_money_goes() {
    let elsewhere = [
        ("amount_requested", "amount_paid says what came"),
        ("created", "the invoice has its own"),
        ("currency", "that of the invoice"),
        ("is_default", "how Stripe collects the next one"),
        ("livemode", "that of the payment"),
        ("payment.payment_record", "money that came past Stripe"),
        ("payment.type", "which of its members is set"),
        ("status", "only those that are paid are told of"),
        ("status_transitions", "only those that are paid are told of"),
    ];
    check::<pb::invoice::Payment>("invoice_payment", &elsewhere, &[]);
}
