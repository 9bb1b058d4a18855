mod audit;
mod chain;
mod consumers;
mod endings;
mod reading;
mod replicas;
mod retention;
mod together;
mod writing;

use super::testing::{Disk, cluster};
use super::*;
use crate::pb;
use crate::pb::payment::State;

pub(super) fn event(id: &str) -> NewEvent {
    NewEvent {
        account: String::new(),
        id: id.into(),
        kind: "checkout.session.completed".into(),
        api_version: "2026-01-01".into(),
        livemode: false,
        created_at_ms: 1_000,
        received_at_ms: 2_000,
        body: b"{}".to_vec(),
        state: EventState::Pending,
        traceparent: String::new(),
    }
}

pub(super) fn operation(key: &str) -> Operation {
    Operation {
        key: key.into(),
        account: String::new(),
        owner: String::new(),
        method: "paylink.v1.CreateProductRequest".into(),
        request_id: "1".into(),
        fingerprint: b"print".to_vec(),
        path: "/v1/products".into(),
        form: "name=Poster".into(),
        state: OperationState::Sent,
        generation: 0,
        attempts: 1,
        created_at_ms: 1,
        sent_at_ms: 1,
        due_at_ms: 1,
        holder: String::new(),
        in_doubt: false,
        is_failure_stored: false,
        searches: 0,
        searched_at_ms: 0,
        resource: String::new(),
        answer: Vec::new().into(),
        version: 0,
        traceparent: String::new(),
    }
}

fn payment(id: &str) -> pb::Payment {
    pb::Payment {
        id: id.into(),
        state: State::Paid.into(),
        payment_link: "plink_1".into(),
        created: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        ..Default::default()
    }
}

async fn change(storage: &Storage, payment: pb::Payment, fails: bool) -> Result<i64, Error> {
    storage
        .write(move |mut transaction| {
            Box::pin(async move {
                let known = Known::testing(payment);
                transaction.put_known(&[&known], 0).await?;
                let payment = &known.payment;
                let change = transaction.next_change(payment, State::Open, "evt_1", 1_234).await?;
                let sequence = change.sequence();
                transaction.put_changes(vec![change]).await?;
                if fails { Err(Error::Corrupt { what: "a test".into() }) } else { Ok(sequence) }
            })
        })
        .await
}

/// As much of the feed as a test makes.
const EVERYTHING: PageLimit = PageLimit { changes: 1_000, bytes: usize::MAX };

/// A place in the feed, for reads, which do not ask for its hash.
fn place(sequence: i64) -> Place {
    Place { sequence, hash: Hash::default() }
}

async fn due(storage: &Storage, now_ms: i64) -> Vec<String> {
    let due = storage.due_events(now_ms, 30_000, 100).await.unwrap();
    due.into_iter().map(|event| event.id).collect()
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let disk = Disk::new();
    let storage = disk.open().await;
    assert!(storage.insert_event(event("evt_1")).await.unwrap());
    assert_eq!(change(&storage, payment("cs_1"), false).await.unwrap(), 1);
    let epoch = storage.epoch().to_owned();
    storage.close().await;

    let storage = disk.open().await;
    assert_eq!(storage.epoch(), epoch);
    assert_eq!(due(&storage, 2_000).await, ["evt_1"]);
    assert!(!storage.insert_event(event("evt_1")).await.unwrap());
    assert_eq!(storage.payment("cs_1").await.unwrap(), Some(payment("cs_1")));
    assert_eq!(change(&storage, payment("cs_2"), false).await.unwrap(), 2);
}

#[tokio::test]
async fn two_memories_have_different_epochs() {
    let (one, other) = (Disk::new(), Disk::new());
    assert_ne!(one.open().await.epoch(), other.open().await.epoch());
}

#[tokio::test]
async fn a_closed_memory_refuses() {
    let disk = Disk::new();
    let storage = disk.open().await;
    assert!(storage.ping().await.is_ok());
    storage.close().await;
    assert!(matches!(storage.ping().await, Err(Error::Closed)));
    assert!(matches!(storage.insert_event(event("evt_1")).await, Err(Error::Closed)));
    assert!(matches!(storage.payment("cs_1").await, Err(Error::Closed)));
}

#[tokio::test]
async fn a_memory_without_a_file_keeps_while_it_is_open() {
    let storage = Config::testing("sqlite::memory:").open().await.unwrap();
    assert!(storage.insert_event(event("evt_1")).await.unwrap());
    assert!(!storage.insert_event(event("evt_1")).await.unwrap());
    assert_eq!(due(&storage, 2_000).await, ["evt_1"]);
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused_by_its_key_and_not_repeated() {
    for url in ["mysql://user:secret@host/db", "postgres:secret", "sqlite:", "sqlite:a.db?mode=ro"]
    {
        let error = Config::testing(url).open().await.unwrap_err().to_string();
        assert!(error.starts_with("storage.url: "), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_an_error() {
    let url = "sqlite:/nonexistent-directory/paylink.db";
    assert!(matches!(Config::testing(url).open().await, Err(Error::File(_))));
}

#[tokio::test]
async fn a_file_that_is_in_use_is_refused_until_it_is_free() {
    let disk = Disk::new();
    let mut config = disk.config();
    config.busy_timeout_ms = NonZeroU64::new(20).unwrap();
    let storage = config.open().await.unwrap();
    assert!(matches!(config.open().await, Err(Error::InUse)));
    storage.close().await;
    config.open().await.unwrap();
}

#[test]
fn all_this_holds_on_postgresql_as_well() {
    cluster::repeat(
        &["storage::examine::", "storage::schema::", "storage::tests::", "payments::"],
        &["postgresql", "a_file_", "a_full_disk", "what_is_not_there"],
    );
}
