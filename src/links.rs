//! Payment links, from their creation to their deactivation.

mod batch;
mod ends;
mod find;
mod qr;
mod replace;
mod rules;
mod share;

use std::num::NonZeroUsize;

use serde::Deserialize;
use tonic::{Request, Response, Status, Streaming};

use crate::caller::Caller;
use crate::clock::Clock;
use crate::contract::{self, Draft};
use crate::endings::{Endings, REASON};
use crate::error::OrderError;
use crate::operations::Operations;
use crate::pb::payment_link::DeactivationReason;
use crate::pb::{self, payment_link_service_server::PaymentLinkService};
use crate::storage::{SeenLink, Storage};
use crate::stripe::{self, Write};

/// The bounds of what is done to many links at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many items one `BatchCreatePaymentLinks` takes.
    pub batch_items_max: u32,
    /// How many items of one batch are with Stripe at the same time.
    pub batch_running_max: NonZeroUsize,
    /// How long an item of a batch is tried for, in milliseconds.
    pub batch_item_time_ms: u64,
}

/// The payment links, as Stripe keeps them.
#[derive(Debug, Clone)]
pub struct Links {
    config: Config,
    stripe: stripe::Client,
    operations: Operations,
    storage: Storage,
    endings: Endings,
    clock: Clock,
}

// === impl Links ===

impl Links {
    /// Serves the payment links of the client's account.
    #[must_use]
    pub fn new(
        config: &Config,
        stripe: stripe::Client,
        operations: Operations,
        storage: Storage,
        endings: Endings,
        clock: Clock,
    ) -> Self {
        Self { config: config.clone(), stripe, operations, storage, endings, clock }
    }

    async fn create(
        &self,
        request: pb::CreatePaymentLinkRequest,
        caller: &Caller,
    ) -> Result<pb::PaymentLink, Status> {
        let link = request.payment_link.as_ref();
        let together = rules::check(link, rules::Purpose::Create);
        let draft = contract::check(&request).and(together).pass()?;
        let order_ref = link.map(|link| link.order_ref.clone()).unwrap_or_default();
        self.refuse_if_over(&order_ref, &draft).await?;
        let written = contract::check(&ends::dated(request, self.clock.now_ms())).pass()?;
        let link = self.operations.create_as(&written, &draft, caller).await?;
        Ok(self.told(link, &draft).await)
    }

    async fn update(
        &self,
        request: pb::UpdatePaymentLinkRequest,
        caller: &Caller,
    ) -> Result<pb::PaymentLink, Status> {
        let together = rules::check(request.payment_link.as_ref(), rules::Purpose::Update);
        let request = ends::with_end_for_ttl(request);
        let draft = contract::check(&request).and(together).pass()?;
        let written = contract::check(&ends::dated(request, self.clock.now_ms())).pass()?;
        let mut write = Write::update::<pb::PaymentLink>(&written);
        if write.clears_notes() && !draft.validate_only() {
            let now: pb::PaymentLink =
                self.stripe.get(draft.resource_id(), &caller.clone().wanting_fresh()).await?;
            write = write.clearing(now.metadata.keys());
        }
        let link = self.operations.change(write, &draft, caller).await?;
        Ok(self.told(link, &draft).await)
    }

    async fn activate(
        &self,
        request: pb::ActivatePaymentLinkRequest,
        caller: &Caller,
    ) -> Result<pb::PaymentLink, Status> {
        let together = ends::check_ttl(request.ttl.as_ref(), "ttl");
        let draft = contract::check(&request).and(together).pass()?;
        let known = match self.storage.link(&request.id).await? {
            Some(known) => known.link,
            None => self.stripe.get(&request.id, caller).await?,
        };
        self.refuse_if_over(&known.order_ref, &draft).await?;
        for reason in [DeactivationReason::Caller, DeactivationReason::Replaced] {
            self.storage.forget_ending(request.id.clone(), reason).await?;
        }
        let now_ms = self.clock.now_ms();
        let end = ends::end(request.expire_time, request.ttl, now_ms);
        let has_passed = ends::has_passed(known.expire_time, now_ms);
        let mut parameters = vec![("active", "true".to_owned()), (REASON, String::new())];
        match end {
            Some(end) => parameters.push((ends::END, end.seconds.to_string())),
            None if has_passed => parameters.push((ends::END, String::new())),
            None => {}
        }
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let write = Write::set::<pb::PaymentLink>(&request.id, &parameters);
        let link = self.operations.change(write, &draft, caller).await?;
        Ok(self.told(link, &draft).await)
    }

    /// Refuses to make a link payable whose order is paid or closed, unless that
    /// was asked before it was.
    async fn refuse_if_over(&self, order_ref: &str, draft: &Draft) -> Result<(), Status> {
        if order_ref.is_empty() {
            return Ok(());
        }
        let over = self.storage.order(order_ref).await?.and_then(|order| order.over());
        if over.is_none() || self.operations.is_known(draft).await? {
            return Ok(());
        }
        let order_ref = order_ref.to_owned();
        Err(match over {
            Some(DeactivationReason::OrderPaid) => OrderError::Paid { order_ref },
            _ => OrderError::Closed { order_ref },
        }
        .into())
    }

    /// Notes how a link is after a change, and gives it as callers see it.
    async fn told(&self, link: pb::PaymentLink, draft: &Draft) -> pb::PaymentLink {
        if !draft.validate_only() && !link.id.is_empty() {
            let now_ms = self.clock.now_ms();
            let seen = SeenLink { link: link.clone(), created_at_ms: now_ms, seen_at_ms: now_ms };
            let ends = link.active && (link.expire_time.is_some() || !link.order_ref.is_empty());
            // What is missed here is brought by the event of the change.
            match self.storage.put_link(seen, now_ms).await {
                Ok(()) if ends => self.endings.wake(),
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, link.id, "A link is not in the index for now");
                }
            }
        }
        ends::explained(link)
    }
}

#[tonic::async_trait]
impl PaymentLinkService for Links {
    async fn create_payment_link(
        &self,
        request: Request<pb::CreatePaymentLinkRequest>,
    ) -> Result<Response<pb::PaymentLink>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        Ok(Response::new(self.create(request, &caller).await?))
    }

    async fn get_payment_link(
        &self,
        request: Request<pb::GetPaymentLinkRequest>,
    ) -> Result<Response<pb::PaymentLink>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        let link = self.stripe.get(&request.id, &caller).await?;
        Ok(Response::new(ends::explained(link)))
    }

    async fn update_payment_link(
        &self,
        request: Request<pb::UpdatePaymentLinkRequest>,
    ) -> Result<Response<pb::PaymentLink>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        Ok(Response::new(self.update(request, &caller).await?))
    }

    async fn list_payment_links(
        &self,
        request: Request<pb::ListPaymentLinksRequest>,
    ) -> Result<Response<pb::ListPaymentLinksResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        if request.filter.is_some() {
            return Ok(Response::new(find::list(&self.storage, &request, &draft).await?));
        }
        let listed = self.stripe.list::<pb::PaymentLink, _>(&draft, &caller).await?;
        let mut list: pb::ListPaymentLinksResponse = listed.list;
        if let (true, Some(last)) = (listed.has_more, list.payment_links.last()) {
            list.next_page_token = draft.page().token_after(&last.id);
        }
        list.payment_links = list.payment_links.into_iter().map(ends::explained).collect();
        Ok(Response::new(list))
    }

    async fn list_line_items(
        &self,
        request: Request<pb::ListLineItemsRequest>,
    ) -> Result<Response<pb::ListLineItemsResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        let listed = self.stripe.link_line_items(&request.payment_link, &draft, &caller).await?;
        let mut list = listed.list;
        if let (true, Some(last)) = (listed.has_more, list.line_items.last()) {
            list.next_page_token = draft.page().token_after(&last.id);
        }
        Ok(Response::new(list))
    }

    async fn activate_payment_link(
        &self,
        request: Request<pb::ActivatePaymentLinkRequest>,
    ) -> Result<Response<pb::PaymentLink>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        Ok(Response::new(self.activate(request, &caller).await?))
    }

    async fn deactivate_payment_link(
        &self,
        request: Request<pb::DeactivatePaymentLinkRequest>,
    ) -> Result<Response<pb::PaymentLink>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        let parameters = [("active", "false"), (REASON, "caller")];
        let write = Write::set::<pb::PaymentLink>(&request.id, &parameters);
        let link = self.operations.change(write, &draft, &caller).await?;
        Ok(Response::new(self.told(link, &draft).await))
    }

    async fn replace_payment_link(
        &self,
        request: Request<pb::ReplacePaymentLinkRequest>,
    ) -> Result<Response<pb::ReplacePaymentLinkResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        Ok(Response::new(self.replace(request, &caller).await?))
    }

    async fn share_url(
        &self,
        request: Request<pb::ShareUrlRequest>,
    ) -> Result<Response<pb::ShareUrlResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        let link = self.stripe.get(&request.id, &caller).await?;
        let url = share::url(&link, &request.options.unwrap_or_default())?;
        Ok(Response::new(pb::ShareUrlResponse { url }))
    }

    async fn render_qr_code(
        &self,
        request: Request<pb::RenderQrCodeRequest>,
    ) -> Result<Response<pb::RenderQrCodeResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        let link = self.stripe.get(&request.id, &caller).await?;
        let options = request.options.clone().unwrap_or_default();
        Ok(Response::new(qr::render(share::url(&link, &options)?, &request)?))
    }

    type BatchCreatePaymentLinksStream = batch::Answers;

    async fn batch_create_payment_links(
        &self,
        request: Request<Streaming<pb::BatchCreatePaymentLinksRequest>>,
    ) -> Result<Response<Self::BatchCreatePaymentLinksStream>, Status> {
        let (caller, items) = (Caller::of(&request), request.into_inner());
        Ok(Response::new(self.create_all(items, caller)))
    }

    async fn batch_deactivate_payment_links(
        &self,
        request: Request<pb::BatchDeactivatePaymentLinksRequest>,
    ) -> Result<Response<pb::BatchDeactivatePaymentLinksResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        Ok(Response::new(self.deactivate_all(&request, &caller).await?))
    }
}
