//! The signature of a webhook: `t=<time>,v1=<HMAC-SHA256 of "<time>.<body>">`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The value of the `Stripe-Signature` header. The secret is the key as it stands, prefix and all.
pub(super) fn header(secret: &str, unix_s: i64, body: &[u8]) -> String {
    // HMAC takes a key of any length, so there is no error to pass on.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(unix_s.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("t={unix_s},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_body_has_its_known_signature() {
        let body = br#"{"id":"evt_test","object":"event"}"#;
        assert_eq!(
            header("whsec_test_secret", 1_700_000_000, body),
            "t=1700000000,\
             v1=8042376f6ca064adbe037642a718227dfd59047137eb49497a54c49eb0cfb724",
        );
    }
}
