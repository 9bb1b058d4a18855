//! Lets a call in, or not: it must prove who makes it, and be permitted.
//!
//! Every method has its permission in the contract. What has none is no method,
//! and no call reaches one without a decision made here.

use std::sync::LazyLock;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

use crate::auth::{Auth, Identity, Refusal};
use crate::caller::{Access, Caller, Peer};
use crate::error::{self, Error};
use crate::pb;

/// The one method that anyone may call: probes have no identity.
const OPEN: &str = "grpc.health.v1.Health/Check";

/// What a stream rests on. It ends when that does.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    auth: Auth,
    identity: Identity,
    permission: &'static str,
    access: Access,
}

static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.server.refused")
        .with_unit("{call}")
        .with_description("Calls that did not prove who makes them, or were not permitted.")
        .build()
});

/// Decides about a call.
pub(super) async fn call(State(auth): State<Auth>, mut request: Request, next: Next) -> Response {
    let method = pb::method_named(request.uri().path());
    if auth.is_open() || method == Some(OPEN) {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().cloned();
    let token = authorization(request.headers()).map(|token| token.map(str::to_owned));
    let standing = match stand(auth, peer, token, method).await {
        Ok(standing) => standing,
        Err(error) => return error::response(error),
    };
    if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
        caller.let_in(standing.access.clone());
    }
    let mut response = next.run(request).await;
    response.extensions_mut().insert(standing);
    response
}

async fn stand(
    auth: Auth,
    peer: Option<Peer>,
    token: Result<Option<String>, Refusal>,
    method: Option<&str>,
) -> Result<Standing, Error> {
    let identity = match token {
        Ok(token) => auth.identify(peer.as_ref(), token.as_deref()).await,
        Err(refusal) => Err(refusal),
    };
    let identity = identity.map_err(|refusal| {
        count(refusal.reason());
        Error::Unauthenticated(refusal)
    })?;
    let permission = method.and_then(pb::permission).ok_or(Error::NoSuchMethod)?;
    let Some(access) = auth.access(&identity, permission) else {
        count("METHOD_NOT_ALLOWED");
        tracing::info!(?identity, rpc.method = method, "A call was not permitted");
        return Err(Error::NotAllowed);
    };
    Ok(Standing { auth, identity, permission, access })
}

/// Gives the header that carries a token. Of two, nobody could say which one counts.
fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    match (given.next(), given.next()) {
        (Some(_), Some(_)) => Err(Refusal::TokenMalformed),
        (first, _) => {
            first.map(|value| value.to_str().map_err(|_| Refusal::TokenMalformed)).transpose()
        }
    }
}

fn count(reason: &'static str) {
    REFUSED.add(1, &[KeyValue::new("reason", reason)]);
}

// === impl Standing ===

impl Standing {
    /// Waits until the proof has ended, or the policy says something else.
    pub(super) async fn ended(self) -> Error {
        let ends = async {
            match self.identity.ends {
                Some(ends) => tokio::time::sleep_until(ends).await,
                None => std::future::pending().await,
            }
        };
        let mut changes = self.auth.changes();
        let otherwise = async {
            loop {
                let access = self.auth.access(&self.identity, self.permission);
                if access.as_ref() != Some(&self.access) || changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = ends => Error::Unauthenticated(Refusal::TokenExpired),
            () = otherwise => Error::NotAllowed,
        }
    }
}
