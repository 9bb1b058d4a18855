//! Runs that repeat exactly, and many clients at once.

use std::collections::BTreeSet;

use paylink::sandbox::Config;
use paylink::sandbox::control::pb;
use pb::PayPaymentLinkRequest as Order;
use pb::pay_payment_link_response::Outcome;
use reqwest::Method;
use serde_json::Value;

use super::desk::{Desk, config};

const CLIENTS: usize = 50;
const LINKS_OF_A_CLIENT: usize = 5;

/// Does what a test would do, and tells everything that was seen.
async fn transcript(desk: &mut Desk) -> String {
    let mut seen = Vec::new();
    let link = desk.link(&[("allow_promotion_codes", "true")]).await;
    seen.push(link.to_string());
    desk.advance(90).await;
    for card in ["pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired"] {
        let order = Order { card: card.to_owned(), ..Order::default() };
        seen.push(format!("{:?}", desk.pay(&link, order).await.unwrap()));
    }
    seen.push(by_page(desk, &link).await);
    desk.advance(48 * 3600).await;
    let missing = desk.send(Method::GET, "/v1/prices/price_none", &[], &[]).await.unwrap();
    seen.push(missing.headers()["request-id"].to_str().unwrap().to_owned());
    for list in ["products", "prices", "checkout/sessions", "payment_intents", "events"] {
        seen.push(desk.get(&format!("/v1/{list}?limit=100")).await.to_string());
    }
    seen.push(format!("{:?}", desk.requests().await));
    seen.join("\n").replace(&desk.address.to_string(), "here")
}

/// Pays a link on its page: where that is, and what is seen there before and after.
async fn by_page(desk: &Desk, link: &Value) -> String {
    let link = link["url"].as_str().unwrap().rsplit_once('/').unwrap().1;
    let opened = desk.send(Method::GET, &format!("/b/{link}"), &[], &[]).await.unwrap();
    let page = opened.url().path().to_owned();
    let form = [
        ("email", "buyer@example.com"),
        ("card_number", "4242424242424242"),
        ("card_expiry", "12 / 34"),
        ("card_cvc", "123"),
        ("card_name", "A Buyer"),
        ("billing_country", "US"),
    ];
    let paid = desk.send(Method::POST, &page, &form, &[]).await.unwrap();
    let (opened, paid) = (opened.text().await.unwrap(), paid.text().await.unwrap());
    assert!(paid.contains("Thanks for your order"), "{paid}");
    [page, opened, paid].join("\n")
}

fn seeded(seed: u64) -> Config {
    Config { seed: Some(seed), ..config() }
}

#[tokio::test]
async fn two_runs_of_one_seed_are_the_same_to_the_byte() {
    let (mut one, mut two) = (Desk::with(seeded(7)).await, Desk::with(seeded(7)).await);
    let first = transcript(&mut one).await;
    assert_eq!(first, transcript(&mut two).await);
    one.control.reset(pb::ResetRequest {}).await.unwrap();
    assert_eq!(first, transcript(&mut one).await, "a reset begins the run anew");
    let mut other = Desk::with(seeded(8)).await;
    assert_ne!(first, transcript(&mut other).await);
}

#[tokio::test]
async fn runs_without_a_seed_differ() {
    let (mut one, mut two) = (Desk::new().await, Desk::new().await);
    assert_ne!(transcript(&mut one).await, transcript(&mut two).await);
}

#[tokio::test]
async fn fifty_clients_at_once_lose_nothing() {
    let desk = Desk::new().await;
    let client = async |number: usize| {
        let mut links = BTreeSet::new();
        let mut control = desk.control.clone();
        for _ in 0..LINKS_OF_A_CLIENT {
            let owner = number.to_string();
            let link = desk.link(&[("metadata[owner]", &owner)]).await;
            let id = link["id"].as_str().unwrap().to_owned();
            let order = Order { payment_link: id.clone(), ..Order::default() };
            let paid = control.pay_payment_link(order).await.unwrap().into_inner();
            assert_eq!(paid.outcome(), Outcome::Complete);
            let kept = desk.get(&format!("/v1/payment_links/{id}")).await;
            assert_eq!(kept["metadata"]["owner"], owner);
            links.insert(id);
        }
        links
    };
    let made = futures_util::future::join_all((0..CLIENTS).map(client)).await;
    let made: BTreeSet<String> = made.into_iter().flatten().collect();
    assert_eq!(made.len(), CLIENTS * LINKS_OF_A_CLIENT);
    let paid = of_all(&desk, "/v1/checkout/sessions", "payment_link").await;
    assert_eq!(paid.iter().cloned().collect::<BTreeSet<_>>(), made);
    assert_eq!(paid.len(), made.len(), "each is paid once");
    let completed = of_all(&desk, "/v1/events?type=checkout.session.completed", "id").await;
    assert_eq!(completed.len(), made.len());
}

/// One member of every object of a list, page by page.
async fn of_all(desk: &Desk, list: &str, member: &str) -> Vec<String> {
    let joint = if list.contains('?') { '&' } else { '?' };
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = desk.get(&format!("{list}{joint}limit=100{after}")).await;
        for object in page["data"].as_array().unwrap() {
            all.push(object[member].as_str().unwrap().to_owned());
            after = format!("&starting_after={}", object["id"].as_str().unwrap());
        }
        if page["has_more"] == false {
            return all;
        }
    }
}
