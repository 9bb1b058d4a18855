//! Several accounts of Stripe behind one service: who names one works there alone.

use paylink::app::App;
use paylink::config::{Profile, Sources};
use paylink::pb;
use paylink::pb::payment::State;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::harness::{
    Folder, Guarded, Hook, POLICY, Page, Paylink, Start, Watch, Wire, code_of, event, now_secs,
    poster_request,
};

const CARD: &str = "4242424242424242";
const POSTER: i64 = 2500;

/// A service with two further accounts. What one of them is told comes by the address
/// of the platform, and what the other is by its own.
fn two_more() -> Start {
    Paylink::start()
        .with("PAYLINK__STRIPE__ACCOUNTS__EU__API_KEY", "sk_test_sandbox")
        .with("PAYLINK__STRIPE__ACCOUNTS__EU__STRIPE_ACCOUNT", "acct_eu")
        .with("PAYLINK__STRIPE__ACCOUNTS__EU__WEBHOOK_SECRETS", "whsec_sandbox")
        .with("PAYLINK__STRIPE__ACCOUNTS__US__API_KEY", "sk_test_sandbox")
        .with("PAYLINK__STRIPE__ACCOUNTS__US__STRIPE_ACCOUNT", "acct_us")
        .with("PAYLINK__STRIPE__ACCOUNTS__US__WEBHOOK_SECRETS", "whsec_us")
}

/// A request at an account.
fn at<T>(account: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("paylink-account", account.parse().unwrap());
    request
}

async fn link_at(paylink: &Paylink, account: &str) -> pb::PaymentLink {
    let request = at(account, poster_request());
    paylink.links().create_payment_link(request).await.unwrap().into_inner()
}

async fn watch_at(paylink: &Paylink, account: &str) -> Watch {
    let request = at(account, pb::WatchPaymentsRequest::default());
    Watch::new(paylink.payments().watch_payments(request).await.unwrap().into_inner())
}

async fn payments_at(paylink: &Paylink, account: &str) -> Vec<String> {
    let request = at(account, pb::ListPaymentsRequest::default());
    let page = paylink.payments().list_payments(request).await.unwrap().into_inner();
    page.payments.into_iter().map(|payment| payment.id).collect()
}

async fn get_at(paylink: &Paylink, account: &str, id: &str) -> Result<pb::Payment, tonic::Status> {
    let request = at(account, pb::GetPaymentRequest { id: id.to_owned() });
    paylink.payments().get_payment(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_link_is_made_at_the_account_that_the_call_names_and_seen_there_alone() {
    let paylink = two_more().await;
    let link = link_at(&paylink, "eu").await;
    // Twice, since what was read the first time may be kept.
    for _ in 0..2 {
        for (account, is_there) in [("eu", true), ("us", false), ("default", false)] {
            let request = at(account, pb::GetPaymentLinkRequest { id: link.id.clone() });
            let seen = paylink.links().get_payment_link(request).await;
            assert_eq!(seen.is_ok(), is_there, "{account}: {seen:?}");
        }
    }
    assert!(paylink.stripe.list("/v1/payment_links").await.is_empty());
}

#[tokio::test]
async fn who_names_no_account_works_at_the_default_one() {
    let paylink = two_more().await;
    let (named, unnamed) = (link_at(&paylink, "default").await, paylink.link().await);
    let there = paylink.stripe.list("/v1/payment_links").await;
    let there: Vec<_> = there.iter().map(|link| link["id"].as_str().unwrap()).collect();
    assert_eq!(there, [unnamed.id, named.id]);
}

#[tokio::test]
async fn the_same_request_id_at_two_accounts_is_two_requests() {
    let paylink = two_more().await;
    let request =
        pb::CreatePaymentLinkRequest { request_id: Uuid::new_v4().to_string(), ..poster_request() };
    let mut made = Vec::new();
    for account in ["eu", "us", "default", "eu"] {
        let request = at(account, request.clone());
        made.push(paylink.links().create_payment_link(request).await.unwrap().into_inner().id);
    }
    assert_eq!(made[0], made[3]);
    assert!(made[0] != made[1] && made[1] != made[2] && made[0] != made[2]);
}

#[tokio::test]
async fn a_payment_is_seen_listed_watched_and_claimed_at_its_account_alone() {
    let paylink = two_more().await;
    let mut watches = [watch_at(&paylink, "eu").await, watch_at(&paylink, "default").await];
    Page::open(&link_at(&paylink, "eu").await.url).await.pay(CARD).await;
    let payment = watches[0].payment().await;
    assert_eq!((payment.account.as_str(), payment.amount_total), ("eu", POSTER));
    assert_eq!(payment.line_items.len(), 1, "its details were asked of its account");

    Page::open(&paylink.link().await.url).await.pay(CARD).await;
    let other = watches[1].payment().await;
    assert_eq!((other.account.as_str(), other.id != payment.id), ("", true), "nothing before it");

    for (account, expected) in [("eu", &payment.id), ("default", &other.id)] {
        assert_eq!(payments_at(&paylink, account).await, std::slice::from_ref(expected));
        let claim = pb::ClaimFulfillmentRequest { worker: "w".into(), ..Default::default() };
        let request = at(account, claim);
        let claimed = paylink.payments().claim_fulfillment(request).await.unwrap().into_inner();
        assert_eq!(&claimed.payment.unwrap().id, expected);
    }
    assert!(payments_at(&paylink, "us").await.is_empty());
    let missing = get_at(&paylink, "us", &payment.id).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let refund = pb::RefundPaymentRequest { payment: payment.id.clone(), ..Default::default() };
    let refused = paylink.payments().refund_payment(at("us", refund.clone())).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let refund = paylink.payments().refund_payment(at("eu", refund)).await.unwrap().into_inner();
    assert_eq!(refund.amount, POSTER);
}

#[tokio::test]
async fn a_webhook_is_believed_by_the_secrets_of_its_address() {
    let paylink = two_more().without_webhooks().await;
    let mut of_us = event("evt_us", "checkout.session.completed", "cs_us", "paid");
    of_us["account"] = "acct_us".into();
    let hook = || Hook::of(&of_us);
    let signed = |secret: &str| hook().signed(secret, now_secs());
    assert_eq!(signed("whsec_sandbox").of_account("us").send(&paylink).await, 400);
    assert_eq!(signed("whsec_us").send(&paylink).await, 400);
    assert_eq!(signed("whsec_us").of_account("nowhere").send(&paylink).await, 404);
    assert_eq!(signed("whsec_us").of_account("us").send(&paylink).await, 200);
    let mut watch = watch_at(&paylink, "us").await;
    assert_eq!(watch.payment().await.account, "us");
}

#[tokio::test]
async fn an_event_of_an_account_that_is_not_configured_is_told_to_nobody() {
    let paylink = two_more().without_webhooks().await;
    let mut foreign = event("evt_1", "checkout.session.completed", "cs_1", "paid");
    foreign["account"] = "acct_other".into();
    assert_eq!(Hook::of(&foreign).send(&paylink).await, 200);
    // The platform's secret is not that of `us`, though the event says so.
    foreign["id"] = "evt_2".into();
    foreign["account"] = "acct_us".into();
    assert_eq!(Hook::of(&foreign).send(&paylink).await, 200);
    let last = event("evt_3", "checkout.session.completed", "cs_3", "paid");
    assert_eq!(Hook::of(&last).send(&paylink).await, 200);
    let mut watch = watch_at(&paylink, "default").await;
    assert_eq!(watch.payment().await.id, "cs_3");
    assert!(payments_at(&paylink, "us").await.is_empty());
}

#[tokio::test]
async fn each_account_is_compared_with_its_own_stripe() {
    let paylink = two_more().without_webhooks().await;
    Page::open(&link_at(&paylink, "eu").await.url).await.pay(CARD).await;
    let report = async |account| {
        let request = at(account, pb::ReconcilePaymentsRequest::default());
        paylink.payments().reconcile_payments(request).await.unwrap().into_inner()
    };
    assert_eq!(report("default").await.sessions_seen, 0);
    assert!(report("eu").await.sessions_seen > 0);
    let mut watch = watch_at(&paylink, "eu").await;
    assert_eq!(watch.payment().await.state(), State::Paid);
}

#[tokio::test]
async fn two_accounts_consumers_of_one_name_are_two() {
    let paylink = two_more().await;
    Page::open(&paylink.link().await.url).await.pay(CARD).await;
    watch_at(&paylink, "default").await.payment().await;
    Page::open(&link_at(&paylink, "eu").await.url).await.pay(CARD).await;
    let mut watch = watch_at(&paylink, "eu").await;
    watch.payment().await;
    let position = watch.position.clone();
    let consumer = || "mail".to_owned();
    let acknowledge = pb::AcknowledgePaymentsRequest { consumer: consumer(), position };
    paylink.payments().acknowledge_payments(at("eu", acknowledge)).await.unwrap();
    // What came before that is still to be told to the other.
    let request = pb::WatchPaymentsRequest { consumer: consumer(), ..Default::default() };
    let stream = paylink.payments().watch_payments(at("default", request)).await.unwrap();
    assert_eq!(Watch::new(stream.into_inner()).payment().await.account, "");
}

/// What who may not work at an account is told.
async fn refused(
    links: &mut PaymentLinkServiceClient<Wire>,
    request: Request<pb::CreatePaymentLinkRequest>,
) -> String {
    let status = links.create_payment_link(request).await.unwrap_err();
    assert_eq!(code_of(&status), (Code::PermissionDenied, "METHOD_NOT_ALLOWED".to_owned()));
    let mut details = status.get_error_details();
    details.set_request_info("", "");
    format!("{} {details:?}", status.message())
}

#[tokio::test]
async fn an_account_that_is_forbidden_is_told_of_as_one_that_is_not_there() {
    let guarded = Guarded::start_as(two_more()).await;
    let by = |account: &str| {
        let mut request = guarded.by("shop", poster_request());
        request.metadata_mut().insert("paylink-account", account.parse().unwrap());
        request
    };
    let mut links = guarded.paylink.links();
    let forbidden = refused(&mut links, by("eu")).await;
    assert_eq!(refused(&mut links, by("nowhere")).await, forbidden);
    assert_eq!(refused(&mut links, by("")).await, forbidden);
    let mut twice = by("default");
    twice.metadata_mut().append("paylink-account", "default".parse().unwrap());
    assert_eq!(refused(&mut links, twice).await, forbidden);
    assert!(links.create_payment_link(by("default")).await.is_ok());

    let shop = "identities = [\"https://id.example|shop\"]";
    assert!(POLICY.contains(shop));
    guarded.put_policy(&POLICY.replace(shop, &format!("{shop}\naccounts = [\"eu\"]")));
    let is_let_in =
        async || Box::pin(guarded.paylink.links().create_payment_link(by("eu"))).await.is_ok();
    Box::pin(crate::harness::until(is_let_in)).await;
    assert_eq!(refused(&mut links, by("default")).await, forbidden);
}

#[tokio::test]
async fn where_anyone_may_call_an_unknown_account_is_refused_too() {
    let paylink = two_more().await;
    refused(&mut paylink.links(), at("nowhere", poster_request())).await;
    assert!(paylink.stripe.list("/v1/payment_links").await.is_empty());
}

#[tokio::test]
async fn a_memory_of_test_mode_is_not_opened_with_live_keys() {
    let folder = Folder::new();
    let start = async |key: &str| {
        let environment = [
            ("PAYLINK__STRIPE__API_KEY", key),
            ("PAYLINK__STRIPE__ALLOW_LIVE", "true"),
            ("PAYLINK__STORAGE__URL", &folder.storage_url()),
            ("PAYLINK__GRPC__LISTEN", "127.0.0.1:0"),
            ("PAYLINK__WEBHOOK__LISTEN", "127.0.0.1:0"),
            ("PAYLINK__OPERATIONS__LISTEN", "127.0.0.1:0"),
            ("PAYLINK__TELEMETRY__LOG_FILTER", "off"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (profile, environment) = (Profile::Serve, environment.into());
        let config = Sources { profile, file: None, environment }.load().unwrap();
        App::build(config).await.err().map(|error| error.to_string())
    };
    assert_eq!(start("rk_test_1").await, None);
    let refused = start("rk_live_1").await.unwrap();
    assert!(refused.contains("stripe.api_key is of the other mode"), "{refused}");
    assert_eq!(start("rk_test_2").await, None);
}
