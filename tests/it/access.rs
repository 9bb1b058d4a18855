//! The account's key: what the service says of itself where Stripe refuses it.

use paylink::pb;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{Paylink, code_of, until};

async fn ready(paylink: &Paylink) -> (u16, String) {
    let url = format!("http://{}/ready", paylink.addresses.operations);
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn is_serving(paylink: &Paylink, service: &str) -> bool {
    let mut health = HealthClient::with_origin(paylink.wire(), paylink.origin());
    let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await;
    answer.unwrap().into_inner().status() == ServingStatus::Serving
}

#[tokio::test]
async fn a_service_whose_key_never_worked_is_not_ready_and_says_why() {
    let paylink = Paylink::start().with("PAYLINK__STRIPE__API_KEY", "sk_wrong").await;
    let refused = paylink.links().list_payment_links(pb::ListPaymentLinksRequest::default()).await;
    assert_eq!(code_of(&refused.unwrap_err()), (Code::Internal, "UPSTREAM_AUTH".to_owned()));
    let (status, why) = ready(&paylink).await;
    assert_eq!((status, &*why), (503, "not ready: Stripe refuses the account's key\n"));
    for service in ["", "paylink.v1.PaymentLinkService", "paylink.v1.PaymentService"] {
        until(async || !is_serving(&paylink, service).await).await;
    }
}

#[tokio::test]
async fn a_key_that_may_not_do_something_is_a_key_that_works() {
    let key = "rk_test_no_payment_links";
    let paylink = Paylink::start().with("PAYLINK__STRIPE__API_KEY", key).await;
    let refused = paylink.links().list_payment_links(pb::ListPaymentLinksRequest::default()).await;
    assert_eq!(code_of(&refused.unwrap_err()), (Code::Internal, "UPSTREAM_PERMISSION".to_owned()));
    assert_eq!(ready(&paylink).await, (200, "ready\n".to_owned()));
}
