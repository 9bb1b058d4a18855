//! Who may call what: identities that are proved, and the policy for them.
//!
//! A caller proves who it is by its certificate ([`certificate`]), by a bearer
//! token ([`token`]), or by both. The [`policy`] says what such an identity may
//! call, and whose objects it works with. What nobody has permitted is refused.

mod certificate;
pub mod doubts;
mod policy;
mod setup;
mod token;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::certificate::TrustDomain;
pub use self::policy::Policy;
pub use self::setup::SetupError;
use self::token::Tokens;
use crate::caller::{Access, Peer};
use crate::kept::Kept;

/// Who may call, and how that is found out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What every caller must prove itself with. With nothing named, whoever
    /// reaches the port may call everything.
    #[serde(deserialize_with = "words")]
    pub require: Vec<Proof>,
    /// Whether that is meant where the port can be reached from other machines.
    pub anyone_may_call: bool,
    /// The SPIFFE trust domains whose certificates name callers.
    #[serde(deserialize_with = "words")]
    pub trust_domains: Vec<TrustDomain>,
    /// The file of the policy.
    pub policy_path: Option<PathBuf>,
    /// Who issues tokens, by names of the operator's choice.
    #[serde(default)]
    pub issuers: BTreeMap<String, token::Config>,
    /// How often files are looked at, in milliseconds.
    pub reload_ms: NonZeroU64,
    /// How often keys are fetched anew from where they are published, in milliseconds.
    pub keys_interval_ms: NonZeroU64,
    /// By how much the clocks of issuers may differ from ours, in seconds.
    pub leeway_secs: u64,
    /// How long from now a token may still be good for, in seconds.
    pub token_secs_max: u64,
}

/// What a caller proves itself with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// A certificate with a SPIFFE id.
    Certificate,
    /// A bearer token.
    Token,
}

/// Decides about callers. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Auth(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    require: Vec<Proof>,
    trust_domains: Vec<TrustDomain>,
    tokens: Tokens,
    policy: Arc<Kept<Policy>>,
}

/// Who calls, proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// By a token first, since it is about this call and not the connection.
    names: Vec<Arc<str>>,
    /// When the proof ends.
    pub ends: Option<Instant>,
}

/// Why it is not known who calls. Callers are told the reason, and otherwise the
/// same of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the call does not prove who makes it")]
pub enum Refusal {
    /// There is no certificate, or it names no SPIFFE id that is accepted here.
    Certificate,
    /// There is no token.
    TokenMissing,
    /// What is there is not of a token's form, or too long.
    TokenMalformed,
    /// It is signed in a way that is not accepted.
    TokenAlgorithm,
    /// It is of an issuer that is not known.
    TokenIssuer,
    /// It is signed with a key that its issuer does not publish.
    TokenKey,
    /// The signature is not of that key.
    TokenSignature,
    /// Its time is over.
    TokenExpired,
    /// Its time has not come.
    TokenNotYetValid,
    /// It is meant for another service.
    TokenAudience,
    /// It lacks something, is good for too long, or names nobody who can call.
    TokenClaims,
}

/// The longest name of an identity, in bytes: it can become an owner, and so a
/// value of Stripe's metadata.
const NAME_BYTES_MAX: usize = 500;

// === impl Auth ===

impl Auth {
    /// Whether anyone may call everything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.require.is_empty()
    }

    /// Finds out who calls, by everything that is required.
    pub async fn identify(
        &self,
        peer: Option<&Peer>,
        authorization: Option<&str>,
    ) -> Result<Identity, Refusal> {
        let (mut names, mut ends) = (Vec::new(), None);
        if self.0.require.contains(&Proof::Token) {
            let proved = self.0.tokens.verify(authorization).await?;
            names.push(proved.name);
            ends = Some(proved.ends);
        }
        if self.0.require.contains(&Proof::Certificate) {
            let certificate = peer.and_then(|peer| peer.certificate.as_deref());
            let certificate = certificate.ok_or(Refusal::Certificate)?;
            names.push(certificate::name(certificate, &self.0.trust_domains)?.into());
        }
        Ok(Identity { names, ends })
    }

    /// Says as whom an identity is let in; `None` where it lacks the permission, or
    /// may not work at the Stripe account.
    ///
    /// Of an identity with two names each must be permitted, and they must not be
    /// two owners': a stolen token is of no use with another's certificate.
    #[must_use]
    pub fn access(&self, identity: &Identity, permission: &str, account: &str) -> Option<Access> {
        let policy = self.0.policy.now();
        let first = identity.names.first()?;
        let (mut owner, mut sees_all) = (None, true);
        for name in &identity.names {
            let grant = policy.grant(name)?;
            if !grant.permits(permission) || !grant.permits_account(account) {
                return None;
            }
            sees_all &= grant.sees_all;
            match (&owner, &grant.owner) {
                (Some(one), Some(other)) if one != other => return None,
                (None, Some(_)) => owner.clone_from(&grant.owner),
                _ => {}
            }
        }
        Some(Access::of(first.clone(), owner.unwrap_or_else(|| first.clone()), sees_all))
    }

    /// Changes when the policy does.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Policy>> {
        self.0.policy.changes()
    }

    /// Keeps the policy and the keys of issuers up to date, until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut kept: JoinSet<()> = JoinSet::new();
        // Where no proof is required, no policy is asked, and there need be no file.
        if !self.is_open() {
            kept.spawn(self.0.policy.clone().follow(stop.clone()));
        }
        for keys in self.0.tokens.keys() {
            kept.spawn(keys.clone().follow(stop.clone()));
        }
        kept.join_all().await;
    }
}

// === impl Identity ===

impl Identity {
    /// The name by which it is known: of two, that of the token.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.names.first().cloned().unwrap_or_default()
    }
}

// === impl Config ===

impl Config {
    /// Reads the policy and keys that stand in files, and refuses what would let
    /// callers in, or keep them out, by mistake. `listen` is where gRPC is served,
    /// and `sees_certificates` whether callers are asked for certificates there.
    pub async fn build(
        &self,
        listen: SocketAddr,
        sees_certificates: bool,
    ) -> Result<Auth, SetupError> {
        setup::check(self, listen, sees_certificates)?;
        let policy = setup::policy(self).await?;
        let tokens = Tokens::new(self).await?;
        let (require, trust_domains) = (self.require.clone(), self.trust_domains.clone());
        Ok(Auth(Arc::new(Rules { require, trust_domains, tokens, policy })))
    }
}

// === impl Refusal ===

impl Refusal {
    /// The stable reason that callers and metrics have.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::Certificate => "BAD_SVID",
            Refusal::TokenMissing => "TOKEN_MISSING",
            Refusal::TokenMalformed => "TOKEN_MALFORMED",
            Refusal::TokenAlgorithm => "TOKEN_ALGORITHM",
            Refusal::TokenIssuer => "TOKEN_ISSUER",
            Refusal::TokenKey => "TOKEN_KEY",
            Refusal::TokenSignature => "TOKEN_SIGNATURE",
            Refusal::TokenExpired => "TOKEN_EXPIRED",
            Refusal::TokenNotYetValid => "TOKEN_NOT_YET_VALID",
            Refusal::TokenAudience => "TOKEN_AUDIENCE",
            Refusal::TokenClaims => "TOKEN_CLAIMS",
        }
    }
}

/// Whether a text can be the name of an identity or an owner.
fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads a list, which in the environment is one text with commas.
fn words<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    use serde::de::IntoDeserializer as _;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        Several(Vec<String>),
    }
    let words = match Words::deserialize(from)? {
        Words::One(text) => text.split(',').map(|word| word.trim().to_owned()).collect(),
        Words::Several(words) => words,
    };
    let given = words.into_iter().filter(|word| !word.is_empty());
    given.map(|word| T::deserialize(word.into_deserializer())).collect()
}

#[cfg(test)]
mod tests;
