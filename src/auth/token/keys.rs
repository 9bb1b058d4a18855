//! The keys of an issuer: a JSON Web Key Set (RFC 7517), of which only what can
//! verify and not sign is taken.

use std::collections::HashMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// The keys, by their ids.
#[derive(Debug, Default)]
pub(in crate::auth) struct KeySet(HashMap<String, Key>);

/// One key.
pub(super) struct Key {
    pub(super) decoding: DecodingKey,
    algorithms: Vec<Algorithm>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// How many keys one issuer can have.
const KEYS_MAX: usize = 64;

// === impl KeySet ===

impl KeySet {
    /// Reads a set. Keys of other kinds stand in sets too, and are passed over.
    pub(in crate::auth) fn read(bytes: &[u8]) -> Result<Self, String> {
        let set: Set = serde_json::from_slice(bytes).map_err(|_| "is not a JSON Web Key Set")?;
        let mut keys = HashMap::new();
        for value in set.keys {
            let Ok(jwk) = serde_json::from_value::<Jwk>(value) else { continue };
            let (Some(id), Some(key)) = (jwk.common.key_id.clone(), Key::of(&jwk)) else {
                continue;
            };
            if keys.insert(id, key).is_some() {
                return Err("has two keys of one id".into());
            }
        }
        match keys.len() {
            0 => Err("has no key with an id that verifies signatures".into()),
            count if count > KEYS_MAX => Err("has too many keys".into()),
            _ => Ok(Self(keys)),
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&Key> {
        self.0.get(id)
    }
}

// === impl Key ===

impl Key {
    fn of(jwk: &Jwk) -> Option<Self> {
        let for_signatures =
            matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::RSA(_) => vec![Algorithm::RS256, Algorithm::PS256],
            AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
            // Whoever could verify with it could sign with it.
            _ => return None,
        };
        if let Some(only) = jwk.common.key_algorithm {
            algorithms.retain(|algorithm| of(*algorithm) == Some(only));
        }
        let decoding = DecodingKey::from_jwk(jwk).ok()?;
        (for_signatures && !algorithms.is_empty()).then_some(Self { decoding, algorithms })
    }

    /// Whether the key is meant for signatures of this kind.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

fn of(algorithm: Algorithm) -> Option<KeyAlgorithm> {
    Some(match algorithm {
        Algorithm::EdDSA => KeyAlgorithm::EdDSA,
        Algorithm::ES256 => KeyAlgorithm::ES256,
        Algorithm::ES384 => KeyAlgorithm::ES384,
        Algorithm::RS256 => KeyAlgorithm::RS256,
        Algorithm::PS256 => KeyAlgorithm::PS256,
        _ => return None,
    })
}
