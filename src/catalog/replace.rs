//! Puts a new price in the place of an old one.
//!
//! Every step looks at what is there and does what is missing, under an id
//! derived from the request's own. So the same request, sent again, takes up
//! what stopped half-way, and one that was finished changes nothing.

use uuid::Uuid;

use super::Catalog;
use crate::caller::Caller;
use crate::contract::{self, Draft, Reason, Violation, Violations};
use crate::operations;
use crate::pb;
use crate::stripe;

/// Why a price was not replaced, or not wholly.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Refused(#[from] Violations),
    #[error(transparent)]
    Stripe(#[from] stripe::Error),
    #[error(transparent)]
    Operations(#[from] operations::Error),
}

impl Catalog {
    /// Does what is missing of the replacement, and gives the new price.
    pub(super) async fn replace(
        &self,
        request: pb::ReplacePriceRequest,
        whole: &Draft,
        caller: &Caller,
    ) -> Result<pb::Price, Error> {
        // What is decided here is decided by what is there now.
        let caller = &caller.clone().wanting_fresh();
        let request_id = whole.request_id();
        let old: pb::Price = self.stripe.get(&request.id, caller).await?;
        let wanted = request.price.unwrap_or_default();
        if wanted.product != old.product {
            let text = "must be the product of the price that is replaced";
            return Err(
                Violations(vec![Violation::new("price.product", Reason::Conflict, text)]).into()
            );
        }
        let names_a_key = !wanted.lookup_key.is_empty();
        let create = pb::CreatePriceRequest {
            price: Some(wanted),
            request_id: step(request_id, "create"),
            ..Default::default()
        };
        // The new price belongs to the old one: another one is another request.
        let create = contract::check(&create).pass()?.part_of(whole);
        let new: pb::Price = self.operations.create(&create, caller).await?;

        if !old.lookup_key.is_empty() && !names_a_key {
            let price = pb::Price {
                id: new.id.clone(),
                lookup_key: old.lookup_key.clone(),
                transfer_lookup_key: Some(true),
                ..Default::default()
            };
            self.update_price_by(price, step(request_id, "lookup-key"), caller).await?;
        }
        let product: pb::Product = self.stripe.get(&old.product, caller).await?;
        if product.default_price == old.id {
            let product =
                pb::Product { id: product.id, default_price: new.id.clone(), ..Default::default() };
            let request = pb::UpdateProductRequest {
                product: Some(product),
                request_id: step(request_id, "default-price"),
                ..Default::default()
            };
            let draft = contract::check(&request).pass()?;
            self.operations.update::<pb::Product>(&draft, caller).await?;
        }
        if old.active == Some(true) {
            let price = pb::Price { id: old.id, active: Some(false), ..Default::default() };
            self.update_price_by(price, step(request_id, "archive"), caller).await?;
        }
        // The answer to the creation tells of no key that the price took over since.
        Ok(self.stripe.get(&new.id, caller).await?)
    }

    async fn update_price_by(
        &self,
        price: pb::Price,
        request_id: String,
        caller: &Caller,
    ) -> Result<(), Error> {
        let request =
            pb::UpdatePriceRequest { price: Some(price), request_id, ..Default::default() };
        let draft = contract::check(&request).pass()?;
        self.operations.update::<pb::Price>(&draft, caller).await?;
        Ok(())
    }
}

/// The id of one step, the same whenever the request is sent again.
fn step(request_id: Uuid, name: &str) -> String {
    Uuid::new_v5(&request_id, name.as_bytes()).to_string()
}
