//! Connected accounts, which share nothing but the sandbox around them.

use super::*;
use crate::sandbox::connected::ACCOUNTS_MAX;
use crate::sandbox::snapshot;

const SHOP: &str = "acct_1Shop";

impl Desk {
    /// Calls the API for a connected account.
    async fn call_for(
        &self,
        account: &str,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
    ) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", "Bearer sk_test_x");
        self.send(request.header("stripe-account", account), form).await
    }

    async fn get_for(&self, account: &str, path: &str) -> Value {
        self.call_for(account, Method::GET, path, &[]).await.json()
    }

    /// Makes a link of a connected account.
    async fn link_for(&self, account: &str) -> Value {
        let form = [
            ("line_items[0][price_data][currency]", "usd"),
            ("line_items[0][price_data][unit_amount]", "1000"),
            ("line_items[0][price_data][product_data][name]", "Thing"),
            ("line_items[0][quantity]", "1"),
        ];
        self.call_for(account, Method::POST, "/v1/payment_links", &form).await.json()
    }

    async fn events_for(&self, account: &str) -> Vec<Value> {
        let list = self.get_for(account, "/v1/events?limit=100").await;
        list["data"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn objects_of_one_account_are_not_seen_from_another() {
    let desk = Desk::new();
    let link = desk.link_for(SHOP).await;
    let path = format!("/v1/payment_links/{}", link["id"].as_str().unwrap());
    assert_eq!(desk.get_for(SHOP, &path).await, link);
    assert_eq!(desk.call(Method::GET, &path, &[]).await.status, 404);
    assert_eq!(desk.call_for("acct_1Other", Method::GET, &path, &[]).await.status, 404);
    assert_eq!(desk.get("/v1/payment_links").await["data"], json!([]));
    assert_eq!(desk.get("/v1/events").await["data"], json!([]));
    assert_eq!(desk.get_for(SHOP, "/v1/account").await["id"], SHOP);
}

#[tokio::test]
async fn the_platform_may_name_itself() {
    let desk = Desk::new();
    let own = desk.get("/v1/account").await["id"].clone();
    desk.link(&[]).await;
    let listed = desk.get_for(own.as_str().unwrap(), "/v1/payment_links").await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_link_of_a_connected_account_is_paid_there() {
    let desk = Desk::with(Config { seed: Some(7), ..Config::default() });
    let page = desk.visit(&desk.link_for(SHOP).await, "").await;
    assert_eq!(desk.pay(&page, &[]).await.status, 303);
    assert!(desk.look(&page).await.text.contains("Thanks for your order"));
    let abandoned = desk.visit(&desk.link_for(SHOP).await, "").await;
    desk.wait(24 * 3600);
    let sessions = desk.get_for(SHOP, "/v1/checkout/sessions").await;
    let statuses: Vec<_> =
        sessions["data"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, ["expired", "complete"], "{abandoned}");
    let events = desk.events_for(SHOP).await;
    assert!(events.iter().all(|event| event["account"] == SHOP));
    assert_eq!(events[0]["type"], "checkout.session.expired");
    assert_eq!(desk.get("/v1/charges").await["data"], json!([]));
}

#[tokio::test]
async fn an_event_of_the_platform_names_no_account() {
    let desk = Desk::new();
    desk.link(&[]).await;
    assert!(desk.get("/v1/events").await["data"][0].get("account").is_none());
}

#[tokio::test]
async fn an_endpoint_hears_of_its_own_account_or_of_connected_ones() {
    let desk = Desk::new();
    let form = [("url", "http://127.0.0.1:1/hook"), ("enabled_events[]", "payment_link.created")];
    desk.post("/v1/webhook_endpoints", &form).await;
    let connect = [form[0], form[1], ("connect", "true")];
    desk.post("/v1/webhook_endpoints", &connect).await;
    let of_shop = desk.call_for(SHOP, Method::POST, "/v1/webhook_endpoints", &form).await.json();
    desk.link(&[]).await;
    desk.link_for(SHOP).await;
    desk.link_for("acct_1Other").await;
    let pending = async |account: &str| {
        let events = desk.get_for(account, "/v1/events?type=payment_link.created").await;
        events["data"][0]["pending_webhooks"].clone()
    };
    let own = desk.get("/v1/account").await["id"].as_str().unwrap().to_owned();
    assert_eq!(pending(&own).await, 1, "the platform's own endpoint");
    assert_eq!(pending(SHOP).await, 2, "its own endpoint and the platform's for connected ones");
    assert_eq!(pending("acct_1Other").await, 1, "the platform's for connected ones");
    let path = format!("/v1/webhook_endpoints/{}", of_shop["id"].as_str().unwrap());
    assert_eq!(desk.call(Method::DELETE, &path, &[]).await.status, 404);
    assert_eq!(desk.get("/v1/webhook_endpoints").await["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_of_one_account_is_free_in_another() {
    let desk = Desk::new();
    let make = async |account: &str| {
        let request = Request::post("/v1/products")
            .header("authorization", "Bearer sk_test_x")
            .header("stripe-account", account)
            .header("idempotency-key", "k");
        desk.send(request, &[("name", account)]).await
    };
    assert_eq!(make(SHOP).await.status, 200);
    assert_eq!(make("acct_1Other").await.json()["name"], "acct_1Other");
    assert_eq!(make(SHOP).await.header("idempotent-replayed"), "true");
}

#[tokio::test]
async fn what_names_no_account_is_refused() {
    let desk = Desk::new();
    for wrong in ["shop", "acct_", "acct_1/2", ""] {
        let refused = desk.call_for(wrong, Method::GET, "/v1/products", &[]).await;
        let message = format!(
            "The provided key 'sk_test_x' does not have access to account '{wrong}' (or that \
             account does not exist). Application access may have been revoked."
        );
        assert_eq!(refused.refusal(), json!([403, message, null]));
        assert_eq!(refused.json()["error"]["code"], "account_invalid");
    }
}

#[tokio::test]
async fn only_so_many_accounts_are_connected() {
    let desk = Desk::new();
    for number in 0..ACCOUNTS_MAX {
        desk.get_for(&format!("acct_{number}"), "/v1/products").await;
    }
    let one_more = desk.call_for("acct_more", Method::GET, "/v1/products", &[]).await;
    assert_eq!(one_more.status, 403);
    assert_eq!(desk.call_for("acct_0", Method::GET, "/v1/products", &[]).await.status, 200);
}

#[tokio::test]
async fn a_snapshot_holds_connected_accounts_too() {
    let desk = Desk::new();
    let link = desk.link_for(SHOP).await;
    let taken = desk.shared.read(snapshot::save).unwrap();
    let elsewhere = Desk::new();
    snapshot::restore(&elsewhere.shared, &taken).unwrap();
    assert_eq!(elsewhere.get_for(SHOP, "/v1/payment_links").await["data"], json!([link]));
    elsewhere.visit(&link, "").await;
}
