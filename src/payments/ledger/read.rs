//! What Stripe reports, as facts.

use crate::pb;
use crate::pb::payment::{PaymentStatus, State, Status};
use crate::storage::Fact;
use crate::stripe::PaymentIntent;
use crate::stripe::webhook::Event;

/// The kinds of events that tell all there is to tell of payments. Stripe lists
/// at most twenty kinds in answer to one question.
pub(in crate::payments) const KINDS: [&str; 18] = [
    COMPLETED,
    ASYNC_SUCCEEDED,
    ASYNC_FAILED,
    EXPIRED,
    "refund.created",
    "refund.updated",
    "refund.failed",
    TOLD_TWICE,
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice_payment.paid",
    CAPTURED,
    CANCELED,
];

/// Kinds that tell the same in other words, to an endpoint that has subscribed to
/// them alone. Most of them tell nothing: Stripe sends some for every payment.
const FURTHER_KINDS: [&str; 3] = ["charge.refunded", CHARGE_UPDATED, "payment_intent.succeeded"];

/// What it tells comes as `refund.updated` too.
pub(in crate::payments) const TOLD_TWICE: &str = "charge.refund.updated";

pub(super) const COMPLETED: &str = "checkout.session.completed";
pub(super) const ASYNC_SUCCEEDED: &str = "checkout.session.async_payment_succeeded";
pub(super) const ASYNC_FAILED: &str = "checkout.session.async_payment_failed";
pub(super) const EXPIRED: &str = "checkout.session.expired";
const CAPTURED: &str = "charge.captured";
const CHARGE_UPDATED: &str = "charge.updated";
const CANCELED: &str = "payment_intent.canceled";

/// The subjects of facts; those with a space go on with an id.
pub(super) const SESSION: &str = "session";
pub(super) const DETAILS: &str = "details";
pub(super) const REFUND: &str = "refund ";
pub(super) const DISPUTE: &str = "dispute ";
pub(super) const INVOICE: &str = "invoice ";
pub(super) const INVOICE_PAYMENT: &str = "invoice_payment ";
pub(super) const INTENT: &str = "intent ";

/// The capture method under which money is set aside first.
const MANUAL: &str = "manual";

/// More tries than this to collect one invoice count as this many.
const ATTEMPTS_MAX: i64 = 0xffff;

/// What an event, or an answer to a question, says of a payment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::payments) struct Told {
    /// The id of the payment, where it says so itself.
    pub(in crate::payments) payment: Option<String>,
    /// Stripe's ids of what the payment was paid with, by which facts that name
    /// no payment find it.
    pub(in crate::payments) keys: Vec<String>,
    /// What it says.
    pub(in crate::payments) facts: Vec<Fact>,
    /// What went back of a charge in all, whose refunds it need not name.
    pub(in crate::payments) gone: Option<Gone>,
}

/// How much of a charge went back, or is on its way, as the charge itself has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::payments) struct Gone {
    /// The charge.
    pub(in crate::payments) charge: String,
    /// How much, in the currency's minor unit.
    pub(in crate::payments) amount: i64,
}

/// Whether an event tells of payments.
pub(in crate::payments) fn is_told_by(event: &Event) -> bool {
    let kind = event.kind.as_str();
    KINDS.contains(&kind) || (FURTHER_KINDS.contains(&kind) && read(event).is_some())
}

/// Reads what an event by itself says. `None` when it says nothing of a payment
/// that a payment link may have made.
pub(in crate::payments) fn read(event: &Event) -> Option<Told> {
    let (id, kind) = (event.id.as_str(), event.kind.as_str());
    let is_of = |family: &str| kind.starts_with(family);
    if is_of("checkout.session.") {
        let page: pb::Payment = event.object()?;
        let state = state_told_by(kind, page.payment_status())?;
        return session(page, state, id);
    }
    if is_of("invoice_payment.") {
        return invoice_paid(&event.object()?, id);
    }
    if is_of("invoice.") {
        return invoiced(&event.object()?, id);
    }
    if is_of("payment_intent.") {
        let intent = event.payment_intent().filter(|one| one.capture_method == MANUAL)?;
        return collected(&intent, id);
    }
    if is_of("charge.dispute.") {
        let dispute: pb::Dispute = event.object()?;
        let keys = [dispute.payment_intent.clone(), dispute.charge.clone()];
        return told(keys, fact(DISPUTE, &dispute.id, dispute.status.into(), id, &dispute));
    }
    if is_of("charge.") && !is_of("charge.refund.") {
        return charged(event);
    }
    refunded(&event.object()?, id)
}

fn invoice_paid(paid: &pb::invoice::Payment, told_by: &str) -> Option<Told> {
    let means = paid.payment.clone().unwrap_or_default();
    let keys = [paid.invoice.clone(), means.payment_intent, means.charge];
    told(keys, fact(INVOICE_PAYMENT, &paid.id, 0, told_by, paid))
}

fn invoiced(invoice: &pb::Invoice, told_by: &str) -> Option<Told> {
    let subscription = invoice.parent.clone()?.subscription_details?.subscription;
    let attempts = invoice.attempt_count.clamp(0, ATTEMPTS_MAX);
    let rank = i64::from(invoice.status) * (ATTEMPTS_MAX + 1) + attempts;
    let keys = [subscription, invoice.id.clone()];
    told(keys, fact(INVOICE, &invoice.id, rank, told_by, invoice))
}

/// What a charge says: of its refunds, and of its capture where that was apart.
fn charged(event: &Event) -> Option<Told> {
    // Most updates are of something else, such as the fee.
    if event.kind == CHARGE_UPDATED && !event.has_changed("amount_refunded") {
        return None;
    }
    let (charge, id) = (event.charge()?, event.id.as_str());
    let mut facts: Vec<Fact> = charge
        .refunds()
        .filter_map(|refund| refunded(&refund, id))
        .flat_map(|one| one.facts)
        .collect();
    if event.kind == CAPTURED && !charge.payment_intent.is_empty() {
        facts.push(captured(&charge.payment_intent, charge.amount_captured, id));
    }
    let gone = Some(Gone { charge: charge.id.clone(), amount: charge.amount_refunded });
    let keys = known_keys([charge.payment_intent, charge.id]);
    Some(Told { payment: None, keys, facts, gone })
}

/// What a payment intent says that has come to an end.
pub(in crate::payments) fn collected(intent: &PaymentIntent, told_by: &str) -> Option<Told> {
    let fact = match intent.status.as_str() {
        "succeeded" => captured(&intent.id, intent.amount_received, told_by),
        "canceled" | "requires_payment_method" => {
            let state = State::Failed.into();
            let page = pb::Payment { payment_intent: intent.id.clone(), state, ..<_>::default() };
            fact(INTENT, &intent.id, 0, told_by, &page)
        }
        _ => return None,
    };
    told([intent.id.clone()], fact)
}

/// That money has come which was set aside.
fn captured(intent: &str, amount: i64, told_by: &str) -> Fact {
    let page = pb::Payment {
        payment_intent: intent.to_owned(),
        state: State::Paid.into(),
        amount_received: amount,
        ..<_>::default()
    };
    fact(INTENT, intent, amount, told_by, &page)
}

/// What a refund says, as Stripe gave it in an event or an answer.
pub(in crate::payments) fn refunded(refund: &pb::Refund, told_by: &str) -> Option<Told> {
    let keys = [refund.payment_intent.clone(), refund.charge.clone()];
    told(keys, fact(REFUND, &refund.id, refund.status.into(), told_by, refund))
}

/// What a session in this state says together with itself in full, as Stripe gives it where
/// it is asked for alone. `None` when it is not of a link.
pub(in crate::payments) fn in_full(
    page: pb::Payment,
    full: &pb::Payment,
    state: State,
) -> Option<Told> {
    let mut told = session(page, state, "")?;
    told.facts.push(details(full, ""));
    Some(told)
}

/// What a session says that is in this state. `None` when it is not of a link.
pub(super) fn session(page: pb::Payment, state: State, told_by: &str) -> Option<Told> {
    if page.id.is_empty() || page.payment_link.is_empty() {
        return None;
    }
    let keys = [&page.payment_intent, &page.subscription, &page.invoice];
    let keys = known_keys(keys.map(Clone::clone));
    let id = page.id.clone();
    let page = pb::Payment { state: state.into(), ..page };
    let fact = fact(SESSION, "", i32::from(state).into(), told_by, &page);
    Some(Told { payment: Some(id), keys, facts: vec![fact], gone: None })
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
fn told<const N: usize>(keys: [String; N], fact: Fact) -> Option<Told> {
    let keys = known_keys(keys);
    let leads_somewhere = !keys.is_empty() && !fact.subject.ends_with(' ');
    leads_somewhere.then(|| Told { keys, facts: vec![fact], ..Told::default() })
}

fn known_keys<const N: usize>(keys: [String; N]) -> Vec<String> {
    keys.into_iter().filter(|key| !key.is_empty()).collect()
}
