//! Discounts: coupons, and the codes by which buyers redeem them.

mod rules;

use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::contract;
use crate::operations::Operations;
use crate::pb::{self, discount_service_server::DiscountService};
use crate::stripe;

/// The discounts, as Stripe keeps them.
#[derive(Debug, Clone)]
pub struct Discounts {
    stripe: stripe::Client,
    operations: Operations,
}

// === impl Discounts ===

impl Discounts {
    /// Serves the discounts of the client's account.
    #[must_use]
    pub fn new(stripe: stripe::Client, operations: Operations) -> Self {
        Self { stripe, operations }
    }
}

#[tonic::async_trait]
impl DiscountService for Discounts {
    async fn create_coupon(
        &self,
        request: Request<pb::CreateCouponRequest>,
    ) -> Result<Response<pb::Coupon>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let together = rules::coupon(request.coupon.as_ref());
        let draft = contract::check(&request).and(together).pass()?;
        Ok(Response::new(self.operations.create(&draft, &caller).await?))
    }

    async fn get_coupon(
        &self,
        request: Request<pb::GetCouponRequest>,
    ) -> Result<Response<pb::Coupon>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        Ok(Response::new(self.stripe.get(&request.id, &caller).await?))
    }

    async fn update_coupon(
        &self,
        request: Request<pb::UpdateCouponRequest>,
    ) -> Result<Response<pb::Coupon>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        Ok(Response::new(self.operations.update(&draft, &caller).await?))
    }

    async fn list_coupons(
        &self,
        request: Request<pb::ListCouponsRequest>,
    ) -> Result<Response<pb::ListCouponsResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        let listed = self.stripe.list::<pb::Coupon, _>(&draft, &caller).await?;
        let mut list: pb::ListCouponsResponse = listed.list;
        if let (true, Some(last)) = (listed.has_more, list.coupons.last()) {
            list.next_page_token = draft.page().token_after(&last.id);
        }
        Ok(Response::new(list))
    }

    async fn delete_coupon(
        &self,
        request: Request<pb::DeleteCouponRequest>,
    ) -> Result<Response<()>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        self.operations.delete::<pb::Coupon>(&request.id, &draft, &caller).await?;
        Ok(Response::new(()))
    }

    async fn create_promotion_code(
        &self,
        request: Request<pb::CreatePromotionCodeRequest>,
    ) -> Result<Response<pb::PromotionCode>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let together = rules::promotion_code(request.promotion_code.as_ref());
        let draft = contract::check(&request).and(together).pass()?;
        Ok(Response::new(self.operations.create(&draft, &caller).await?))
    }

    async fn get_promotion_code(
        &self,
        request: Request<pb::GetPromotionCodeRequest>,
    ) -> Result<Response<pb::PromotionCode>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        contract::check(&request).pass()?;
        Ok(Response::new(self.stripe.get(&request.id, &caller).await?))
    }

    async fn update_promotion_code(
        &self,
        request: Request<pb::UpdatePromotionCodeRequest>,
    ) -> Result<Response<pb::PromotionCode>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        Ok(Response::new(self.operations.update(&draft, &caller).await?))
    }

    async fn list_promotion_codes(
        &self,
        request: Request<pb::ListPromotionCodesRequest>,
    ) -> Result<Response<pb::ListPromotionCodesResponse>, Status> {
        let (caller, request) = (Caller::of(&request), request.into_inner());
        let draft = contract::check(&request).pass()?;
        let listed = self.stripe.list::<pb::PromotionCode, _>(&draft, &caller).await?;
        let mut list: pb::ListPromotionCodesResponse = listed.list;
        if let (true, Some(last)) = (listed.has_more, list.promotion_codes.last()) {
            list.next_page_token = draft.page().token_after(&last.id);
        }
        Ok(Response::new(list))
    }
}
