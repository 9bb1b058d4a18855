//! Keys of an issuer, published over HTTP.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::{Gate, until};

/// What is published, behind a gate.
pub struct Published {
    /// The way to it.
    pub gate: Gate,
    now: Arc<Mutex<Now>>,
}

struct Now {
    status: StatusCode,
    body: String,
    asked: u64,
}

// === impl Published ===

impl Published {
    /// Publishes a text.
    pub async fn start(body: String) -> Self {
        let now = Arc::new(Mutex::new(Now { status: StatusCode::OK, body, asked: 0 }));
        let answering = now.clone();
        let answer = move || async move { answer(&mut answering.lock().unwrap()) };
        let router = Router::new().route("/keys", get(answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { gate: Gate::open_before(address).await, now }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}/keys", self.gate.address())
    }

    /// Answers something else from now on.
    pub fn put(&self, status: StatusCode, body: impl Into<String>) {
        let mut now = self.now.lock().unwrap();
        (now.status, now.body) = (status, body.into());
    }

    /// How often it was asked.
    pub fn asked(&self) -> u64 {
        self.now.lock().unwrap().asked
    }

    /// Waits until what is answered now was asked for, and what came of it is known:
    /// nobody asks again before.
    pub async fn is_read(&self) {
        let before = self.asked();
        until(async || self.asked() >= before + 2).await;
    }
}

fn answer(now: &mut Now) -> Response {
    now.asked += 1;
    if now.status.is_redirection() {
        return (now.status, [("location", now.body.clone())]).into_response();
    }
    (now.status, now.body.clone()).into_response()
}
