//! Many callers at the same time.

use std::collections::HashSet;
use std::time::Duration;

use super::*;

const CLIENTS: usize = 50;
const LINKS_EACH: usize = 10;

/// All identifiers of a list, page by page.
async fn all(desk: &Desk, path: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    loop {
        let after = ids.last().map(|id| format!("&starting_after={id}")).unwrap_or_default();
        let page = desk.get(&format!("{path}limit=100{after}")).await;
        let data = page["data"].as_array().unwrap();
        ids.extend(data.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        if page["has_more"] == false {
            return ids;
        }
    }
}

async fn create(desk: &Desk, key: String, price: &str) -> String {
    let request = Request::post("/v1/payment_links")
        .header("authorization", "Bearer sk_test_x")
        .header("idempotency-key", key);
    let form = [("line_items[0][price]", price), ("line_items[0][quantity]", "1")];
    let answer = desk.send(request, &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_clients_at_once_lose_nothing_and_make_nothing_twice() {
    let desk = Arc::new(Desk::new());
    let form = [
        ("name", "Thing"),
        ("default_price_data[currency]", "usd"),
        ("default_price_data[unit_amount]", "1000"),
    ];
    let product = desk.post("/v1/products", &form).await.json();
    let price = product["default_price"].as_str().unwrap().to_owned();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (desk, price) = (Arc::clone(&desk), price.clone());
        clients.spawn(async move {
            let mut made = Vec::new();
            for link in 0..LINKS_EACH {
                let key = format!("{client}-{link}");
                let id = create(&desk, key.clone(), &price).await;
                assert_eq!(create(&desk, key, &price).await, id, "a repeated request");
                made.push(id);
            }
            made
        });
    }
    let made: HashSet<String> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(made.len(), CLIENTS * LINKS_EACH);
    let listed: HashSet<String> = all(&desk, "/v1/payment_links?").await.into_iter().collect();
    assert_eq!(listed, made);
    let events = all(&desk, "/v1/events?type=payment_link.created&").await;
    assert_eq!(events.len(), CLIENTS * LINKS_EACH);
}

#[tokio::test(start_paused = true)]
async fn a_slow_request_does_not_reach_into_the_state_after_a_reset() {
    let desk = Desk::new();
    for key in [None, Some("order-7")] {
        let request = Request::post("/v1/products")
            .header("authorization", "Bearer sk_test_x")
            .header("paylink-sandbox-fault", "slow; delay-ms=9000");
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        let reset = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            desk.shared.replace(desk.shared.config.blank(&desk.shared.url));
        };
        let (answer, ()) = tokio::join!(desk.send(request, &[("name", "Thing")]), reset);
        assert_eq!(answer.status, 500, "{}", answer.text);
        assert_eq!(desk.get("/v1/products").await["data"], json!([]));
        assert!(desk.events().await.is_empty());
    }
}
