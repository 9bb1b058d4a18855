use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::Method;
use prost_types::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::DropGuard;
use tower::service_fn;

use super::*;
use crate::stripe::Transport;
use crate::stripe::call::{Answer, Call};
use crate::stripe::error::Refusal;

const HOUR_MS: i64 = 60 * 60 * 1_000;
const START_MS: i64 = 1_800_000_000_000;
/// How long to wait for what must come. Only a broken promise takes it.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A Stripe that notes what is asked of links, and a worker before it.
struct Bench {
    storage: Storage,
    clock: Clock,
    stripe: Arc<Pretended>,
    endings: Endings,
    _running: DropGuard,
}

/// What the Stripe of a bench knows.
#[derive(Default)]
struct Pretended {
    /// When it says that links end.
    end_secs: i64,
    /// The id of each link that was changed, and whether it was deactivated.
    changed: Mutex<Vec<(String, bool)>>,
    /// How many further changes fail.
    failures: AtomicU32,
    /// Answers wait whose path has this in it.
    holds: watch::Sender<Option<&'static str>>,
    page: Mutex<OpenPage>,
}

/// A page that a buyer has open, of which Stripe keeps a failure.
#[derive(Default)]
struct OpenPage {
    is_open: bool,
    /// The key of the first try, whose failure is the answer to it from then on.
    failed_key: Option<String>,
}

// === impl Bench ===

impl Bench {
    /// Starts a worker. Stripe says that links end at that time.
    async fn start(end_secs: i64) -> Self {
        Self::over(storage::testing::fresh().await, 2, end_secs)
    }

    fn over(storage: Storage, running_max: usize, end_secs: i64) -> Self {
        let clock = Clock::from(START_MS);
        let pretended = Arc::new(Pretended { end_secs, ..Default::default() });
        let answering = Arc::clone(&pretended);
        let stripe = stripe::Config::testing().client_over(Transport::over(service_fn(
            move |call: Call| {
                let stripe = Arc::clone(&answering);
                async move {
                    let answered = stripe.answer(&call);
                    let is_held = |part: &str| call.place.path.contains(part);
                    let mut holds = stripe.holds.subscribe();
                    holds.wait_for(|holds| !holds.is_some_and(is_held)).await.unwrap();
                    answered
                }
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
        Self { storage, clock, stripe: pretended, endings, _running: stop.drop_guard() }
    }

    /// Notes a link that ends.
    async fn link(&self, id: &str, end_secs: i64) {
        self.seen(id, true, end_secs, DeactivationReason::Unspecified).await;
    }

    /// Notes how a link is seen now.
    async fn seen(&self, id: &str, active: bool, end_secs: i64, reason: DeactivationReason) {
        let expire_time = Some(Timestamp { seconds: end_secs, nanos: 0 });
        let mut link = pb::PaymentLink { id: id.into(), active, expire_time, ..Default::default() };
        link.set_deactivation_reason(reason);
        let now_ms = self.clock.now_ms();
        let account = String::new();
        let seen = SeenLink { account, link, created_at_ms: now_ms, seen_at_ms: now_ms };
        self.storage.put_link(seen, now_ms).await.unwrap();
        self.endings.wake();
    }

    fn changed(&self) -> Vec<(String, bool)> {
        self.stripe.changed.lock().unwrap().clone()
    }

    /// Gives what is noted to be done, whenever.
    async fn noted(&self) -> Vec<Ending> {
        // Storage may be busy with the tries themselves.
        loop {
            if let Ok(noted) = self.storage.due_endings(i64::MAX / 2, 0, 9).await {
                return noted;
            }
        }
    }

    async fn until_changed(&self, expected: &[(&str, bool)]) {
        let expected: Vec<_> = expected.iter().map(|(id, off)| ((*id).to_owned(), *off)).collect();
        self.until(async || self.changed() == expected && !self.is_busy().await).await;
    }

    /// Waits for what must come; what was changed says why it does not.
    async fn until(&self, has_come: impl AsyncFn() -> bool) {
        let coming = async {
            while !has_come().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let come = tokio::time::timeout(WAIT_MAX, coming).await;
        assert!(come.is_ok(), "it does not come: {:?}", self.changed());
    }

    async fn is_busy(&self) -> bool {
        self.storage.late_endings(self.clock.now_ms()).await.unwrap().0 > 0
    }
}

// === impl Pretended ===

impl Pretended {
    fn answer(&self, call: &Call) -> Result<Answer, stripe::Error> {
        let told = |body: serde_json::Value| {
            let resource = body["id"].as_str().unwrap_or_default().to_owned();
            let body = Bytes::from(body.to_string());
            Ok(Answer { body, request_id: None, resource, replayed: false })
        };
        if call.method == Method::GET {
            let open = if self.page.lock().unwrap().is_open {
                json!([{ "id": "cs_1", "object": "checkout.session", "status": "open" }])
            } else {
                json!([])
            };
            return told(json!({ "object": "list", "data": open, "has_more": false }));
        }
        if call.place.path.ends_with("/expire") {
            let (mut page, key) = (self.page.lock().unwrap(), call.idempotency_key.clone());
            if page.failed_key.is_none() || page.failed_key == key {
                page.failed_key = key;
                let (status, should_retry) = (500, Some(false));
                let refusal = Refusal { status, should_retry, ..Default::default() };
                return Err(stripe::Error::Refused(Box::new(refusal)));
            }
            page.is_open = false;
            return told(json!({ "id": "cs_1", "object": "checkout.session" }));
        }
        let fails = |left: u32| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
            return Err(stripe::Error::AnswerLost { write: true });
        }
        let id = call.place.path.rsplit('/').next().unwrap().to_owned();
        let off = str::from_utf8(&call.form).unwrap().contains("active=false");
        self.changed.lock().unwrap().push((id.clone(), off));
        told(json!({
            "id": id, "object": "payment_link", "active": !off,
            "metadata": { "pl_expires": self.end_secs.to_string() },
        }))
    }
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
    bench.stripe.failures.store(40, Ordering::SeqCst);
    bench.link("plink_1", 1).await;
    bench.until(async || bench.noted().await[0].attempts > 1).await;
    bench.clock.jump(-24 * HOUR_MS);
    bench.stripe.failures.store(0, Ordering::SeqCst);
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
async fn a_link_that_was_deactivated_for_another_reason_stays_inactive() {
    let now_secs = START_MS / 1_000;
    let bench = Bench::start(now_secs + 3_600).await;
    bench.stripe.holds.send_replace(Some("/payment_links"));
    bench.link("plink_1", now_secs - 1).await;
    bench.until(async || !bench.changed().is_empty()).await;
    bench.clock.jump(1_000);
    bench.seen("plink_1", false, now_secs + 3_600, DeactivationReason::Caller).await;
    bench.stripe.holds.send_replace(None);
    // It was prolonged as well, but that is no reason to activate it.
    bench.until_changed(&[("plink_1", true)]).await;
    let known = bench.storage.link("plink_1").await.unwrap().unwrap();
    assert_eq!(known.link.deactivation_reason(), DeactivationReason::Caller);
}

#[tokio::test]
async fn a_link_that_is_activated_while_its_pages_are_expired_keeps_its_new_end() {
    let now_secs = START_MS / 1_000;
    for page_fails in [false, true] {
        let bench = Bench::start(now_secs - 1).await;
        let failed_key = (!page_fails).then(String::new);
        *bench.stripe.page.lock().unwrap() = OpenPage { is_open: true, failed_key };
        bench.stripe.holds.send_replace(Some("/expire"));
        bench.link("plink_1", now_secs - 1).await;
        let is_tried = |page: &OpenPage| !page.is_open || page_fails && page.failed_key.is_some();
        bench.until(async || is_tried(&bench.stripe.page.lock().unwrap())).await;
        bench.clock.jump(1_000);
        bench.seen("plink_1", true, now_secs + 3_600, DeactivationReason::Unspecified).await;
        bench.stripe.holds.send_replace(None);
        // What buyers open of the active link is not expired when that is tried again.
        bench.until_changed(&[("plink_1", true)]).await;
        assert_eq!(bench.stripe.page.lock().unwrap().is_open, page_fails);
        let known = bench.storage.link("plink_1").await.unwrap().unwrap();
        assert!(known.link.active, "what is older counts no more");
        let noted = bench.noted().await;
        assert_eq!((noted.len(), noted[0].due_at_ms), (1, (now_secs + 3_600) * 1_000));
    }
}

#[tokio::test]
async fn a_page_is_expired_though_stripe_keeps_the_failure_of_the_first_try() {
    let now_secs = START_MS / 1_000;
    let bench = Bench::start(now_secs - 1).await;
    bench.stripe.page.lock().unwrap().is_open = true;
    bench.link("plink_1", now_secs - 1).await;
    bench.until(async || !bench.stripe.page.lock().unwrap().is_open).await;
    bench.until_changed(&[("plink_1", true)]).await;
}

#[tokio::test]
async fn a_link_that_is_prolonged_while_its_end_is_in_doubt_is_not_ended_for_good() {
    let now_secs = START_MS / 1_000;
    let bench = Bench::start(now_secs + 3_600).await;
    bench.stripe.failures.store(u32::MAX, Ordering::SeqCst);
    bench.link("plink_1", now_secs - 1).await;
    bench.until(async || bench.noted().await[0].attempts > 1).await;
    bench.clock.jump(1_000);
    bench.seen("plink_1", true, now_secs + 3_600, DeactivationReason::Unspecified).await;
    // Whoever sends the first write again now ends the link, and only its row undoes that.
    bench.stripe.failures.store(0, Ordering::SeqCst);
    bench.until_changed(&[("plink_1", true), ("plink_1", false)]).await;
    let known = bench.storage.link("plink_1").await.unwrap().unwrap();
    assert!(known.link.active);
    assert_eq!(bench.noted().await[0].due_at_ms, (now_secs + 3_600) * 1_000);
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
