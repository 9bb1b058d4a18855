//! Payment links, from their creation to their deactivation.

mod batch;
mod ends;
mod find;
mod qr;
mod replace;
mod rules;
mod share;

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Deserialize;
use tonic::{Request, Response, Status, Streaming};

use crate::caller::Caller;
use crate::clock::Clock;
use crate::contract::{self, Draft};
use crate::endings::{self, Endings, REASON};
use crate::error::{Error, OrderError};
use crate::operations::{Changed, Operations};
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

/// How long to wait for what a link sells beyond what its answer shows.
const ITEMS_TIME: Duration = Duration::from_secs(2);
/// What a caller takes back who activates a link.
static TAKEN_BACK: [DeactivationReason; 2] =
    [DeactivationReason::Caller, DeactivationReason::Replaced];

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

    /// Gives a link that the caller may see. Who sees its owner's links alone is
    /// told of others what is told of links that do not exist.
    async fn seen(&self, id: &str, caller: &Caller) -> Result<pb::PaymentLink, Status> {
        if caller.only_owner().is_none() {
            return Ok(self.stripe.get(id, caller).await?);
        }
        let is_seen = |link: &pb::PaymentLink| caller.sees(&link.owner);
        let link = self.stripe.get_seen(id, caller, is_seen).await?;
        Ok(link.ok_or_else(|| Error::LinkNotFound { id: id.to_owned() })?)
    }

    /// Refuses a link that the caller may not see. Owners do not change, so what
    /// is kept of one will do.
    async fn require_seen(&self, id: &str, caller: &Caller) -> Result<(), Status> {
        if caller.only_owner().is_some() {
            self.seen(id, caller).await?;
        }
        Ok(())
    }

    async fn create(
        &self,
        request: pb::CreatePaymentLinkRequest,
        caller: &Caller,
    ) -> Result<pb::PaymentLink, Status> {
        let link = request.payment_link.as_ref();
        let together = rules::check(link, rules::Purpose::Create);
        let draft = contract::check(&request).and(together).pass()?;
        self.operations.admit(&draft, caller)?;
        let order_ref = link.map(|link| link.order_ref.clone()).unwrap_or_default();
        let owner = caller.owner().unwrap_or_default();
        self.refuse_if_over(owner, &order_ref, &draft, caller).await?;
        let written = contract::check(&ends::dated(request, self.clock.now_ms())).pass()?;
        let made = self.operations.create_as(&written, owner, &draft, caller).await?;
        Ok(self.told(made, &draft, caller).await)
    }

    async fn update(
        &self,
        request: pb::UpdatePaymentLinkRequest,
        caller: &Caller,
    ) -> Result<pb::PaymentLink, Status> {
        let together = rules::check(request.payment_link.as_ref(), rules::Purpose::Update);
        let request = ends::with_end_for_ttl(request);
        let draft = contract::check(&request).and(together).pass()?;
        self.operations.admit(&draft, caller)?;
        let id = draft.resource_id();
        self.require_seen(id, caller).await?;
        let written = contract::check(&ends::dated(request, self.clock.now_ms())).pass()?;
        let mut write = Write::update::<pb::PaymentLink>(&written);
        if write.clears_metadata() {
            let link = self.seen(id, &caller.clone().wanting_fresh()).await?;
            write = write.clearing(link.metadata.keys().map(String::as_str));
        }
        let changed = self.operations.changed(write, &draft, caller).await?;
        Ok(self.told(changed, &draft, caller).await)
    }

    async fn activate(
        &self,
        request: pb::ActivatePaymentLinkRequest,
        caller: &Caller,
    ) -> Result<pb::PaymentLink, Status> {
        let together = ends::check_ttl(request.ttl.as_ref(), "ttl");
        let draft = contract::check(&request).and(together).pass()?;
        self.operations.admit(&draft, caller)?;
        let known = match self.storage.link(&request.id).await? {
            Some(known) if known.account == caller.account() && caller.sees(&known.link.owner) => {
                known.link
            }
            _ => self.seen(&request.id, caller).await?,
        };
        self.refuse_if_over(&known.owner, &known.order_ref, &draft, caller).await?;
        // What was answered before is told again, and takes back nothing that came after.
        if !self.operations.is_known(&draft, caller).await?
            && !self.storage.forget_endings(request.id.clone(), &TAKEN_BACK).await?
        {
            return Err(Error::LinkEnding.into());
        }
        let now_ms = self.clock.now_ms();
        let end = ends::end(request.expire_time, request.ttl, now_ms);
        let mut parameters = vec![("active", "true".to_owned()), (REASON, String::new())];
        match end {
            Some(end) => parameters.push((ends::END, end.seconds.to_string())),
            None if ends::has_passed(known.expire_time, now_ms) => {
                parameters.push((ends::END, String::new()));
            }
            None => {}
        }
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let write = Write::set::<pb::PaymentLink>(&request.id, &parameters);
        let changed = self.operations.changed(write, &draft, caller).await?;
        Ok(self.told(changed, &draft, caller).await)
    }

    /// Lists a page of the links that the caller may see, as Stripe has them. Where
    /// others are among them the page can be short, and the next one starts after
    /// what was looked at.
    async fn list(
        &self,
        draft: &Draft,
        caller: &Caller,
    ) -> Result<pb::ListPaymentLinksResponse, Status> {
        let listed = match caller.only_owner() {
            None => self.stripe.list::<pb::PaymentLink, _>(draft, caller).await?,
            Some(_) => self.stripe.list_many::<pb::PaymentLink, _>(draft, caller).await?,
        };
        let (mut page, mut has_more): (pb::ListPaymentLinksResponse, _) =
            (listed.list, listed.has_more);
        let mut looked_at = page.payment_links.last().map(|link| link.id.clone());
        page.payment_links.retain(|link| caller.sees(&link.owner));
        let size = draft.page().size as usize;
        if page.payment_links.len() > size {
            page.payment_links.truncate(size);
            looked_at = page.payment_links.last().map(|link| link.id.clone());
            has_more = true;
        }
        if let (true, Some(id)) = (has_more, looked_at) {
            page.next_page_token = draft.page().token_after(&id);
        }
        page.payment_links = page.payment_links.into_iter().map(endings::explained).collect();
        Ok(page)
    }

    /// Refuses to make a link payable whose order is paid or closed, unless that
    /// was asked before it was.
    async fn refuse_if_over(
        &self,
        owner: &str,
        order_ref: &str,
        draft: &Draft,
        caller: &Caller,
    ) -> Result<(), Status> {
        if order_ref.is_empty() {
            return Ok(());
        }
        let over = self
            .storage
            .order(caller.account(), owner, order_ref)
            .await?
            .and_then(|order| order.over());
        if over.is_none() || self.operations.is_known(draft, caller).await? {
            return Ok(());
        }
        let order_ref = order_ref.to_owned();
        Err(match over {
            Some(DeactivationReason::OrderPaid) => OrderError::Paid { order_ref },
            _ => OrderError::Closed { order_ref },
        }
        .into())
    }

    /// Notes how a link was after a change, and gives it as callers see it.
    ///
    /// An answer that is told again tells of the time of its write, and what is known of
    /// later counts. What is missed here is brought by the event of the change. So nobody
    /// waits for it, but where an order or an end depends on it.
    async fn told(
        &self,
        changed: Changed<pb::PaymentLink>,
        draft: &Draft,
        caller: &Caller,
    ) -> pb::PaymentLink {
        let Changed { resource: link, sent_at_ms: seen_at_ms } = changed;
        if draft.validate_only() {
            return link;
        }
        let (account, created_at_ms) = (caller.account().to_owned(), self.clock.now_ms());
        let seen = SeenLink { account, link: link.clone(), created_at_ms, seen_at_ms };
        let noted = self.clone().note(seen);
        if link.expire_time.is_some() || !link.order_ref.is_empty() {
            noted.await;
            self.endings.wake();
        } else {
            tokio::spawn(noted);
        }
        endings::explained(link)
    }

    async fn note(self, mut seen: SeenLink) {
        let id = seen.link.id.clone();
        if let Err(error) = self.complete(&mut seen).await {
            tracing::warn!(%error, link.id = id, "A link is not found by all that it sells");
        }
        if let Err(error) = self.storage.put_link(seen, self.clock.now_ms()).await {
            tracing::warn!(%error, link.id = id, "A link is not in the index yet");
        }
    }

    /// Adds what an answer does not show of all that a link sells, where the index does
    /// not know the link. What is sold never changes.
    async fn complete(&self, seen: &mut SeenLink) -> Result<(), Status> {
        if stripe::may_sell_more(&seen.link) && self.storage.link(&seen.link.id).await?.is_none() {
            let itself = Caller::itself(ITEMS_TIME).at(&seen.account);
            seen.link.line_items = self.stripe.all_line_items(&seen.link, &itself).await?;
        }
        Ok(())
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
        Ok(Response::new(endings::explained(self.seen(&request.id, &caller).await?)))
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
        Ok(Response::new(match &request.filter {
            Some(_) => find::list(&self.storage, &caller, &request, &draft).await?,
            None => self.list(&draft, &caller).await?,
        }))
    }

    async fn list_line_items(
        &self,
        request: Request<pb::ListLineItemsRequest>,
    ) -> Result<Response<pb::ListLineItemsResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        self.require_seen(&request.payment_link, &caller).await?;
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
        self.operations.admit(&draft, &caller)?;
        self.require_seen(&request.id, &caller).await?;
        let parameters = [("active", "false"), (REASON, "caller")];
        let write = Write::set::<pb::PaymentLink>(&request.id, &parameters);
        let changed = self.operations.changed(write, &draft, &caller).await?;
        Ok(Response::new(self.told(changed, &draft, &caller).await))
    }

    async fn replace_payment_link(
        &self,
        request: Request<pb::ReplacePaymentLinkRequest>,
    ) -> Result<Response<pb::ReplacePaymentLinkResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        Ok(Response::new(Box::pin(self.replace(request, &caller)).await?))
    }

    async fn share_url(
        &self,
        request: Request<pb::ShareUrlRequest>,
    ) -> Result<Response<pb::ShareUrlResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        let link = self.seen(&request.id, &caller).await?;
        let url = share::url(&link, &request.options.unwrap_or_default())?;
        Ok(Response::new(pb::ShareUrlResponse { url }))
    }

    async fn render_qr_code(
        &self,
        request: Request<pb::RenderQrCodeRequest>,
    ) -> Result<Response<pb::RenderQrCodeResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        let link = self.seen(&request.id, &caller).await?;
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
