//! What tools find out by themselves: which services there are, and whether they work.

use futures_util::{StreamExt as _, stream};
use prost::Message as _;
use prost_types::FileDescriptorProto;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::{v1, v1alpha};

use crate::harness::{Paylink, Wire, within};

const SERVICES: [&str; 3] =
    ["paylink.v1.CatalogService", "paylink.v1.PaymentLinkService", "paylink.v1.PaymentService"];

fn health(paylink: &Paylink) -> HealthClient<Wire> {
    HealthClient::with_origin(paylink.wire(), paylink.origin())
}

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

/// Gives the files of the contract that a tool needs for a symbol.
async fn files(paylink: &Paylink, symbol: &str) -> Vec<FileDescriptorProto> {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let wire = paylink.wire();
    let mut client =
        v1::server_reflection_client::ServerReflectionClient::with_origin(wire, paylink.origin());
    let ask = MessageRequest::FileContainingSymbol(symbol.to_owned());
    let ask = v1::ServerReflectionRequest { message_request: Some(ask), ..Default::default() };
    let answers = client.server_reflection_info(stream::iter([ask])).await.unwrap();
    let answer = answers.into_inner().next().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::FileDescriptorResponse(files)) = answer else {
        panic!("{symbol}: {answer:?}");
    };
    let decode = |file: &Vec<u8>| FileDescriptorProto::decode(file.as_slice()).unwrap();
    files.file_descriptor_proto.iter().map(decode).collect()
}

#[tokio::test]
async fn reflection_lists_our_services() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let paylink = Paylink::start().await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::with_origin(
        paylink.wire(),
        paylink.origin(),
    );
    let ask = MessageRequest::ListServices(String::new());
    let ask = v1::ServerReflectionRequest { message_request: Some(ask), ..Default::default() };
    let answers = client.server_reflection_info(stream::iter([ask])).await.unwrap();
    let answer = answers.into_inner().next().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for service in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
        assert!(names.iter().any(|name| name == service), "{service} is not in {names:?}");
    }
}

#[tokio::test]
async fn reflection_reads_no_more_than_a_name_takes() {
    use v1::server_reflection_request::MessageRequest;
    let paylink = Paylink::start().await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::with_origin(
        paylink.wire(),
        paylink.origin(),
    );
    let mut is_answered = async |bytes: usize| {
        let ask = MessageRequest::FileContainingSymbol("s".repeat(bytes));
        let ask = v1::ServerReflectionRequest { message_request: Some(ask), ..Default::default() };
        let answers = client.server_reflection_info(stream::iter([ask])).await.unwrap();
        within(answers.into_inner().next()).await.is_some()
    };
    assert!(is_answered(1_000).await);
    assert!(!is_answered(1_100).await);
}

#[tokio::test]
async fn older_reflection_lists_our_services_too() {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let paylink = Paylink::start().await;
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::with_origin(
        paylink.wire(),
        paylink.origin(),
    );
    let ask = MessageRequest::ListServices(String::new());
    let ask = v1alpha::ServerReflectionRequest { message_request: Some(ask), ..Default::default() };
    let answers = client.server_reflection_info(stream::iter([ask])).await.unwrap();
    let answer = answers.into_inner().next().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for service in SERVICES {
        assert!(names.iter().any(|name| name == service), "{service} is not in {names:?}");
    }
}

#[tokio::test]
async fn reflection_describes_the_contract_and_the_details_of_errors() {
    let paylink = Paylink::start().await;
    for (symbol, package) in [
        ("paylink.v1.PaymentLinkService", "paylink.v1"),
        ("paylink.v1.PaymentEvent", "paylink.v1"),
        ("google.rpc.BadRequest", "google.rpc"),
        ("google.rpc.ErrorInfo", "google.rpc"),
        ("google.rpc.RetryInfo", "google.rpc"),
    ] {
        let files = files(&paylink, symbol).await;
        assert!(files.iter().any(|file| file.package() == package), "{symbol}");
    }
}

#[tokio::test]
async fn every_service_is_healthy() {
    let paylink = Paylink::start().await;
    for service in SERVICES.into_iter().chain([""]) {
        let answer = health(&paylink).check(about(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
}

#[tokio::test]
async fn a_service_that_does_not_exist_has_no_health() {
    let paylink = Paylink::start().await;
    let refused = health(&paylink).check(about("paylink.v9.PaymentService")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn a_watcher_of_health_is_told_of_the_stop() {
    let paylink = Paylink::start().await;
    let watch = health(&paylink).watch(about(SERVICES[0])).await.unwrap();
    let mut watch = watch.into_inner();
    let serving = HealthCheckResponse { status: ServingStatus::Serving.into() };
    assert_eq!(within(watch.next()).await.unwrap().unwrap(), serving);
    paylink.ask_to_stop();
    loop {
        match within(watch.next()).await.expect("a stream ends with an error") {
            Ok(answer) => assert_eq!(answer.status(), ServingStatus::NotServing),
            Err(ended) => break assert_eq!(ended.code(), Code::Unavailable),
        }
    }
}
