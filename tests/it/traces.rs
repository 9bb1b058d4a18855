//! Traces: one call is one trace, from the caller's span to Stripe's door.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use paylink::pb::payment_link_service_client::PaymentLinkServiceClient;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::harness::{Program, origin, poster_request, wire};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A collector that keeps what it is sent.
#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans;
        let scopes = resources.into_iter().flat_map(|resource| resource.scope_spans);
        self.0.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Receives spans, and gives the URL at which it does.
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(self.clone());
        let routes = Routes::new(service).prepare().into_axum_router();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        url
    }
}

#[tokio::test]
async fn a_call_is_one_trace_from_its_caller_to_stripe() {
    let collector = Collector::default();
    let url = collector.listen().await;
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())];
    let program = Program::start("dev", &["grpc"], &environment).await;
    let mut request = Request::new(poster_request());
    let parent = format!("00-{TRACE}-{CALLER}-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    let origin = origin(program.address("grpc"));
    let mut links = PaymentLinkServiceClient::with_origin(wire(), origin);
    links.create_payment_link(request).await.unwrap();
    assert_eq!(program.terminate().await, Some(0), "what was seen is sent before it ends");

    let mut spans = collector.0.lock().unwrap().clone();
    spans.retain(|span| hex::encode(&span.trace_id) == TRACE);
    spans.sort_by_key(|span| span.start_time_unix_nano);
    let [server, attempt] = &*spans else { panic!("{spans:?}") };
    assert_eq!(server.name, "paylink.v1.PaymentLinkService/CreatePaymentLink");
    assert_eq!(
        (server.kind(), hex::encode(&server.parent_span_id)),
        (SpanKind::Server, CALLER.into())
    );
    assert_eq!(attempt.name, "POST /v1/payment_links");
    assert_eq!((attempt.kind(), &attempt.parent_span_id), (SpanKind::Client, &server.span_id));
}
