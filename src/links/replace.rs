//! Puts a new link in the place of an old one.
//!
//! The new link is made under the request's own id, and the end of the old one is
//! noted for good. So the same request, sent again, takes up what stopped
//! half-way, and one that was finished changes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use tonic::Status;

use super::{Links, ends, rules};
use crate::caller::Caller;
use crate::contract::{self, Reason, Violation};
use crate::pb::account_reference::Type;
use crate::pb::payment_link::{
    CustomerCreation, DeactivationReason, PaymentMethodCollection, SubscriptionData,
};
use crate::pb::plan::{self, Field};
use crate::pb::{self, walk};
use crate::planted::{self, Bug};

/// How long to wait for the old link's end, which comes in any case.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A link put together from two, and which field is whose.
#[derive(Debug, PartialEq)]
struct Merged {
    link: pb::PaymentLink,
    carried_over: Vec<String>,
    changed: Vec<String>,
}

// === impl Links ===

impl Links {
    /// Does what is missing of the replacement.
    pub(super) async fn replace(
        &self,
        request: pb::ReplacePaymentLinkRequest,
        caller: &Caller,
    ) -> Result<pb::ReplacePaymentLinkResponse, Status> {
        let mut asked = request.clone();
        if let Some(link) = &mut asked.payment_link
            && link.line_items.is_empty()
        {
            // The check is that of a new link, and this stands for what is carried over.
            let item =
                pb::LineItem { price: "price".into(), quantity: Some(1), ..Default::default() };
            link.line_items.push(item);
        }
        let together = rules::check(asked.payment_link.as_ref(), rules::Purpose::Create);
        let unknown = unknown_fields(&request.left_out);
        let draft = contract::check(&asked).and(together).and(unknown).pass()?;
        self.operations.admit(&draft, caller)?;

        let fresh = caller.clone().wanting_fresh();
        let mut old = self.seen(&request.id, &fresh).await?;
        old.line_items = self.stripe.all_line_items(&old, &fresh).await?;
        let now_ms = self.clock.now_ms();
        let Merged { link, carried_over, changed } = merged(old.clone(), &request, now_ms);
        self.refuse_if_over(&old.owner, &link.order_ref, &draft, caller).await?;
        let create =
            pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() };
        let together = rules::check(create.payment_link.as_ref(), rules::Purpose::Create);
        let written = contract::check(&create).and(together).pass()?;
        let is_half =
            planted::is(Bug::HalfReplaced) && self.operations.is_known(&draft, caller).await?;
        let new = self.operations.create_as(&written, &old.owner, &draft, caller).await?;
        let new = self.told(new, &draft, caller).await;

        let replaced = DeactivationReason::Replaced;
        if !is_half {
            self.endings.end(caller.account(), vec![old.id.clone()], replaced).await?;
        }
        let gone = [old.id.clone()];
        self.endings.wait(&gone, WAIT_MAX.min(caller.time_left() / 2)).await?;
        let deactivated = self.storage.count_ending(&gone, self.clock.now_ms()).await? == 0;
        Ok(pb::ReplacePaymentLinkResponse {
            payment_link: Some(new),
            replaced: old.id,
            carried_over,
            changed,
            deactivated,
        })
    }
}

/// Finds names that are no fields of a link.
fn unknown_fields(names: &[String]) -> Vec<Violation> {
    let plan = plan::of::<pb::PaymentLink>();
    let is_unknown = |(_, name): &(usize, &String)| plan.field_named(name).is_none();
    let text = "is not a field of the resource";
    let unknown = |(at, _)| Violation::new(format!("left_out[{at}]"), Reason::UnknownField, text);
    names.iter().enumerate().filter(is_unknown).map(unknown).collect()
}

/// Puts the new link together: what the request sets, and what it neither sets nor
/// leaves out of the old one.
fn merged(old: pb::PaymentLink, request: &pb::ReplacePaymentLinkRequest, now_ms: i64) -> Merged {
    let plan = plan::of::<pb::PaymentLink>();
    let asked = request.payment_link.clone().unwrap_or_default();
    let asked = pb::CreatePaymentLinkRequest { payment_link: Some(asked), ..Default::default() };
    let asked = ends::dated(asked, now_ms).payment_link.unwrap_or_default().encode_to_vec();
    let set = |field: &&Field| !(field.output_only || field.identifier);
    let mut changed: BTreeSet<&str> = request.left_out.iter().map(String::as_str).collect();
    let given = walk::fields(plan, &asked).map(|(_, field, _)| field).filter(set);
    changed.extend(given.map(|field| field.name.as_str()));

    let old = settable(old, now_ms).encode_to_vec();
    let mut carried_over = Vec::new();
    let mut bytes = asked.clone();
    for (_, field, value) in walk::fields(plan, &old) {
        if !set(&field) || field.local || changed.contains(field.name.as_str()) {
            continue;
        }
        if carried_over.last() != Some(&field.name) {
            carried_over.push(field.name.clone());
        }
        match value {
            walk::Value::Varint(number) => {
                encode_key(field.number, WireType::Varint, &mut bytes);
                encode_varint(number, &mut bytes);
            }
            walk::Value::Bytes(value) => {
                encode_key(field.number, WireType::LengthDelimited, &mut bytes);
                encode_varint(value.len() as u64, &mut bytes);
                bytes.extend_from_slice(value);
            }
        }
    }
    let changed = changed.into_iter().map(str::to_owned).collect();
    // Fields of two valid encodings, whole.
    let link = pb::PaymentLink::decode(bytes.as_slice()).unwrap_or_default();
    Merged { link, carried_over, changed }
}

/// A link as it could be asked for: Stripe shows defaults that it does not take
/// for every kind of link, and an end that has passed is none.
fn settable(mut link: pb::PaymentLink, now_ms: i64) -> pb::PaymentLink {
    if link.customer_creation() == CustomerCreation::IfRequired {
        link.set_customer_creation(CustomerCreation::Unspecified);
    }
    if link.payment_method_collection() == PaymentMethodCollection::Always {
        link.set_payment_method_collection(PaymentMethodCollection::Unspecified);
    }
    link.invoice_creation = link.invoice_creation.filter(|one| one.enabled == Some(true));
    link.subscription_data = link.subscription_data.filter(says_something);
    link.expire_time = link.expire_time.filter(|end| !ends::has_passed(Some(*end), now_ms));
    link
}

/// Whether what subscriptions are given is more than Stripe's defaults, which links
/// without recurring prices show too.
fn says_something(data: &SubscriptionData) -> bool {
    let SubscriptionData { description, invoice_settings, metadata, .. } = data;
    let issuer = invoice_settings.as_ref().and_then(|settings| settings.issuer.as_ref());
    let is_another =
        matches!(issuer, Some(issuer) if matches!(issuer.r#type, Some(Type::Account(_))));
    let has_trial = data.trial_period_days.is_some() || data.trial_settings.is_some();
    is_another || has_trial || !description.is_empty() || !metadata.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::Timestamp;

    fn old() -> pb::PaymentLink {
        let item = pb::LineItem {
            id: "li_1".into(),
            price: "price_1".into(),
            quantity: Some(2),
            ..Default::default()
        };
        pb::PaymentLink {
            id: "plink_1".into(),
            url: "https://buy.stripe.com/1".into(),
            active: true,
            line_items: vec![item],
            order_ref: "order-7".into(),
            metadata: [("a".to_owned(), "1".to_owned())].into(),
            inactive_message: "Gone.".into(),
            expire_time: Some(Timestamp { seconds: 100, nanos: 0 }),
            currency: "usd".into(),
            ..Default::default()
        }
    }

    fn check(link: pb::PaymentLink, left_out: &[&str], now_ms: i64) -> Merged {
        let left_out = left_out.iter().map(|&name| name.to_owned()).collect();
        let request = pb::ReplacePaymentLinkRequest {
            payment_link: Some(link),
            left_out,
            ..Default::default()
        };
        merged(old(), &request, now_ms)
    }

    #[test]
    fn what_a_request_does_not_set_is_carried_over() {
        let asked = pb::PaymentLink { currency: "eur".into(), ..Default::default() };
        let Merged { link, carried_over, changed } = check(asked, &["inactive_message"], 0);
        assert_eq!(changed, ["currency", "inactive_message"]);
        assert_eq!(carried_over, ["line_items", "metadata", "order_ref", "expire_time"]);
        let expected = pb::PaymentLink {
            id: String::new(),
            url: String::new(),
            active: false,
            inactive_message: String::new(),
            currency: "eur".into(),
            ..old()
        };
        assert_eq!(link, expected);
    }

    #[test]
    fn an_end_that_has_passed_is_not_carried_over() {
        let merged = check(pb::PaymentLink::default(), &[], 100_000);
        assert_eq!(merged.link.expire_time, None);
        let ttl = Some(prost_types::Duration { seconds: 60, nanos: 0 });
        let merged = check(pb::PaymentLink { ttl, ..Default::default() }, &[], 100_000);
        assert_eq!(merged.link.expire_time.map(|end| end.seconds), Some(160));
        assert!(merged.changed.contains(&"expire_time".to_owned()));
    }
}
