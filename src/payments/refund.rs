//! Money back: what it takes is set aside before Stripe is asked, so that two
//! refunds together never take more than is left.

use std::time::Duration;

use prost::Message as _;
use tonic::Status;

use super::ledger::{self, Told};
use super::{Payments, account, is_seen, now_ms};
use crate::caller::Caller;
use crate::contract::{self, Reason, Violation};
use crate::error::{Error, PaymentError};
use crate::pb;
use crate::pb::refund;
use crate::storage::{self, RefundRequest, Transaction};

/// The note that ties a refund at Stripe to the request that made it.
const NOTE: &str = "paylink_request";

/// How long what was asked for stays set aside when Stripe's answer was lost.
/// Should the refund have been made, Stripe has told of it long before.
const SET_ASIDE: Duration = Duration::from_hours(48);

/// A refund that is to be made, or was made before.
enum Asked {
    New(RefundRequest),
    Made(pb::Refund),
}

// === impl Payments ===

impl Payments {
    /// Refunds a payment, and gives the refund as Stripe made it.
    pub(super) async fn refund(
        &self,
        caller: &Caller,
        mut request: pb::RefundPaymentRequest,
    ) -> Result<pb::Refund, Status> {
        let draft = contract::check(&request).and(rules(&request)).pass()?;
        self.writes.admit(&draft, caller)?;
        request.request_id = draft.request_id().to_string();
        let (asking, of) = (request.clone(), caller.clone());
        let id = caller.remembered_as(draft.request_id()).to_string();
        let asked = self.storage.write(move |mut transaction| {
            Box::pin(async move { set_aside(&mut transaction, &of, id, asking).await })
        });
        let asked = match asked.await?? {
            Asked::Made(refund) => return Ok(refund),
            Asked::New(asked) => asked,
        };
        request.amount = asked.amount;
        request.payment_intent.clone_from(&asked.payment_intent);
        request.metadata.insert(NOTE.to_owned(), asked.request_id.clone());
        let draft = contract::check(&request).pass()?;
        match self.writes.create::<pb::Refund>(&draft, caller).await {
            Ok(refund) => {
                self.made(caller, asked, refund.clone()).await?;
                Ok(refund)
            }
            Err(error) => {
                // Anything else may still become a refund.
                if error.had_no_effect() {
                    let id = asked.request_id;
                    let dropped = self.storage.write(move |mut transaction| {
                        Box::pin(async move { transaction.drop_refund_request(&id).await })
                    });
                    dropped.await?;
                }
                Err(error.into())
            }
        }
    }

    /// Adds a refund to its payment at once, without waiting for its event.
    async fn made(
        &self,
        caller: &Caller,
        asked: RefundRequest,
        refund: pb::Refund,
    ) -> Result<(), storage::Error> {
        let account = caller.account().to_owned();
        let written = self.storage.write(move |mut transaction| {
            Box::pin(async move {
                let id = &asked.request_id;
                transaction.settle_refund_request(id, &refund.id).await?;
                let Some(told) = ledger::refunded(&refund, "") else { return Ok(()) };
                let told = Told { payment: Some(asked.payment_id.clone()), ..told };
                account::add(&mut transaction, &asked.payment_id, told, (&account, "")).await?;
                Ok(())
            })
        });
        written.await?;
        self.changed.send_replace(());
        // What waited for the refund's charge may be due now.
        self.arrival.notify_one();
        Ok(())
    }
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
    id: String,
    request: pb::RefundPaymentRequest,
) -> Result<Result<Asked, Status>, storage::Error> {
    let known = transaction.known(&request.payment).await?;
    let Some(known) = known.filter(|known| is_seen(&known.payment, caller)) else {
        return Ok(Err(Error::PaymentNotFound { id: request.payment }.into()));
    };
    let since_ms = now_ms().saturating_sub_unsigned(SET_ASIDE.as_secs() * 1_000);
    if let Some(before) = transaction.refund_request(&id).await? {
        if pb::RefundPaymentRequest::decode(before.request.as_slice()).ok().as_ref()
            != Some(&request)
        {
            return Ok(Err(PaymentError::RequestIdReused.into()));
        }
        let made = known.payment.refunds.iter().find(|one| is_of(one, &before));
        if let Some(refund) = made {
            return Ok(Ok(Asked::Made(refund.clone())));
        }
        if before.asked_at_ms >= since_ms {
            return Ok(Ok(Asked::New(before)));
        }
        // It was never made, and what is left may be something else by now.
        transaction.drop_refund_request(&id).await?;
    }
    let open = transaction.open_refund_requests(&request.payment, since_ms).await?;
    let asked = match ask(&known.payment, id, &request, &open) {
        Ok(asked) => asked,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    transaction.put_refund_request(&asked).await?;
    Ok(Ok(Asked::New(asked)))
}

/// Decides what a request takes. Pure but for the time that it notes.
fn ask(
    payment: &pb::Payment,
    request_id: String,
    request: &pb::RefundPaymentRequest,
    open: &[RefundRequest],
) -> Result<RefundRequest, PaymentError> {
    let id = || payment.id.clone();
    let named = Some(request.payment_intent.as_str()).filter(|intent| !intent.is_empty());
    let intent = named.or_else(|| ledger::own_intent(payment));
    let intent = intent.ok_or_else(|| PaymentError::NothingPaid { id: id() })?;
    let left =
        ledger::left(payment, intent).ok_or_else(|| PaymentError::NothingPaid { id: id() })?;
    // What Stripe has told of is among the payment's refunds already.
    let told = |one: &&RefundRequest| payment.refunds.iter().any(|refund| is_of(refund, one));
    let of_intent = open.iter().filter(|one| one.payment_intent == intent && !told(one));
    let left = left.saturating_sub(of_intent.map(|one| one.amount).sum());
    let amount = if request.amount == 0 { left } else { request.amount };
    if amount > left || amount <= 0 {
        return Err(PaymentError::TooMuch { id: id(), left: left.max(0) });
    }
    Ok(RefundRequest {
        request_id,
        payment_id: id(),
        payment_intent: intent.to_owned(),
        amount,
        request: request.encode_to_vec(),
        refund_id: String::new(),
        asked_at_ms: now_ms(),
    })
}

/// Whether a refund was made by a request.
fn is_of(refund: &pb::Refund, asked: &RefundRequest) -> bool {
    refund.id == asked.refund_id || refund.metadata.get(NOTE) == Some(&asked.request_id)
}
