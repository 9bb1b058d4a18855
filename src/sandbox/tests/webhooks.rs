use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::sandbox::{delivery, signature};

type Heard = mpsc::UnboundedSender<(String, Bytes)>;

/// A receiver that refuses the first delivery and reports the others.
async fn receiver() -> (String, mpsc::UnboundedReceiver<(String, Bytes)>) {
    let (told, heard) = mpsc::unbounded_channel();
    let refused = Arc::new(AtomicBool::new(false));
    let receive = |State((told, refused)): State<(Heard, Arc<AtomicBool>)>,
                   headers: HeaderMap,
                   body: Bytes| async move {
        if !refused.swap(true, Ordering::SeqCst) {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
        told.send((signature, body)).unwrap();
        StatusCode::OK
    };
    let router = Router::new().route("/hook", post(receive)).with_state((told, refused));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    (url, heard)
}

#[tokio::test]
async fn an_event_is_signed_and_sent_until_it_is_taken() {
    let (url, mut heard) = receiver().await;
    let config =
        Config { webhook_url: Some(url), webhook_backoff_first_ms: 1, ..Config::default() };
    let desk = Desk::with(config);
    tokio::spawn(delivery::run(Arc::clone(&desk.shared)));
    desk.post("/v1/products", &[("name", "x")]).await;
    let wait = tokio::time::timeout(Duration::from_secs(10), heard.recv());
    let (header, body) = wait.await.unwrap().unwrap();
    let time = header.split([',', '=']).nth(1).unwrap().parse().unwrap();
    assert_eq!(header, signature::header("whsec_sandbox", time, &body));
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&event["type"], &event["pending_webhooks"]),
        (&json!("product.created"), &json!(1))
    );
}

#[tokio::test]
async fn a_registered_endpoint_hears_what_it_asked_for_under_its_own_secret() {
    let (url, mut heard) = receiver().await;
    let desk = Desk::with(Config { webhook_backoff_first_ms: 1, ..Config::default() });
    tokio::spawn(delivery::run(Arc::clone(&desk.shared)));
    let form = [("url", url.as_str()), ("enabled_events[]", "price.created")];
    let made = desk.post("/v1/webhook_endpoints", &form).await.json();
    let secret = made["secret"].as_str().unwrap();
    let product = desk.post("/v1/products", &[("name", "x")]).await.json();
    let price =
        [("product", product["id"].as_str().unwrap()), ("currency", "usd"), ("unit_amount", "100")];
    desk.post("/v1/prices", &price).await;
    let wait = tokio::time::timeout(Duration::from_secs(10), heard.recv());
    let (header, body) = wait.await.unwrap().unwrap();
    let time = header.split([',', '=']).nth(1).unwrap().parse().unwrap();
    assert_eq!(header, signature::header(secret, time, &body));
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(event["type"], "price.created");
    let product_event = desk.get("/v1/events?type=product.created").await;
    assert_eq!(product_event["data"][0]["pending_webhooks"], 0);
}

#[tokio::test]
async fn the_secret_of_an_endpoint_is_told_once() {
    let desk = Desk::new();
    let form = [("url", "https://example.com/hook"), ("enabled_events[]", "*")];
    let made = desk.post("/v1/webhook_endpoints", &form).await.json();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = format!("/v1/webhook_endpoints/{}", made["id"].as_str().unwrap());
    let changed = desk.post(&path, &[("disabled", "true")]).await.json();
    assert_eq!((&changed["status"], changed.get("secret")), (&json!("disabled"), None));
    assert_eq!(desk.get(&path).await, changed);
    assert_eq!(desk.get("/v1/webhook_endpoints").await["data"], json!([changed]));
    let gone = desk.call(Method::DELETE, &path, &[]).await.json();
    assert_eq!(gone["deleted"], true);
    assert_eq!(desk.call(Method::GET, &path, &[]).await.status, 404);
}

#[tokio::test]
async fn an_endpoint_has_a_web_address_and_known_events() {
    let desk = Desk::new();
    let form = [("url", "example.com"), ("enabled_events[]", "*")];
    let refused = desk.post("/v1/webhook_endpoints", &form).await.json();
    assert_eq!(refused["error"]["code"], "url_invalid");
    let form = [("url", "http://example.com"), ("enabled_events[]", "price.exploded")];
    assert_eq!(desk.post("/v1/webhook_endpoints", &form).await.status, 400);
}

#[tokio::test]
async fn nothing_waits_while_nobody_listens() {
    let desk = Desk::new();
    desk.post("/v1/products", &[("name", "x")]).await;
    let event = desk.get("/v1/events").await["data"][0].clone();
    assert_eq!(event["pending_webhooks"], 0);
    assert!(desk.shared.with(|state| state.outbox.next_due().is_none()));
}
