//! Money back: what it takes is set aside before Stripe is asked, so that two
//! refunds together never take more than is left.

use std::time::Duration;

use prost::Message as _;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::ledger::{self, Told};
use super::{Payments, books, is_seen, now_ms};
use crate::caller::{self, Caller};
use crate::contract::{self, Reason, Violation};
use crate::error::{Error, PaymentError};
use crate::operations;
use crate::pb;
use crate::pb::refund;
use crate::storage::{self, Hold, OperationState, RefundRequest, Transaction};

/// The note that ties a refund at Stripe to the request that made it.
const NOTE: &str = "paylink_request";

/// How long what was asked for stays set aside when Stripe's answer was lost.
/// Should the refund have been made, Stripe has told of it long before.
const SET_ASIDE: Duration = Duration::from_hours(48);
/// How long an outcome is waited for: far longer than a write may take, so that each
/// comes in time.
const OUTCOME_WAIT: Duration = Duration::from_mins(10);

/// A refund that is to be made, or was made before.
enum Asked {
    /// Its amount was set aside just now.
    First(RefundRequest),
    /// Its amount was set aside before, and it may be on its way.
    Again(RefundRequest),
    /// It is among the refunds of the payment.
    Made(pb::Refund),
}

// === impl Payments ===

impl Payments {
    /// Refunds a payment, and gives the refund as Stripe made it.
    ///
    /// It goes on when the caller has left: what it has set aside must not stay so
    /// because nobody heard that Stripe has refused.
    pub(super) async fn refund(
        &self,
        caller: &Caller,
        mut request: pb::RefundPaymentRequest,
    ) -> Result<pb::Refund, Status> {
        let draft = contract::check(&request).and(rules(&request)).pass()?;
        self.writes.admit(&draft, caller)?;
        request.request_id = draft.request_id().to_string();
        let refunding = self.writes.beside(self.clone().carry_out(caller.clone(), request));
        match timeout_at(caller.deadline, refunding).await {
            Ok(refunded) => refunded.unwrap_or_else(|_| Err(Error::Bug.into())),
            Err(_) => Err(operations::Error::Deadline { state: OperationState::Sent }.into()),
        }
    }

    async fn carry_out(
        self,
        caller: Caller,
        mut request: pb::RefundPaymentRequest,
    ) -> Result<pb::Refund, Status> {
        let (asking, of) = (request.clone(), caller.clone());
        let asked = self.storage.write(move |mut transaction| {
            Box::pin(async move { set_aside(&mut transaction, &of, asking).await })
        });
        let (asked, is_first) = match caller::until(caller.deadline, asked).await?? {
            Asked::First(asked) => (asked, true),
            Asked::Again(asked) => (asked, false),
            Asked::Made(refund) => return Ok(refund),
        };
        request.amount = asked.amount;
        request.payment_intent.clone_from(&asked.payment_intent);
        request.metadata.insert(NOTE.to_owned(), asked.request_id.clone());
        let draft = contract::completed(&request);
        let made = self.writes.create::<pb::Refund>(&draft, &patient(&caller)).await;
        let noted = match &made {
            Ok(refund) => self.made(&caller, asked, refund.clone()).await,
            Err(error) if is_over(error, is_first) => self.free(asked).await,
            Err(_) => Ok(()),
        };
        // The caller is told what has happened at Stripe, and not of this: an event adds a
        // refund as well, and what is set aside for none is free after a while.
        if let Err(error) = noted {
            let id = request.payment;
            tracing::warn!(%error, payment.id = id, "The outcome of a refund is not noted");
        }
        Ok(made?)
    }

    /// Adds a refund to its payment at once, without waiting for its event.
    async fn made(
        &self,
        caller: &Caller,
        asked: RefundRequest,
        refund: pb::Refund,
    ) -> Result<(), storage::Error> {
        let account = caller.account().to_owned();
        let added = self.storage.write(move |mut transaction| {
            Box::pin(async move {
                transaction.settle_refund_request(&asked.request_id, &refund.id).await?;
                let Some(told) = ledger::refunded(&refund, "") else { return Ok(<_>::default()) };
                let told = Told { payment: Some(asked.payment_id.clone()), ..told };
                books::add(&mut transaction, &asked.payment_id, told, (&account, "")).await
            })
        });
        self.announce(added.await?);
        Ok(())
    }

    async fn free(&self, asked: RefundRequest) -> Result<(), storage::Error> {
        let freed = self.storage.write(move |mut transaction| {
            Box::pin(async move { transaction.free_refund_request(&asked).await })
        });
        freed.await
    }
}

/// Whether a refund is told by this note: of the request that is remembered so.
pub(super) fn is_made_by(refund: &pb::Refund, request_id: &str) -> bool {
    refund.metadata.get(NOTE).is_some_and(|noted| noted == request_id)
}

/// The caller as one who waits for the outcome. For one whose time is up nothing is begun.
fn patient(caller: &Caller) -> Caller {
    let mut patient = caller.clone();
    if !caller.time_left().is_zero() {
        patient.deadline = Instant::now() + OUTCOME_WAIT;
    }
    patient
}

/// Whether nothing will come of a refund any more, unless it is asked for again. One that
/// is lost was looked for in vain for longer than Stripe takes to tell of a refund.
fn is_over(error: &operations::Error, is_first: bool) -> bool {
    let is_lost = matches!(error, operations::Error::Lost);
    error.had_no_effect() || is_lost || (is_first && error.was_not_begun())
}

/// Finds what no rule of one field says.
fn rules(request: &pb::RefundPaymentRequest) -> Vec<Violation> {
    let mut found = Vec::new();
    if request.reason() == refund::Reason::ExpiredUncapturedCharge {
        let text = "is given by Stripe alone";
        found.push(Violation::new("reason", Reason::UnknownValue, text));
    }
    if request.metadata.contains_key(NOTE) {
        let text = "is a key of paylink's own";
        found.push(Violation::new(format!("metadata[\"{NOTE}\"]"), Reason::Conflict, text));
    }
    found
}

/// Sets aside what a request asks for, if so much is left.
async fn set_aside(
    transaction: &mut Transaction<'_>,
    caller: &Caller,
    request: pb::RefundPaymentRequest,
) -> Result<Result<Asked, Status>, storage::Error> {
    let known = transaction.known(&request.payment).await?;
    let Some(known) = known.filter(|known| is_seen(&known.payment, caller)) else {
        return Ok(Err(Error::PaymentNotFound { id: request.payment }.into()));
    };
    let id = id(caller, &request);
    let since_ms = now_ms().saturating_sub_unsigned(SET_ASIDE.as_secs() * 1_000);
    let before = transaction.refund_request(&id).await?;
    if let Some(before) = &before {
        if pb::RefundPaymentRequest::decode(before.request.as_slice()).ok().as_ref()
            != Some(&request)
        {
            return Ok(Err(PaymentError::RequestIdReused.into()));
        }
        let made = known.payment.refunds.iter().find(|one| is_of(one, before));
        if let Some(refund) = made {
            return Ok(Ok(Asked::Made(refund.clone())));
        }
        let is_set_aside = match before.hold {
            Hold::SetAside => before.asked_at_ms >= since_ms,
            Hold::Made(_) => true,
            Hold::Free => false,
        };
        if is_set_aside {
            // Whoever asked before can no longer say that nothing will come of it.
            let asked_at_ms = now_ms().max(before.asked_at_ms + 1);
            let again = RefundRequest { asked_at_ms, ..before.clone() };
            transaction.put_refund_request(&again).await?;
            return Ok(Ok(Asked::Again(again)));
        }
    }
    let open = transaction.open_refund_requests(&request.payment, since_ms).await?;
    let asked = match ask(&known.payment, id, &request, before, &open) {
        Ok(asked) => asked,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    transaction.put_refund_request(&asked).await?;
    Ok(Ok(Asked::First(asked)))
}

/// Decides what a request takes: what it took `before`, since Stripe knows it by that.
/// Pure but for the time that it notes.
fn ask(
    payment: &pb::Payment,
    request_id: String,
    request: &pb::RefundPaymentRequest,
    before: Option<RefundRequest>,
    open: &[RefundRequest],
) -> Result<RefundRequest, PaymentError> {
    let id = || payment.id.clone();
    let (asked_before, amount_before, intent_before) = before
        .map(|before| (before.asked_at_ms, before.amount, before.payment_intent))
        .unwrap_or_default();
    let named = [intent_before.as_str(), &request.payment_intent];
    let named = named.into_iter().find(|intent| !intent.is_empty());
    let intent = named.or_else(|| ledger::own_intent(payment));
    let intent = intent.ok_or_else(|| PaymentError::NothingPaid { id: id() })?;
    let left =
        ledger::left(payment, intent).ok_or_else(|| PaymentError::NothingPaid { id: id() })?;
    // What Stripe has told of is among the payment's refunds already.
    let told = |one: &&RefundRequest| payment.refunds.iter().any(|refund| is_of(refund, one));
    let of_intent = open.iter().filter(|one| one.payment_intent == intent && !told(one));
    let left = left.saturating_sub(of_intent.map(|one| one.amount).sum());
    let amounts = [amount_before, request.amount];
    let amount = amounts.into_iter().find(|amount| *amount != 0).unwrap_or(left);
    if amount > left || amount <= 0 {
        return Err(PaymentError::TooMuch { id: id(), left: left.max(0) });
    }
    Ok(RefundRequest {
        request_id,
        payment_id: id(),
        payment_intent: intent.to_owned(),
        amount,
        request: request.encode_to_vec(),
        hold: Hold::SetAside,
        asked_at_ms: now_ms().max(asked_before + 1),
    })
}

/// The id under which a request is remembered.
fn id(caller: &Caller, request: &pb::RefundPaymentRequest) -> String {
    let request_id = request.request_id.parse().unwrap_or_default();
    caller.remembered_as(request_id).to_string()
}

/// Whether a refund was made by a request.
pub(super) fn is_of(refund: &pb::Refund, asked: &RefundRequest) -> bool {
    asked.hold == Hold::Made(refund.id.clone()) || is_made_by(refund, &asked.request_id)
}

#[cfg(test)]
mod tests;
