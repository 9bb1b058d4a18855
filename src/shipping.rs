//! Shipping rates: what buyers can choose to have goods sent, and how.

mod rules;

use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::contract;
use crate::operations::Operations;
use crate::pb::{self, shipping_rate_service_server::ShippingRateService};
use crate::stripe;

/// The shipping rates, as Stripe keeps them.
#[derive(Debug, Clone)]
pub struct ShippingRates {
    stripe: stripe::Client,
    operations: Operations,
}

// === impl ShippingRates ===

impl ShippingRates {
    /// Serves the shipping rates of the client's account.
    #[must_use]
    pub fn new(stripe: stripe::Client, operations: Operations) -> Self {
        Self { stripe, operations }
    }
}

#[tonic::async_trait]
impl ShippingRateService for ShippingRates {
    async fn create_shipping_rate(
        &self,
        request: Request<pb::CreateShippingRateRequest>,
    ) -> Result<Response<pb::ShippingRate>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let together = rules::check(request.shipping_rate.as_ref());
        let draft = contract::check(&request).and(together).pass()?;
        Ok(Response::new(self.operations.create(&draft, &caller).await?))
    }

    async fn get_shipping_rate(
        &self,
        request: Request<pb::GetShippingRateRequest>,
    ) -> Result<Response<pb::ShippingRate>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        Ok(Response::new(self.stripe.get(&request.id, &caller).await?))
    }

    async fn update_shipping_rate(
        &self,
        request: Request<pb::UpdateShippingRateRequest>,
    ) -> Result<Response<pb::ShippingRate>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        Ok(Response::new(self.operations.update(&draft, &caller).await?))
    }

    async fn list_shipping_rates(
        &self,
        request: Request<pb::ListShippingRatesRequest>,
    ) -> Result<Response<pb::ListShippingRatesResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        let listed = self.stripe.list::<pb::ShippingRate, _>(&draft, &caller).await?;
        let mut list: pb::ListShippingRatesResponse = listed.list;
        if let (true, Some(last)) = (listed.has_more, list.shipping_rates.last()) {
            list.next_page_token = draft.page().token_after(&last.id);
        }
        Ok(Response::new(list))
    }
}
