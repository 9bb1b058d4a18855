//! An issuer of tokens, and tokens right and wrong.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use serde_json::{Value, json};

use super::now_secs;

/// What tokens for the service have in `aud`.
pub const AUDIENCE: &str = "paylink";

/// An issuer with one key.
#[derive(Debug)]
pub struct Issuer {
    name: String,
    id: String,
    pair: KeyPair,
}

// === impl Issuer ===

impl Issuer {
    /// Makes an issuer of a name, with a key of an id.
    pub fn new(name: &str, id: &str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Self { name: name.to_owned(), id: id.to_owned(), pair }
    }

    /// Its key, as it publishes it.
    pub fn key(&self) -> Value {
        let point = self.pair.der_bytes();
        let (x, y) = point[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id, "x": x, "y": y })
    }

    /// The set of its one key.
    pub fn keys(&self) -> String {
        json!({ "keys": [self.key()] }).to_string()
    }

    /// A token for a subject, good for ten minutes.
    pub fn token(&self, subject: &str) -> String {
        self.token_with(subject, &json!({}))
    }

    /// A token with other claims; null takes one away.
    pub fn token_with(&self, subject: &str, change: &Value) -> String {
        let key = EncodingKey::from_ec_der(&self.pair.serialize_der());
        encode(&self.header(Algorithm::ES256), &self.claims(subject, change), &key).unwrap()
    }

    /// A token that is signed with the public key as a shared secret, by those who
    /// hope that it is taken for one.
    pub fn confused_token(&self, subject: &str) -> String {
        let key = EncodingKey::from_secret(self.pair.der_bytes());
        encode(&self.header(Algorithm::HS256), &self.claims(subject, &json!({})), &key).unwrap()
    }

    /// A token that nobody has signed.
    pub fn unsigned_token(&self, subject: &str) -> String {
        let header = json!({ "alg": "none", "typ": "JWT", "kid": self.id });
        let claims = self.claims(subject, &json!({}));
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        format!("{header}.{claims}.")
    }

    fn header(&self, algorithm: Algorithm) -> Header {
        Header { kid: Some(self.id.clone()), ..Header::new(algorithm) }
    }

    fn claims(&self, subject: &str, change: &Value) -> Value {
        let now = now_secs();
        let mut claims = json!({
            "iss": self.name, "sub": subject, "aud": [AUDIENCE, "others"],
            "iat": now, "nbf": now - 5, "exp": now + 600,
        });
        let all = claims.as_object_mut().unwrap();
        all.extend(change.as_object().unwrap().clone());
        all.retain(|_, value| !value.is_null());
        claims
    }
}
