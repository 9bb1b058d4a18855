//! The catalogue: products and their prices.

mod replace;
mod rules;

use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::contract;
use crate::operations::Operations;
use crate::pb::{self, catalog_service_server::CatalogService};
use crate::stripe;

/// The catalogue, as Stripe keeps it.
#[derive(Debug, Clone)]
pub struct Catalog {
    stripe: stripe::Client,
    operations: Operations,
}

// === impl Catalog ===

impl Catalog {
    /// Serves the catalogue of the client's account.
    #[must_use]
    pub fn new(stripe: stripe::Client, operations: Operations) -> Self {
        Self { stripe, operations }
    }
}

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn create_product(
        &self,
        request: Request<pb::CreateProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let together = rules::product(request.product.as_ref());
        let draft = contract::check(&request).and(together).pass()?;
        Ok(Response::new(self.operations.create(&draft, &caller).await?))
    }

    async fn get_product(
        &self,
        request: Request<pb::GetProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        Ok(Response::new(self.stripe.get(&request.id, &caller).await?))
    }

    async fn update_product(
        &self,
        request: Request<pb::UpdateProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        Ok(Response::new(self.operations.update(&draft, &caller).await?))
    }

    async fn list_products(
        &self,
        request: Request<pb::ListProductsRequest>,
    ) -> Result<Response<pb::ListProductsResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        let listed = self.stripe.list::<pb::Product, _>(&draft, &caller).await?;
        let mut list: pb::ListProductsResponse = listed.list;
        if let (true, Some(last)) = (listed.has_more, list.products.last()) {
            list.next_page_token = draft.page().token_after(&last.id);
        }
        Ok(Response::new(list))
    }

    async fn delete_product(
        &self,
        request: Request<pb::DeleteProductRequest>,
    ) -> Result<Response<()>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        self.operations.delete::<pb::Product>(&request.id, &draft, &caller).await?;
        Ok(Response::new(()))
    }

    async fn create_price(
        &self,
        request: Request<pb::CreatePriceRequest>,
    ) -> Result<Response<pb::Price>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let together = rules::price(request.price.as_ref());
        let draft = contract::check(&request).and(together).pass()?;
        Ok(Response::new(self.operations.create(&draft, &caller).await?))
    }

    async fn replace_price(
        &self,
        request: Request<pb::ReplacePriceRequest>,
    ) -> Result<Response<pb::Price>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let together = rules::price(request.price.as_ref());
        let draft = contract::check(&request).and(together).pass()?;
        self.operations.admit(&draft, &caller)?;
        match self.replace(request, &draft, &caller).await {
            Ok(price) => Ok(Response::new(price)),
            Err(replace::Error::Refused(violations)) => Err(violations.into()),
            Err(replace::Error::Stripe(error)) => Err(error.into()),
            Err(replace::Error::Operations(error)) => Err(error.into()),
        }
    }

    async fn search_products(
        &self,
        request: Request<pb::SearchProductsRequest>,
    ) -> Result<Response<pb::SearchProductsResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        let mut found: pb::SearchProductsResponse =
            self.stripe.search::<pb::Product, _>(&draft, &caller).await?;
        found.next_page_token = draft.page().token_of(&found.next_page_token);
        Ok(Response::new(found))
    }

    async fn search_prices(
        &self,
        request: Request<pb::SearchPricesRequest>,
    ) -> Result<Response<pb::SearchPricesResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        let mut found: pb::SearchPricesResponse =
            self.stripe.search::<pb::Price, _>(&draft, &caller).await?;
        found.next_page_token = draft.page().token_of(&found.next_page_token);
        Ok(Response::new(found))
    }

    async fn get_price(
        &self,
        request: Request<pb::GetPriceRequest>,
    ) -> Result<Response<pb::Price>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        Ok(Response::new(self.stripe.get(&request.id, &caller).await?))
    }

    async fn update_price(
        &self,
        request: Request<pb::UpdatePriceRequest>,
    ) -> Result<Response<pb::Price>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let together = rules::price_update(request.price.as_ref());
        let draft = contract::check(&request).and(together).pass()?;
        Ok(Response::new(self.operations.update(&draft, &caller).await?))
    }

    async fn list_prices(
        &self,
        request: Request<pb::ListPricesRequest>,
    ) -> Result<Response<pb::ListPricesResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        let listed = self.stripe.list::<pb::Price, _>(&draft, &caller).await?;
        let mut list: pb::ListPricesResponse = listed.list;
        if let (true, Some(last)) = (listed.has_more, list.prices.last()) {
            list.next_page_token = draft.page().token_after(&last.id);
        }
        Ok(Response::new(list))
    }
}
