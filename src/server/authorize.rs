//! Lets a call in, or not: it must prove who makes it, and be permitted.
//!
//! It works at the Stripe account that `paylink-account` in its metadata names, or at
//! the default one. An account that is not there is told of as one that is not
//! permitted.
//!
//! Every method has its permission in the contract. What has none is no method,
//! and no call reaches one without a decision made here.

use std::sync::{Arc, LazyLock};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

use crate::auth::{Auth, Identity, Refusal};
use crate::caller::{Access, Caller, DEFAULT_ACCOUNT, Peer, account_named};
use crate::error::{self, Error};
use crate::pb;
use crate::stripe;

/// The one method that anyone may call: probes have no identity.
pub(super) const OPEN: &str = "grpc.health.v1.Health/Check";

/// Names the Stripe account to work at.
const ACCOUNT: HeaderName = HeaderName::from_static("paylink-account");

/// Who decides: who may call, and which accounts there are.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// Who may call.
    pub(super) auth: Auth,
    /// The accounts.
    pub(super) stripe: stripe::Client,
}

/// What a stream rests on. It ends when that does.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    auth: Auth,
    identity: Identity,
    permission: &'static str,
    account: Arc<str>,
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
pub(super) async fn call(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let method = pb::method_named(request.uri().path());
    if method == Some(OPEN) {
        return next.run(request).await;
    }
    let account = account(request.headers()).filter(|account| gate.stripe.has_account(account));
    let account: Option<Arc<str>> = account.map(Arc::from);
    if let (Some(account), Some(caller)) = (&account, request.extensions_mut().get_mut::<Caller>())
    {
        caller.work_at(account.clone());
    }
    let auth = gate.auth;
    if auth.is_open() {
        if let Some(caller) = request.extensions().get::<Caller>() {
            caller.is_known_as(None);
        }
        return match account {
            Some(_) => next.run(request).await,
            None => error::response(not_permitted()),
        };
    }
    let peer = request.extensions().get::<Peer>().cloned();
    let token = authorization(request.headers()).map(|token| token.map(str::to_owned));
    let caller = request.extensions().get::<Caller>().cloned();
    let known = |identity| {
        if let Some(caller) = &caller {
            caller.is_known_as(Some(identity));
        }
    };
    let standing = match stand(auth, peer, token, method, account, known).await {
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
    account: Option<Arc<str>>,
    known: impl FnOnce(Arc<str>),
) -> Result<Standing, Error> {
    let identity = match token {
        Ok(token) => auth.identify(peer.as_ref(), token.as_deref()).await,
        Err(refusal) => Err(refusal),
    };
    let identity = identity.map_err(|refusal| {
        count(refusal.reason());
        Error::Unauthenticated(refusal)
    })?;
    known(identity.name());
    let permission = method.and_then(pb::permission).ok_or(Error::NoSuchMethod)?;
    let access = account.as_ref().and_then(|account| auth.access(&identity, permission, account));
    let (Some(account), Some(access)) = (account, access) else {
        tracing::info!(?identity, rpc.method = method, "A call was not permitted");
        return Err(not_permitted());
    };
    Ok(Standing { auth, identity, permission, account, access })
}

fn not_permitted() -> Error {
    count("METHOD_NOT_ALLOWED");
    Error::NotAllowed
}

/// Gives the account that a call names, the default one where it names none. Of two,
/// and of what is no text, nobody could say which one is meant.
fn account(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(ACCOUNT).iter();
    match (given.next(), given.next()) {
        (None, _) => Some(DEFAULT_ACCOUNT),
        (Some(name), None) => name.to_str().ok().filter(|name| !name.is_empty()).map(account_named),
        (Some(_), Some(_)) => None,
    }
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
                let access = self.auth.access(&self.identity, self.permission, &self.account);
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
