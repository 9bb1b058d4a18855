//! What the mapping costs: requests to forms, answers from JSON, and the checks.
//!
//! A full link has every option of the contract. A minimal link is one line item;
//! beside it stands a mapping of just that, written by hand.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may end early")]

mod by_hand;
#[path = "../../src/stripe/wire/json/tests/answer.rs"]
mod json;
#[expect(dead_code, reason = "tests make other samples, too")]
#[path = "../../src/pb/sample.rs"]
mod sample;

use std::sync::LazyLock;

use divan::AllocProfiler;
use paylink::contract::{self, Draft};
use paylink::pb::{self, plan, walk};

use sample::By;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

static FULL: LazyLock<pb::CreatePaymentLinkRequest> = LazyLock::new(|| {
    let request = sample::full(plan::of::<pb::CreatePaymentLinkRequest>(), By::Caller);
    pb::CreatePaymentLinkRequest { validate_only: false, ..decoded(&request) }
});

static MINIMAL: LazyLock<pb::CreatePaymentLinkRequest> = LazyLock::new(|| {
    let item = pb::LineItem {
        price: "price_1QyZ8tLkdIwHu7ix".into(),
        quantity: Some(1),
        ..Default::default()
    };
    let link = pb::PaymentLink { line_items: vec![item], ..Default::default() };
    pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() }
});

/// What Stripe answers about a minimal link, with the price expanded and
/// everything that is not set as null.
const MINIMAL_AT_STRIPE: &[u8] = include_bytes!("minimal.json");

/// The same with only what is set.
const MINIMAL_SET: &[u8] = br#"{"id":"plink_1QyZ9aLkdIwHu7ixPq3","object":"payment_link",
"active":true,"currency":"usd","line_items":{"object":"list","data":[{"id":"li_Rz0ab1cd",
"object":"item","amount_subtotal":2500,"amount_total":2500,"currency":"usd",
"description":"Poster","price":"price_1QyZ8tLkdIwHu7ix","quantity":1}],"has_more":false,
"url":"/v1/payment_links/plink_1QyZ9aLkdIwHu7ixPq3/line_items"},"livemode":false,
"metadata":{},"url":"https://buy.stripe.com/test_00g5kC"}"#;

fn main() {
    divan::main();
}

fn decoded<M: prost::Message + Default>(bytes: &[u8]) -> M {
    M::decode(bytes).unwrap()
}

fn draft(request: &pb::CreatePaymentLinkRequest) -> Draft {
    contract::check(request).pass().unwrap()
}

mod full {
    use divan::counter::{BytesCount, ItemsCount};
    use divan::{Bencher, black_box};
    use paylink::pb::{self, plan};
    use paylink::{contract, stripe::wire};
    use prost::Message as _;
    use prost_reflect::{DescriptorPool, DynamicMessage};

    use super::{FULL, by_hand, draft, json, sample};

    #[divan::bench]
    fn check(bencher: Bencher<'_, '_>) {
        assert!(contract::check(&*FULL).pass().is_ok());
        bencher.bench(|| contract::check(black_box(&*FULL)));
    }

    #[divan::bench]
    fn to_form(bencher: Bencher<'_, '_>) {
        let draft = draft(&FULL);
        let parameters = form_urlencoded::parse(wire::form::write(draft.part()).as_bytes()).count();
        bencher
            .counter(ItemsCount::new(parameters))
            .bench(|| wire::form::write(black_box(draft.part())));
    }

    #[divan::bench]
    fn from_json(bencher: Bencher<'_, '_>) {
        let link = plan::of::<pb::PaymentLink>();
        let answer = json::answer(link, &sample::full(link, sample::By::Stripe)).to_string();
        let read = || wire::json::read::<pb::PaymentLink>(black_box(answer.as_bytes())).unwrap();
        assert_eq!(read().unknown, 0);
        bencher.counter(BytesCount::of_str(&answer)).bench(read);
    }

    /// Finds where the same text begins and ends, and keeps nothing of it.
    #[divan::bench]
    fn from_json_only_tokens(bencher: Bencher<'_, '_>) {
        let link = plan::of::<pb::PaymentLink>();
        let answer = json::answer(link, &sample::full(link, sample::By::Stripe)).to_string();
        bencher
            .counter(BytesCount::of_str(&answer))
            .bench(|| serde_json::from_str::<serde::de::IgnoredAny>(black_box(&answer)).unwrap());
    }

    /// Turns the encoded message into the type that the slices see.
    #[divan::bench]
    fn decode(bencher: Bencher<'_, '_>) {
        let bytes = sample::full(plan::of::<pb::PaymentLink>(), sample::By::Stripe);
        bencher.bench(|| pb::PaymentLink::decode(black_box(bytes.as_slice())).unwrap());
    }

    /// What the plan is there to avoid: the same form out of a reflective message.
    #[divan::bench]
    fn to_form_by_reflection(bencher: Bencher<'_, '_>) {
        let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
        let descriptor = pool.get_message_by_name("paylink.v1.PaymentLink").unwrap();
        let draft = draft(&FULL);
        let bytes = draft.part().bytes;
        bencher.bench(|| {
            let message = DynamicMessage::decode(descriptor.clone(), black_box(bytes)).unwrap();
            let mut form = String::new();
            by_hand::reflected(&message, "", &mut form);
            form
        });
    }
}

mod minimal {
    use divan::{Bencher, black_box};
    use paylink::pb;
    use paylink::{contract, stripe::wire};

    use super::{MINIMAL, MINIMAL_SET, by_hand, draft};

    #[divan::bench]
    fn check(bencher: Bencher<'_, '_>) {
        bencher.bench(|| contract::check(black_box(&*MINIMAL)));
    }

    #[divan::bench]
    fn to_form(bencher: Bencher<'_, '_>) {
        let draft = draft(&MINIMAL);
        bencher.bench(|| wire::form::write(black_box(draft.part())));
    }

    #[divan::bench]
    fn to_form_by_hand(bencher: Bencher<'_, '_>) {
        let link = MINIMAL.payment_link.as_ref().unwrap();
        let ours = wire::form::write(draft(&MINIMAL).part());
        let theirs = by_hand::form(link);
        assert!(
            form_urlencoded::parse(ours.as_bytes()).eq(form_urlencoded::parse(theirs.as_bytes()))
        );
        bencher.bench(|| by_hand::form(black_box(link)));
    }

    #[divan::bench]
    fn from_json(bencher: Bencher<'_, '_>) {
        bencher.bench(|| wire::json::read::<pb::PaymentLink>(black_box(MINIMAL_SET)).unwrap());
    }

    #[divan::bench]
    fn from_json_by_hand(bencher: Bencher<'_, '_>) {
        let ours = wire::json::read::<pb::PaymentLink>(MINIMAL_SET).unwrap().message;
        assert_eq!(by_hand::link(MINIMAL_SET).unwrap(), ours);
        bencher.bench(|| by_hand::link(black_box(MINIMAL_SET)).unwrap());
    }
}

/// A minimal link in the words of Stripe, nulls and an expanded price included.
mod minimal_at_stripe {
    use divan::{Bencher, black_box};
    use paylink::{pb, stripe::wire};

    use super::{MINIMAL_AT_STRIPE, by_hand};

    #[divan::bench]
    fn from_json(bencher: Bencher<'_, '_>) {
        bencher
            .bench(|| wire::json::read::<pb::PaymentLink>(black_box(MINIMAL_AT_STRIPE)).unwrap());
    }

    #[divan::bench]
    fn from_json_by_hand(bencher: Bencher<'_, '_>) {
        let ours = wire::json::read::<pb::PaymentLink>(MINIMAL_AT_STRIPE).unwrap().message;
        let theirs = by_hand::link(MINIMAL_AT_STRIPE).unwrap();
        assert_eq!((&theirs.id, &theirs.line_items), (&ours.id, &ours.line_items));
        bencher.bench(|| by_hand::link(black_box(MINIMAL_AT_STRIPE)).unwrap());
    }
}
