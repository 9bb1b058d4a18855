//! What Stripe sends by itself: signed events.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use prost::{Message, Name};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Sha256;

use super::wire::json;
use super::write::OPERATION_METADATA;

/// The most `v1` signatures that one header may carry.
const SIGNATURES_MAX: usize = 16;
/// The longest header that is read.
const HEADER_BYTES_MAX: usize = 4096;

/// The type of a signed event that asks only whether it arrives. It is answered
/// with its id, and not kept.
pub const CANARY: &str = "paylink.canary";

/// An event, as far as paylink reads it:
/// <https://docs.stripe.com/api/events/object>.
#[derive(Debug)]
pub struct Event {
    /// Stripe's id, `evt_…`.
    pub id: String,
    /// What happened, such as `checkout.session.completed`.
    pub kind: String,
    /// When it happened, in unix seconds.
    pub created: i64,
    /// Whether it happened in live mode.
    pub livemode: bool,
    /// The API version in whose words the event is written.
    pub api_version: String,
    /// The connected account that it happened in, `acct_…`; empty for the key's own.
    pub account: String,
    object: Option<Box<RawValue>>,
    /// The attributes of the object that the event has changed, where it says so.
    previous: Option<Box<RawValue>>,
    /// The request that caused it, in one of the forms that Stripe has had for it.
    request: Option<Box<RawValue>>,
}

/// The body is not an event.
#[derive(Debug, thiserror::Error)]
#[error("the body is not a Stripe event")]
pub struct NotAnEvent;

/// Why a signature is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// There is no header, or it is not of Stripe's form.
    #[error("the signature header is malformed")]
    Malformed,
    /// No secret gives any of the signatures.
    #[error("no signature matches")]
    Mismatch,
    /// It was signed too long ago.
    #[error("the signature is too old")]
    Stale,
    /// It was signed in the future.
    #[error("the signature is from the future")]
    Future,
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    created: serde_json::Value,
    #[serde(default)]
    livemode: bool,
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    request: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    object: Option<Box<RawValue>>,
    #[serde(default)]
    previous_attributes: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Request {
    idempotency_key: String,
}

#[derive(Deserialize)]
struct Marked {
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Object {
    id: String,
}

/// Verifies the `Stripe-Signature` header over the raw body:
/// <https://docs.stripe.com/webhooks#verify-manually>.
///
/// Every `v1` signature is tried with every secret, without stopping at the
/// first that fits, so that the time taken tells nothing.
pub fn verify(
    header: &[u8],
    body: &[u8],
    secrets: &[SecretString],
    now_secs: i64,
    tolerance_secs: i64,
) -> Result<(), BadSignature> {
    let (signed_secs, signatures) = parse(header).ok_or(BadSignature::Malformed)?;
    let mut matched = false;
    for secret in secrets {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
            continue;
        };
        mac.update(signed_secs.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        for signature in &signatures {
            matched |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if !matched {
        return Err(BadSignature::Mismatch);
    }
    match now_secs.saturating_sub(signed_secs) {
        age if age > tolerance_secs => Err(BadSignature::Stale),
        age if age < -tolerance_secs => Err(BadSignature::Future),
        _ => Ok(()),
    }
}

/// Signs a body as Stripe does, with each secret.
pub(super) fn sign(body: &[u8], secrets: &[SecretString], now_secs: i64) -> String {
    let mut header = format!("t={now_secs}");
    for secret in secrets.iter().take(SIGNATURES_MAX) {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
            continue;
        };
        mac.update(now_secs.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        header.push_str(",v1=");
        header.push_str(&hex::encode(mac.finalize().into_bytes()));
    }
    header
}

/// Reads `t=…,v1=…,v1=…`; other schemes are passed over.
fn parse(header: &[u8]) -> Option<(i64, Vec<[u8; 32]>)> {
    let header = str::from_utf8(header).ok().filter(|header| header.len() <= HEADER_BYTES_MAX)?;
    let (mut signed_secs, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        match part.split_once('=')? {
            ("t", text) => {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let canonical = digits && (text == "0" || !text.starts_with('0'));
                if !canonical || signed_secs.replace(text.parse().ok()?).is_some() {
                    return None;
                }
            }
            ("v1", text) => {
                // Stripe's own libraries compare the text.
                if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return None;
                }
                let mut signature = [0; 32];
                hex::decode_to_slice(text, &mut signature).ok()?;
                signatures.push(signature);
            }
            _ => {}
        }
    }
    let enough = (1..=SIGNATURES_MAX).contains(&signatures.len());
    enough.then_some((signed_secs?, signatures))
}

// === impl Event ===

impl Event {
    /// Reads an event. Anything with an id and a type is one, whatever else it holds.
    pub fn parse(body: &[u8]) -> Result<Event, NotAnEvent> {
        let wire: Wire = serde_json::from_slice(body).map_err(|_| NotAnEvent)?;
        if wire.id.is_empty() || wire.kind.is_empty() {
            return Err(NotAnEvent);
        }
        let (object, previous) =
            wire.data.map_or((None, None), |data| (data.object, data.previous_attributes));
        Ok(Event {
            id: wire.id,
            kind: wire.kind,
            created: wire.created.as_i64().unwrap_or_default(),
            livemode: wire.livemode,
            api_version: wire.api_version.unwrap_or_default(),
            account: wire.account.unwrap_or_default(),
            object,
            previous,
            request: wire.request,
        })
    }

    /// Gives the id of the object that the event is about.
    pub(super) fn object_id(&self) -> Option<String> {
        let object: Object = serde_json::from_str(self.object_json()?).ok()?;
        Some(object.id)
    }

    /// Gives the idempotency key of the request that caused the event; of an event
    /// without one, the operation that made what the event is about, or what it was
    /// bought by.
    #[must_use]
    pub fn operation(&self) -> Option<String> {
        let request = self.request.as_ref().map(|request| request.get());
        let cause = request.and_then(|text| serde_json::from_str::<Request>(text).ok());
        cause.map(|request| request.idempotency_key).or_else(|| {
            let mut marked: Marked = serde_json::from_str(self.object_json()?).ok()?;
            marked.metadata.remove(OPERATION_METADATA)
        })
    }

    /// Says whether the event has changed this attribute of its object.
    #[must_use]
    pub fn has_changed(&self, attribute: &str) -> bool {
        let Some(previous) = &self.previous else { return false };
        let previous = serde_json::from_str::<serde_json::Map<_, _>>(previous.get());
        previous.is_ok_and(|previous| previous.contains_key(attribute))
    }

    /// Reads the object that the event is about, `None` where it has none. The
    /// event's kind says which message stands for it.
    #[must_use]
    pub fn object<M: Message + Name + Default>(&self) -> Option<M> {
        Some(json::read::<M>(self.object_json()?.as_bytes()).ok()?.message)
    }

    /// Gives the object that the event is about, as Stripe sent it.
    pub(super) fn object_json(&self) -> Option<&str> {
        self.object.as_ref().map(|object| object.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_test_secret";
    const BODY: &[u8] = br#"{"id":"evt_test","object":"event"}"#;
    const T: i64 = 1_700_000_000;
    const V1: &str = "8042376f6ca064adbe037642a718227dfd59047137eb49497a54c49eb0cfb724";

    fn check(header: &str, now_secs: i64) -> Result<(), BadSignature> {
        let secrets = ["whsec_other".into(), SECRET.into()];
        verify(header.as_bytes(), BODY, &secrets, now_secs, 300)
    }

    #[test]
    fn stripes_own_signature_is_accepted_beside_others() {
        let zeros = "0".repeat(64);
        assert_eq!(check(&format!("t={T},v1={V1}"), T), Ok(()));
        assert_eq!(check(&format!("t={T},v1={zeros},v1={V1},v0=abc"), T + 300), Ok(()));
    }

    #[test]
    fn what_is_signed_here_is_as_stripe_signs_it() {
        let secrets = ["whsec_unknown".into(), SECRET.into()];
        let header = sign(BODY, &secrets, T);
        assert!(header.ends_with(&format!(",v1={V1}")));
        assert_eq!(check(&header, T), Ok(()));
    }

    #[test]
    fn another_body_secret_or_time_is_refused() {
        let header = format!("t={T},v1={V1}");
        let secrets = [SECRET.into()];
        assert_eq!(verify(header.as_bytes(), b"{}", &secrets, T, 300), Err(BadSignature::Mismatch));
        assert_eq!(
            verify(header.as_bytes(), BODY, &["whsec_other".into()], T, 300),
            Err(BadSignature::Mismatch)
        );
        assert_eq!(check(&format!("t={},v1={V1}", T + 1), T), Err(BadSignature::Mismatch));
    }

    #[test]
    fn age_and_future_are_bounded() {
        let header = format!("t={T},v1={V1}");
        assert_eq!(check(&header, T + 301), Err(BadSignature::Stale));
        assert_eq!(check(&header, T - 301), Err(BadSignature::Future));
        assert_eq!(check(&header, i64::MIN), Err(BadSignature::Future));
    }

    #[test]
    fn a_malformed_header_is_refused() {
        let many = format!("t={T}{}", format!(",v1={V1}").repeat(SIGNATURES_MAX + 1));
        let long = format!("t={T},v1={V1},v0={}", "0".repeat(HEADER_BYTES_MAX));
        for header in [
            "",
            "nonsense",
            &format!("v1={V1}"),
            &format!("t={T}"),
            &format!("t={T},v0={V1}"),
            &format!("t={T},t={T},v1={V1}"),
            &format!("t=+{T},v1={V1}"),
            &format!("t=0{T},v1={V1}"),
            &format!("t=99999999999999999999,v1={V1}"),
            &format!("t={T},v1={}", &V1[1..]),
            &format!("t={T},v1={}g", &V1[1..]),
            &many,
            &long,
        ] {
            assert_eq!(check(header, T), Err(BadSignature::Malformed), "{header}");
        }
    }

    #[test]
    fn an_event_is_anything_with_an_id_and_a_type() {
        let event =
            Event::parse(br#"{"id":"evt_1","type":"v2.core.thing","created":"2026-01-01"}"#);
        assert_eq!(event.unwrap().kind, "v2.core.thing");
        for body in ["", "[]", "{}", r#"{"id":"evt_1"}"#, r#"{"id":"","type":"a"}"#] {
            assert!(Event::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn the_object_of_an_event_is_read() {
        let body = br#"{"id":"evt_1","type":"refund.created","data":{"object":{"id":"re_1"}}}"#;
        let refund: crate::pb::Refund = Event::parse(body).unwrap().object().unwrap();
        assert_eq!(refund.id, "re_1");
        assert!(!Event::parse(body).unwrap().has_changed("status"));
        let thin = Event::parse(br#"{"id":"evt_1","type":"v2.core.thing"}"#).unwrap();
        assert_eq!(thin.object::<crate::pb::Refund>(), None);
    }
}
