//! Shipping rates.

use paylink::pb;
use paylink::pb::shipping_rate::{DeliveryEstimate, FixedAmount, delivery_estimate};
use prost_types::FieldMask;

use crate::harness::{Paylink, violations};

fn days(days: i64) -> delivery_estimate::Bound {
    let unit = delivery_estimate::bound::Unit::BusinessDay.into();
    delivery_estimate::Bound { unit, value: Some(days) }
}

fn express() -> pb::ShippingRate {
    let amount =
        FixedAmount { amount: Some(700), currency: "usd".to_owned(), ..Default::default() };
    pb::ShippingRate {
        display_name: "Express".to_owned(),
        fixed_amount: Some(amount),
        delivery_estimate: Some(DeliveryEstimate {
            minimum: Some(days(1)),
            maximum: Some(days(2)),
        }),
        ..Default::default()
    }
}

async fn create(paylink: &Paylink) -> pb::ShippingRate {
    let request =
        pb::CreateShippingRateRequest { shipping_rate: Some(express()), ..Default::default() };
    paylink.shipping().create_shipping_rate(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_rate_is_made_found_and_taken_out_of_use() {
    let paylink = Paylink::start().await;
    let made = create(&paylink).await;
    assert_eq!((&*made.display_name, made.active), ("Express", Some(true)));
    assert_eq!(made.delivery_estimate, express().delivery_estimate);
    let get = pb::GetShippingRateRequest { id: made.id.clone() };
    assert_eq!(paylink.shipping().get_shipping_rate(get).await.unwrap().into_inner(), made);

    let change =
        pb::ShippingRate { id: made.id.clone(), active: Some(false), ..Default::default() };
    let request =
        pb::UpdateShippingRateRequest { shipping_rate: Some(change), ..Default::default() };
    let off = paylink.shipping().update_shipping_rate(request).await.unwrap().into_inner();
    assert_eq!(off, pb::ShippingRate { active: Some(false), ..made });

    let list = pb::ListShippingRatesRequest { active: Some(true), ..Default::default() };
    let listed = paylink.shipping().list_shipping_rates(list).await.unwrap().into_inner();
    assert!(listed.shipping_rates.is_empty());
    let list = pb::ListShippingRatesRequest::default();
    let listed = paylink.shipping().list_shipping_rates(list).await.unwrap().into_inner();
    assert_eq!(listed.shipping_rates, [off]);
}

#[tokio::test]
async fn what_a_rate_is_called_never_changes() {
    let paylink = Paylink::start().await;
    let made = create(&paylink).await;
    let change =
        pb::ShippingRate { id: made.id, display_name: "Slow".into(), ..Default::default() };
    let request = pb::UpdateShippingRateRequest {
        shipping_rate: Some(change),
        update_mask: Some(FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    let refused = paylink.shipping().update_shipping_rate(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["update_mask IMMUTABLE"]);
}
