//! Whose links and payments a caller sees: its owner's, unless the policy says all.

use paylink::pb;
use paylink::pb::payment::State;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::harness::{Guarded, Page, Watch, code_of, poster, poster_request};

const CARD: &str = "4242424242424242";

async fn link_of(guarded: &Guarded, owner: &str) -> pb::PaymentLink {
    let request = guarded.by(owner, poster_request());
    guarded.paylink.links().create_payment_link(request).await.unwrap().into_inner()
}

async fn watch(guarded: &Guarded, caller: &str) -> Watch {
    let request = guarded.by(caller, pb::WatchPaymentsRequest::default());
    let watch = guarded.paylink.payments().watch_payments(request).await.unwrap();
    Watch::new(watch.into_inner())
}

/// A payment of a link of the owner's that was told.
async fn payment_of(guarded: &Guarded, owner: &str) -> pb::Payment {
    let mut watch = watch(guarded, owner).await;
    let link = link_of(guarded, owner).await;
    Page::open(&link.url).await.pay(CARD).await;
    loop {
        let payment = watch.payment().await;
        if payment.payment_link == link.id && payment.state() == State::Paid {
            return payment;
        }
    }
}

/// What a refusal tells, but for what names the call and the object.
fn told(status: &Status, id: &str) -> String {
    let mut details = status.get_error_details();
    details.set_request_info("", "");
    let headers = status.metadata().keys().map(|key| format!("{key:?}")).collect::<Vec<_>>();
    let text = format!("{:?} {} {details:?} {headers:?}", status.code(), status.message());
    text.replace(id, "{id}")
}

/// Calls every method of links with an id, as a caller, and gives what each tells.
async fn about_link(guarded: &Guarded, caller: &str, id: &str) -> Vec<String> {
    let mut links = guarded.paylink.links();
    let id = || id.to_owned();
    let link = pb::PaymentLink { id: id(), inactive_message: "No".into(), ..Default::default() };
    let mask = prost_types::FieldMask { paths: vec!["inactive_message".into()] };
    let update = pb::UpdatePaymentLinkRequest {
        payment_link: Some(link),
        update_mask: Some(mask),
        ..Default::default()
    };
    let get = pb::GetPaymentLinkRequest { id: id() };
    let activate = pb::ActivatePaymentLinkRequest { id: id(), ..Default::default() };
    let deactivate = pb::DeactivatePaymentLinkRequest { id: id(), ..Default::default() };
    let items = pb::ListLineItemsRequest { payment_link: id(), ..Default::default() };
    [
        links.get_payment_link(guarded.by(caller, get)).await.map(drop),
        links.update_payment_link(guarded.by(caller, update)).await.map(drop),
        links.activate_payment_link(guarded.by(caller, activate)).await.map(drop),
        links.deactivate_payment_link(guarded.by(caller, deactivate)).await.map(drop),
        links.list_line_items(guarded.by(caller, items)).await.map(drop),
    ]
    .map(|outcome| outcome.map_or_else(|refused| told(&refused, &id()), |()| "ok".to_owned()))
    .into()
}

/// The same for payments.
async fn about_payment(guarded: &Guarded, caller: &str, id: &str) -> Vec<String> {
    let mut payments = guarded.paylink.payments();
    let payment = || id.to_owned();
    let claim = || "0".repeat(32);
    let get = pb::GetPaymentRequest { id: payment() };
    let claiming = pb::ClaimFulfillmentRequest {
        payment: payment(),
        worker: "w".into(),
        ..Default::default()
    };
    let complete =
        pb::CompleteFulfillmentRequest { payment: payment(), claim: claim(), ..Default::default() };
    let release =
        pb::ReleaseFulfillmentRequest { payment: payment(), claim: claim(), ..Default::default() };
    let refund = pb::RefundPaymentRequest { payment: payment(), ..Default::default() };
    [
        payments.get_payment(guarded.by(caller, get)).await.map(drop),
        payments.claim_fulfillment(guarded.by(caller, claiming)).await.map(drop),
        payments.complete_fulfillment(guarded.by(caller, complete)).await.map(drop),
        payments.release_fulfillment(guarded.by(caller, release)).await.map(drop),
        payments.refund_payment(guarded.by(caller, refund)).await.map(drop),
    ]
    .map(|outcome| outcome.map_or_else(|refused| told(&refused, id), |()| "ok".to_owned()))
    .into()
}

#[tokio::test]
async fn a_link_carries_its_owner_and_only_that_one_sees_it() {
    let guarded = Guarded::start().await;
    let link = link_of(&guarded, "shop").await;
    assert_eq!((link.owner.as_str(), link.metadata.len()), ("shop", 0));
    let kept = guarded.paylink.stripe.get(&format!("/v1/payment_links/{}", link.id)).await;
    assert_eq!(kept["metadata"]["pl_owner"], "shop");
    for reader in ["shop", "reader", "operator"] {
        let request = guarded.by(reader, pb::GetPaymentLinkRequest { id: link.id.clone() });
        let seen = guarded.paylink.links().get_payment_link(request).await.unwrap().into_inner();
        assert_eq!(seen.owner, "shop", "{reader}");
    }
}

#[tokio::test]
async fn a_link_of_another_owner_is_told_of_as_one_that_does_not_exist() {
    let guarded = Guarded::start().await;
    let link = link_of(&guarded, "shop").await;
    // Twice, since what was read the first time may be kept.
    for _ in 0..2 {
        let missing = about_link(&guarded, "crm", "plink_missing").await;
        assert_eq!(about_link(&guarded, "crm", &link.id).await, missing);
        assert!(missing.iter().all(|told| told.starts_with("NotFound")), "{missing:?}");
    }
    assert_eq!(about_link(&guarded, "shop", &link.id).await, ["ok"; 5]);
}

#[tokio::test]
async fn a_link_of_another_owner_costs_the_calls_of_a_missing_one() {
    let guarded = Guarded::start().await;
    let link = link_of(&guarded, "shop").await;
    let reads = async |caller: &str, id: &str| {
        let before = guarded.paylink.stripe.list("/v1/payment_links").await.len();
        let heard = guarded.paylink.stripe.gate.heard();
        let request = guarded.by(caller, pb::GetPaymentLinkRequest { id: id.to_owned() });
        let _ = guarded.paylink.links().get_payment_link(request).await;
        assert_eq!(before, 1);
        guarded.paylink.stripe.gate.heard() > heard
    };
    assert!(reads("shop", &link.id).await || !reads("shop", &link.id).await);
    assert!(!reads("shop", &link.id).await, "what is one's own is kept");
    for _ in 0..2 {
        assert!(reads("crm", &link.id).await && reads("crm", "plink_missing").await);
    }
}

#[tokio::test]
async fn lists_hold_what_is_ones_own_and_lose_none_of_it() {
    let guarded = Guarded::start().await;
    let mut own = Vec::new();
    for at in 0..7 {
        let owner = if at % 2 == 0 { "shop" } else { "crm" };
        let link = link_of(&guarded, owner).await;
        if owner == "shop" {
            own.insert(0, link.id);
        }
    }
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request =
            pb::ListPaymentLinksRequest { page_size: 3, page_token, ..Default::default() };
        let request = guarded.by("shop", request);
        let page = guarded.paylink.links().list_payment_links(request).await.unwrap().into_inner();
        assert!(page.payment_links.len() <= 3);
        found.extend(page.payment_links.into_iter().map(|link| link.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, own);
    let request = guarded.by("operator", pb::ListPaymentLinksRequest::default());
    let all = guarded.paylink.links().list_payment_links(request).await.unwrap().into_inner();
    assert_eq!(all.payment_links.len(), 7);
}

#[tokio::test]
async fn a_link_keeps_its_owner_when_its_metadata_is_cleared() {
    let guarded = Guarded::start().await;
    let mut request = poster_request();
    let notes = [("order".to_owned(), "7".to_owned()), ("a b&c".to_owned(), "d".to_owned())];
    request.payment_link.as_mut().unwrap().metadata = notes.into();
    let mut links = guarded.paylink.links();
    let link = links.create_payment_link(guarded.by("shop", request)).await.unwrap().into_inner();
    assert_eq!(link.metadata.len(), 2);
    let update = pb::UpdatePaymentLinkRequest {
        payment_link: Some(pb::PaymentLink { id: link.id, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["metadata".into()] }),
        ..Default::default()
    };
    let link = links.update_payment_link(guarded.by("shop", update)).await.unwrap().into_inner();
    assert_eq!((link.owner.as_str(), link.metadata.len()), ("shop", 0));
}

#[tokio::test]
async fn the_same_request_id_of_two_owners_is_two_requests() {
    let guarded = Guarded::start().await;
    let request_id = Uuid::new_v4().to_string();
    let request =
        || pb::CreatePaymentLinkRequest { request_id: request_id.clone(), ..poster_request() };
    let mut links = guarded.paylink.links();
    let mut made = Vec::new();
    for caller in ["shop", "crm", "shop"] {
        let link = links.create_payment_link(guarded.by(caller, request())).await.unwrap();
        let link = link.into_inner();
        assert_eq!(link.owner, caller);
        made.push(link.id);
    }
    assert_eq!(made[0], made[2]);
    assert_ne!(made[0], made[1]);
}

#[tokio::test]
async fn a_payment_is_its_links_owners_and_nobody_elses() {
    let guarded = Guarded::start().await;
    let payment = payment_of(&guarded, "shop").await;
    assert_eq!(payment.owner, "shop");
    let missing = about_payment(&guarded, "crm", "cs_missing").await;
    assert_eq!(about_payment(&guarded, "crm", &payment.id).await, missing);
    assert!(missing.iter().all(|told| told.starts_with("NotFound")), "{missing:?}");

    let own = payment_of(&guarded, "crm").await;
    assert_eq!(watch(&guarded, "crm").await.payment().await.id, own.id, "others' are passed over");
    for (caller, expected) in [
        ("shop", vec![&payment.id]),
        ("crm", vec![&own.id]),
        ("operator", vec![&own.id, &payment.id]),
    ] {
        let request = guarded.by(caller, pb::ListPaymentsRequest::default());
        let list = guarded.paylink.payments().list_payments(request).await.unwrap().into_inner();
        let mut found: Vec<_> = list.payments.iter().map(|payment| &payment.id).collect();
        let mut expected = expected;
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{caller}");
    }
}

#[tokio::test]
async fn a_worker_is_given_its_owners_payments_and_an_answer_is_nobody_elses() {
    let guarded = Guarded::start().await;
    let payment = payment_of(&guarded, "shop").await;
    let claim = |request_id: &str| pb::ClaimFulfillmentRequest {
        worker: "w".into(),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    let id = Uuid::new_v4().to_string();
    let mut payments = guarded.paylink.payments();
    for (caller, expected) in [("crm", None), ("shop", Some(&payment.id)), ("crm", None)] {
        let request = guarded.by(caller, claim(&id));
        let claimed = payments.claim_fulfillment(request).await.unwrap().into_inner().payment;
        assert_eq!(claimed.as_ref().map(|payment| &payment.id), expected, "{caller}");
    }
}

#[tokio::test]
async fn two_owners_may_call_their_consumers_the_same() {
    let guarded = Guarded::start().await;
    payment_of(&guarded, "shop").await;
    let mut payments = guarded.paylink.payments();
    let mut handled = watch(&guarded, "shop").await;
    handled.payment().await;
    let position = handled.position;
    let request = pb::AcknowledgePaymentsRequest { consumer: "mail".into(), position };
    payments.acknowledge_payments(guarded.by("shop", request)).await.unwrap();
    let own = payment_of(&guarded, "crm").await;
    let request = pb::WatchPaymentsRequest { consumer: "mail".into(), ..Default::default() };
    let watch = payments.watch_payments(guarded.by("crm", request)).await.unwrap();
    assert_eq!(Watch::new(watch.into_inner()).payment().await.id, own.id);
}

#[tokio::test]
async fn only_who_sees_all_reconciles() {
    let guarded = Guarded::start().await;
    let request = || pb::ReconcilePaymentsRequest::default();
    let mut payments = guarded.paylink.payments();
    let refused = payments.reconcile_payments(guarded.by("crm", request())).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::PermissionDenied, "METHOD_NOT_ALLOWED".to_owned()));
    payments.reconcile_payments(guarded.by("operator", request())).await.unwrap();
}

#[tokio::test]
async fn a_link_that_is_replaced_by_who_sees_all_stays_its_owners() {
    let guarded = Guarded::start().await;
    let mut links = guarded.paylink.links();
    let mut request = poster_request();
    request.payment_link.as_mut().unwrap().order_ref = "order 7".to_owned();
    let old = links.create_payment_link(guarded.by("shop", request)).await.unwrap().into_inner();
    let replace = |id: &str| pb::ReplacePaymentLinkRequest {
        id: id.to_owned(),
        payment_link: Some(pb::PaymentLink { line_items: vec![poster()], ..Default::default() }),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let request = guarded.by("operator", replace(&old.id));
    let new = links.replace_payment_link(request).await.unwrap().into_inner().payment_link.unwrap();
    assert_eq!((&*new.owner, &*new.order_ref), ("shop", "order 7"));

    let close = pb::CloseOrderRequest {
        order_ref: "order 7".to_owned(),
        reason: pb::order::CloseReason::Cancelled.into(),
        ..Default::default()
    };
    guarded.paylink.orders().close_order(guarded.by("shop", close)).await.unwrap();
    let request = guarded.by("operator", replace(&new.id));
    let refused = links.replace_payment_link(request).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::FailedPrecondition, "ORDER_CLOSED".to_owned()));

    // What is nobody's stays nobody's.
    let form = "line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=1000\
        &line_items[0][price_data][product_data][name]=Poster&line_items[0][quantity]=1";
    let outside = guarded.paylink.stripe.post("/v1/payment_links", form).await;
    let request = guarded.by("operator", replace(outside["id"].as_str().unwrap()));
    let new = links.replace_payment_link(request).await.unwrap().into_inner().payment_link.unwrap();
    assert_eq!(new.owner, "");
}
