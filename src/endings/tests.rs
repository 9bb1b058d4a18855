use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::Method;
use prost_types::Timestamp;
use serde_json::json;
use tokio_util::sync::DropGuard;
use tower::service_fn;

use super::*;
use crate::stripe::Transport;
use crate::stripe::call::{Answer, Call};

const HOUR_MS: i64 = 60 * 60 * 1_000;
const START_MS: i64 = 1_800_000_000_000;
/// How long to wait for what must come. Only a broken promise takes it.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A Stripe that notes what is asked of links, and a worker before it.
struct Bench {
    storage: Storage,
    clock: Clock,
    /// The id of each link that was changed, and whether it was deactivated.
    changed: Arc<Mutex<Vec<(String, bool)>>>,
    /// How many further changes fail.
    failures: Arc<AtomicU32>,
    endings: Endings,
    _running: DropGuard,
}

// === impl Bench ===

impl Bench {
    /// Starts a worker. Stripe says that links end at that time.
    async fn start(end_secs: i64) -> Self {
        Self::over(storage::testing::fresh().await, 2, end_secs)
    }

    fn over(storage: Storage, running_max: usize, end_secs: i64) -> Self {
        let clock = Clock::from(START_MS);
        let (changed, failures) = (Arc::default(), Arc::new(AtomicU32::new(0)));
        let (told, fails) = (Arc::clone(&changed), failures.clone());
        let stripe = stripe::Config::testing().client_over(Transport::over(service_fn(
            move |call: Call| {
                let answered = answer(&call, end_secs, &told, &fails);
                async move { answered }
            },
        )));
        let config = operations::Config {
            require_request_id: false,
            time_ms: std::num::NonZeroU64::new(5_000).unwrap(),
            running_max: NonZeroUsize::new(64).unwrap(),
            keep_days: NonZeroU32::new(7).unwrap(),
        };
        let memory = Arc::new(storage.clone());
        let writes = Operations::new(&config, memory, stripe.clone(), clock.clone());
        let config = Config {
            running_max: NonZeroUsize::new(running_max).unwrap(),
            retry_max_ms: NonZeroU32::new(50).unwrap(),
        };
        let endings = Endings::new(&config, storage.clone(), stripe, writes, clock.clone());
        let stop = CancellationToken::new();
        tokio::spawn(endings.clone().run(stop.clone()));
        Self { storage, clock, changed, failures, endings, _running: stop.drop_guard() }
    }

    /// Notes a link that ends.
    async fn link(&self, id: &str, end_secs: i64) {
        let expire_time = Some(Timestamp { seconds: end_secs, nanos: 0 });
        let link =
            pb::PaymentLink { id: id.into(), active: true, expire_time, ..Default::default() };
        let now_ms = self.clock.now_ms();
        let account = String::new();
        let seen = SeenLink { account, link, created_at_ms: now_ms, seen_at_ms: now_ms };
        self.storage.put_link(seen, now_ms).await.unwrap();
        self.endings.wake();
    }

    fn changed(&self) -> Vec<(String, bool)> {
        self.changed.lock().unwrap().clone()
    }

    async fn until_changed(&self, expected: &[(&str, bool)]) {
        let expected: Vec<_> = expected.iter().map(|(id, off)| ((*id).to_owned(), *off)).collect();
        let reached = async {
            while self.changed() != expected || self.is_busy().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(WAIT_MAX, reached).await;
        assert!(reached.is_ok(), "{:?} instead of {expected:?}", self.changed());
    }

    async fn is_busy(&self) -> bool {
        self.storage.late_endings(self.clock.now_ms()).await.unwrap().0 > 0
    }
}

fn answer(
    call: &Call,
    end_secs: i64,
    changed: &Mutex<Vec<(String, bool)>>,
    failures: &AtomicU32,
) -> Result<Answer, stripe::Error> {
    let told = |body: serde_json::Value| {
        let resource = body["id"].as_str().unwrap_or_default().to_owned();
        Ok(Answer {
            body: Bytes::from(body.to_string()),
            request_id: None,
            resource,
            replayed: false,
        })
    };
    if call.method == Method::GET {
        return told(json!({ "object": "list", "data": [], "has_more": false }));
    }
    if failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    {
        return Err(stripe::Error::AnswerLost { write: true });
    }
    let id = call.place.path.rsplit('/').next().unwrap().to_owned();
    let off = str::from_utf8(&call.form).unwrap().contains("active=false");
    changed.lock().unwrap().push((id.clone(), off));
    told(json!({
        "id": id, "object": "payment_link", "active": !off,
        "metadata": { "pl_expires": end_secs.to_string() },
    }))
}

#[tokio::test]
async fn a_link_ends_once_however_the_clock_jumps() {
    let end_secs = (START_MS + 2 * HOUR_MS) / 1_000;
    let bench = Bench::start(end_secs).await;
    bench.link("plink_1", end_secs).await;
    bench.clock.jump(HOUR_MS);
    bench.clock.jump(-24 * HOUR_MS);
    bench.endings.wake();
    assert_eq!(bench.changed(), []);
    bench.clock.jump(25 * HOUR_MS);
    bench.until_changed(&[("plink_1", true)]).await;
    // It is known as inactive, and ends no more when its time comes again.
    bench.clock.jump(-3 * HOUR_MS);
    bench.clock.jump(3 * HOUR_MS);
    bench.endings.wake();
    bench.until_changed(&[("plink_1", true)]).await;
}

#[tokio::test]
async fn an_ending_that_was_put_off_is_not_put_off_for_long_by_a_clock_set_back() {
    let bench = Bench::start(1).await;
    // More than one operation tries, so that the ending is put off.
    bench.failures.store(40, Ordering::SeqCst);
    bench.link("plink_1", 1).await;
    tokio::time::timeout(WAIT_MAX, async {
        // Storage may be busy with the tries themselves.
        loop {
            let due = bench.storage.due_endings(i64::MAX / 2, 0, 1).await;
            if due.is_ok_and(|due| due[0].attempts > 0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    bench.clock.jump(-24 * HOUR_MS);
    bench.failures.store(0, Ordering::SeqCst);
    bench.until_changed(&[("plink_1", true)]).await;
}

#[tokio::test]
async fn a_link_that_was_prolonged_at_the_last_moment_is_active_again() {
    let now_secs = START_MS / 1_000;
    let bench = Bench::start(now_secs + 3_600).await;
    bench.link("plink_1", now_secs - 1).await;
    bench.until_changed(&[("plink_1", true), ("plink_1", false)]).await;
    let known = bench.storage.link("plink_1").await.unwrap().unwrap();
    assert!(known.link.active);
    assert_eq!(known.link.expire_time.unwrap().seconds, now_secs + 3_600);
}

#[tokio::test]
async fn an_older_picture_of_a_link_changes_nothing() {
    let bench = Bench::start(1).await;
    let seen = |active, seen_at_ms| SeenLink {
        account: String::new(),
        link: pb::PaymentLink { id: "plink_1".into(), active, ..Default::default() },
        created_at_ms: 5,
        seen_at_ms,
    };
    for (active, seen_at_ms) in [(true, 7), (false, 9), (true, 8)] {
        bench.storage.put_link(seen(active, seen_at_ms), 100).await.unwrap();
    }
    let known = bench.storage.link("plink_1").await.unwrap().unwrap();
    assert_eq!((known.link.active, known.seen_at_ms, known.created_at_ms), (false, 9, 5));
}

#[tokio::test]
async fn links_that_end_together_do_not_wait_for_each_others_connections() {
    // All have one connection, which nobody waits for in vain.
    let mut config = storage::Config::testing("sqlite::memory:");
    config.acquire_timeout_ms = std::num::NonZeroU64::MAX;
    let bench = Bench::over(config.open().await.unwrap(), 16, 1);
    let ended = async {
        for nth in 0..64 {
            bench.link(&format!("plink_{nth}"), 1).await;
        }
        while bench.is_busy().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(WAIT_MAX, ended).await.is_ok(), "they wait for each other");
    assert_eq!(bench.changed().len(), 64);
}
