//! What whoever runs the process asks: is it alive, is it ready, how is it doing.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::listener::{Entrance, Speaks};
use super::tls::Plaintext;
use crate::telemetry::Metrics;

/// Where operations are served.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address; port 0 takes any free one.
    pub listen: SocketAddr,
}

/// Whether the process can do its work, and either way how it is, in a few words.
pub type Readiness = Result<&'static str, &'static str>;

/// Tells whether the process can do its work now.
pub type Ready = Arc<dyn Fn() -> BoxFuture<'static, Readiness> + Send + Sync>;

// === impl Config ===

impl Config {
    /// What is to be listened on. Nothing that is told here is worth hiding, and
    /// what probes and scrapes a cluster has no certificates.
    pub(crate) fn entrance(&self) -> Entrance {
        Entrance {
            name: "operations",
            address: self.listen,
            speaks: Speaks::Http,
            plaintext: Plaintext::Anywhere,
            tls: None,
            connections_max_of_address: None,
        }
    }
}

/// Routes `/live`, `/ready` and `/metrics`.
pub fn routes(ready: Ready, metrics: Metrics) -> Router {
    Router::new()
        .route("/live", get(|| async { "alive\n" }))
        .route("/ready", get(readiness).with_state(ready))
        .route("/metrics", get(exposition).with_state(metrics))
}

async fn readiness(State(ready): State<Ready>) -> Response {
    match ready().await {
        Ok(how) => format!("{how}\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn exposition(State(metrics): State<Metrics>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.text()).into_response()
}
