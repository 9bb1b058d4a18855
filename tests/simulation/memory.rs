//! Events and the feed in the true memory, through crashes and failures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use paylink::caller::DEFAULT_ACCOUNT;
use paylink::clock::Clock;
use paylink::endings::Endings;
use paylink::operations::Operations;
use paylink::payments::Payments;
use paylink::pb;
use paylink::pb::payment::State;
use paylink::storage::{Error, Known, PageLimit, Place, Storage};
use paylink::stripe::webhook::Event;
use serde_json::json;
use sqlx::{Connection as _, SqliteConnection};
use tokio_util::sync::CancellationToken;
use tower::service_fn;
use uuid::Uuid;

use crate::disk::Disk;
use crate::stripe::{self, CONFIG};

/// How often to look whether something has happened.
const POLL: Duration = Duration::from_millis(2);
/// Later than any event is due.
const LATER_MS: i64 = i64::MAX / 4;

/// A database file, gone with the test.
pub struct File(PathBuf);

// === impl File ===

impl File {
    pub fn new() -> Self {
        let name = format!("memory-{}.db", Uuid::now_v7().simple());
        Self(place().join(name))
    }

    pub async fn open(&self) -> Storage {
        let mut config = CONFIG.storage.clone();
        config.url = format!("sqlite:{}", self.0.display()).into();
        config.open().await.unwrap()
    }

    /// Does what no paylink would.
    async fn spoil(&self, statement: &'static str) {
        let url = format!("sqlite:{}", self.0.display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", "-lock"] {
            drop(std::fs::remove_file(format!("{}{suffix}", self.0.display())));
        }
    }
}

/// Where files are made. Processes die here and machines do not, so what is in
/// memory is as good as on a disk, and seeds do not wait for one.
fn place() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory } else { Path::new(env!("CARGO_TARGET_TMPDIR")) }
}

/// Lives one life of a process, which ends without a word.
pub fn live<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(life)
}

fn payments(storage: &Storage) -> Payments {
    // Of sessions that have expired nothing is asked.
    let client = stripe::client(service_fn(async |call| stripe::read(None, &call)));
    let memory = Arc::new(Disk::default());
    let writes = Operations::new(&CONFIG.writes, memory, client.clone(), Clock::of_machine());
    let mut config = CONFIG.payments.clone();
    config.retry_max_ms = std::num::NonZeroU32::MIN;
    let clock = Clock::of_machine();
    let endings =
        Endings::new(&CONFIG.endings, storage.clone(), client.clone(), writes.clone(), clock);
    let stop = CancellationToken::new();
    Payments::new(&config, storage.clone(), client, writes, endings, false, stop)
}

async fn receive(payments: &Payments) -> bool {
    let body = json!({
        "id": "evt_1", "type": "checkout.session.expired",
        "data": {"object": {"id": "cs_1", "payment_link": "plink_1", "payment_status": "unpaid"}},
    });
    let body = Bytes::from(body.to_string());
    payments.receive(DEFAULT_ACCOUNT, Event::parse(&body).unwrap(), body).await.unwrap()
}

/// An event is acknowledged, and in the same instant the process is killed.
pub fn acknowledged_and_crashed() -> Result<(), String> {
    let file = File::new();
    live(async { receive(&payments(&file.open().await)).await });
    let is_kept = live(async { file.open().await.has_event("evt_1").await.unwrap() });
    if is_kept { Ok(()) } else { Err("an event that was acknowledged is lost".into()) }
}

/// Stripe delivers an event again.
pub fn delivered_twice() -> Result<(), String> {
    let file = File::new();
    live(async {
        let payments = payments(&file.open().await);
        let counts = [receive(&payments).await, receive(&payments).await];
        if counts == [true, false] { Ok(()) } else { Err("an event counts twice".into()) }
    })
}

/// Of two changes that share a commit the first is undone.
pub fn appended_and_undone() -> Result<(), String> {
    let file = File::new();
    live(async {
        let storage = file.open().await;
        let (undone, kept) = tokio::join!(append(&storage, true), append(&storage, false));
        assert!(undone.is_err());
        kept.unwrap();
        let start = storage.feed_ends().await.unwrap().forgotten;
        let limit = PageLimit { changes: 10, bytes: usize::MAX };
        let page = storage.feed_after(start, None, limit).await.unwrap();
        let [change] = &*page.changes else { panic!("{page:?}") };
        let is_chained = change.previous_hash == hex::encode(start.hash);
        let place = Place::after(change).unwrap();
        if (place.sequence, is_chained) == (1, true) {
            Ok(())
        } else {
            Err(format!("the feed has a gap: it begins with {}", place.sequence))
        }
    })
}

/// What a payment becomes cannot be written, and later it can.
pub fn stopped_half_way() -> Result<(), String> {
    let file = File::new();
    live(async {
        let storage = file.open().await;
        file.spoil(
            "INSERT INTO payments (id, payment_link, state, created_at_ms, updated_at_ms,
             decided_by, payment, claim) VALUES ('cs_1', '', 0, 0, 0, '', x'ff', '')",
        )
        .await;
        let payments = payments(&storage);
        receive(&payments).await;
        tokio::spawn(payments.run());
        let mut is_spoilt = true;
        loop {
            let due = storage.due_events(LATER_MS, 0, 1).await.unwrap();
            let known = storage.payment("cs_1").await;
            if matches!(known, Ok(Some(_))) {
                return Ok(());
            }
            let Some(event) = due.first() else {
                return Err("the event is done with, and its payment knows nothing".into());
            };
            if event.attempts > 0 && std::mem::take(&mut is_spoilt) {
                file.spoil("DELETE FROM payments").await;
            }
            tokio::time::sleep(POLL).await;
        }
    })
}

async fn append(storage: &Storage, is_undone: bool) -> Result<i64, Error> {
    let write = storage.write(move |mut transaction| {
        Box::pin(async move {
            let payment = pb::Payment { id: "cs_1".into(), ..Default::default() };
            let claim = String::new();
            let known = Known { payment, claim, claimable_at_ms: None, give_back_at_ms: None };
            transaction.put_known(&[&known], 0).await?;
            let before = State::Unspecified;
            let change = transaction.next_change(&known.payment, before, "evt_1", 0).await?;
            let sequence = change.sequence();
            transaction.put_changes(vec![change]).await?;
            if is_undone { Err(Error::Busy) } else { Ok(sequence) }
        })
    });
    write.await
}

#[test]
fn what_is_acknowledged_outlives_the_process() {
    acknowledged_and_crashed().unwrap();
}

#[test]
fn what_is_delivered_again_counts_once() {
    delivered_twice().unwrap();
}

#[test]
fn what_is_undone_leaves_no_gap() {
    appended_and_undone().unwrap();
}

#[test]
fn what_could_not_be_written_is_not_done_with() {
    stopped_half_way().unwrap();
}
