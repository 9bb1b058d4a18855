//! Products and prices.

use paylink::pb;
use prost_types::FieldMask;
use tonic::Code;

use crate::harness::{Paylink, code_of};

async fn product(paylink: &Paylink, product: pb::Product) -> pb::Product {
    let request = pb::CreateProductRequest { product: Some(product), ..Default::default() };
    paylink.catalog().create_product(request).await.unwrap().into_inner()
}

async fn price(paylink: &Paylink, of: &str, unit_amount: i64) -> pb::Price {
    let price = pb::Price {
        product: of.to_owned(),
        currency: "usd".to_owned(),
        unit_amount: Some(unit_amount),
        ..Default::default()
    };
    let request = pb::CreatePriceRequest { price: Some(price), ..Default::default() };
    paylink.catalog().create_price(request).await.unwrap().into_inner()
}

async fn update(paylink: &Paylink, product: pb::Product, paths: &[&str]) -> pb::Product {
    let request = pb::UpdateProductRequest {
        product: Some(product),
        update_mask: Some(mask(paths)),
        ..Default::default()
    };
    paylink.catalog().update_product(request).await.unwrap().into_inner()
}

fn mask(paths: &[&str]) -> FieldMask {
    FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }
}

fn full() -> pb::Product {
    pb::Product {
        name: "Poster".to_owned(),
        active: Some(true),
        description: "On heavy paper".to_owned(),
        images: vec!["https://example.com/poster.png".to_owned()],
        metadata: [("shelf", "7"), ("colour", "red")].map(|(k, v)| (k.into(), v.into())).into(),
        shippable: Some(true),
        statement_descriptor: "POSTERS".to_owned(),
        tax_code: "txcd_99999999".to_owned(),
        unit_label: "sheet".to_owned(),
        url: "https://example.com/poster".to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_product_has_what_it_was_made_with() {
    let paylink = Paylink::start().await;
    let made = product(&paylink, full()).await;
    assert!(made.id.starts_with("prod_") && made.created.is_some() && !made.livemode);
    let own = |product: &pb::Product| pb::Product {
        id: String::new(),
        created: None,
        updated: None,
        ..product.clone()
    };
    assert_eq!(own(&made), full());
    let request = pb::GetProductRequest { id: made.id.clone() };
    assert_eq!(paylink.catalog().get_product(request).await.unwrap().into_inner(), made);
}

#[tokio::test]
async fn an_update_changes_what_its_mask_names_and_nothing_else() {
    let paylink = Paylink::start().await;
    let made = product(&paylink, full()).await;
    let change = pb::Product {
        id: made.id.clone(),
        name: "Print".to_owned(),
        description: "not named".to_owned(),
        ..Default::default()
    };
    let updated = update(&paylink, change, &["name"]).await;
    let expected = pb::Product { name: "Print".to_owned(), updated: updated.updated, ..made };
    assert_eq!(updated, expected);
}

#[tokio::test]
async fn what_a_mask_names_and_an_update_lacks_is_cleared() {
    let paylink = Paylink::start().await;
    let made = product(&paylink, full()).await;
    let bare = pb::Product { id: made.id.clone(), ..Default::default() };
    let paths = ["description", "images", "metadata", "tax_code", "unit_label", "url"];
    let updated = update(&paylink, bare, &paths).await;
    let expected = pb::Product {
        description: String::new(),
        images: Vec::new(),
        metadata: [].into(),
        tax_code: String::new(),
        unit_label: String::new(),
        url: String::new(),
        updated: updated.updated,
        ..made
    };
    assert_eq!(updated, expected);
}

#[tokio::test]
async fn one_key_of_metadata_is_set_or_removed_alone() {
    let paylink = Paylink::start().await;
    let made = product(&paylink, full()).await;
    let change = pb::Product {
        id: made.id,
        metadata: [("shelf".to_owned(), "9".to_owned())].into(),
        ..Default::default()
    };
    let updated = update(&paylink, change, &["metadata.shelf", "metadata.colour"]).await;
    assert_eq!(updated.metadata, [("shelf".to_owned(), "9".to_owned())].into());
}

#[tokio::test]
async fn a_price_keeps_its_amount_and_changes_its_name() {
    let paylink = Paylink::start().await;
    let poster = product(&paylink, full()).await;
    let made = price(&paylink, &poster.id, 2500).await;
    assert_eq!((made.unit_amount, made.r#type()), (Some(2500), pb::price::Type::OneTime));
    let change = pb::Price { id: made.id.clone(), nickname: "Now".into(), ..Default::default() };
    let request = pb::UpdatePriceRequest {
        price: Some(change),
        update_mask: Some(mask(&["nickname"])),
        ..Default::default()
    };
    let updated = paylink.catalog().update_price(request).await.unwrap().into_inner();
    assert_eq!(updated, pb::Price { nickname: "Now".to_owned(), ..made });
    let request = pb::GetPriceRequest { id: updated.id.clone() };
    assert_eq!(paylink.catalog().get_price(request).await.unwrap().into_inner(), updated);
}

#[tokio::test]
async fn a_product_without_prices_is_deleted_for_good() {
    let paylink = Paylink::start().await;
    let made = product(&paylink, full()).await;
    let request = pb::DeleteProductRequest { id: made.id.clone(), ..Default::default() };
    paylink.catalog().delete_product(request.clone()).await.unwrap();
    let gone = paylink.catalog().get_product(pb::GetProductRequest { id: made.id }).await;
    let not_found = (Code::NotFound, "RESOURCE_NOT_FOUND".to_owned());
    assert_eq!(code_of(&gone.unwrap_err()), not_found);
    let again = paylink.catalog().delete_product(request).await;
    assert_eq!(code_of(&again.unwrap_err()), not_found);
}

#[tokio::test]
async fn a_product_with_prices_stays() {
    let paylink = Paylink::start().await;
    let made = product(&paylink, full()).await;
    price(&paylink, &made.id, 2500).await;
    let request = pb::DeleteProductRequest { id: made.id.clone(), ..Default::default() };
    let refused = paylink.catalog().delete_product(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    paylink.catalog().get_product(pb::GetProductRequest { id: made.id }).await.unwrap();
}

#[tokio::test]
async fn pages_give_every_product_once_the_newest_first() {
    let paylink = Paylink::start().await;
    let mut made = Vec::new();
    for number in 0..5 {
        let named = pb::Product { name: format!("Poster {number}"), ..Default::default() };
        made.insert(0, product(&paylink, named).await.id);
    }
    let (mut listed, mut request) = (Vec::new(), pb::ListProductsRequest::default());
    request.page_size = 2;
    loop {
        let page = paylink.catalog().list_products(request.clone()).await.unwrap().into_inner();
        assert!(page.products.len() <= 2);
        listed.extend(page.products.into_iter().map(|product| product.id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(listed, made);
}

#[tokio::test]
async fn a_list_of_prices_can_be_narrowed() {
    let paylink = Paylink::start().await;
    let (one, other) = (product(&paylink, full()).await, product(&paylink, full()).await);
    let wanted = price(&paylink, &one.id, 100).await;
    price(&paylink, &other.id, 200).await;
    let request = pb::ListPricesRequest { product: one.id, ..Default::default() };
    let page = paylink.catalog().list_prices(request).await.unwrap().into_inner();
    assert_eq!(page.prices, [wanted]);
    assert_eq!(page.next_page_token, "");
}
