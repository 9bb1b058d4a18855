//! What a configuration of callers must be like: one that would let everyone in,
//! or keep everyone out, by mistake is refused at start.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::policy::Policy;
use super::{Config, Proof};
use crate::kept::{Kept, Source};

/// The configuration of callers is not usable. The text names the key, and shows
/// no value.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {what}")]
pub struct SetupError {
    key: String,
    what: String,
}

/// Refuses what cannot be meant.
pub(super) fn check(
    config: &Config,
    listen: SocketAddr,
    sees_certificates: bool,
) -> Result<(), SetupError> {
    let wrong = |key: &str, what: &str| Err(SetupError::new(key, what));
    let requires = |proof| config.require.contains(&proof);
    if config.require.is_empty() {
        if config.policy_path.is_some() || !config.issuers.is_empty() {
            return wrong("auth.require", "must name a proof where there is a policy or an issuer");
        }
        if !listen.ip().is_loopback() && !config.anyone_may_call {
            let what = "must name \"certificate\", \"token\" or both where gRPC is served to other \
                        machines, or auth.anyone_may_call be true";
            return wrong("auth.require", what);
        }
        return Ok(());
    }
    if config.anyone_may_call {
        return wrong("auth.anyone_may_call", "contradicts auth.require");
    }
    if config.policy_path.is_none() {
        return wrong("auth.policy_path", "must be set, since what it does not permit is refused");
    }
    if requires(Proof::Certificate) && config.trust_domains.is_empty() {
        return wrong("auth.trust_domains", "must name one where certificates are required");
    }
    if requires(Proof::Certificate) && !sees_certificates {
        return wrong("auth.require", "names certificates, for which grpc.tls does not ask");
    }
    if requires(Proof::Token) == config.issuers.is_empty() {
        return wrong("auth.issuers", "must be set where tokens are required, and only there");
    }
    Ok(())
}

/// Reads the policy; nobody needs one where anyone may call.
pub(super) async fn policy(config: &Config) -> Result<Arc<Kept<Policy>>, SetupError> {
    let interval = Duration::from_millis(config.reload_ms.get());
    let source = Source::file(config.policy_path.clone().unwrap_or_default(), interval);
    let name = "policy".to_owned();
    let kept = match &config.policy_path {
        None => Kept::new(name, source, Policy::read, Policy::default()),
        Some(_) => Kept::first(name, source, Policy::read)
            .await
            .map_err(|what| SetupError::new("auth.policy_path", what))?,
    };
    Ok(Arc::new(kept))
}

// === impl SetupError ===

impl SetupError {
    pub(super) fn new(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into() }
    }
}
