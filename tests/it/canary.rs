//! Secrets, and what the contract marks with `debug_redact`, are in nothing that is
//! told: marked values are driven through the service with every signal at its
//! loudest, and looked for in all of them.

use paylink::pb;
use paylink::pb::payment::State;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use paylink::pb::payment_service_client::PaymentServiceClient;

use crate::harness::{
    Collector, Folder, Hook, Page, Program, Watch, event, now_secs, origin, poster_request, wire,
};

const PARTS: [&str; 4] = ["grpc", "webhook", "operations", "sandbox"];
const KEY: &str = "sk_test_canaryKeyThatNobodyMaySee";
const SECRET: &str = "whsec_canarySecretThatNobodyMaySee";
/// What the buyer of the harness fills in, all of which the contract marks.
const BUYER: [&str; 3] = ["jenny.rosen@example.com", "Jenny Rosen", "4242424242424242"];

/// Looks for everything that must not be there.
fn check(place: &str, text: &str) {
    for canary in [KEY, SECRET].into_iter().chain(BUYER) {
        // The end alone is enough to find a value that was cut.
        let end = &canary[canary.len().saturating_sub(12)..];
        let found = text.lines().find(|line| line.contains(end));
        assert_eq!(found, None, "{canary} is in {place}");
    }
}

#[tokio::test]
async fn no_secret_and_nothing_of_a_buyer_is_in_any_signal() {
    let (collector, folder) = (Collector::default(), Folder::new());
    let (url, storage) = (collector.listen().await, folder.storage_url());
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("PAYLINK__TELEMETRY__LOG_FILTER", "trace"),
        ("PAYLINK__TELEMETRY__LOG_REPEATS_MAX", "1000000"),
        ("PAYLINK__SANDBOX__API_KEY", KEY),
        ("PAYLINK__SANDBOX__WEBHOOK_SECRET", SECRET),
        ("PAYLINK__STORAGE__URL", storage.as_str()),
    ];
    let program = Program::start("dev", &PARTS, &environment).await;
    let at = origin(program.address("grpc"));
    let mut links = PaymentLinkServiceClient::with_origin(wire(), at.clone());
    let mut payments = PaymentServiceClient::with_origin(wire(), at);
    let watch = payments.watch_payments(pb::WatchPaymentsRequest::default()).await.unwrap();
    let link = links.create_payment_link(poster_request()).await.unwrap().into_inner();
    Page::open(&link.url).await.pay(BUYER[2]).await;
    let mut watch = Watch::new(watch.into_inner());
    let payment = loop {
        let payment = watch.payment().await;
        if payment.state() == State::Paid {
            break payment;
        }
    };
    let details = payment.customer_details.clone().unwrap_or_default();
    assert_eq!(details.email, BUYER[0], "what must not be told was there to tell");
    let get = pb::GetPaymentRequest { id: payment.id.clone() };
    payments.get_payment(get).await.unwrap();
    payments.list_payments(pb::ListPaymentsRequest::default()).await.unwrap();
    let refund = pb::RefundPaymentRequest { payment: payment.id.clone(), ..Default::default() };
    payments.refund_payment(refund.clone()).await.unwrap();
    let mut told = vec![payments.refund_payment(refund).await.map(drop)];

    // What is refused, on every way in.
    let none = pb::GetPaymentLinkRequest { id: "plink_none".into() };
    told.push(links.get_payment_link(none).await.map(drop));
    let mut foreign = event("evt_1", "checkout.session.completed", "cs_1", "paid");
    foreign["data"]["object"]["customer_details"] = serde_json::json!({
        "email": BUYER[0], "name": BUYER[1]
    });
    let webhook = program.address("webhook");
    Hook::of(&foreign).signed("whsec_another", now_secs()).send_to(webhook).await;
    Hook::of(&foreign).signed(SECRET, now_secs()).send_to(webhook).await;
    foreign["livemode"] = true.into();
    foreign["id"] = "evt_2".into();
    Hook::of(&foreign).signed(SECRET, now_secs()).send_to(webhook).await;
    Hook::raw(format!("no event of {}", BUYER[0])).signed(SECRET, 0).send_to(webhook).await;

    let http = async |path: &str| {
        let url = format!("http://{}/{path}", program.address("operations"));
        reqwest::get(url).await.unwrap().text().await.unwrap()
    };
    check("the metrics", &http("metrics").await);
    check("the readiness", &http("ready").await);
    check("an error", &format!("{told:?}"));
    let log = program.said();
    assert!(log.contains("A payment has changed"), "the log is at its loudest");
    assert_eq!(program.terminate().await, Some(0));
    check("the log", &log);
    let signals = collector.all();
    assert!(signals.contains("send feed"), "spans have come");
    check("a span or a metric", &signals);
}

#[test]
fn a_message_that_is_printed_shows_nothing_that_the_contract_marks() {
    let address = pb::Address { line1: BUYER[1].into(), ..Default::default() };
    let details = pb::CustomerDetails {
        email: BUYER[0].into(),
        name: BUYER[1].into(),
        address: Some(address),
        ..Default::default()
    };
    let payment = pb::Payment { customer_details: Some(details), ..Default::default() };
    check("a printed payment", &format!("{payment:?}"));
    check("a printed payment", &format!("{payment:#?}"));
}
