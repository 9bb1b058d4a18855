//! The sandbox as its callers and buyers meet it: through its addresses, without a socket.

mod asking;
mod buying;
mod catalogue;
mod connected;
mod discounts;
mod forgetting;
mod links;
mod money_back;
mod objects;
mod offers;
mod owing;
mod parallel;
mod parameters;
mod paying;
mod protocol;
mod searching;
mod subscribing;
mod taxing;
mod webhooks;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Method, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Config, Shared, http as server};

/// A card that works, with everything else that the plainest page asks for.
const GOOD: &[(&str, &str)] = &[
    ("email", "buyer@example.com"),
    ("card_number", "4242 4242 4242 4242"),
    ("card_expiry", "12 / 34"),
    ("card_cvc", "123"),
    ("card_name", "A Buyer"),
    ("billing_country", "US"),
];

/// A sandbox in this process.
struct Desk {
    shared: Arc<Shared>,
    router: Router,
}

/// What came back.
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Desk {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 12111));
        let shared = Arc::new(config.share(address).unwrap());
        Self { router: server::router(Arc::clone(&shared)), shared }
    }

    async fn send(&self, request: http::request::Builder, form: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await;
        let (parts, body) = response.unwrap().into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// Calls the API with a key.
    async fn call(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = Request::builder().method(method).uri(path);
        self.send(request.header("authorization", "Bearer sk_test_x"), form).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.call(Method::POST, path, form).await
    }

    async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, &[]).await.json()
    }

    /// Makes a link for one thing at ten dollars, with further parameters.
    async fn link(&self, further: &[(&str, &str)]) -> Value {
        let mut form = vec![
            ("line_items[0][price_data][currency]", "usd"),
            ("line_items[0][price_data][unit_amount]", "1000"),
            ("line_items[0][price_data][product_data][name]", "Thing"),
            ("line_items[0][quantity]", "1"),
        ];
        form.extend_from_slice(further);
        let answer = self.post("/v1/payment_links", &form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// Looks at a page, as a browser does.
    async fn look(&self, path: &str) -> Answer {
        self.send(Request::get(path), &[]).await
    }

    /// Opens a link; the answer is the path of its session's page.
    async fn visit(&self, link: &Value, query: &str) -> String {
        let path = link["url"].as_str().unwrap().trim_start_matches("http://127.0.0.1:12111");
        let answer = self.look(&format!("{path}{query}")).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        answer.location()
    }

    /// Submits a page with the good card, some of its values changed.
    async fn pay(&self, path: &str, changed: &[(&str, &str)]) -> Answer {
        let mut form: Vec<_> = GOOD
            .iter()
            .filter(|(name, _)| !changed.iter().any(|(other, _)| other == name))
            .copied()
            .collect();
        form.extend_from_slice(changed);
        self.send(Request::post(path), &form).await
    }

    /// Lets time pass; what is due by then happens.
    fn wait(&self, seconds: u32) {
        self.shared.with(|state| {
            state.clock.advance(seconds);
            super::expire_due(state);
        });
    }

    /// The session of a page.
    async fn session(&self, path: &str) -> Value {
        let id = path.rsplit('/').next().unwrap();
        self.get(&format!("/v1/checkout/sessions/{id}")).await
    }

    /// The types of all events, oldest first.
    async fn events(&self) -> Vec<String> {
        let list = self.get("/v1/events?limit=100").await;
        let types = list["data"].as_array().unwrap().iter().rev();
        types.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn location(&self) -> String {
        self.header("location").to_owned()
    }

    /// The status, the message and the parameter of a refusal.
    fn refusal(&self) -> Value {
        let error = &self.json()["error"];
        json!([self.status, error["message"], error["param"]])
    }
}
