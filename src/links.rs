//! Payment links, from their creation to their deactivation.

mod rules;

use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::contract;
use crate::operations::Operations;
use crate::pb::{self, payment_link_service_server::PaymentLinkService};
use crate::stripe;

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
        Ok(Response::new(self.stripe.get(&request.id, &caller).await?))
    }

    async fn update_payment_link(
        &self,
        request: Request<pb::UpdatePaymentLinkRequest>,
    ) -> Result<Response<pb::PaymentLink>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let together = rules::check(request.payment_link.as_ref(), rules::Purpose::Update);
        let draft = contract::check(&request).and(together).pass()?;
        Ok(Response::new(self.operations.update(&draft, &caller).await?))
    }

    async fn list_payment_links(
        &self,
        request: Request<pb::ListPaymentLinksRequest>,
    ) -> Result<Response<pb::ListPaymentLinksResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        let listed = self.stripe.list::<pb::PaymentLink, _>(&draft, &caller).await?;
        let mut list: pb::ListPaymentLinksResponse = listed.list;
        if let (true, Some(last)) = (listed.has_more, list.payment_links.last()) {
            list.next_page_token = draft.page().token_after(&last.id);
        }
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
        let draft = contract::check(&request).pass()?;
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
        Ok(Response::new(
            self.operations.set(&request.id, ("active", "false"), &draft, &caller).await?,
        ))
    }
}
