//! Days pass: Stripe forgets keys, keeps its own failures, and is found out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use paylink::clock::Clock;
use paylink::operations::Operations;
use paylink::storage::{Operation, OperationState};
use paylink::stripe::call::{Answer, Call};
use paylink::stripe::transport::exchange;
use paylink::stripe::{Client, Error, error::Phase};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::service_fn;

use crate::asking::{self, Told};
use crate::disk::Disk;
use crate::stripe::{self, CONFIG, Fate, Stripe};

const HOUR: Duration = Duration::from_hours(1);
/// How far Stripe's clock is moved at once, as ours runs.
const STEP: Duration = Duration::from_mins(1);

/// A replica, its Stripe, and a time that passes at will.
struct Days {
    stripe: Stripe,
    disk: Disk,
    client: Client,
    operations: Operations,
    start_ms: i64,
    /// Whether Stripe can be reached.
    is_cut: Arc<Mutex<bool>>,
    /// Which paths of Stripe tell of nothing.
    blind: Arc<Mutex<Vec<&'static str>>>,
}

/// Lives days of which all time is skipped in which nothing happens. `fates` are
/// those of the first writes; the others are answered.
fn live<T>(fates: &[Fate], days: impl AsyncFnOnce(Days) -> T) -> T {
    paylink::dice::seed(1);
    let stripe = Stripe::new();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let fates = Arc::new(Mutex::new(fates.iter().copied().collect::<VecDeque<_>>()));
        let (is_cut, blind) = (Arc::new(Mutex::new(false)), Arc::new(Mutex::new(Vec::new())));
        let service = {
            let (stripe, fates) = (stripe.clone(), fates.clone());
            let (is_cut, blind) = (is_cut.clone(), blind.clone());
            service_fn(move |call| {
                let fate = if *is_cut.lock().unwrap() {
                    None
                } else {
                    Some(fate_of(&call, &fates, &blind))
                };
                answer(stripe.clone(), call, fate)
            })
        };
        let start_ms = jiff::Timestamp::now().as_millisecond();
        let (client, disk) = (stripe::client(service), Disk::default());
        let operations = start(&disk, &client, start_ms);
        days(Days { stripe, disk, client, operations, start_ms, is_cut, blind }).await
    })
}

/// Starts a process on a disk.
fn start(disk: &Disk, client: &Client, start_ms: i64) -> Operations {
    let (memory, clock) = (Arc::new(disk.clone()), Clock::from(start_ms));
    let operations = Operations::new(&CONFIG.writes, memory, client.clone(), clock);
    tokio::spawn(operations.clone().resolve(CancellationToken::new()));
    operations
}

fn fate_of(call: &Call, fates: &Mutex<VecDeque<Fate>>, blind: &Mutex<Vec<&'static str>>) -> Fate {
    if call.is_write() {
        return fates.lock().unwrap().pop_front().unwrap_or(Fate::Answered);
    }
    let is_blind = blind.lock().unwrap().contains(&call.place.route);
    if is_blind { Fate::Failed } else { Fate::Answered }
}

async fn answer(stripe: Stripe, call: Call, fate: Option<Fate>) -> Result<Answer, Error> {
    let Some(fate) = fate else { return Err(Error::Unreachable { phase: Phase::Connect }) };
    let request = exchange::request("http://stripe", &call).unwrap();
    stripe::read(stripe.answer(request, fate).await, &call)
}

// === impl Days ===

impl Days {
    /// Lets time pass, here and at Stripe.
    async fn pass(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(STEP);
            self.stripe.advance(step);
            tokio::time::sleep(step).await;
            left -= step;
        }
    }

    /// Starts another process a number of days later.
    fn on_day(&self, day: i64) -> Days {
        let start_ms = self.start_ms + day * 24 * 60 * 60 * 1_000;
        Days {
            stripe: self.stripe.clone(),
            disk: self.disk.clone(),
            client: self.client.clone(),
            operations: start(&self.disk, &self.client, start_ms),
            start_ms,
            is_cut: self.is_cut.clone(),
            blind: self.blind.clone(),
        }
    }

    fn cut(&self, is_cut: bool) {
        *self.is_cut.lock().unwrap() = is_cut;
    }

    async fn ask(&self) -> Told {
        asking::ask(&self.operations, 0).await
    }

    fn row(&self) -> Operation {
        self.disk.rows().remove(0)
    }

    /// All links, and those that are published.
    async fn links(&self) -> (Vec<String>, Vec<String>) {
        let links = self.stripe.list("/v1/payment_links").await;
        let id = |link: &Value| link["id"].as_str().unwrap().to_owned();
        let published = links.iter().filter(|link| link["active"] == true).map(id).collect();
        (links.iter().map(id).collect(), published)
    }

    /// Checks that there is one link, and that everyone is told of it.
    async fn check_one(&self) -> Result<(), String> {
        let (all, published) = self.links().await;
        if all.len() != 1 {
            return Err(format!("{} links were made", all.len()));
        }
        self.check_published(&published).await
    }

    async fn check_published(&self, published: &[String]) -> Result<(), String> {
        if published.len() != 1 {
            return Err(format!("{} links are published", published.len()));
        }
        let told = self.ask().await;
        if told != Told::Link(published[0].clone()) {
            return Err(format!("{told:?} is told, and {published:?} is published"));
        }
        Ok(())
    }
}

/// The answer to a write is lost, and Stripe cannot be reached until it has
/// forgotten the key.
pub fn lost_for_a_day() -> Result<(), String> {
    live(&[Fate::Unheard, Fate::Unheard, Fate::Unheard], async |days| {
        assert_eq!(days.ask().await, Told::Error { state: "unknown".to_owned() });
        days.cut(true);
        days.pass(HOUR * 25).await;
        days.cut(false);
        days.pass(HOUR).await;
        days.check_one().await
    })
}

/// A write leaves no trace that can be seen when it is looked for, so that it is
/// made twice.
pub fn made_twice() -> Result<(), String> {
    live(&[Fate::FailedForGood], async |days| {
        assert_eq!(days.ask().await, Told::Error { state: "unknown".to_owned() });
        days.stripe.hide(true);
        days.pass(HOUR / 2).await;
        days.stripe.hide(false);
        let (all, _) = days.links().await;
        assert_eq!(all.len(), 2, "the fault that this is about has happened");
        days.pass(HOUR * 2).await;
        let (_, published) = days.links().await;
        days.check_published(&published).await
    })
}

/// Lets a write meet its fates: a minute later it is known what became of it.
fn check_found(fates: &[Fate]) {
    live(fates, async |days| {
        days.ask().await;
        days.pass(HOUR / 60).await;
        assert_eq!(days.row().state, OperationState::Done);
        days.check_one().await
    })
    .unwrap();
}

#[test]
fn an_answer_that_was_lost_is_found_under_its_key() {
    check_found(&[Fate::Unheard, Fate::Unheard, Fate::Unheard]);
}

#[test]
fn an_answer_that_was_lost_is_found_after_stripe_has_forgotten_its_key() {
    lost_for_a_day().unwrap();
}

#[test]
fn a_write_whose_stored_failure_hides_a_link_is_found_by_its_event() {
    check_found(&[Fate::FailedForGood]);
}

#[test]
fn a_write_whose_stored_failure_hides_nothing_is_made_under_a_new_key() {
    live(&[Fate::RefusedForGood], async |days| {
        days.ask().await;
        days.pass(HOUR / 10).await;
        assert_eq!(days.row().state, OperationState::Unknown, "one search is not enough");
        assert_eq!(days.links().await.0.len(), 0);
        days.pass(HOUR / 2).await;
        assert_eq!((days.row().state, days.row().generation), (OperationState::Done, 1));
        days.check_one().await
    })
    .unwrap();
}

#[test]
fn a_write_that_leaves_no_event_is_found_by_its_link() {
    live(&[Fate::FailedForGood], async |days| {
        days.stripe.hide_events(true);
        days.ask().await;
        days.pass(HOUR).await;
        assert_eq!((days.row().state, days.row().generation), (OperationState::Done, 0));
        days.check_one().await
    })
    .unwrap();
}

#[test]
fn nothing_is_made_again_while_the_traces_cannot_be_read() {
    live(&[Fate::FailedForGood], async |days| {
        days.blind.lock().unwrap().push("/v1/events");
        days.ask().await;
        days.pass(HOUR * 30).await;
        assert_eq!((days.row().state, days.row().generation), (OperationState::Unknown, 0));
        days.blind.lock().unwrap().clear();
        days.pass(HOUR).await;
        days.check_one().await
    })
    .unwrap();
}

#[test]
fn of_two_links_of_one_write_one_stays_published() {
    made_twice().unwrap();
}

#[test]
fn a_webhook_that_names_the_key_ends_the_search() {
    live(&[Fate::FailedForGood], async |days| {
        days.blind.lock().unwrap().push("/v1/events");
        days.ask().await;
        days.pass(HOUR).await;
        let events = days.stripe.list("/v1/events?type=payment_link.created").await;
        // What the same request has made beside the link is not what was asked for.
        let mut beside = events[0].clone();
        beside["type"] = "product.created".into();
        days.operations.hear(beside.to_string().as_bytes());
        days.pass(HOUR / 60).await;
        assert_eq!((days.row().state, &*days.row().resource), (OperationState::Unknown, ""));
        days.operations.hear(events[0].to_string().as_bytes());
        days.pass(HOUR / 60).await;
        assert_eq!(days.row().state, OperationState::Done);
        days.check_one().await
    })
    .unwrap();
}

#[test]
fn a_result_is_told_for_thirty_days_and_then_forgotten() {
    live(&[], async |days| {
        let told = days.ask().await;
        // The answer does not wait for its record.
        days.pass(STEP).await;
        // Processes of later days, on the same disk.
        assert_eq!(days.on_day(29).ask().await, told);
        let last = days.on_day(31);
        last.pass(STEP).await;
        assert_eq!(last.disk.rows(), []);
    });
}
