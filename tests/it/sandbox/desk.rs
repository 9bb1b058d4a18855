//! A sandbox of a test's own, with a client of its API and one of its control.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use paylink::sandbox::Config;
use paylink::sandbox::control::pb;
use paylink::sandbox::control::pb::sandbox_service_client::SandboxServiceClient;
use prost_types::Duration;
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::harness::{Wire, origin, until, wire, within};

pub type Control = SandboxServiceClient<Wire>;

/// A running sandbox.
pub struct Desk {
    pub address: SocketAddr,
    pub control: Control,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    running: tokio::task::JoinHandle<()>,
}

/// A webhook that keeps what it is sent, and answers with the statuses that it was given first.
#[derive(Clone, Default)]
pub struct Ear {
    heard: Arc<Mutex<Vec<Value>>>,
    refusals: Arc<Mutex<Vec<StatusCode>>>,
}

/// A configuration on a free port, with the shortest waits.
pub fn config() -> Config {
    Config {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        webhook_backoff_first_ms: 10,
        ..Config::default()
    }
}

/// Seconds as a message.
pub fn seconds(seconds: i64) -> Duration {
    Duration { seconds, nanos: 0 }
}

// === impl Desk ===

impl Desk {
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: Config) -> Self {
        let sandbox = config.build().await.unwrap();
        let address = sandbox.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async {
            sandbox.run(async { _ = stopped.await }).await.unwrap();
        });
        let control = SandboxServiceClient::with_origin(wire(), origin(address));
        let control = control.max_decoding_message_size(usize::MAX);
        Self { address, control, http: reqwest::Client::new(), stop: Some(stop), running }
    }

    /// Stops it in order.
    pub async fn stop(mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        within(self.running).await.unwrap();
    }

    /// Calls the API with headers of one's own.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Response> {
        let url = format!("http://{}{path}", self.address);
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = self.http.request(method, url).bearer_auth("sk_test_x").body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await
    }

    /// Calls the API, which answers; with the body as JSON.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let answer = self.send(Method::POST, path, form, &[]).await.unwrap();
        let body = answer.bytes().await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.send(Method::GET, path, &[], &[]).await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Makes a link for one thing at ten dollars.
    pub async fn link(&self, further: &[(&str, &str)]) -> Value {
        let mut form = vec![
            ("line_items[0][price_data][currency]", "usd"),
            ("line_items[0][price_data][unit_amount]", "1000"),
            ("line_items[0][price_data][product_data][name]", "Thing"),
            ("line_items[0][quantity]", "1"),
        ];
        form.extend_from_slice(further);
        let link = self.post("/v1/payment_links", &form).await;
        assert!(link["id"].is_string(), "{link}");
        link
    }

    /// The types of all events, oldest first.
    pub async fn event_types(&self) -> Vec<String> {
        let list = self.get("/v1/events?limit=100").await;
        let types = list["data"].as_array().unwrap().iter().rev();
        types.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// Pays a link with a card, and with what else there is to say.
    pub async fn pay(
        &mut self,
        link: &Value,
        order: pb::PayPaymentLinkRequest,
    ) -> Result<pb::PayPaymentLinkResponse, tonic::Status> {
        let payment_link = link["id"].as_str().unwrap().to_owned();
        let order = pb::PayPaymentLinkRequest { payment_link, ..order };
        self.control.pay_payment_link(order).await.map(tonic::Response::into_inner)
    }

    /// Makes something go wrong once.
    pub async fn inject(&mut self, target: pb::fault::Target) {
        let fault = pb::Fault { target: Some(target), ..pb::Fault::default() };
        let request = pb::InjectFaultRequest { fault: Some(fault) };
        self.control.inject_fault(request).await.unwrap();
    }

    /// Moves the clock; the answer is the time that it shows then.
    pub async fn advance(&mut self, by: i64) -> i64 {
        let request = pb::AdvanceClockRequest { duration: Some(seconds(by)) };
        let answer = self.control.advance_clock(request).await.unwrap().into_inner();
        answer.time.unwrap().seconds
    }

    /// Every delivery.
    pub async fn deliveries(&mut self) -> Vec<pb::Delivery> {
        let request = pb::ListDeliveriesRequest::default();
        self.control.list_deliveries(request).await.unwrap().into_inner().deliveries
    }

    /// Every request that was made of it.
    pub async fn requests(&mut self) -> Vec<pb::Request> {
        let request = pb::ListRequestsRequest { page_size: 1000, ..Default::default() };
        self.control.list_requests(request).await.unwrap().into_inner().requests
    }
}

// === impl Ear ===

impl Ear {
    /// Starts to listen; the address is the webhook's.
    pub async fn listen(refusals: &[u16]) -> (Self, String) {
        let ear = Self::default();
        *ear.refusals.lock().unwrap() =
            refusals.iter().rev().map(|status| StatusCode::from_u16(*status).unwrap()).collect();
        let hear = |State(ear): State<Ear>, body: Bytes| async move {
            if let Some(refusal) = ear.refusals.lock().unwrap().pop() {
                return refusal;
            }
            ear.heard.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            StatusCode::OK
        };
        let router = Router::new().route("/hook", post(hear)).with_state(ear.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        (ear, url)
    }

    /// What it has heard, once it is so much.
    pub async fn heard(&self, count: usize) -> Vec<Value> {
        until(async || self.heard.lock().unwrap().len() >= count).await;
        self.heard.lock().unwrap().clone()
    }

    /// How often it has heard of each event.
    pub async fn times(&self, count: usize) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for event in self.heard(count).await {
            *times.entry(event["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        times
    }
}
