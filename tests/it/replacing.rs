//! A new price in the place of an old one: all of it happens, once, even in two goes.

use paylink::pb;
use serde_json::Value;
use uuid::Uuid;

use crate::harness::{Answers, Paylink, until, violations};

const KEY: &str = "poster_standard";

/// How often Stripe is asked in a whole replacement.
const STEPS: u64 = 7;

/// A product with a default price that has a lookup key.
async fn poster(paylink: &Paylink) -> pb::Product {
    let data = pb::product::DefaultPriceData {
        currency: "usd".to_owned(),
        unit_amount: Some(2500),
        ..Default::default()
    };
    let product = pb::Product {
        name: "Poster".to_owned(),
        default_price_data: Some(data),
        ..Default::default()
    };
    let request = pb::CreateProductRequest { product: Some(product), ..Default::default() };
    let product = paylink.catalog().create_product(request).await.unwrap().into_inner();
    let price = pb::Price {
        id: product.default_price.clone(),
        lookup_key: KEY.to_owned(),
        ..Default::default()
    };
    let request = pb::UpdatePriceRequest { price: Some(price), ..Default::default() };
    paylink.catalog().update_price(request).await.unwrap();
    product
}

fn replacement(product: &pb::Product) -> pb::ReplacePriceRequest {
    let price = pb::Price {
        product: product.id.clone(),
        currency: "usd".to_owned(),
        unit_amount: Some(2900),
        ..Default::default()
    };
    pb::ReplacePriceRequest {
        id: product.default_price.clone(),
        price: Some(price),
        request_id: Uuid::new_v4().to_string(),
    }
}

/// Looks at the account: the new price has taken the old one's place, and there are no others.
async fn assert_replaced(paylink: &Paylink, product: &pb::Product, new: &str) {
    let only = async |path: &str| {
        let mut prices = paylink.stripe.list(path).await;
        assert_eq!(prices.len(), 1, "{path}");
        prices.remove(0)
    };
    // Without `active`, Stripe lists the active ones.
    let (current, archived) = (only("/v1/prices").await, only("/v1/prices?active=false").await);
    assert_eq!((&current["id"], &current["unit_amount"]), (&new.into(), &2900.into()));
    assert_eq!((&current["lookup_key"], &archived["lookup_key"]), (&KEY.into(), &Value::Null));
    assert_eq!(archived["id"], product.default_price);
    let product = paylink.stripe.get(&format!("/v1/products/{}", product.id)).await;
    assert_eq!(product["default_price"], new);
}

#[tokio::test]
async fn the_new_price_takes_over_the_key_and_the_place_of_the_old_one() {
    let paylink = Paylink::start().await;
    let product = poster(&paylink).await;
    let request = replacement(&product);
    let new = paylink.catalog().replace_price(request.clone()).await.unwrap().into_inner();
    assert_eq!((new.unit_amount, &*new.lookup_key), (Some(2900), KEY));
    assert_replaced(&paylink, &product, &new.id).await;

    let again = paylink.catalog().replace_price(request).await.unwrap().into_inner();
    assert_eq!(again, new);
    assert_replaced(&paylink, &product, &new.id).await;
}

#[tokio::test]
async fn what_stopped_after_any_step_is_finished_by_the_same_request() {
    for step in 0..STEPS {
        let paylink = Paylink::start().await;
        let product = poster(&paylink).await;
        let request = replacement(&product);
        let gate = &paylink.stripe.gate;
        gate.let_answers(Answers::UnaskedAfter(gate.heard() + step));
        let stopped = paylink.catalog().replace_price(request.clone()).await;
        assert!(stopped.is_err(), "there are more than {step} steps");

        paylink.stripe.gate.let_answers(Answers::Pass);
        let (catalog, again) = (paylink.catalog(), request.clone());
        until(async || catalog.clone().replace_price(again.clone()).await.is_ok()).await;
        let new = paylink.catalog().replace_price(request).await.unwrap().into_inner();
        assert_eq!(new.lookup_key, KEY);
        assert_replaced(&paylink, &product, &new.id).await;
    }
}

#[tokio::test]
async fn a_price_of_another_product_is_refused_and_nothing_is_done() {
    let paylink = Paylink::start().await;
    let product = poster(&paylink).await;
    let mut request = replacement(&product);
    request.price.as_mut().unwrap().product = "prod_other".to_owned();
    let refused = paylink.catalog().replace_price(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["price.product CONFLICT"]);
    assert_eq!(paylink.stripe.list("/v1/prices").await.len(), 1);
}

#[tokio::test]
async fn what_was_changed_at_stripe_just_now_is_what_is_replaced() {
    let paylink = Paylink::start().without_webhooks().await;
    let product = poster(&paylink).await;
    let old = pb::GetPriceRequest { id: product.default_price.clone() };
    paylink.catalog().get_price(old.clone()).await.unwrap();
    paylink.stripe.post(&format!("/v1/prices/{}", old.id), "lookup_key=poster_new").await;
    let request = replacement(&product);
    let new = paylink.catalog().replace_price(request).await.unwrap().into_inner();
    assert_eq!(new.lookup_key, "poster_new");
}
