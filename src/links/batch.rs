//! Many links at once.
//!
//! Each item of a batch is a certain write of its own. So a batch needs no memory:
//! whoever breaks off sends the same items again, and those that were made are
//! told again.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, Streaming};
use tracing::Instrument as _;

use super::{Links, find};
use crate::caller::Caller;
use crate::contract::{self, Reason, Violation, Violations};
use crate::dice;
use crate::error::{self, Error};
use crate::pb;
use crate::pb::batch_create_payment_links_response::Result as Outcome;
use crate::pb::payment_link::DeactivationReason;
use crate::storage::{Cursor, LinkListing, SeenLink};

/// What became of the items, as each is certain.
pub(super) type Answers = BoxStream<'static, Result<pb::BatchCreatePaymentLinksResponse, Status>>;

/// How many links one transaction notes the end of.
const PAGE: u32 = 500;
/// The longest wait before an item is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(5);

// === impl Links ===

impl Links {
    /// Creates links, several at a time. What is with Stripe when the caller goes
    /// is finished, and nothing after it is begun.
    pub(super) fn create_all(
        &self,
        items: Streaming<pb::BatchCreatePaymentLinksRequest>,
        caller: Caller,
    ) -> Answers {
        let links = self.clone();
        let items_max = self.config.batch_items_max;
        let answers = items.enumerate().map(move |(at, item)| {
            let (links, caller) = (links.clone(), caller.clone());
            let making = async move {
                let index = i32::try_from(at).unwrap_or(i32::MAX);
                let request = item?.item.unwrap_or_default();
                if u32::try_from(at).is_ok_and(|at| at < items_max) {
                    Ok(links.create_item(index, request, &caller).await)
                } else {
                    let text = format!("are {items_max} at most in one batch");
                    Err(Violations(vec![Violation::new("item", Reason::Count, text)]).into())
                }
            };
            apart(making)
        });
        answers.buffer_unordered(self.config.batch_running_max.get()).boxed()
    }

    /// Creates one link. What passes by itself is waited for.
    async fn create_item(
        &self,
        index: i32,
        request: pb::CreatePaymentLinkRequest,
        caller: &Caller,
    ) -> pb::BatchCreatePaymentLinksResponse {
        let request_id = request.request_id.clone();
        let deadline = Instant::now() + Duration::from_millis(self.config.batch_item_time_ms);
        let mut item = caller.part();
        let outcome = loop {
            if request_id.is_empty() {
                let text = "is required, so that the batch can be sent again";
                break Err(
                    Violations(vec![Violation::new("request_id", Reason::Required, text)]).into()
                );
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.create(request.clone(), item.waiting(left)).await {
                Ok(link) => break Ok(link),
                Err(status) => match error::again_after(&status) {
                    Some(pause) if pause < left => {
                        let pause = pause.min(PAUSE_MAX).mul_f64(dice::between(0.5, 1.0));
                        tokio::time::sleep(pause).await;
                    }
                    _ => break Err(status),
                },
            }
        };
        item.has_ended(error::ended(outcome.as_ref().err())).await;
        let result = match outcome {
            Ok(link) => Outcome::PaymentLink(link),
            Err(status) => Outcome::Failure(error::failure(&status)),
        };
        pb::BatchCreatePaymentLinksResponse { index, request_id, result: Some(result) }
    }

    /// Notes for good that all links that fit are to be deactivated.
    pub(super) async fn deactivate_all(
        &self,
        request: &pb::BatchDeactivatePaymentLinksRequest,
        caller: &Caller,
    ) -> Result<pb::BatchDeactivatePaymentLinksResponse, Status> {
        let filter = request.filter.clone().unwrap_or_default();
        let is_empty = request.filter.is_some() && filter == pb::PaymentLinkFilter::default();
        let text = "must say which links are meant";
        let empty = is_empty.then(|| Violation::new("filter", Reason::Required, text));
        let draft = contract::check(request).and(empty).pass()?;
        self.operations.admit(&draft, caller)?;
        let (mut after, mut matched): (Option<Cursor>, usize) = (None, 0);
        loop {
            let listing =
                LinkListing { after, limit: PAGE, ..find::listing(&filter, caller, Some(true)) };
            let links = self.storage.links(listing).await?;
            matched = matched.saturating_add(links.len());
            after = links.last().map(SeenLink::cursor);
            if after.is_none() {
                return Ok(pb::BatchDeactivatePaymentLinksResponse {
                    matched: i32::try_from(matched).unwrap_or(i32::MAX),
                });
            }
            if !request.validate_only {
                let ids = links.into_iter().map(|seen| seen.link.id).collect();
                self.endings.end(caller.account(), ids, DeactivationReason::Caller).await?;
            }
        }
    }
}

/// Works in a task of its own, for as long as somebody waits: what is being made must
/// not keep a connection to the memory while a caller does not read the answers.
async fn apart<T: Send + 'static>(
    making: impl Future<Output = Result<T, Status>> + Send + 'static,
) -> Result<T, Status> {
    let made = AbortOnDropHandle::new(tokio::spawn(making.in_current_span())).await;
    made.unwrap_or_else(|_| Err(Error::Bug.into()))
}
