//! Products and prices found by what they are.

use paylink::pb;

use crate::harness::{Paylink, code_of};

async fn product(paylink: &Paylink, name: &str, shelf: &str) -> pb::Product {
    let product = pb::Product {
        name: name.to_owned(),
        metadata: [("shelf".to_owned(), shelf.to_owned())].into(),
        ..Default::default()
    };
    let request = pb::CreateProductRequest { product: Some(product), ..Default::default() };
    paylink.catalog().create_product(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn pages_of_a_search_give_every_match_once() {
    let paylink = Paylink::start().await;
    let mut wanted = Vec::new();
    for number in 0..5 {
        wanted.push(product(&paylink, &format!("Poster {number}"), "7").await.id);
        product(&paylink, "Frame", "8").await;
    }
    let mut request = pb::SearchProductsRequest {
        query: "metadata['shelf']:'7'".to_owned(),
        page_size: 2,
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = paylink.catalog().search_products(request.clone()).await.unwrap().into_inner();
        assert!(page.products.len() <= 2);
        found.extend(page.products.into_iter().map(|product| product.id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn a_price_is_found_by_its_lookup_key() {
    let paylink = Paylink::start().await;
    let product = product(&paylink, "Poster", "7").await;
    let price = pb::Price {
        product: product.id,
        currency: "usd".to_owned(),
        unit_amount: Some(2500),
        lookup_key: "poster".to_owned(),
        ..Default::default()
    };
    let request = pb::CreatePriceRequest { price: Some(price), ..Default::default() };
    let made = paylink.catalog().create_price(request).await.unwrap().into_inner();
    let request =
        pb::SearchPricesRequest { query: "lookup_key:'poster'".to_owned(), ..Default::default() };
    let found = paylink.catalog().search_prices(request).await.unwrap().into_inner();
    assert_eq!(found.prices, [made]);
}

#[tokio::test]
async fn a_query_that_stripe_cannot_read_is_the_callers_mistake() {
    let paylink = Paylink::start().await;
    let request =
        pb::SearchProductsRequest { query: "shelf is 7".to_owned(), ..Default::default() };
    let refused = paylink.catalog().search_products(request).await.unwrap_err();
    assert_eq!(code_of(&refused).0, tonic::Code::InvalidArgument);
}
