//! The payment that a set of facts makes.

use std::collections::HashMap;

use prost::Message;

use super::read::{DETAILS, DISPUTE, INTENT, INVOICE, INVOICE_PAYMENT, REFUND, SESSION};
use crate::pb;
use crate::pb::payment::{DisputeState, OrderStanding, PaymentStatus, State};
use crate::pb::{dispute, refund};
use crate::storage::Fact;

/// Puts a payment together. `None` while no session is known, or where what is
/// stored cannot be read.
pub(in crate::payments) fn view(facts: &[Fact]) -> Option<pb::Payment> {
    let about = |subject: &str| facts.iter().find(|fact| fact.subject == subject);
    let mut payment = pb::Payment::decode(about(SESSION)?.body.as_slice()).ok()?;
    if let Some(details) = about(DETAILS) {
        complete(&mut payment, pb::Payment::decode(details.body.as_slice()).ok()?);
    }
    receive(&mut payment, &all(facts, INTENT)?);
    payment.refunds = all(facts, REFUND)?;
    payment.refunds.sort_by(|a, b| (seconds(a.created), &a.id).cmp(&(seconds(b.created), &b.id)));
    payment.disputes = all(facts, DISPUTE)?;
    payment.disputes.sort_by(|a, b| (seconds(a.created), &a.id).cmp(&(seconds(b.created), &b.id)));
    payment.invoices = invoices(facts)?;
    attribute(&mut payment);
    payment.dispute_state = dispute_state(&payment.disputes).into();
    payment.state = state(&payment).into();
    Some(payment)
}

/// Whether an order may be shipped: the money has come, or none was due, it was not
/// taken back, and it did not come too late for its order.
pub(in crate::payments) fn is_shippable(payment: &pb::Payment) -> bool {
    let came = matches!(
        payment.state(),
        State::Paid | State::NoPaymentRequired | State::PartiallyRefunded
    );
    came && !is_too_late(payment)
        && matches!(payment.dispute_state(), DisputeState::Unspecified | DisputeState::Won)
}

/// Whether a payment came when its order was over.
pub(in crate::payments) fn is_too_late(payment: &pb::Payment) -> bool {
    matches!(payment.order_standing(), OrderStanding::Duplicate | OrderStanding::Late)
}

/// How much of what a payment intent brought can still be refunded, less the
/// refunds under way; `None` where it brought nothing that is known.
pub(in crate::payments) fn left(payment: &pb::Payment, intent: &str) -> Option<i64> {
    let of_intent = payment.refunds.iter().filter(|one| one.payment_intent == intent);
    let gone = of_intent.filter(|one| is_out(one) && !is_release(payment, one));
    let gone = gone.map(|one| one.amount).sum();
    Some(brought(payment, intent)?.saturating_sub(gone))
}

/// How much money a payment intent has brought, where that is known. An invoice can be
/// paid by several, and a later one whatever has become of the page.
fn brought(payment: &pb::Payment, intent: &str) -> Option<i64> {
    let came = matches!(payment.state(), State::Paid | State::PartiallyRefunded | State::Refunded);
    let is_meant = |one: &&pb::invoice::Payment| {
        one.payment.as_ref().is_some_and(|means| means.payment_intent == intent)
    };
    let of_invoices = payment.invoices.iter();
    let mut of_invoices = of_invoices.filter(|invoice| came || invoice.id != payment.invoice);
    match of_invoices.find_map(|invoice| invoice.payments.iter().find(is_meant)) {
        Some(paid) => Some(paid.amount_paid),
        None => (came && own_intent(payment) == Some(intent)).then_some(payment.amount_received),
    }
}

/// The payment intent of what the buyer has paid on the page.
pub(in crate::payments) fn own_intent(payment: &pb::Payment) -> Option<&str> {
    if !payment.payment_intent.is_empty() {
        return Some(&payment.payment_intent);
    }
    let first = payment.invoices.iter().find(|one| one.id == payment.invoice)?;
    let means = first.payments.iter().filter_map(|one| one.payment.as_ref());
    means.map(|means| means.payment_intent.as_str()).find(|intent| !intent.is_empty())
}

/// Whether the money of a refund has left, or is about to.
pub(in crate::payments) fn is_out(refund: &pb::Refund) -> bool {
    !matches!(refund.status(), refund::Status::Failed | refund::Status::Canceled)
}

/// Notes how much has come. Of money that was set aside on the page the payment
/// intent tells; a session tells of it only when it is asked.
fn receive(payment: &mut pb::Payment, intents: &[pb::Payment]) {
    let is_paid = payment.state() == State::Paid;
    payment.amount_received = if is_paid { payment.amount_total } else { 0 };
    let own = intents.iter().find(|intent| intent.payment_intent == payment.payment_intent);
    match (payment.state(), own.map(|intent| (intent.state(), intent.amount_received))) {
        (_, Some((State::Paid, amount))) => {
            payment.state = State::Paid.into();
            payment.payment_status = PaymentStatus::Paid.into();
            payment.amount_received = amount;
        }
        // The intent of a page that has expired is canceled too.
        (State::Pending, Some((State::Failed, _))) => payment.state = State::Failed.into(),
        _ => {}
    }
}

/// Fills in what the event of a session did not hold.
fn complete(payment: &mut pb::Payment, details: pb::Payment) {
    fn list<T>(own: &mut Vec<T>, other: Vec<T>) {
        if own.is_empty() {
            *own = other;
        }
    }
    fn part<T>(own: &mut Option<T>, other: Option<T>) {
        if own.is_none() {
            *own = other;
        }
    }
    list(&mut payment.line_items, details.line_items);
    list(&mut payment.discounts, details.discounts);
    list(&mut payment.custom_fields, details.custom_fields);
    part(&mut payment.customer_details, details.customer_details);
    part(&mut payment.collected_information, details.collected_information);
    part(&mut payment.consent, details.consent);
    part(&mut payment.shipping_cost, details.shipping_cost);
    part(&mut payment.total_details, details.total_details);
    part(&mut payment.presentment_details, details.presentment_details);
}

fn all<M: Message + Default>(facts: &[Fact], subject: &str) -> Option<Vec<M>> {
    let about = facts.iter().filter(|fact| fact.subject.starts_with(subject));
    about.map(|fact| M::decode(fact.body.as_slice()).ok()).collect()
}

fn invoices(facts: &[Fact]) -> Option<Vec<pb::Invoice>> {
    let mut invoices: Vec<pb::Invoice> = all(facts, INVOICE)?;
    let mut payments: Vec<pb::invoice::Payment> = all(facts, INVOICE_PAYMENT)?;
    payments.sort_by(|a, b| a.id.cmp(&b.id));
    for invoice in &mut invoices {
        let own = payments.iter().filter(|payment| payment.invoice == invoice.id);
        invoice.payments = own.cloned().collect();
    }
    invoices.sort_by(|a, b| (seconds(a.created), &a.id).cmp(&(seconds(b.created), &b.id)));
    Some(invoices)
}

/// Counts each refund where its money came from: the page, or a later invoice.
fn attribute(payment: &mut pb::Payment) {
    let later = invoices_of(&payment.invoices, &payment.invoice);
    let gone = payment.refunds.iter().filter(|one| one.status() == refund::Status::Succeeded);
    let gone = gone.filter(|one| !is_release(payment, one));
    let gone: Vec<_> = gone.map(|one| (one.payment_intent.clone(), one.amount)).collect();
    for (intent, amount) in gone {
        match later.get(&intent).and_then(|at| payment.invoices.get_mut(*at)) {
            Some(invoice) => invoice.amount_refunded += amount,
            None => payment.amount_refunded += amount,
        }
    }
}

/// The place of every later invoice by the payment intents that it was paid with.
fn invoices_of(invoices: &[pb::Invoice], own: &str) -> HashMap<String, usize> {
    let later = invoices.iter().enumerate().filter(|(_, invoice)| invoice.id != own);
    let means = later.flat_map(|(at, invoice)| {
        let means = invoice.payments.iter().filter_map(|payment| payment.payment.as_ref());
        means.map(move |means| (means.payment_intent.clone(), at))
    });
    means.filter(|(intent, _)| !intent.is_empty()).collect()
}

fn state(payment: &pb::Payment) -> State {
    match payment.state() {
        State::Paid if payment.amount_refunded <= 0 => State::Paid,
        State::Paid if payment.amount_refunded < payment.amount_received => {
            State::PartiallyRefunded
        }
        State::Paid => State::Refunded,
        other => other,
    }
}

fn dispute_state(disputes: &[pb::Dispute]) -> DisputeState {
    use dispute::Status::{Lost, Prevented, WarningClosed, Won};
    let is = |one: &pb::Dispute| match one.status() {
        Lost => DisputeState::Lost,
        Won | WarningClosed | Prevented => DisputeState::Won,
        // A status that this version does not know must not look like the end.
        _ => DisputeState::Open,
    };
    let any = |wanted| disputes.iter().any(|one| is(one) == wanted);
    let worst = [DisputeState::Lost, DisputeState::Open, DisputeState::Won];
    worst.into_iter().find(|state| any(*state)).unwrap_or_default()
}

/// Whether a refund only lets go of what was set aside and never taken. Stripe
/// makes such refunds, which move nothing on the balance. One that is under way has
/// moved nothing yet, whatever it is.
fn is_release(payment: &pb::Payment, refund: &pb::Refund) -> bool {
    let moved_nothing = refund.balance_transaction.is_empty();
    let has_ended = refund.status() == refund::Status::Succeeded;
    has_ended && moved_nothing && payment.amount_received < payment.amount_total
}

fn seconds(time: Option<prost_types::Timestamp>) -> i64 {
    time.map_or(0, |time| time.seconds)
}
