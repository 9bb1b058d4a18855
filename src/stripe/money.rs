//! Charges and payment intents, as far as they say what became of money. The
//! contract has no messages for them: what they say becomes part of a payment.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::call::Place;
use super::webhook::Event;
use super::wire::json;
use super::{Client, Error};
use crate::caller::Caller;
use crate::pb;

/// A try at taking money: <https://docs.stripe.com/api/charges/object>. Amounts
/// are in the currency's minor unit.
#[derive(Debug, Deserialize)]
pub struct Charge {
    /// Stripe's id, `ch_…`.
    pub id: String,
    /// The payment intent that it belongs to; empty for one without.
    #[serde(default, deserialize_with = "or_default")]
    pub payment_intent: String,
    /// How much of what was set aside was taken.
    #[serde(default, deserialize_with = "or_default")]
    pub amount_captured: i64,
    /// How much went back, or is on its way, or was let go of.
    #[serde(default, deserialize_with = "or_default")]
    pub amount_refunded: i64,
    #[serde(default, deserialize_with = "or_default")]
    refunds: Refunds,
}

/// What collects one payment: <https://docs.stripe.com/api/payment_intents/object>.
#[derive(Debug, Deserialize)]
pub struct PaymentIntent {
    /// Stripe's id, `pi_…`.
    pub id: String,
    /// Where it stands, in Stripe's words, such as `requires_capture`.
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
    /// When money is taken that was set aside, in Stripe's words, such as `manual`.
    #[serde(default, deserialize_with = "or_default")]
    pub capture_method: String,
    /// How much has come, in the currency's minor unit.
    #[serde(default, deserialize_with = "or_default")]
    pub amount_received: i64,
}

/// Versions of Stripe's API before 2022-11-15 show a charge's newest refunds in it.
#[derive(Debug, Default, Deserialize)]
struct Refunds {
    #[serde(default)]
    data: Vec<Box<RawValue>>,
}

// === impl Charge ===

impl Charge {
    /// Gives the refunds that the charge shows, which need not be all.
    pub fn refunds(&self) -> impl Iterator<Item = pb::Refund> {
        let read = |raw: &RawValue| json::read::<pb::Refund>(raw.get().as_bytes()).ok();
        self.refunds.data.iter().filter_map(move |raw| Some(read(raw)?.message))
    }
}

// === impl Client ===

impl Client {
    /// Gets a payment intent.
    pub async fn payment_intent(
        &self,
        intent: &str,
        caller: &Caller,
    ) -> Result<PaymentIntent, Error> {
        let (collection, route) = ("/v1/payment_intents", "/v1/payment_intents/{id}");
        let place = Place::below(collection, intent, route);
        let answer = self.read(place, String::new(), caller).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|_| Error::Unreadable { write: false, request_id: answer.request_id })
    }
}

// === impl Event ===

impl Event {
    /// Reads the charge that the event is about.
    #[must_use]
    pub fn charge(&self) -> Option<Charge> {
        serde_json::from_str(self.object_json()?).ok()
    }

    /// Reads the payment intent that the event is about.
    #[must_use]
    pub fn payment_intent(&self) -> Option<PaymentIntent> {
        serde_json::from_str(self.object_json()?).ok()
    }
}

/// Reads null as nothing.
fn or_default<'de, D, T>(value: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(object: &str) -> Event {
        let body = format!(r#"{{"id":"evt_1","type":"charge.x","data":{{"object":{object}}}}}"#);
        Event::parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn a_charge_shows_its_refunds_where_its_version_does() {
        let old = event(
            r#"{"id":"ch_1","payment_intent":null,"amount_refunded":5,
            "refunds":{"object":"list","data":[{"id":"re_1","object":"refund","amount":5}]}}"#,
        );
        let charge = old.charge().unwrap();
        assert_eq!((&*charge.payment_intent, charge.amount_refunded), ("", 5));
        let refunds = charge.refunds().map(|one| (one.id, one.amount)).collect::<Vec<_>>();
        assert_eq!(refunds, [("re_1".to_owned(), 5)]);
        for new in [r#"{"id":"ch_1","refunds":null}"#, r#"{"id":"ch_1"}"#] {
            assert_eq!(event(new).charge().unwrap().refunds().count(), 0);
        }
    }

    #[test]
    fn what_is_no_charge_or_intent_is_none() {
        assert!(event("{}").charge().is_none());
        assert!(event("{}").payment_intent().is_none());
    }
}
