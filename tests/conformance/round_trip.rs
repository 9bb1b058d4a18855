//! Random valid messages, as forms, read by the sandbox's own decoder and back:
//! what arrives is what was meant, for every create and every update.

use std::fmt::Debug;

use paylink::contract::{self, Part};
use paylink::pb::plan::{self, Field, Kind, Message, Shape};
use paylink::pb::{self, walk};
use paylink::sandbox;
use paylink::stripe::wire::{form, json};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::FieldMask;

use crate::sample::{self, By};

/// What can be sampled, sent and read back.
trait Resource: prost::Message + prost::Name + Default + PartialEq + Debug {}

impl<R: prost::Message + prost::Name + Default + PartialEq + Debug> Resource for R {}

/// Enough to give every field of the largest message a few choices.
const ENTROPY_BYTES_MAX: usize = 600;

fn entropy() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..ENTROPY_BYTES_MAX)
}

/// Reads a form back as a message, by the sandbox's decoder and its table of facts.
fn read_back<R: Resource>(endpoint: &str, written: &str) -> R {
    let read = sandbox::read_form(endpoint, written)
        .unwrap_or_else(|refusal| panic!("{endpoint}: {refusal}\n{written}"));
    let read = json::read::<R>(read.to_string().as_bytes()).unwrap();
    assert_eq!(read.unknown, 0, "{written}");
    read.message
}

/// Makes a message that a caller may send; `adapt` takes out what only Stripe can judge.
fn sampled<R: Resource>(entropy: &[u8], adapt: fn(&mut R)) -> R {
    let bytes = sample::arbitrary(plan::of::<R>(), By::Caller, entropy);
    let mut message = R::decode(bytes.as_slice()).unwrap();
    adapt(&mut message);
    message
}

fn created<R: Resource>(endpoint: &str, entropy: &[u8], adapt: fn(&mut R)) {
    let meant: R = sampled(entropy, adapt);
    let bytes = sayable(plan::of::<R>(), &meant.encode_to_vec(), false);
    let meant = R::decode(bytes.as_slice()).unwrap();
    let written = form::write(Part { message: plan::of::<R>(), bytes: &bytes, mask: None });
    assert!(read_back::<R>(endpoint, &written) == meant, "{meant:?}\n{written}");
}

/// Checks an update by `*`. `request` wraps the resource as its method does.
fn updated<R: Resource, U>(
    endpoint: &str,
    entropy: &[u8],
    adapt: fn(&mut R),
    request: fn(Option<R>, Option<FieldMask>) -> U,
) where
    U: prost::Message + prost::Name,
{
    let meant = sampled(entropy, adapt);
    let mask = Some(FieldMask { paths: vec!["*".into()] });
    let sayable = sayable(plan::of::<R>(), &meant.encode_to_vec(), true);
    let draft = contract::check(&request(Some(meant), mask)).pass().unwrap();
    let written = form::write(draft.part());
    let expected = R::decode(sayable.as_slice()).unwrap();
    assert!(read_back::<R>(endpoint, &written) == expected, "{expected:?}\n{written}");
}

/// Takes out of a message what no form can say: empty messages, what is the
/// service's own and, of an update, what cannot change.
fn sayable(message: &'static Message, bytes: &[u8], updating: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (_, field, value) in walk::fields(message, bytes) {
        // The id of the resource itself is in the path.
        let elsewhere = field.identifier && message.resource.is_some();
        match value {
            _ if field.local || (updating && (field.immutable || elsewhere)) => {}
            walk::Value::Varint(number) => {
                encode_key(field.number, WireType::Varint, &mut out);
                encode_varint(number, &mut out);
            }
            walk::Value::Bytes(bytes) => {
                let inner = below(field, bytes, updating);
                let is_said = !inner.is_empty() || field.choice.is_some();
                if !matches!(field.kind, Kind::Message(_)) || is_said {
                    push(field.number, &inner, &mut out);
                }
            }
        }
    }
    out
}

fn below(field: &Field, bytes: &[u8], updating: bool) -> Vec<u8> {
    match (field.kind, field.shape) {
        (Kind::Message(inner), Shape::Map) => {
            let (key, value) = walk::entry(bytes);
            let value = value.map(|value| sayable(inner.get(), value.bytes(), updating));
            let mut entry = Vec::new();
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                push(1, key.as_bytes(), &mut entry);
                push(2, &value, &mut entry);
            }
            entry
        }
        (Kind::Message(inner), _) => sayable(inner.get(), bytes, updating),
        _ => bytes.to_vec(),
    }
}

fn push(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Payment methods are open words here and a closed set in the table.
fn link(link: &mut pb::PaymentLink) {
    link.payment_method_types = vec!["card".into()];
}

/// The items of an update are named by their ids.
fn updated_link(updated: &mut pb::PaymentLink) {
    link(updated);
    updated.id = "plink_1".into();
    for (nth, item) in updated.line_items.iter_mut().enumerate() {
        item.id = format!("li_{nth}");
    }
}

fn product(product: &mut pb::Product) {
    product.id = "prod_1".into();
}

fn price(price: &mut pb::Price) {
    price.id = "price_1".into();
}

fn coupon(coupon: &mut pb::Coupon) {
    coupon.id = "SPRING".into();
}

fn code(code: &mut pb::PromotionCode) {
    code.id = "promo_1".into();
}

fn rate(rate: &mut pb::ShippingRate) {
    rate.id = "shr_1".into();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_created_arrives_as_it_was_meant(entropy in entropy()) {
        created::<pb::Product>("POST /v1/products", &entropy, |_| {});
        created::<pb::Price>("POST /v1/prices", &entropy, |_| {});
        created::<pb::PaymentLink>("POST /v1/payment_links", &entropy, link);
        created::<pb::Coupon>("POST /v1/coupons", &entropy, |_| {});
        created::<pb::PromotionCode>("POST /v1/promotion_codes", &entropy, |_| {});
        created::<pb::ShippingRate>("POST /v1/shipping_rates", &entropy, |_| {});
    }

    #[test]
    fn what_is_updated_arrives_as_it_was_meant(entropy in entropy()) {
        updated("POST /v1/products/{id}", &entropy, product, |product, update_mask| {
            pb::UpdateProductRequest { product, update_mask, ..Default::default() }
        });
        updated("POST /v1/prices/{price}", &entropy, price, |price, update_mask| {
            pb::UpdatePriceRequest { price, update_mask, ..Default::default() }
        });
        let endpoint = "POST /v1/payment_links/{payment_link}";
        updated(endpoint, &entropy, updated_link, |payment_link, update_mask| {
            pb::UpdatePaymentLinkRequest { payment_link, update_mask, ..Default::default() }
        });
        updated("POST /v1/coupons/{coupon}", &entropy, coupon, |coupon, update_mask| {
            pb::UpdateCouponRequest { coupon, update_mask, ..Default::default() }
        });
        let endpoint = "POST /v1/promotion_codes/{promotion_code}";
        updated(endpoint, &entropy, code, |promotion_code, update_mask| {
            pb::UpdatePromotionCodeRequest { promotion_code, update_mask, ..Default::default() }
        });
        let endpoint = "POST /v1/shipping_rates/{shipping_rate_token}";
        updated(endpoint, &entropy, rate, |shipping_rate, update_mask| {
            pb::UpdateShippingRateRequest { shipping_rate, update_mask, ..Default::default() }
        });
    }
}
