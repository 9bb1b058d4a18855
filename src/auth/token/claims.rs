//! What a token says.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::auth::Refusal;

/// What a token must say, beside what is validated with its signature.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    exp: f64,
    #[serde(rename = "nbf")]
    _nbf: Option<f64>,
    #[serde(rename = "iss")]
    _iss: String,
}

#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

/// Reads who a token says has issued it, which nothing has proved yet.
pub(super) fn issuer(token: &str) -> Result<String, Refusal> {
    let encoded = token.split('.').nth(1).ok_or(Refusal::TokenMalformed)?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Refusal::TokenMalformed)?;
    let claims = serde_json::from_slice::<Issuer>(&bytes);
    claims.map(|claims| claims.iss).map_err(|_| Refusal::TokenMalformed)
}

// === impl Claims ===

impl Claims {
    /// How long the token is still good for; zero where its time is over.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the difference is not negative, and what is too large to be told apart is refused"
    )]
    pub(super) fn left_secs(&self, now_secs: i64) -> u64 {
        (self.exp - now_secs as f64).max(0.0) as u64
    }
}
