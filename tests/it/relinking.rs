//! A new link in the place of an old one.

use paylink::pb;
use paylink::pb::payment_link::DeactivationReason;
use uuid::Uuid;

use crate::harness::{Paylink, now_secs, poster, until, violations};

fn request(id: &str, link: pb::PaymentLink) -> pb::ReplacePaymentLinkRequest {
    pb::ReplacePaymentLinkRequest {
        id: id.to_owned(),
        payment_link: Some(link),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_link_is_replaced_by_one_that_is_like_it() {
    let paylink = Paylink::start().await;
    let end = prost_types::Timestamp { seconds: now_secs() + 3_600, nanos: 0 };
    let old = paylink
        .link_like(pb::PaymentLink {
            order_ref: "order 1".to_owned(),
            metadata: [("shop".to_owned(), "a".to_owned())].into(),
            inactive_message: "Gone.".to_owned(),
            expire_time: Some(end),
            allow_promotion_codes: Some(true),
            ..Default::default()
        })
        .await;
    let mut dearer = poster();
    dearer.price_data.as_mut().unwrap().unit_amount = Some(3_000);
    let dearer = pb::PaymentLink { line_items: vec![dearer], ..Default::default() };
    let asked = request(&old.id, dearer);
    let done = paylink.links().replace_payment_link(asked.clone()).await.unwrap().into_inner();
    let new = done.payment_link.clone().unwrap();
    assert_eq!((&*done.replaced, new.line_items[0].amount_total), (&*old.id, 3_000));
    assert_eq!(done.changed, ["line_items"]);
    for name in ["order_ref", "metadata", "inactive_message", "expire_time", "currency"] {
        assert!(done.carried_over.contains(&name.to_owned()), "{name}: {done:?}");
    }
    let expected = pb::PaymentLink {
        id: new.id.clone(),
        url: new.url.clone(),
        line_items: new.line_items.clone(),
        ..old.clone()
    };
    assert_eq!(new, expected);
    until(async || !paylink.link_now(&old.id).await.active).await;
    let gone = paylink.link_now(&old.id).await;
    assert_eq!(gone.deactivation_reason(), DeactivationReason::Replaced);

    let again = paylink.links().replace_payment_link(asked).await.unwrap().into_inner();
    assert_eq!(again.payment_link.unwrap().id, new.id);
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 2);
}

#[tokio::test]
async fn what_is_no_field_cannot_be_left_out() {
    let paylink = Paylink::start().await;
    let old = paylink.link().await;
    let mut asked = request(&old.id, pb::PaymentLink::default());
    asked.left_out = vec!["metadata".to_owned(), "colour".to_owned()];
    let refused = paylink.links().replace_payment_link(asked).await.unwrap_err();
    assert_eq!(violations(&refused), ["left_out[1] UNKNOWN_FIELD"]);
    assert!(paylink.link_now(&old.id).await.active);
}
