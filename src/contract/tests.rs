use proptest::prelude::*;

use super::*;
use crate::pb;

fn violations<R: Message + Name>(request: &R) -> Vec<String> {
    let found = check(request).pass().err().map(|violations| violations.0).unwrap_or_default();
    let line = |v: &Violation| format!("{} {} {}", v.field, v.reason.as_str(), v.description);
    found.iter().map(line).collect()
}

fn update(link: pb::PaymentLink, paths: &[&str]) -> pb::UpdatePaymentLinkRequest {
    pb::UpdatePaymentLinkRequest {
        payment_link: Some(pb::PaymentLink { id: "plink_1".into(), ..link }),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(ToString::to_string).collect(),
        }),
        ..Default::default()
    }
}

/// The characters of a token that hold nothing but the hash.
const FINGERPRINT_CHARS: usize = 8;

#[test]
fn every_violation_is_reported_at_once_by_its_path() {
    use pb::payment_link::{AfterCompletion, after_completion};
    let item = pb::LineItem { quantity: Some(0), ..Default::default() };
    let both = pb::LineItem {
        price: "price_1".into(),
        price_data: Some(pb::line_item::PriceData {
            currency: "US".into(),
            product: "prod_1".into(),
            unit_amount: Some(-1),
            ..Default::default()
        }),
        quantity: Some(1),
        ..Default::default()
    };
    let request = pb::CreatePaymentLinkRequest {
        payment_link: Some(pb::PaymentLink {
            line_items: vec![item, both],
            after_completion: Some(AfterCompletion {
                r#type: Some(after_completion::Type::Redirect(after_completion::Redirect {
                    url: String::new(),
                })),
            }),
            inactive_message: "x".repeat(501),
            metadata: [("a[b]".into(), "x".repeat(501))].into(),
            ..Default::default()
        }),
        request_id: "seven".into(),
        validate_only: false,
    };
    insta::assert_snapshot!(violations(&request).join("\n"));
}

#[test]
fn no_line_items_and_more_than_twenty_are_refused() {
    let link = |items: usize| {
        let item =
            pb::LineItem { price: "price_1".into(), quantity: Some(1), ..Default::default() };
        pb::CreatePaymentLinkRequest {
            payment_link: Some(pb::PaymentLink {
                line_items: vec![item; items],
                ..Default::default()
            }),
            ..Default::default()
        }
    };
    assert_eq!(violations(&link(0)), ["payment_link.line_items FIELD_REQUIRED is required"]);
    assert_eq!(violations(&link(20)), Vec::<String>::new());
    assert_eq!(
        violations(&link(21)),
        ["payment_link.line_items COUNT_OUT_OF_RANGE must have at most 20 entries"]
    );
}

#[test]
fn an_absent_resource_is_refused() {
    let request = pb::CreateProductRequest::default();
    assert_eq!(violations(&request), ["product FIELD_REQUIRED is required"]);
}

#[test]
fn an_update_is_checked_where_its_mask_points() {
    let link = pb::PaymentLink { inactive_message: "gone".into(), ..Default::default() };
    assert_eq!(violations(&update(link.clone(), &["inactive_message"])), Vec::<String>::new());
    assert_eq!(violations(&update(link.clone(), &[])), Vec::<String>::new());
    assert_eq!(
        violations(&update(link, &["line_items", "url", "colour", "custom_fields.key"])),
        [
            "update_mask OUTPUT_ONLY `url` is set by the service alone",
            "update_mask UNKNOWN_FIELD `colour` is not a field of the resource",
            "update_mask UNKNOWN_FIELD `custom_fields.key` goes into a list; name the whole list",
            "payment_link.line_items FIELD_REQUIRED is required",
        ]
    );
}

#[test]
fn an_update_of_something_immutable_is_refused_by_name() {
    let price = pb::Price { id: "price_1".into(), currency: "eur".into(), ..Default::default() };
    let request = |paths: &[&str]| pb::UpdatePriceRequest {
        price: Some(price.clone()),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(ToString::to_string).collect(),
        }),
        ..Default::default()
    };
    assert_eq!(
        violations(&request(&["currency"])),
        ["update_mask IMMUTABLE `currency` cannot change after creation"]
    );
    assert_eq!(
        violations(&request(&[])),
        ["price.currency IMMUTABLE cannot change after creation"]
    );
}

#[test]
fn only_what_stripe_can_clear_is_cleared() {
    let none = pb::PaymentLink::default();
    assert_eq!(violations(&update(none.clone(), &["restrictions"])), Vec::<String>::new());
    assert_eq!(
        violations(&update(none.clone(), &["after_completion"])),
        ["payment_link.after_completion NOT_CLEARABLE cannot be cleared; give it a value"]
    );
    assert_eq!(
        violations(&update(none, &[])),
        ["update_mask FIELD_REQUIRED names nothing to change, and no field is set"]
    );
}

#[test]
fn a_page_token_belongs_to_its_arguments() {
    let first = pb::ListPricesRequest { currency: "usd".into(), ..Default::default() };
    let token = check(&first).pass().unwrap().page().token_after("price_9");
    let next = pb::ListPricesRequest { page_token: token.clone(), page_size: 7, ..first.clone() };
    let draft = check(&next).pass().unwrap();
    assert_eq!((draft.page().after.as_deref(), draft.page().size), (Some("price_9"), 7));

    let refused = "page_token PAGE_TOKEN_INVALID must be the next_page_token of an answer to the \
                   same request";
    let other = pb::ListPricesRequest { currency: "eur".into(), ..next };
    assert_eq!(violations(&other), [refused]);
    assert_eq!(
        violations(&pb::ListProductsRequest { page_token: token, ..Default::default() }),
        [refused]
    );
    let garbage = pb::ListPricesRequest { page_token: "%%".into(), ..first };
    assert_eq!(violations(&garbage), [refused]);
}

proptest! {
    #[test]
    fn every_token_leads_back_to_its_item_and_no_other_text_is_one(
        last in ".{1,40}",
        text in ".{1,60}",
        at: prop::sample::Index,
        bit in 0_u8..7,
    ) {
        let first = pb::ListPricesRequest { currency: "usd".into(), ..Default::default() };
        let token = check(&first).pass().unwrap().page().token_after(&last);
        let next = |page_token| pb::ListPricesRequest { page_token, ..first.clone() };
        let draft = check(&next(token.clone())).pass().unwrap();
        prop_assert_eq!(draft.page().after.as_deref(), Some(&*last));

        // A hash of the arguments begins each token, so damage there is seen.
        let mut damaged = token.into_bytes();
        damaged[at.index(FINGERPRINT_CHARS)] ^= 1 << bit;
        for text in [text, String::from_utf8(damaged).unwrap()] {
            prop_assert_eq!(violations(&next(text)).len(), 1);
        }
    }
}

#[test]
fn a_negative_page_size_is_refused_and_a_large_one_is_cut() {
    let sized = |page_size| pb::ListPricesRequest { page_size, ..Default::default() };
    assert_eq!(violations(&sized(-1)), ["page_size VALUE_OUT_OF_RANGE must be at least 0"]);
    assert_eq!(check(&sized(1000)).pass().unwrap().page().size, 100);
    assert_eq!(check(&sized(0)).pass().unwrap().page().size, 10);
}

#[test]
fn a_star_touches_what_can_change_and_passes_over_what_cannot() {
    let item = pb::LineItem {
        id: "li_1".into(),
        price: "price_1".into(),
        quantity: Some(2),
        ..Default::default()
    };
    let read = pb::PaymentLink {
        url: "https://buy.example".into(),
        active: true,
        currency: "usd".into(),
        line_items: vec![item],
        inactive_message: "gone".into(),
        ..Default::default()
    };
    assert_eq!(violations(&update(read.clone(), &["*"])), Vec::<String>::new());
    let two = update(read, &["*", "metadata"]);
    assert_eq!(
        violations(&two)[0],
        "update_mask UNKNOWN_FIELD `*` is not a field of the resource; alone it names them all"
    );
}

#[test]
fn a_call_goes_by_the_id_that_its_caller_chose() {
    let chosen = Uuid::from_u128(7);
    let request = |request_id: String| pb::CreateProductRequest {
        product: Some(pb::Product { name: "Poster".into(), ..Default::default() }),
        request_id,
        validate_only: false,
    };
    let id = |request_id| check(&request(request_id)).pass().unwrap().request_id();
    assert_eq!(id(chosen.to_string()), chosen);
    assert_ne!(id(String::new()), id(String::new()));
}
