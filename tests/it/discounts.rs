//! Coupons and promotion codes.

use paylink::pb;
use prost_types::FieldMask;
use tonic::Code;

use crate::harness::{Paylink, code_of, violations};

async fn coupon(paylink: &Paylink) -> pb::Coupon {
    let coupon = pb::Coupon {
        id: "SPRING".to_owned(),
        name: "Spring".to_owned(),
        percent_off: "12.5".to_owned(),
        duration: pb::coupon::Duration::Once.into(),
        ..Default::default()
    };
    let request = pb::CreateCouponRequest { coupon: Some(coupon), ..Default::default() };
    paylink.discounts().create_coupon(request).await.unwrap().into_inner()
}

async fn code(paylink: &Paylink, of: &pb::Coupon) -> pb::PromotionCode {
    let promotion = pb::promotion_code::Promotion {
        r#type: Some(pb::promotion_code::promotion::Type::Coupon(of.id.clone())),
    };
    let code = pb::PromotionCode {
        code: "SPRING25".to_owned(),
        promotion: Some(promotion),
        max_redemptions: Some(3),
        ..Default::default()
    };
    let request =
        pb::CreatePromotionCodeRequest { promotion_code: Some(code), ..Default::default() };
    paylink.discounts().create_promotion_code(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_coupon_lives_from_its_making_to_its_deletion() {
    let paylink = Paylink::start().await;
    let made = coupon(&paylink).await;
    assert_eq!((&*made.id, &*made.percent_off, made.valid), ("SPRING", "12.5", true));
    let get = pb::GetCouponRequest { id: made.id.clone() };
    let got = paylink.discounts().get_coupon(get.clone()).await.unwrap().into_inner();
    assert_eq!(got, made);

    let change = pb::Coupon { id: made.id.clone(), name: "Easter".into(), ..Default::default() };
    let request = pb::UpdateCouponRequest {
        coupon: Some(change),
        update_mask: Some(FieldMask { paths: vec!["name".to_owned()] }),
        ..Default::default()
    };
    let renamed = paylink.discounts().update_coupon(request).await.unwrap().into_inner();
    assert_eq!(renamed, pb::Coupon { name: "Easter".to_owned(), ..made.clone() });
    let list = pb::ListCouponsRequest::default();
    let listed = paylink.discounts().list_coupons(list).await.unwrap().into_inner();
    assert_eq!(listed.coupons, [renamed]);

    let delete = pb::DeleteCouponRequest { id: made.id, ..Default::default() };
    paylink.discounts().delete_coupon(delete).await.unwrap();
    let gone = paylink.discounts().get_coupon(get).await.unwrap_err();
    assert_eq!(code_of(&gone), (Code::NotFound, "RESOURCE_NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn what_a_coupon_takes_off_never_changes() {
    let paylink = Paylink::start().await;
    let made = coupon(&paylink).await;
    let change = pb::Coupon { id: made.id, percent_off: "50".into(), ..Default::default() };
    let request = pb::UpdateCouponRequest {
        coupon: Some(change),
        update_mask: Some(FieldMask { paths: vec!["percent_off".to_owned()] }),
        ..Default::default()
    };
    let refused = paylink.discounts().update_coupon(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["update_mask IMMUTABLE"]);
}

#[tokio::test]
async fn a_coupon_takes_off_a_part_or_an_amount_and_not_both() {
    let paylink = Paylink::start().await;
    let coupon = pb::Coupon {
        percent_off: "10".to_owned(),
        amount_off: Some(100),
        currency: "usd".to_owned(),
        duration: pb::coupon::Duration::Once.into(),
        ..Default::default()
    };
    let request = pb::CreateCouponRequest { coupon: Some(coupon), ..Default::default() };
    let refused = paylink.discounts().create_coupon(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["coupon ONE_OF_REQUIRED"]);
    assert!(paylink.stripe.list("/v1/coupons").await.is_empty());
}

#[tokio::test]
async fn a_promotion_code_is_found_by_its_code_and_can_be_switched_off() {
    let paylink = Paylink::start().await;
    let coupon = coupon(&paylink).await;
    let made = code(&paylink, &coupon).await;
    assert_eq!((&*made.code, made.active, made.max_redemptions), ("SPRING25", Some(true), Some(3)));

    let list = pb::ListPromotionCodesRequest { code: "SPRING25".into(), ..Default::default() };
    let listed = paylink.discounts().list_promotion_codes(list).await.unwrap().into_inner();
    assert_eq!(listed.promotion_codes, std::slice::from_ref(&made));

    let change =
        pb::PromotionCode { id: made.id.clone(), active: Some(false), ..Default::default() };
    let request =
        pb::UpdatePromotionCodeRequest { promotion_code: Some(change), ..Default::default() };
    let off = paylink.discounts().update_promotion_code(request).await.unwrap().into_inner();
    assert_eq!(off, pb::PromotionCode { active: Some(false), ..made.clone() });
    let get = pb::GetPromotionCodeRequest { id: made.id };
    let got = paylink.discounts().get_promotion_code(get).await.unwrap().into_inner();
    assert_eq!(got, off);
}
