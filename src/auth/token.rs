//! Bearer tokens: signed by an issuer that is known, for this service, in time
//! (RFC 7519, RFC 8725).
//!
//! A token names an issuer and a key, and is believed in nothing else before the
//! key's signature fits. No key is ever taken out of a token or fetched from
//! where one points.

mod claims;
mod keys;
mod known;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use tokio::time::Instant;

use self::claims::Claims;
use self::keys::KeySet;
use self::known::Known;
use super::{Refusal, SetupError, is_name};
use crate::kept::{Kept, Source};

/// An issuer of tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its name, which its tokens have in `iss`.
    pub issuer: String,
    /// What its tokens have in `aud` when they are for this service.
    pub audience: String,
    /// The file of its keys, a JSON Web Key Set.
    pub jwks_path: Option<PathBuf>,
    /// Where it publishes them.
    pub jwks_url: Option<String>,
    /// The certificates, in PEM, that alone are trusted there; the system's
    /// without one.
    pub ca_path: Option<PathBuf>,
    /// The file of the token that is asked for there.
    pub token_path: Option<PathBuf>,
    /// Whether it is the Kubernetes cluster of this service, whose service
    /// accounts are called `system:serviceaccount:<namespace>:<name>`. Others are
    /// called `<issuer>|<subject>`.
    #[serde(default)]
    pub kubernetes: bool,
}

/// The tokens of all issuers.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    issuers: Vec<Issuer>,
    leeway_secs: u64,
    token_secs_max: u64,
    known: Known,
}

#[derive(Debug)]
struct Issuer {
    name: String,
    audience: String,
    kubernetes: bool,
    keys: Arc<Kept<KeySet>>,
}

/// What a token has proved.
#[derive(Debug, Clone)]
pub(super) struct Proved {
    pub(super) name: Arc<str>,
    pub(super) ends: Instant,
}

/// The longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// What service accounts of Kubernetes are called.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
/// Ways of signing with a key that only the issuer has.
const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::EdDSA, Algorithm::ES256, Algorithm::ES384, Algorithm::RS256, Algorithm::PS256];

// === impl Tokens ===

impl Tokens {
    /// Reads the keys that stand in files. Published ones are fetched when they
    /// are first followed or missed.
    pub(super) async fn new(config: &super::Config) -> Result<Self, SetupError> {
        let mut issuers: Vec<Issuer> = Vec::new();
        for (name, own) in &config.issuers {
            let issuer = Issuer::new(name, own, config).await?;
            let is_alone =
                |other: &Issuer| other.name != issuer.name && !(other.kubernetes && own.kubernetes);
            if !issuers.iter().all(is_alone) {
                let what = "is the second of its name, or the second cluster of this service";
                return Err(SetupError::new(format!("auth.issuers.{name}"), what));
            }
            issuers.push(issuer);
        }
        let (leeway_secs, token_secs_max) = (config.leeway_secs, config.token_secs_max);
        Ok(Self { issuers, leeway_secs, token_secs_max, known: Known::default() })
    }

    /// The keys of every issuer.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<Kept<KeySet>>> {
        self.issuers.iter().map(|issuer| &issuer.keys)
    }

    /// Finds out whose token the header `authorization` carries.
    pub(super) async fn verify(&self, authorization: Option<&str>) -> Result<Proved, Refusal> {
        let token = bearer(authorization.ok_or(Refusal::TokenMissing)?)?;
        let header = decode_header(token).map_err(|error| refusal(error.kind()))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refusal::TokenAlgorithm);
        }
        let is_access_token = header.typ.as_deref().is_none_or(|typ| {
            typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("at+jwt")
        });
        // No extension is understood, and so none that must be.
        if !is_access_token || header.crit.is_some() {
            return Err(Refusal::TokenMalformed);
        }
        let issuer = claims::issuer(token)?;
        let found = self.issuers.iter().find(|known| known.name == issuer);
        let issuer = found.ok_or(Refusal::TokenIssuer)?;
        let kid = header.kid.ok_or(Refusal::TokenKey)?;

        let mut keys = issuer.keys.now();
        if keys.get(&kid).is_none() && issuer.keys.clone().look_for_missing(&keys).await {
            keys = issuer.keys.now();
        }
        if let Some(proved) = self.known.get(token, &keys) {
            return Ok(proved);
        }
        let key = keys.get(&kid).ok_or(Refusal::TokenKey)?;
        if !key.is_for(header.alg) {
            return Err(Refusal::TokenAlgorithm);
        }
        let validation = issuer.validation(header.alg, self.leeway_secs);
        let verified = decode::<Claims>(token, &key.decoding, &validation);
        let verified = verified.map_err(|error| match error.kind() {
            // The header was read before, so it is the claims that are not what they must be.
            ErrorKind::Json(_) => Refusal::TokenClaims,
            other => refusal(other),
        })?;
        let proved = self.proved(issuer, &verified.claims)?;
        let until = proved.ends + Duration::from_secs(self.leeway_secs);
        self.known.keep(token, keys, proved.clone(), until);
        Ok(proved)
    }

    fn proved(&self, issuer: &Issuer, claims: &Claims) -> Result<Proved, Refusal> {
        let left_secs = claims.left_secs(jiff::Timestamp::now().as_second());
        if left_secs > self.token_secs_max {
            return Err(Refusal::TokenClaims);
        }
        let name = issuer.name_of(&claims.sub).ok_or(Refusal::TokenClaims)?;
        Ok(Proved { name: name.into(), ends: Instant::now() + Duration::from_secs(left_secs) })
    }
}

// === impl Issuer ===

impl Issuer {
    async fn new(name: &str, own: &Config, all: &super::Config) -> Result<Self, SetupError> {
        let key = |key: &str| format!("auth.issuers.{name}.{key}");
        let is_plain = is_name(&own.issuer) && !own.issuer.contains(['|', '*']);
        if !is_plain || own.issuer.starts_with("spiffe:") || own.issuer.starts_with("system:") {
            return Err(SetupError::new(key("issuer"), "must be the name in its tokens' iss"));
        }
        if own.audience.is_empty() {
            return Err(SetupError::new(key("audience"), "must be set"));
        }
        let file_interval = Duration::from_millis(all.reload_ms.get());
        let fetch_interval = Duration::from_millis(all.keys_interval_ms.get());
        let called = format!("keys of {name}");
        let keys = match (&own.jwks_path, &own.jwks_url) {
            (Some(path), None) => {
                let source = Source::file(path.clone(), file_interval);
                let kept = Kept::first(called, source, KeySet::read).await;
                kept.map_err(|what| SetupError::new(key("jwks_path"), what))?
            }
            (None, Some(url)) => {
                let token = own.token_path.clone();
                let source = Source::url(url, own.ca_path.as_deref(), token, fetch_interval).await;
                let source = source.map_err(|what| SetupError::new(key("jwks_url"), what))?;
                Kept::new(called, source, KeySet::read, KeySet::default())
            }
            _ => return Err(SetupError::new(key("jwks_path"), "give it or jwks_url")),
        };
        let (name, audience) = (own.issuer.clone(), own.audience.clone());
        Ok(Self { name, audience, kubernetes: own.kubernetes, keys: Arc::new(keys) })
    }

    fn validation(&self, algorithm: Algorithm, leeway_secs: u64) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.name]);
        validation.set_audience(&[&self.audience]);
        validation.validate_nbf = true;
        validation.leeway = leeway_secs;
        validation
    }

    /// What a subject of the issuer is called. Subjects of one issuer cannot be
    /// taken for those of another.
    fn name_of(&self, subject: &str) -> Option<String> {
        let name = if self.kubernetes {
            let (namespace, account) = subject.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')?;
            let is_whole = !namespace.is_empty() && !account.is_empty() && !account.contains(':');
            is_whole.then(|| subject.to_owned())?
        } else {
            format!("{}|{subject}", self.name)
        };
        (!subject.is_empty() && is_name(&name) && !name.contains('*')).then_some(name)
    }
}

/// Takes the token out of the header (RFC 6750).
fn bearer(authorization: &str) -> Result<&str, Refusal> {
    let (scheme, token) = authorization.split_once(' ').ok_or(Refusal::TokenMalformed)?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && token.len() <= TOKEN_BYTES_MAX;
    if is_bearer { Ok(token) } else { Err(Refusal::TokenMalformed) }
}

fn refusal(kind: &ErrorKind) -> Refusal {
    match kind {
        ErrorKind::InvalidSignature => Refusal::TokenSignature,
        ErrorKind::ExpiredSignature => Refusal::TokenExpired,
        ErrorKind::ImmatureSignature => Refusal::TokenNotYetValid,
        ErrorKind::InvalidAudience => Refusal::TokenAudience,
        ErrorKind::InvalidIssuer => Refusal::TokenIssuer,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm
        | ErrorKind::MissingAlgorithm
        | ErrorKind::InvalidKeyFormat => Refusal::TokenAlgorithm,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
            Refusal::TokenClaims
        }
        _ => Refusal::TokenMalformed,
    }
}

#[cfg(test)]
mod tests;
