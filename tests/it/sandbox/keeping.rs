//! States that are written down, brought back, and kept on disk.

use paylink::sandbox::Config;
use paylink::sandbox::control::pb;
use pb::PayPaymentLinkRequest as Order;
use tonic::Code;

use super::desk::{Desk, Ear, config};
use crate::harness::{Folder, until};

const OBJECTS: &str = r#"{
    "products": [{ "id": "prod_mug", "name": "Mug" }],
    "prices": [{ "id": "price_mug", "product": "prod_mug", "currency": "usd", "unit_amount": 1500 }],
    "coupons": [{ "id": "HALF", "percent_off": 50 }],
    "payment_links": [
        { "id": "plink_mug", "line_items": [{ "price": "price_mug", "quantity": 2 }] }
    ]
}"#;

async fn seed(desk: &mut Desk, objects: &str) -> Result<Vec<String>, tonic::Status> {
    let request = pb::SeedRequest { objects: objects.to_owned() };
    desk.control.seed(request).await.map(|answer| answer.into_inner().objects)
}

async fn snapshot(desk: &mut Desk) -> String {
    desk.control.snapshot(pb::SnapshotRequest {}).await.unwrap().into_inner().snapshot
}

/// Every list of the API, without its own address.
async fn everything(desk: &Desk) -> String {
    let mut all = String::new();
    for list in ["products", "prices", "payment_links", "checkout/sessions", "charges", "events"] {
        all.push_str(&desk.get(&format!("/v1/{list}?limit=100")).await.to_string());
    }
    all.replace(&desk.address.to_string(), "here")
}

#[tokio::test]
async fn objects_are_made_under_chosen_names() {
    let mut desk = Desk::new().await;
    assert_eq!(seed(&mut desk, OBJECTS).await.unwrap().len(), 4);
    let link = serde_json::json!({ "id": "plink_mug" });
    let paid = desk.pay(&link, Order::default()).await.unwrap();
    assert_eq!(paid.amount_total, 3000);
    assert_eq!(desk.get("/v1/prices/price_mug").await["product"], "prod_mug");
}

#[tokio::test]
async fn an_object_that_the_api_refuses_is_named() {
    let mut desk = Desk::new().await;
    for (objects, place) in [
        (r#"{"products": [{ "name": "a" }, {}]}"#, "products[1]"),
        (
            r#"{"prices": [{ "id": "mug", "currency": "usd", "unit_amount": 1,
            "product_data": { "name": "x" } }]}"#,
            "prices[0]",
        ),
        (r#"{"gadgets": []}"#, "gadgets"),
        ("[]", "the text"),
    ] {
        let refused = seed(&mut desk, objects).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(place), "{}", refused.message());
    }
}

#[tokio::test]
async fn a_seed_is_sown_whole_or_not_at_all() {
    let mut desk = Desk::with(Config { seed: Some(7), ..config() }).await;
    let untouched = snapshot(&mut desk).await;
    let half = r#"{ "products": [{ "name": "a" }, { "name": "b" }],
        "prices": [{ "product": "prod_none", "currency": "usd", "unit_amount": 1 }] }"#;
    let refused = seed(&mut desk, half).await.unwrap_err();
    assert!(refused.message().contains("prices[0]: No such product"), "{}", refused.message());
    assert_eq!(snapshot(&mut desk).await, untouched);
}

#[tokio::test]
async fn what_follows_a_snapshot_of_a_seed_repeats_too() {
    let mut desk = Desk::with(Config { seed: Some(7), ..config() }).await;
    desk.link(&[]).await;
    let snapshot = snapshot(&mut desk).await;
    let first = desk.link(&[]).await;
    desk.control.restore(pb::RestoreRequest { snapshot }).await.unwrap();
    assert_eq!(desk.link(&[]).await, first);
}

#[tokio::test]
async fn a_snapshot_brings_everything_back_here_and_elsewhere() {
    let mut desk = Desk::new().await;
    let link = desk.link(&[]).await;
    desk.pay(&link, Order::default()).await.unwrap();
    let (taken, before) = (snapshot(&mut desk).await, everything(&desk).await);
    desk.control.reset(pb::ResetRequest {}).await.unwrap();
    assert_eq!(desk.event_types().await, Vec::<String>::new());
    let mut elsewhere = Desk::new().await;
    for desk in [&mut desk, &mut elsewhere] {
        let request = pb::RestoreRequest { snapshot: taken.clone() };
        desk.control.restore(request).await.unwrap();
        assert_eq!(everything(desk).await, before);
        let url = desk.get("/v1/payment_links").await["data"][0]["url"].clone();
        let address = format!("http://{}/", desk.address);
        assert!(url.as_str().unwrap().starts_with(&address), "{url}");
        desk.pay(&link, Order::default()).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_snapshot_changes_nothing() {
    let mut desk = Desk::new().await;
    desk.link(&[]).await;
    let before = everything(&desk).await;
    for text in ["", "{}", r#"{"form":1,"state":{}}"#, r#"{"form":99,"state":{}}"#] {
        let request = pb::RestoreRequest { snapshot: text.to_owned() };
        let refused = desk.control.restore(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{text}");
    }
    assert_eq!(everything(&desk).await, before);
}

#[tokio::test]
async fn events_that_were_on_their_way_are_delivered_after_a_restore() {
    let (ear, url) = Ear::listen(&[]).await;
    let mut silent = Desk::with(Config {
        // Nobody listens there.
        webhook_url: Some("http://127.0.0.1:9/".to_owned()),
        webhook_backoff_first_ms: 3_600_000,
        webhook_backoff_max_ms: 3_600_000,
        ..config()
    })
    .await;
    silent.link(&[]).await;
    let taken = snapshot(&mut silent).await;
    let mut desk = Desk::with(Config { webhook_url: Some(url), ..config() }).await;
    desk.control.restore(pb::RestoreRequest { snapshot: taken }).await.unwrap();
    desk.advance(7200).await;
    assert_eq!(ear.times(3).await.len(), 3);
}

#[tokio::test]
async fn a_state_on_disk_outlives_the_process() {
    let folder = Folder::new();
    let data = folder.file("sandbox.json");
    let config = || Config { data: Some(data.clone()), data_write_ms: 3_600_000, ..config() };
    let mut desk = Desk::with(config()).await;
    let link = desk.link(&[]).await;
    desk.pay(&link, Order::default()).await.unwrap();
    let before = everything(&desk).await;
    desk.stop().await;
    let desk = Desk::with(config()).await;
    assert_eq!(everything(&desk).await, before);
}

#[tokio::test]
async fn a_change_reaches_the_disk_by_itself() {
    let folder = Folder::new();
    let data = folder.file("sandbox.json");
    let desk = Desk::with(Config { data: Some(data.clone()), data_write_ms: 1, ..config() }).await;
    let link = desk.link(&[]).await;
    let id = link["id"].as_str().unwrap();
    until(async || std::fs::read_to_string(&data).is_ok_and(|text| text.contains(id))).await;
}

#[tokio::test]
async fn a_file_that_holds_no_state_is_refused_at_start() {
    let folder = Folder::new();
    let data = folder.file("sandbox.json");
    std::fs::write(&data, "not a state").unwrap();
    let refused = Config { data: Some(data), ..config() }.build().await.unwrap_err();
    assert!(refused.to_string().contains("sandbox.json"), "{refused}");
}

#[tokio::test]
async fn a_sandbox_can_begin_with_the_objects_of_a_file() {
    let folder = Folder::new();
    let objects = folder.file("objects.json");
    std::fs::write(&objects, OBJECTS).unwrap();
    let desk = Desk::with(Config { objects: Some(objects), ..config() }).await;
    assert_eq!(desk.get("/v1/payment_links/plink_mug").await["active"], true);
}

#[tokio::test]
async fn the_objects_of_a_file_are_made_once_for_a_state_on_disk() {
    let folder = Folder::new();
    let (data, objects) = (folder.file("sandbox.json"), folder.file("objects.json"));
    std::fs::write(&objects, OBJECTS).unwrap();
    let config = || Config {
        data: Some(data.clone()),
        objects: Some(objects.clone()),
        data_write_ms: 3_600_000,
        ..config()
    };
    let desk = Desk::with(config()).await;
    let link = desk.get("/v1/payment_links/plink_mug").await;
    desk.stop().await;
    let desk = Desk::with(config()).await;
    let path = |link: &serde_json::Value| {
        link["url"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned()
    };
    assert_eq!(path(&desk.get("/v1/payment_links/plink_mug").await), path(&link));
}

#[tokio::test]
async fn a_name_is_given_once() {
    let mut desk = Desk::new().await;
    seed(&mut desk, OBJECTS).await.unwrap();
    let url = desk.get("/v1/payment_links/plink_mug").await["url"].clone();
    for (kind, object) in [
        ("products", r#"{ "id": "prod_mug", "name": "Mug" }"#),
        (
            "prices",
            r#"{ "id": "price_mug", "product": "prod_mug", "currency": "usd", "unit_amount": 1 }"#,
        ),
        (
            "payment_links",
            r#"{ "id": "plink_mug", "line_items": [{ "price": "price_mug", "quantity": 2 }] }"#,
        ),
    ] {
        let refused = seed(&mut desk, &format!("{{\"{kind}\": [{object}]}}")).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{kind}");
        assert!(refused.message().contains("already exists"), "{}", refused.message());
    }
    assert_eq!(desk.get("/v1/payment_links/plink_mug").await["url"], url);
    assert_eq!(desk.get("/v1/prices/price_mug").await["unit_amount"], 1500);
}
