//! Links that end by themselves, and why links cannot be paid.

use paylink::pb;
use paylink::pb::payment_link::{DeactivationReason, Restrictions, restrictions};
use prost_types::{Duration, FieldMask, Timestamp};

use crate::harness::{Folder, Page, Paylink, now_secs, until, violations};

const GOOD_CARD: &str = "4242424242424242";

fn lasting(seconds: i64) -> pb::PaymentLink {
    let ttl = Some(Duration { seconds, nanos: 0 });
    pb::PaymentLink { ttl, ..Default::default() }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

async fn ended(paylink: &Paylink, id: &str) -> pb::PaymentLink {
    until(async || !paylink.link_now(id).await.active).await;
    paylink.link_now(id).await
}

async fn prolong(paylink: &Paylink, id: &str, expire_time: Option<Timestamp>) -> pb::PaymentLink {
    let link = pb::PaymentLink { id: id.to_owned(), expire_time, ..Default::default() };
    let request = pb::UpdatePaymentLinkRequest {
        payment_link: Some(link),
        update_mask: Some(FieldMask { paths: vec!["expire_time".to_owned()] }),
        ..Default::default()
    };
    paylink.links().update_payment_link(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_link_ends_at_its_time_with_the_pages_that_are_open() {
    let paylink = Paylink::start().await;
    let link = paylink.link_like(lasting(1)).await;
    let end = link.expire_time.unwrap();
    assert!((now_secs()..=now_secs() + 2).contains(&end.seconds));
    assert_eq!(link.ttl, None);
    let page = Page::open(&link.url).await;
    let ended = ended(&paylink, &link.id).await;
    assert!(now_secs() >= end.seconds);
    assert_eq!(ended.deactivation_reason(), DeactivationReason::Expired);
    let path = format!("/v1/checkout/sessions/{}", page.session());
    until(async || paylink.stripe.get(&path).await["status"] == "expired").await;
}

#[tokio::test]
async fn an_end_can_be_moved_and_taken_away() {
    let paylink = Paylink::start().await;
    let link = paylink.link_like(lasting(3_600)).await;
    let later = Some(at(now_secs() + 7_200));
    assert_eq!(prolong(&paylink, &link.id, later).await.expire_time, later);
    assert_eq!(prolong(&paylink, &link.id, None).await.expire_time, None);
    // An end in the past is an end at once.
    prolong(&paylink, &link.id, Some(at(now_secs() - 5))).await;
    let ended = ended(&paylink, &link.id).await;
    assert_eq!(ended.deactivation_reason(), DeactivationReason::Expired);
}

#[tokio::test]
async fn a_link_that_has_ended_can_be_activated_again() {
    let paylink = Paylink::start().await;
    let link =
        paylink.link_like(pb::PaymentLink { expire_time: Some(at(1)), ..Default::default() }).await;
    ended(&paylink, &link.id).await;
    let again = pb::ActivatePaymentLinkRequest { id: link.id.clone(), ..Default::default() };
    let active = paylink.links().activate_payment_link(again).await.unwrap().into_inner();
    assert!(active.active && active.expire_time.is_none());
    assert_eq!(active.deactivation_reason(), DeactivationReason::Unspecified);
    let until_later = pb::ActivatePaymentLinkRequest {
        id: link.id.clone(),
        expire_time: Some(at(now_secs() + 60)),
        ..Default::default()
    };
    let active = paylink.links().activate_payment_link(until_later.clone()).await.unwrap();
    assert_eq!(active.into_inner().expire_time, until_later.expire_time);
}

#[tokio::test]
async fn an_end_that_came_while_nobody_was_there_is_caught_up_with() {
    let folder = Folder::new();
    let paylink = Paylink::start().storage(&folder).await;
    let link = paylink.link_like(lasting(3_600)).await;
    paylink.stripe.gate.let_answers(crate::harness::Answers::Lost);
    let update =
        pb::PaymentLink { id: link.id.clone(), expire_time: Some(at(1)), ..Default::default() };
    let request = pb::UpdatePaymentLinkRequest { payment_link: Some(update), ..Default::default() };
    // It was changed, and the answer was lost.
    paylink.links().update_payment_link(request).await.unwrap_err();
    let stripe = paylink.stop().await;
    stripe.gate.let_answers(crate::harness::Answers::Pass);
    let paylink = Paylink::start().storage(&folder).before(stripe).await;
    let ended = ended(&paylink, &link.id).await;
    assert_eq!(ended.deactivation_reason(), DeactivationReason::Expired);
}

#[tokio::test]
async fn an_inactive_link_says_why() {
    let paylink = Paylink::start().await;
    let link = paylink.link().await;
    assert_eq!(link.deactivation_reason(), DeactivationReason::Unspecified);
    let request = pb::DeactivatePaymentLinkRequest { id: link.id.clone(), ..Default::default() };
    let inactive = paylink.links().deactivate_payment_link(request).await.unwrap().into_inner();
    assert_eq!(inactive.deactivation_reason(), DeactivationReason::Caller);

    let link = paylink.link().await;
    paylink.stripe.post(&format!("/v1/payment_links/{}", link.id), "active=false").await;
    let inactive = paylink.link_now(&link.id).await;
    assert_eq!(inactive.deactivation_reason(), DeactivationReason::Outside);

    let limit = restrictions::CompletedSessions { limit: Some(1), count: 0 };
    let restrictions = Some(Restrictions { completed_sessions: Some(limit) });
    let link = paylink.link_like(pb::PaymentLink { restrictions, ..Default::default() }).await;
    Page::open(&link.url).await.pay(GOOD_CARD).await;
    let inactive = paylink.link_now(&link.id).await;
    assert_eq!(inactive.deactivation_reason(), DeactivationReason::Limit);
}

#[tokio::test]
async fn notes_can_be_cleared_and_the_end_stays() {
    let paylink = Paylink::start().await;
    let metadata = [("a b".to_owned(), "1".to_owned()), ("c".to_owned(), "2".to_owned())].into();
    let link = paylink.link_like(pb::PaymentLink { metadata, ..lasting(3_600) }).await;
    let request = pb::UpdatePaymentLinkRequest {
        payment_link: Some(pb::PaymentLink { id: link.id.clone(), ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["metadata".to_owned()] }),
        ..Default::default()
    };
    let cleared = paylink.links().update_payment_link(request).await.unwrap().into_inner();
    assert_eq!(cleared, pb::PaymentLink { metadata: [].into(), ..link });
}

#[tokio::test]
async fn a_link_has_one_end() {
    let paylink = Paylink::start().await;
    let link = pb::PaymentLink {
        line_items: vec![crate::harness::poster()],
        expire_time: Some(at(now_secs() + 60)),
        ..lasting(0)
    };
    let request = pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() };
    let refused = paylink.links().create_payment_link(request).await.unwrap_err();
    let mut found = violations(&refused);
    found.sort();
    assert_eq!(found, ["payment_link ONE_OF_REQUIRED", "payment_link.ttl VALUE_OUT_OF_RANGE"]);
}
