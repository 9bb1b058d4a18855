//! One call of every method that can change something, with all that it may carry.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use paylink::pb;
use paylink::pb::batch_create_payment_links_response::Result as Outcome;
use paylink::pb::payment::State;
use prost_types::FieldMask;
use uuid::Uuid;

use crate::harness::{Guarded, Page, Watch, poster, poster_request};

/// What the calls say that no record may hold.
pub const CANARIES: [&str; 4] =
    ["canary-note", "canary-parcel", "canary-name", "jenny.rosen@example.com"];

const CARD: &str = "4242424242424242";

/// What a call was, and what its record must say of it.
#[derive(Debug)]
pub struct Call {
    /// The method, without its package.
    pub method: &'static str,
    /// What it was about.
    pub object: String,
    /// What it has made beside.
    pub made: String,
}

/// A service, and the calls that were made so far.
struct Caller<'a> {
    guarded: &'a Guarded,
    calls: Vec<Call>,
}

/// Calls a method as the operator and gives its answer.
macro_rules! call {
    ($caller:expr, $client:ident.$method:ident, $request:expr) => {{
        let request = $caller.guarded.by("operator", $request);
        $caller.guarded.paylink.$client().$method(request).await.unwrap().into_inner()
    }};
}

/// Makes every call.
pub async fn all(guarded: &Guarded) -> Vec<Call> {
    let mut caller = Caller { guarded, calls: Vec::new() };
    let price = caller.catalog().await;
    caller.discounts().await;
    caller.shipping().await;
    caller.links(&price).await;
    caller.batches().await;
    caller.payments().await;
    caller.calls
}

fn notes() -> BTreeMap<String, String> {
    [("note".to_owned(), "canary-note".to_owned())].into()
}

fn mask(path: &str) -> FieldMask {
    FieldMask { paths: vec![path.to_owned()] }
}

// === impl Caller ===

impl Caller<'_> {
    fn made(&mut self, method: &'static str, object: &str, made: &str) {
        let (object, made) = (object.to_owned(), made.to_owned());
        self.calls.push(Call { method, object, made });
    }

    async fn catalog(&mut self) -> String {
        let product =
            pb::Product { name: "canary-name".into(), metadata: notes(), ..Default::default() };
        let request = pb::CreateProductRequest { product: Some(product), ..Default::default() };
        let product = call!(self, catalog.create_product, request);
        self.made("CatalogService/CreateProduct", &product.id, "");
        let product = pb::Product { id: product.id, ..Default::default() };
        let request = pb::UpdateProductRequest {
            product: Some(pb::Product { name: "canary-name".into(), ..product.clone() }),
            update_mask: Some(mask("name")),
            ..Default::default()
        };
        call!(self, catalog.update_product, request);
        self.made("CatalogService/UpdateProduct", &product.id, "");
        let gone = pb::Product { name: "canary-name".into(), ..Default::default() };
        let request = pb::CreateProductRequest { product: Some(gone), ..Default::default() };
        let gone = call!(self, catalog.create_product, request).id;
        self.made("CatalogService/CreateProduct", &gone, "");
        let request = pb::DeleteProductRequest { id: gone.clone(), ..Default::default() };
        call!(self, catalog.delete_product, request);
        self.made("CatalogService/DeleteProduct", &gone, "");

        let product_id = product.id.clone();
        let price = pb::Price {
            product: product.id,
            currency: "usd".into(),
            unit_amount: Some(700),
            metadata: notes(),
            ..Default::default()
        };
        let request = pb::CreatePriceRequest { price: Some(price), ..Default::default() };
        let price = call!(self, catalog.create_price, request);
        self.made("CatalogService/CreatePrice", &price.id, "");
        let change =
            pb::Price { id: price.id, nickname: "canary-name".into(), ..Default::default() };
        let id = change.id.clone();
        let request = pb::UpdatePriceRequest {
            price: Some(change),
            update_mask: Some(mask("nickname")),
            ..Default::default()
        };
        call!(self, catalog.update_price, request);
        self.made("CatalogService/UpdatePrice", &id, "");
        let new = pb::Price {
            product: product_id,
            currency: "usd".into(),
            unit_amount: Some(800),
            ..Default::default()
        };
        let request =
            pb::ReplacePriceRequest { id: id.clone(), price: Some(new), ..Default::default() };
        let new = call!(self, catalog.replace_price, request);
        self.made("CatalogService/ReplacePrice", &id, &new.id);
        new.id
    }

    async fn discounts(&mut self) {
        let coupon = pb::Coupon {
            name: "canary-name".into(),
            percent_off: "12.5".into(),
            duration: pb::coupon::Duration::Once.into(),
            ..Default::default()
        };
        let request = pb::CreateCouponRequest { coupon: Some(coupon), ..Default::default() };
        let id = call!(self, discounts.create_coupon, request).id;
        self.made("DiscountService/CreateCoupon", &id, "");
        let change =
            pb::Coupon { id: id.clone(), name: "canary-name".into(), ..Default::default() };
        let request = pb::UpdateCouponRequest {
            coupon: Some(change),
            update_mask: Some(mask("name")),
            ..Default::default()
        };
        call!(self, discounts.update_coupon, request);
        self.made("DiscountService/UpdateCoupon", &id, "");
        let of = pb::promotion_code::promotion::Type::Coupon(id.clone());
        let code = pb::PromotionCode {
            promotion: Some(pb::promotion_code::Promotion { r#type: Some(of) }),
            metadata: notes(),
            ..Default::default()
        };
        let request =
            pb::CreatePromotionCodeRequest { promotion_code: Some(code), ..Default::default() };
        let code = call!(self, discounts.create_promotion_code, request).id;
        self.made("DiscountService/CreatePromotionCode", &code, "");
        let change =
            pb::PromotionCode { id: code.clone(), active: Some(false), ..Default::default() };
        let request = pb::UpdatePromotionCodeRequest {
            promotion_code: Some(change),
            update_mask: Some(mask("active")),
            ..Default::default()
        };
        call!(self, discounts.update_promotion_code, request);
        self.made("DiscountService/UpdatePromotionCode", &code, "");
        let request = pb::DeleteCouponRequest { id: id.clone(), ..Default::default() };
        call!(self, discounts.delete_coupon, request);
        self.made("DiscountService/DeleteCoupon", &id, "");
    }

    async fn shipping(&mut self) {
        let amount = pb::shipping_rate::FixedAmount {
            amount: Some(700),
            currency: "usd".into(),
            ..Default::default()
        };
        let rate = pb::ShippingRate {
            display_name: "canary-name".into(),
            fixed_amount: Some(amount),
            ..Default::default()
        };
        let request =
            pb::CreateShippingRateRequest { shipping_rate: Some(rate), ..Default::default() };
        let id = call!(self, shipping.create_shipping_rate, request).id;
        self.made("ShippingRateService/CreateShippingRate", &id, "");
        let change = pb::ShippingRate { id: id.clone(), metadata: notes(), ..Default::default() };
        let request = pb::UpdateShippingRateRequest {
            shipping_rate: Some(change),
            update_mask: Some(mask("metadata")),
            ..Default::default()
        };
        call!(self, shipping.update_shipping_rate, request);
        self.made("ShippingRateService/UpdateShippingRate", &id, "");
    }

    async fn links(&mut self, price: &str) {
        let item =
            pb::LineItem { price: price.to_owned(), quantity: Some(1), ..Default::default() };
        let link =
            pb::PaymentLink { line_items: vec![item], metadata: notes(), ..Default::default() };
        let request =
            pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() };
        let id = call!(self, links.create_payment_link, request).id;
        self.made("PaymentLinkService/CreatePaymentLink", &id, "");
        let change = pb::PaymentLink {
            id: id.clone(),
            inactive_message: "canary-note".into(),
            ..Default::default()
        };
        let request = pb::UpdatePaymentLinkRequest {
            payment_link: Some(change),
            update_mask: Some(mask("inactive_message")),
            ..Default::default()
        };
        call!(self, links.update_payment_link, request);
        self.made("PaymentLinkService/UpdatePaymentLink", &id, "");
        let request = pb::DeactivatePaymentLinkRequest { id: id.clone(), ..Default::default() };
        call!(self, links.deactivate_payment_link, request);
        self.made("PaymentLinkService/DeactivatePaymentLink", &id, "");
        let request = pb::ActivatePaymentLinkRequest { id: id.clone(), ..Default::default() };
        call!(self, links.activate_payment_link, request);
        self.made("PaymentLinkService/ActivatePaymentLink", &id, "");
        let new = pb::PaymentLink { line_items: vec![poster()], ..Default::default() };
        let request = pb::ReplacePaymentLinkRequest {
            id: id.clone(),
            payment_link: Some(new),
            ..Default::default()
        };
        let new = call!(self, links.replace_payment_link, request).payment_link.unwrap().id;
        self.made("PaymentLinkService/ReplacePaymentLink", &id, &new);
    }

    async fn batches(&mut self) {
        let mut item = poster_request();
        item.request_id = Uuid::new_v4().to_string();
        item.payment_link.as_mut().unwrap().metadata = notes();
        let items = stream::iter([pb::BatchCreatePaymentLinksRequest { item: Some(item) }]);
        let mut answers = call!(self, links.batch_create_payment_links, items);
        let answer = answers.next().await.unwrap().unwrap();
        let Some(Outcome::PaymentLink(link)) = answer.result else { panic!("it makes a link") };
        assert!(answers.next().await.is_none());
        self.made("PaymentLinkService/BatchCreatePaymentLinks", &link.id, "");
        self.made("PaymentLinkService/BatchCreatePaymentLinks", "", "");
        let filter = pb::PaymentLinkFilter { metadata: notes(), ..Default::default() };
        let request =
            pb::BatchDeactivatePaymentLinksRequest { filter: Some(filter), ..Default::default() };
        call!(self, links.batch_deactivate_payment_links, request);
        self.made("PaymentLinkService/BatchDeactivatePaymentLinks", "", "");
    }

    async fn payments(&mut self) {
        let mut watch =
            Watch::new(call!(self, payments.watch_payments, pb::WatchPaymentsRequest::default()));
        let link = call!(self, links.create_payment_link, poster_request());
        self.made("PaymentLinkService/CreatePaymentLink", &link.id, "");
        Page::open(&link.url).await.pay(CARD).await;
        let paid = loop {
            let payment = watch.payment().await;
            if payment.state() == State::Paid {
                break payment.id;
            }
        };
        let (consumer, position) = ("warehouse".to_owned(), watch.position.clone());
        let request = pb::AcknowledgePaymentsRequest { consumer, position };
        call!(self, payments.acknowledge_payments, request);
        self.made("PaymentService/AcknowledgePayments", "warehouse", "");

        let claim = |payment: &str| {
            let (payment, worker) = (payment.to_owned(), "canary-name".to_owned());
            pb::ClaimFulfillmentRequest { payment, worker, ..Default::default() }
        };
        let claimed = call!(self, payments.claim_fulfillment, claim(&paid)).claim;
        self.made("PaymentService/ClaimFulfillment", &paid, "");
        let payment = || paid.clone();
        let request = pb::ReleaseFulfillmentRequest {
            payment: payment(),
            claim: claimed,
            ..Default::default()
        };
        call!(self, payments.release_fulfillment, request);
        self.made("PaymentService/ReleaseFulfillment", &paid, "");
        let claimed = call!(self, payments.claim_fulfillment, claim("")).claim;
        self.made("PaymentService/ClaimFulfillment", &paid, "");
        let request = pb::CompleteFulfillmentRequest {
            payment: payment(),
            claim: claimed,
            reference: "canary-parcel".into(),
            ..Default::default()
        };
        call!(self, payments.complete_fulfillment, request);
        self.made("PaymentService/CompleteFulfillment", &paid, "");
        let request = pb::RefundPaymentRequest {
            payment: payment(),
            metadata: notes(),
            ..Default::default()
        };
        let refund = call!(self, payments.refund_payment, request).id;
        self.made("PaymentService/RefundPayment", &paid, &refund);
        call!(self, payments.reconcile_payments, pb::ReconcilePaymentsRequest::default());
        self.made("PaymentService/ReconcilePayments", "", "");
        let request = pb::CloseOrderRequest {
            order_ref: "order-7".into(),
            reason: pb::order::CloseReason::Cancelled.into(),
            ..Default::default()
        };
        call!(self, orders.close_order, request);
        self.made("OrderService/CloseOrder", "order-7", "");
    }
}
