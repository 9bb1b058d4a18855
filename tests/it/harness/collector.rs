//! A collector that keeps what it is sent, over gRPC and over HTTP, built on
//! OpenTelemetry's own definitions.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// A running collector. Clones share what it was sent.
#[derive(Debug, Clone, Default)]
pub struct Collector(Arc<Mutex<Received>>);

#[derive(Debug, Default)]
struct Received {
    spans: Vec<Span>,
    metrics: Vec<Metric>,
}

// === impl Collector ===

impl Collector {
    /// Receives signals, and gives the URL at which it does.
    pub async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let grpc = Routes::new(TraceServiceServer::new(self.clone()))
            .add_service(MetricsServiceServer::new(self.clone()))
            .prepare()
            .into_axum_router();
        let http = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, grpc.merge(http)).await });
        url
    }

    /// The spans of a trace that have come so far, the earliest first.
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        let mut spans = self.spans();
        spans.retain(|span| hex::encode(&span.trace_id) == trace);
        spans
    }

    /// All spans that have come so far, the earliest first.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = self.0.lock().unwrap().spans.clone();
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans
    }

    /// The names and units of the metrics that have come so far.
    pub fn metrics(&self) -> Vec<(String, String)> {
        let received = self.0.lock().unwrap();
        received.metrics.iter().map(|metric| (metric.name.clone(), metric.unit.clone())).collect()
    }

    /// All that has come so far, in words.
    pub fn all(&self) -> String {
        format!("{:?}", self.0.lock().unwrap())
    }

    fn keep_spans(&self, request: ExportTraceServiceRequest) {
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.0.lock().unwrap().spans.extend(scopes.flat_map(|scope| scope.spans));
    }

    fn keep_metrics(&self, request: ExportMetricsServiceRequest) {
        let scopes = request.resource_metrics.into_iter().flat_map(|one| one.scope_metrics);
        self.0.lock().unwrap().metrics.extend(scopes.flat_map(|scope| scope.metrics));
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.keep_spans(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.keep_metrics(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

/// Gives an attribute of a span in words; nothing where it has none of that name.
pub fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

async fn traces(State(collector): State<Collector>, body: Bytes) {
    collector.keep_spans(ExportTraceServiceRequest::decode(body).unwrap());
}

async fn metrics(State(collector): State<Collector>, body: Bytes) {
    collector.keep_metrics(ExportMetricsServiceRequest::decode(body).unwrap());
}
