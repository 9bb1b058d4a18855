//! What Stripe reports, as facts.

use crate::pb;
use crate::pb::payment::{PaymentStatus, State, Status};
use crate::storage::Fact;
use crate::stripe::webhook::Event;

/// The kinds of events that tell of payments. Stripe lists at most twenty kinds
/// in answer to one question.
pub(in crate::payments) const KINDS: [&str; 16] = [
    COMPLETED,
    ASYNC_SUCCEEDED,
    ASYNC_FAILED,
    EXPIRED,
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice_payment.paid",
];

pub(super) const COMPLETED: &str = "checkout.session.completed";
pub(super) const ASYNC_SUCCEEDED: &str = "checkout.session.async_payment_succeeded";
pub(super) const ASYNC_FAILED: &str = "checkout.session.async_payment_failed";
pub(super) const EXPIRED: &str = "checkout.session.expired";

/// The subjects of facts; those with a space go on with an id.
pub(super) const SESSION: &str = "session";
pub(super) const DETAILS: &str = "details";
pub(super) const REFUND: &str = "refund ";
pub(super) const DISPUTE: &str = "dispute ";
pub(super) const INVOICE: &str = "invoice ";
pub(super) const INVOICE_PAYMENT: &str = "invoice_payment ";

/// More tries than this to collect one invoice count as this many.
const ATTEMPTS_MAX: i64 = 0xffff;

/// What an event, or an answer to a question, says of a payment.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::payments) struct Told {
    /// The id of the payment, where it says so itself.
    pub(in crate::payments) payment: Option<String>,
    /// Stripe's ids of what the payment was paid with, by which facts that name
    /// no payment find it.
    pub(in crate::payments) keys: Vec<String>,
    /// What it says.
    pub(in crate::payments) facts: Vec<Fact>,
}

/// Whether events of this kind tell of payments.
pub(in crate::payments) fn is_told_by(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// Reads what an event by itself says. `None` when it says nothing of a payment
/// that a payment link may have made.
pub(in crate::payments) fn read(event: &Event) -> Option<Told> {
    let (id, kind) = (event.id.as_str(), event.kind.as_str());
    if kind.starts_with("checkout.session.") {
        let page: pb::Payment = event.object()?;
        let state = state_told_by(kind, page.payment_status())?;
        return session(page, state, id);
    }
    if kind.starts_with("invoice_payment.") {
        let paid: pb::invoice::Payment = event.object()?;
        let means = paid.payment.clone().unwrap_or_default();
        let keys = [paid.invoice.clone(), means.payment_intent, means.charge];
        return told(keys, fact(INVOICE_PAYMENT, &paid.id, 0, id, &paid));
    }
    if kind.starts_with("invoice.") {
        let invoice: pb::Invoice = event.object()?;
        let subscription = invoice.parent.clone()?.subscription_details?.subscription;
        let rank = i64::from(invoice.status) * (ATTEMPTS_MAX + 1)
            + invoice.attempt_count.clamp(0, ATTEMPTS_MAX);
        let keys = [subscription, invoice.id.clone()];
        return told(keys, fact(INVOICE, &invoice.id, rank, id, &invoice));
    }
    if kind.starts_with("charge.dispute.") {
        let dispute: pb::Dispute = event.object()?;
        let keys = [dispute.payment_intent.clone(), dispute.charge.clone()];
        return told(keys, fact(DISPUTE, &dispute.id, dispute.status.into(), id, &dispute));
    }
    let refund: pb::Refund = event.object()?;
    refunded(&refund, id)
}

/// What a refund says, as Stripe gave it in an event or an answer.
pub(in crate::payments) fn refunded(refund: &pb::Refund, told_by: &str) -> Option<Told> {
    let keys = [refund.payment_intent.clone(), refund.charge.clone()];
    told(keys, fact(REFUND, &refund.id, refund.status.into(), told_by, refund))
}

/// What a session says that is in this state. `None` when it is not of a link.
pub(in crate::payments) fn session(page: pb::Payment, state: State, told_by: &str) -> Option<Told> {
    if page.id.is_empty() || page.payment_link.is_empty() {
        return None;
    }
    let mut keys = vec![page.payment_intent.clone(), page.subscription.clone()];
    keys.push(page.invoice.clone());
    keys.retain(|key| !key.is_empty());
    let id = page.id.clone();
    let page = pb::Payment { state: state.into(), ..page };
    let fact = fact(SESSION, "", i32::from(state).into(), told_by, &page);
    Some(Told { payment: Some(id), keys, facts: vec![fact] })
}

/// What a submitted session says of itself when Stripe is asked for it in full.
pub(in crate::payments) fn details(page: &pb::Payment, told_by: &str) -> Fact {
    fact(DETAILS, "", 0, told_by, page)
}

/// The state that a session is in by itself, without an event; `None` while it is open.
pub(in crate::payments) fn state_of(page: &pb::Payment) -> Option<State> {
    match page.status() {
        Status::Complete => state_told_by(COMPLETED, page.payment_status()),
        Status::Expired => Some(State::Expired),
        Status::Open | Status::Unspecified => None,
    }
}

fn state_told_by(kind: &str, status: PaymentStatus) -> Option<State> {
    Some(match (kind, status) {
        (COMPLETED, PaymentStatus::Paid) | (ASYNC_SUCCEEDED, _) => State::Paid,
        (COMPLETED, PaymentStatus::NoPaymentRequired) => State::NoPaymentRequired,
        // A status that this version does not know must not look like money.
        (COMPLETED, PaymentStatus::Unpaid | PaymentStatus::Unspecified) => State::Pending,
        (ASYNC_FAILED, _) => State::Failed,
        (EXPIRED, _) => State::Expired,
        _ => return None,
    })
}

fn fact(subject: &str, id: &str, rank: i64, told_by: &str, body: &impl prost::Message) -> Fact {
    let (subject, told_by) = (format!("{subject}{id}"), told_by.to_owned());
    Fact { subject, rank, told_by, body: body.encode_to_vec() }
}

/// `None` where nothing leads to a payment, or the object has no id of its own.
fn told(keys: impl Into<Vec<String>>, fact: Fact) -> Option<Told> {
    let mut keys = keys.into();
    keys.retain(|key| !key.is_empty());
    let leads_somewhere = !keys.is_empty() && !fact.subject.ends_with(' ');
    leads_somewhere.then(|| Told { payment: None, keys, facts: vec![fact] })
}
