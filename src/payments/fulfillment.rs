//! Who ships what: a lease on a payment that is safe to ship, closed for good
//! or given back. Each request is answered once, and again with the same.

mod rules;
mod search;

use std::time::Duration;

use tonic::Status;
use uuid::Uuid;

use self::rules::Claiming;
use self::search::Search;
use super::filter::Filter;
use super::{Payments, books, is_seen, now_ms};
use crate::caller::Caller;
use crate::contract::{self, Draft};
use crate::error::{Error, PaymentError};
use crate::pb;
use crate::storage::{self, Answered, Known, Transaction};

/// How long a claim lasts that does not say.
const LEASE_DEFAULT: Duration = Duration::from_mins(5);
/// A refusal that is the caller's to know, or what storage says.
type Outcome<T> = Result<Result<T, Status>, storage::Error>;

// === impl Payments ===

impl Payments {
    /// Claims the payment that the request names, or the next.
    pub(super) async fn claim(
        &self,
        caller: &Caller,
        mut request: pb::ClaimFulfillmentRequest,
    ) -> Result<pb::ClaimFulfillmentResponse, Status> {
        let draft = contract::check(&request).and(rules::claim(&request)).pass()?;
        let id = self.admitted(&draft, caller)?;
        request.request_id = draft.request_id().to_string();
        let filter = Filter::new(String::new(), request.filter.clone()).seen_by(caller);
        let mut search = Search::new(&self.storage, filter);
        let is_named = !request.payment.is_empty();
        // Of workers who ask at once, all find the same; who comes too late looks on.
        loop {
            let candidates =
                if is_named { vec![request.payment.clone()] } else { search.next().await? };
            let is_last = candidates.is_empty();
            if let Some(answer) = self.try_each(caller, &request, &id, candidates).await? {
                caller.is_about(answer.payment.as_ref().map_or("", |payment| &payment.id));
                return Ok(answer);
            }
            if is_last {
                search.end()?;
                return Ok(pb::ClaimFulfillmentResponse::default());
            }
        }
    }

    /// Claims the first of these that can be, or answers as before. `None` where there is
    /// none; of a payment that the request names it is said why.
    async fn try_each(
        &self,
        caller: &Caller,
        request: &pb::ClaimFulfillmentRequest,
        id: &str,
        candidates: Vec<String>,
    ) -> Result<Option<pb::ClaimFulfillmentResponse>, Status> {
        let (caller, request, id) = (caller.clone(), request.clone(), id.to_owned());
        let is_named = !request.payment.is_empty();
        let answer = self.storage.write(move |mut transaction| {
            Box::pin(async move {
                if let Some(answer) = replay(&mut transaction, &request, &id).await? {
                    return Ok(answer.map(Some));
                }
                let lease = u64::try_from(request.lease_seconds).ok().filter(|lease| *lease > 0);
                let claiming = Claiming {
                    worker: request.worker.clone(),
                    lease: lease.map_or(LEASE_DEFAULT, Duration::from_secs),
                    claim: Uuid::new_v4().simple().to_string(),
                    now_ms: now_ms(),
                };
                for candidate in candidates {
                    let known = transaction.known(&candidate).await?;
                    let Some(known) = known.filter(|known| is_seen(&known.payment, &caller)) else {
                        continue;
                    };
                    match rules::claimed(&known, &claiming) {
                        Ok(payment) => {
                            let claim = claiming.claim.clone();
                            books::put(&mut transaction, &known, payment.clone(), claim.clone())
                                .await?;
                            let payment = Some(payment);
                            let answer = pb::ClaimFulfillmentResponse { payment, claim };
                            keep(&mut transaction, &request, &answer, &id).await?;
                            return Ok(Ok(Some(answer)));
                        }
                        Err(refusal) if is_named => return Ok(Err(refusal.into())),
                        // Another worker was faster, or the payment has changed.
                        Err(_) => {}
                    }
                }
                if is_named {
                    return Ok(Err(Error::PaymentNotFound { id: request.payment }.into()));
                }
                Ok(Ok(None))
            })
        });
        self.told(answer.await)
    }

    /// Closes a claim for good.
    pub(super) async fn complete(
        &self,
        caller: &Caller,
        mut request: pb::CompleteFulfillmentRequest,
    ) -> Result<pb::Payment, Status> {
        let draft = contract::check(&request).pass()?;
        let id = self.admitted(&draft, caller)?;
        request.request_id = draft.request_id().to_string();
        self.end(caller, (request.payment.clone(), id), request, |request, known| {
            rules::completed(known, &request.claim, request.reference.clone(), now_ms())
        })
        .await
    }

    /// Gives a claim back.
    pub(super) async fn release(
        &self,
        caller: &Caller,
        mut request: pb::ReleaseFulfillmentRequest,
    ) -> Result<pb::Payment, Status> {
        let draft = contract::check(&request).pass()?;
        let id = self.admitted(&draft, caller)?;
        request.request_id = draft.request_id().to_string();
        self.end(caller, (request.payment.clone(), id), request, |request, known| {
            rules::released(known, &request.claim)
        })
        .await
    }

    /// Ends the claim on a payment as the rule says, or answers as before.
    async fn end<R>(
        &self,
        caller: &Caller,
        (payment, id): (String, String),
        request: R,
        rule: fn(&R, &Known) -> Result<pb::Payment, PaymentError>,
    ) -> Result<pb::Payment, Status>
    where
        R: prost::Message + Clone + Default + PartialEq + 'static,
    {
        let caller = caller.clone();
        let answer = self.storage.write(move |mut transaction| {
            Box::pin(async move {
                if let Some(answer) = replay(&mut transaction, &request, &id).await? {
                    return Ok(answer);
                }
                let known = transaction.known(&payment).await?;
                let Some(known) = known.filter(|known| is_seen(&known.payment, &caller)) else {
                    return Ok(Err(Error::PaymentNotFound { id: payment }.into()));
                };
                match rule(&request, &known) {
                    Err(refusal) => Ok(Err(refusal.into())),
                    Ok(ended) => {
                        let claim = known.claim.clone();
                        books::put(&mut transaction, &known, ended.clone(), claim).await?;
                        keep(&mut transaction, &request, &ended, &id).await?;
                        Ok(Ok(ended))
                    }
                }
            })
        });
        self.told(answer.await)
    }

    /// Puts the call under its id, and gives the one by which it is answered once.
    fn admitted(&self, draft: &Draft, caller: &Caller) -> Result<String, Status> {
        self.writes.admit(draft, caller)?;
        Ok(caller.remembered_as(draft.request_id()).to_string())
    }

    /// Wakes the watchers of a change, and unwraps its answer.
    fn told<T>(&self, answer: Outcome<T>) -> Result<T, Status> {
        let answer = answer??;
        self.changed.send_replace(());
        Ok(answer)
    }
}

/// Gives the answer that a request has got before; `None` where it is new.
async fn replay<R, A>(
    transaction: &mut Transaction<'_>,
    request: &R,
    id: &str,
) -> Result<Option<Result<A, Status>>, storage::Error>
where
    R: prost::Message + Default + PartialEq,
    A: prost::Message + Default,
{
    let Some(answered) = transaction.answered(id).await? else { return Ok(None) };
    // Maps have no order of their own, so messages are compared and not bytes.
    if R::decode(answered.request.as_slice()).ok().as_ref() != Some(request) {
        return Ok(Some(Err(PaymentError::RequestIdReused.into())));
    }
    let corrupt = || storage::Error::Corrupt { what: format!("the answer to request {id}") };
    let answer = A::decode(answered.answer.as_slice()).map_err(|_| corrupt())?;
    Ok(Some(Ok(answer)))
}

async fn keep(
    transaction: &mut Transaction<'_>,
    request: &impl prost::Message,
    answer: &impl prost::Message,
    id: &str,
) -> Result<(), storage::Error> {
    let answered = Answered { request: request.encode_to_vec(), answer: answer.encode_to_vec() };
    transaction.put_answer(id, answered, now_ms()).await
}

#[cfg(test)]
mod tests;
