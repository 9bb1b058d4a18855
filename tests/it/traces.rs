//! Traces: one trace is a call, each attempt at Stripe, the webhooks that follow, and
//! what the feed tells of them.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use paylink::pb::payment_service_client::PaymentServiceClient;
use paylink::pb::{self, payment::State};
use paylink::sandbox::control::pb as control;
use paylink::sandbox::control::pb::sandbox_service_client::SandboxServiceClient;
use tonic::{Code, Request};

use crate::harness::{
    Collector, Page, Program, Watch, Wire, attribute, origin, poster_request, until, wire,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const PARTS: [&str; 3] = ["grpc", "operations", "sandbox"];

/// Starts the program with a collector to send to, over a protocol.
async fn start(further: &[(&str, &str)]) -> (Program, Collector) {
    let collector = Collector::default();
    let url = collector.listen().await;
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        // Soon enough for a test that waits for it.
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
    ];
    let program = Program::start("dev", &PARTS, &[&environment, further].concat()).await;
    (program, collector)
}

fn links(program: &Program) -> PaymentLinkServiceClient<Wire> {
    PaymentLinkServiceClient::with_origin(wire(), origin(program.address("grpc")))
}

/// A request in the caller's trace, which was sampled or was not.
fn traced<T>(message: T, flags: &str) -> Request<T> {
    let mut request = Request::new(message);
    let parent = format!("00-{TRACE}-{CALLER}-{flags}");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    request
}

async fn break_once(program: &Program, path: &str) {
    let effect = control::fault::request_fault::Effect::Unavailable.into();
    let fault = control::fault::RequestFault {
        method: "POST".into(),
        path: path.into(),
        effect,
        ..Default::default()
    };
    let fault = control::Fault {
        target: Some(control::fault::Target::Request(fault)),
        ..Default::default()
    };
    let origin = origin(program.address("sandbox"));
    let mut sandbox = SandboxServiceClient::with_origin(wire(), origin);
    let inject = control::InjectFaultRequest { fault: Some(fault) };
    sandbox.inject_fault(inject).await.unwrap();
}

/// Writes the spans below one down, each with what tells it from its like.
fn tree(spans: &[Span], parent: &str, depth: usize) -> Vec<String> {
    let mut written = Vec::new();
    for span in spans.iter().filter(|span| hex::encode(&span.parent_span_id) == parent) {
        let kind = format!("{:?}", span.kind()).to_lowercase();
        let mut line = format!("{}{kind} {}", "  ".repeat(depth), span.name);
        for name in [
            "rpc.response.status_code",
            "http.response.status_code",
            "stripe.event.type",
            "payment.state",
            "error.type",
        ] {
            let value = attribute(span, name);
            if !value.is_empty() {
                line.push(' ');
                line.push_str(&value);
            }
        }
        let below = tree(spans, &hex::encode(&span.span_id), depth + 1);
        written.push([vec![line], below].concat());
    }
    // Webhooks come in whatever order.
    written.sort();
    // A call commits several times, and an event about a link may be looked at twice,
    // before and after the call's own answer.
    written.dedup();
    written.concat()
}

#[tokio::test]
async fn one_trace_shows_a_call_with_a_retry_and_the_payment_that_followed() {
    let (program, collector) = start(&[]).await;
    break_once(&program, "/v1/payment_links").await;
    let request = traced(poster_request(), "01");
    let link = links(&program).create_payment_link(request).await.unwrap().into_inner();
    let mut payments = PaymentServiceClient::with_origin(wire(), origin(program.address("grpc")));
    let watch = payments.watch_payments(pb::WatchPaymentsRequest::default()).await.unwrap();
    let mut watch = Watch::new(watch.into_inner());
    Page::open(&link.url).await.pay("4242424242424242").await;
    while watch.payment().await.state() != State::Paid {}
    let is_whole = |spans: Vec<Span>| {
        let count = |name: &str| spans.iter().filter(|span| span.name == name).count();
        let received = count("POST /webhooks/stripe");
        (count("send feed"), received) == (1, 4) && count("process stripe.events") >= 2
    };
    until(async || is_whole(collector.trace(TRACE))).await;
    assert_eq!(program.terminate().await, Some(0), "what was seen is sent before it ends");

    let spans = collector.trace(TRACE);
    insta::assert_snapshot!(tree(&spans, CALLER, 0).join("\n"), @"
    server paylink.v1.PaymentLinkService/CreatePaymentLink OK
      client COMMIT
      client POST /v1/payment_links 200
      client POST /v1/payment_links 503 refused
      server POST /webhooks/stripe 200 checkout.session.completed
        client COMMIT
        consumer process stripe.events checkout.session.completed
          client GET /v1/checkout/sessions/{id} 200
          producer send feed STATE_PAID
      server POST /webhooks/stripe 200 payment_link.created
        client COMMIT
        consumer process stripe.events
      server POST /webhooks/stripe 200 price.created
        client COMMIT
      server POST /webhooks/stripe 200 product.created
        client COMMIT
    ");
    let server = &spans[0];
    let failed = spans.iter().find(|span| attribute(span, "http.response.status_code") == "503");
    let status = failed.unwrap().status.clone().unwrap();
    assert_eq!(status.code(), StatusCode::Error);
    assert_eq!(server.kind(), SpanKind::Server);
    assert_eq!(attribute(server, "rpc.system.name"), "grpc");
    assert_eq!(attribute(server, "request.id").len(), 36);
}

#[tokio::test]
async fn traces_and_metrics_go_over_http_as_well() {
    let protocol = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    let (program, collector) = start(&[protocol]).await;
    links(&program).create_payment_link(traced(poster_request(), "01")).await.unwrap();
    assert_eq!(program.terminate().await, Some(0));
    let spans = collector.trace(TRACE);
    assert!(spans.iter().any(|span| span.name.ends_with("/CreatePaymentLink")), "{spans:?}");
    let metrics = collector.metrics();
    assert!(metrics.iter().any(|(name, _)| name == "rpc.server.call.duration"), "{metrics:?}");
}

#[tokio::test]
async fn of_a_trace_that_is_not_sampled_the_failures_are_exported() {
    let (program, collector) = start(&[("OTEL_TRACES_SAMPLER", "always_off")]).await;
    break_once(&program, "/v1/payment_links").await;
    links(&program).create_payment_link(traced(poster_request(), "00")).await.unwrap();
    links(&program).create_payment_link(poster_request()).await.unwrap();
    assert_eq!(program.terminate().await, Some(0));
    let spans = collector.spans();
    let [attempt] = &*spans else { panic!("{spans:?}") };
    assert_eq!(attempt.name, "POST /v1/payment_links");
    assert_eq!(hex::encode(&attempt.trace_id), TRACE);
    let metrics = collector.metrics();
    assert!(metrics.iter().any(|(name, _)| name == "http.client.request.duration"), "{metrics:?}");
}

#[tokio::test]
async fn a_failed_call_says_its_code_and_its_reason() {
    let (program, collector) = start(&[]).await;
    let request = pb::GetPaymentLinkRequest { id: "plink_none".into() };
    let refused = links(&program).get_payment_link(traced(request, "01")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(program.terminate().await, Some(0));
    let spans = collector.trace(TRACE);
    let server = spans.iter().find(|span| span.kind() == SpanKind::Server).unwrap();
    assert_eq!(attribute(server, "rpc.response.status_code"), "NOT_FOUND");
    assert_eq!(attribute(server, "error.type"), "RESOURCE_NOT_FOUND");
}
