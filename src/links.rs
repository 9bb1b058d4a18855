//! Payment links, from their creation to their deactivation.

mod rules;

use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::contract::{self, Draft};
use crate::error::Error;
use crate::operations::Operations;
use crate::pb::{self, payment_link_service_server::PaymentLinkService};
use crate::stripe::{self, Write};

/// The payment links, as Stripe keeps them.
#[derive(Debug, Clone)]
pub struct Links {
    stripe: stripe::Client,
    operations: Operations,
}

// === impl Links ===

impl Links {
    /// Serves the payment links of the client's account.
    #[must_use]
    pub fn new(stripe: stripe::Client, operations: Operations) -> Self {
        Self { stripe, operations }
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

    async fn update(&self, draft: &Draft, caller: &Caller) -> Result<pb::PaymentLink, Status> {
        let id = draft.resource_id();
        self.require_seen(id, caller).await?;
        if !Write::update::<pb::PaymentLink>(draft).clears_metadata() {
            return Ok(self.operations.update(draft, caller).await?);
        }
        let link = self.seen(id, &caller.clone().wanting_fresh()).await?;
        let keys = link.metadata.keys().map(String::as_str);
        Ok(self.operations.update_among(draft, keys, caller).await?)
    }

    /// Lists a page of the links that the caller may see. Where others are among
    /// them the page can be short, and the next one starts after what was looked at.
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
        Ok(page)
    }
}

#[tonic::async_trait]
impl PaymentLinkService for Links {
    async fn create_payment_link(
        &self,
        request: Request<pb::CreatePaymentLinkRequest>,
    ) -> Result<Response<pb::PaymentLink>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let together = rules::check(request.payment_link.as_ref(), rules::Purpose::Create);
        let draft = contract::check(&request).and(together).pass()?;
        Ok(Response::new(self.operations.create(&draft, &caller).await?))
    }

    async fn get_payment_link(
        &self,
        request: Request<pb::GetPaymentLinkRequest>,
    ) -> Result<Response<pb::PaymentLink>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        Ok(Response::new(self.seen(&request.id, &caller).await?))
    }

    async fn update_payment_link(
        &self,
        request: Request<pb::UpdatePaymentLinkRequest>,
    ) -> Result<Response<pb::PaymentLink>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let together = rules::check(request.payment_link.as_ref(), rules::Purpose::Update);
        let draft = contract::check(&request).and(together).pass()?;
        Ok(Response::new(self.update(&draft, &caller).await?))
    }

    async fn list_payment_links(
        &self,
        request: Request<pb::ListPaymentLinksRequest>,
    ) -> Result<Response<pb::ListPaymentLinksResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        Ok(Response::new(self.list(&draft, &caller).await?))
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
        let draft = contract::check(&request).pass()?;
        self.require_seen(&request.id, &caller).await?;
        Ok(Response::new(
            self.operations.set(&request.id, ("active", "true"), &draft, &caller).await?,
        ))
    }

    async fn deactivate_payment_link(
        &self,
        request: Request<pb::DeactivatePaymentLinkRequest>,
    ) -> Result<Response<pb::PaymentLink>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        self.require_seen(&request.id, &caller).await?;
        Ok(Response::new(
            self.operations.set(&request.id, ("active", "false"), &draft, &caller).await?,
        ))
    }
}
