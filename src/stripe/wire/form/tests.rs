use super::*;
use crate::contract;
use crate::pb::{
    self, custom_field, line_item, payment_link,
    payment_link::{AfterCompletion, after_completion},
};

/// Maps a request and gives its parameters, decoded, a line each.
fn form<R: prost::Message + prost::Name>(request: &R) -> String {
    let draft = contract::check(request).pass().unwrap();
    let written = write(draft.part());
    let lines = form_urlencoded::parse(written.as_bytes()).map(|(k, v)| format!("{k}={v}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn create(link: pb::PaymentLink) -> pb::CreatePaymentLinkRequest {
    let item = pb::LineItem { price: "price_1".into(), quantity: Some(1), ..Default::default() };
    let line_items = if link.line_items.is_empty() { vec![item] } else { link.line_items.clone() };
    let link = pb::PaymentLink { line_items, ..link };
    pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() }
}

fn update(link: pb::PaymentLink, paths: &[&str]) -> pb::UpdatePaymentLinkRequest {
    let paths = paths.iter().map(ToString::to_string).collect();
    pb::UpdatePaymentLinkRequest {
        payment_link: Some(pb::PaymentLink { id: "plink_1".into(), ..link }),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..Default::default()
    }
}

#[test]
fn a_message_nests_in_brackets_and_a_list_is_numbered() {
    let inline = pb::LineItem {
        price_data: Some(line_item::PriceData {
            currency: "usd".into(),
            product_data: Some(line_item::price_data::ProductData {
                name: "Poster & frame".into(),
                images: vec!["https://a.example/1.png".into(), "https://a.example/2.png".into()],
                ..Default::default()
            }),
            unit_amount: Some(0),
            ..Default::default()
        }),
        quantity: Some(2),
        ..Default::default()
    };
    let stored = pb::LineItem {
        price: "price_1".into(),
        quantity: Some(1),
        adjustable_quantity: Some(line_item::AdjustableQuantity {
            enabled: Some(true),
            maximum: Some(9),
            minimum: None,
        }),
        ..Default::default()
    };
    let link = pb::PaymentLink { line_items: vec![inline, stored], ..Default::default() };
    insta::assert_snapshot!(form(&create(link)), @"
    line_items[0][price_data][currency]=usd
    line_items[0][price_data][product_data][name]=Poster & frame
    line_items[0][price_data][product_data][images][0]=https://a.example/1.png
    line_items[0][price_data][product_data][images][1]=https://a.example/2.png
    line_items[0][price_data][unit_amount]=0
    line_items[0][quantity]=2
    line_items[1][price]=price_1
    line_items[1][quantity]=1
    line_items[1][adjustable_quantity][enabled]=true
    line_items[1][adjustable_quantity][maximum]=9
    ");
}

#[test]
fn a_map_has_its_keys_in_brackets() {
    let link = pb::PaymentLink {
        metadata: [("order id".into(), "7 = 7".into())].into(),
        ..Default::default()
    };
    let written = write(contract::check(&create(link)).pass().unwrap().part());
    assert!(written.ends_with("&metadata[order+id]=7+%3D+7"), "{written}");
}

#[test]
fn an_enum_is_stripes_word() {
    let link = pb::PaymentLink {
        billing_address_collection: payment_link::BillingAddressCollection::Required.into(),
        ..Default::default()
    };
    assert!(form(&create(link)).ends_with("\nbilling_address_collection=required"));
}

#[test]
fn a_oneof_says_its_case() {
    let redirect = after_completion::Redirect { url: "https://shop.example/thanks".into() };
    let link = pb::PaymentLink {
        after_completion: Some(AfterCompletion {
            r#type: Some(after_completion::Type::Redirect(redirect)),
        }),
        ..Default::default()
    };
    assert!(form(&create(link)).ends_with(
        "\nafter_completion[type]=redirect\n\
         after_completion[redirect][url]=https://shop.example/thanks"
    ));
}

#[test]
fn a_case_without_options_says_its_case_and_a_constant_is_added() {
    let field = pb::CustomField {
        key: "engraving".into(),
        label: Some(custom_field::Label { custom: "Engraving".into() }),
        r#type: Some(custom_field::Type::Text(custom_field::Text::default())),
        ..Default::default()
    };
    let link = pb::PaymentLink { custom_fields: vec![field], ..Default::default() };
    insta::assert_snapshot!(form(&create(link)), @"
    line_items[0][price]=price_1
    line_items[0][quantity]=1
    custom_fields[0][key]=engraving
    custom_fields[0][label][type]=custom
    custom_fields[0][label][custom]=Engraving
    custom_fields[0][type]=text
    ");
}

#[test]
fn unset_and_output_only_fields_are_absent() {
    let link = pb::PaymentLink {
        id: "plink_1".into(),
        url: "https://buy.example".into(),
        active: true,
        ..Default::default()
    };
    assert_eq!(form(&create(link)), "line_items[0][price]=price_1\nline_items[0][quantity]=1");
}

#[test]
fn an_update_sends_what_its_mask_names() {
    let link = pb::PaymentLink {
        inactive_message: "gone".into(),
        allow_promotion_codes: Some(false),
        ..Default::default()
    };
    assert_eq!(form(&update(link.clone(), &["inactive_message"])), "inactive_message=gone");
    assert_eq!(form(&update(link, &[])), "allow_promotion_codes=false\ninactive_message=gone");
}

#[test]
fn what_a_mask_names_and_nothing_sets_is_cleared() {
    let link = pb::PaymentLink {
        metadata: [("kept".into(), "1".into()), ("untouched".into(), "2".into())].into(),
        ..Default::default()
    };
    let paths = ["restrictions", "metadata.kept", "metadata.gone", "custom_fields"];
    insta::assert_snapshot!(form(&update(link, &paths)), @"
    metadata[kept]=1
    restrictions=
    metadata[gone]=
    custom_fields=
    ");
}

#[test]
fn a_star_sends_what_is_set_and_clears_the_rest() {
    let item = pb::LineItem {
        id: "li_1".into(),
        price: "price_1".into(),
        quantity: Some(2),
        ..Default::default()
    };
    let link = pb::PaymentLink {
        currency: "usd".into(),
        line_items: vec![item],
        inactive_message: "gone".into(),
        ..Default::default()
    };
    insta::assert_snapshot!(form(&update(link, &["*"])));
}

#[test]
fn a_line_item_is_updated_by_its_id() {
    let item = pb::LineItem { id: "li_1".into(), quantity: Some(3), ..Default::default() };
    let link = pb::PaymentLink { line_items: vec![item], ..Default::default() };
    assert_eq!(
        form(&update(link, &["line_items"])),
        "line_items[0][id]=li_1\nline_items[0][quantity]=3"
    );
}

#[test]
fn the_filters_of_a_list_are_its_query() {
    let request = pb::ListPricesRequest {
        page_size: 5,
        active: Some(true),
        r#type: pb::price::Type::OneTime.into(),
        ..Default::default()
    };
    assert_eq!(form(&request), "active=true\ntype=one_time");
}
