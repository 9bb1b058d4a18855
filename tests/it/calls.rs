//! What holds for every call: deadlines, sizes, methods that exist.

use std::time::{Duration, Instant};

use paylink::pb;
use tonic::client::Grpc;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;

use crate::harness::{Answers, Paylink, Watch, code_of, poster_request, request_id};

/// A deadline of up to a second is kept by a busy machine within this.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

fn with_timeout<T>(message: T, timeout: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
    request
}

fn assert_deadline(refused: &Status, start: Instant) {
    assert_eq!(code_of(refused), (Code::DeadlineExceeded, "DEADLINE".to_owned()));
    assert!(start.elapsed() < ENDS_WITHIN);
}

async fn call_unknown(paylink: &Paylink, path: &'static str) -> Status {
    let mut grpc = Grpc::with_origin(paylink.wire(), paylink.origin());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<pb::GetPaymentRequest, pb::Payment>::default();
    let request = Request::new(pb::GetPaymentRequest::default());
    grpc.unary(request, path.parse().unwrap(), codec).await.unwrap_err()
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let paylink = Paylink::start().await;
    paylink.stripe.gate.let_answers(Answers::Wait);
    let start = Instant::now();
    let create = with_timeout(poster_request(), "200m");
    assert_deadline(&paylink.links().create_payment_link(create).await.unwrap_err(), start);
    let start = Instant::now();
    let list = with_timeout(pb::ListPaymentLinksRequest::default(), "200000u");
    assert_deadline(&paylink.links().list_payment_links(list).await.unwrap_err(), start);
}

#[tokio::test]
async fn a_call_without_a_deadline_is_given_one() {
    let paylink = Paylink::start().with("PAYLINK__GRPC__TIMEOUT_MS_DEFAULT", "200").await;
    paylink.stripe.gate.let_answers(Answers::Wait);
    let start = Instant::now();
    let refused = paylink.links().create_payment_link(poster_request()).await.unwrap_err();
    assert_deadline(&refused, start);
}

#[tokio::test]
async fn a_call_whose_time_is_up_is_not_begun() {
    let paylink = Paylink::start().await;
    let create = with_timeout(poster_request(), "0m");
    let refused = paylink.links().create_payment_link(create).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::DeadlineExceeded, "DEADLINE".to_owned()));
    assert_eq!(paylink.stripe.gate.heard(), 0);
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline_and_not_before() {
    let paylink = Paylink::start().with("PAYLINK__GRPC__TIMEOUT_MS_MAX", "700").await;
    let start = Instant::now();
    let request = with_timeout(pb::WatchPaymentsRequest::default(), "1S");
    let mut watch =
        Watch::new(paylink.payments().watch_payments(request).await.unwrap().into_inner());
    watch.heartbeat().await;
    let ended = watch.end().await;
    assert_deadline(&ended, start);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_timeout_that_is_none_is_refused() {
    let paylink = Paylink::start().await;
    for timeout in ["soon", "1", "-1S", "123456789S", "1.5S", "1s"] {
        let create = with_timeout(poster_request(), timeout);
        let refused = paylink.links().create_payment_link(create).await.unwrap_err();
        assert_eq!(code_of(&refused), (Code::InvalidArgument, "BAD_TIMEOUT".to_owned()));
    }
    assert_eq!(paylink.stripe.gate.heard(), 0);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let paylink = Paylink::start().await;
    let product = pb::Product { name: "n".repeat(300_000), ..Default::default() };
    let request = pb::CreateProductRequest { product: Some(product), ..Default::default() };
    let refused = paylink.catalog().create_product(request).await.unwrap_err();
    assert_eq!(code_of(&refused), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned()));
    assert!(!request_id(refused.metadata()).is_empty());
    assert_eq!(paylink.stripe.gate.heard(), 0);
}

#[tokio::test]
async fn of_a_probe_no_more_is_read_than_a_name_takes() {
    let paylink = Paylink::start().await;
    let mut health = HealthClient::with_origin(paylink.wire(), paylink.origin());
    let mut check = async |bytes: usize| {
        health.check(HealthCheckRequest { service: "s".repeat(bytes) }).await.unwrap_err()
    };
    assert_eq!(check(1_000).await.code(), Code::NotFound);
    let refused = code_of(&check(1_100).await);
    assert_eq!(refused, (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned()));
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_not_implemented() {
    let paylink = Paylink::start().await;
    for path in ["/paylink.v1.PaymentLinkService/Pay", "/paylink.v9.PaymentService/GetPayment"] {
        let refused = call_unknown(&paylink, path).await;
        assert_eq!(code_of(&refused), (Code::Unimplemented, "UNIMPLEMENTED".to_owned()));
        assert!(!request_id(refused.metadata()).is_empty());
    }
}
