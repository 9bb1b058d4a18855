//! Many links at once.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use paylink::pb;
use paylink::pb::batch_create_payment_links_response::Result as Outcome;
use paylink::pb::payment_link::DeactivationReason;
use tonic::Code;
use uuid::Uuid;

use crate::harness::{Answers, Paylink, code_of, poster_request, retry_delay, until, violations};

fn item(nth: u128) -> pb::BatchCreatePaymentLinksRequest {
    let mut item = poster_request();
    item.request_id = Uuid::from_u128(nth + 1).to_string();
    let link = item.payment_link.as_mut().unwrap();
    link.metadata = [("batch".to_owned(), "7".to_owned())].into();
    pb::BatchCreatePaymentLinksRequest { item: Some(item) }
}

async fn create(
    paylink: &Paylink,
    items: Vec<pb::BatchCreatePaymentLinksRequest>,
) -> Vec<pb::BatchCreatePaymentLinksResponse> {
    let answers = paylink.links().batch_create_payment_links(stream::iter(items)).await.unwrap();
    answers.into_inner().map(|answer| answer.unwrap()).collect().await
}

fn links(answers: &[pb::BatchCreatePaymentLinksResponse]) -> BTreeSet<String> {
    let link = |answer: &pb::BatchCreatePaymentLinksResponse| match answer.result.clone() {
        Some(Outcome::PaymentLink(link)) => link.id,
        other => panic!("item {} gave no link: {other:?}", answer.index),
    };
    answers.iter().map(link).collect()
}

#[tokio::test]
async fn a_batch_makes_one_link_for_each_item_however_often_it_is_sent() {
    let paylink = Paylink::start().await;
    let items: Vec<_> = (0..40).map(item).collect();
    let first = create(&paylink, items[..25].to_vec()).await;
    let all = create(&paylink, items).await;
    assert!(links(&all).is_superset(&links(&first)));
    assert_eq!((links(&first).len(), links(&all).len()), (25, 40));
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 40);
    let indexes: BTreeSet<_> = all.iter().map(|answer| answer.index).collect();
    assert_eq!(indexes, (0..40).collect());
}

#[tokio::test]
async fn an_item_that_is_refused_leaves_the_others_alone() {
    let paylink = Paylink::start().await;
    let mut items: Vec<_> = (0..3).map(item).collect();
    items[1].item.as_mut().unwrap().payment_link.as_mut().unwrap().currency = "x".to_owned();
    items[2].item.as_mut().unwrap().request_id.clear();
    let mut answers = create(&paylink, items).await;
    answers.sort_by_key(|answer| answer.index);
    assert_eq!(links(&answers[..1]).len(), 1);
    let fields = |at: usize| match answers[at].result.clone() {
        Some(Outcome::Failure(failure)) => {
            assert_eq!((failure.code, &*failure.reason), (3, "INVALID_REQUEST"));
            failure.violations.into_iter().map(|one| one.field).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(fields(1), ["payment_link.currency"]);
    assert_eq!(fields(2), ["request_id"]);
}

#[tokio::test]
async fn what_a_caller_who_breaks_off_had_begun_is_finished() {
    let paylink = Paylink::start().await;
    paylink.stripe.gate.let_answers(Answers::Wait);
    let endless = stream::iter((0..4).map(item)).chain(stream::pending());
    let mut client = paylink.links();
    let answers = client.batch_create_payment_links(endless).await.unwrap();
    paylink.stripe.gate.heard_more_than(3).await;
    drop(answers);
    paylink.stripe.gate.let_answers(Answers::Pass);
    until(async || paylink.stripe.list("/v1/payment_links").await.len() == 4).await;
    let again = create(&paylink, (0..4).map(item).collect()).await;
    assert_eq!(links(&again).len(), 4);
    assert_eq!(paylink.stripe.list("/v1/payment_links").await.len(), 4);
}

#[tokio::test]
async fn all_links_that_fit_are_deactivated() {
    let paylink = Paylink::start().await;
    create(&paylink, (0..20).map(item).collect()).await;
    let other = paylink.link().await;
    let filter = pb::PaymentLinkFilter {
        metadata: [("batch".to_owned(), "7".to_owned())].into(),
        ..Default::default()
    };
    let request = |validate_only| pb::BatchDeactivatePaymentLinksRequest {
        filter: Some(filter.clone()),
        validate_only,
        ..Default::default()
    };
    let count = async || {
        let counted = paylink.links().batch_deactivate_payment_links(request(true)).await;
        counted.unwrap().into_inner().matched
    };
    until(async || count().await == 20).await;
    let done = paylink.links().batch_deactivate_payment_links(request(false)).await.unwrap();
    assert_eq!(done.into_inner().matched, 20);
    let inactive = async || {
        let request = pb::ListPaymentLinksRequest {
            active: Some(false),
            page_size: 100,
            ..Default::default()
        };
        paylink.links().list_payment_links(request).await.unwrap().into_inner().payment_links
    };
    until(async || inactive().await.len() == 20).await;
    let reasons: BTreeSet<_> =
        inactive().await.iter().map(pb::PaymentLink::deactivation_reason).collect();
    assert_eq!(reasons, [DeactivationReason::Caller].into());
    assert!(paylink.link_now(&other.id).await.active);
}

#[tokio::test]
async fn a_batch_says_which_links_it_means() {
    let paylink = Paylink::start().await;
    let request = pb::BatchDeactivatePaymentLinksRequest {
        filter: Some(pb::PaymentLinkFilter::default()),
        ..Default::default()
    };
    let refused = paylink.links().batch_deactivate_payment_links(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["filter FIELD_REQUIRED"]);
}

/// Begins to deactivate the link, and to activate it again before that is done.
#[tokio::test]
async fn a_link_that_is_being_deactivated_is_activated_afterwards() {
    let paylink = Paylink::start().without_webhooks().await;
    let order_ref = "order 1".to_owned();
    let link = paylink.link_like(pb::PaymentLink { order_ref, ..Default::default() }).await;
    let activate = || pb::ActivatePaymentLinkRequest {
        id: link.id.clone(),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let first = activate();
    paylink.links().activate_payment_link(first.clone()).await.unwrap();

    let gate = &paylink.stripe.gate;
    gate.let_answers(Answers::Unasked);
    let heard = gate.heard();
    let filter =
        Some(pb::PaymentLinkFilter { order_ref: "order 1".to_owned(), ..Default::default() });
    let request = pb::BatchDeactivatePaymentLinksRequest { filter, ..Default::default() };
    paylink.links().batch_deactivate_payment_links(request).await.unwrap();
    gate.heard_more_than(heard).await;
    let refused = paylink.links().activate_payment_link(activate()).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::Aborted, "OPERATION_IN_PROGRESS".to_owned()));
    assert!(retry_delay(&refused).is_some());
    // What was answered before is told again, and takes nothing back.
    assert!(paylink.links().activate_payment_link(first).await.unwrap().into_inner().active);

    paylink.stripe.gate.let_answers(Answers::Pass);
    until(async || !paylink.link_now(&link.id).await.active).await;
    let again = activate();
    until(async || paylink.links().activate_payment_link(again.clone()).await.is_ok()).await;
    assert!(paylink.link_now(&link.id).await.active);
}
