//! A replacement that stops at every step there is, and is asked for again.
//!
//! A step is a call to Stripe, which can be lost on either way, fail, or be the
//! last that the process lives to see; or it is whatever the call waits for, where
//! its caller can leave and the process can be killed. Every step of every kind is
//! tried by itself. In the end there is one new link, and it alone can be paid.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use paylink::pb;
use paylink::pb::payment_link::DeactivationReason;
use paylink::pb::payment_link_service_server::PaymentLinkService as _;
use paylink::stripe::Error;
use paylink::stripe::call::{Answer, Call};
use tokio::sync::Notify;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::memory::{File, live};
use crate::on_every_core;
use crate::process::Process;
use crate::stripe::{Fate, Stripe};

const ORDER: &str = "order 1";
/// Later than any test runs: 2100.
const END_SECS: i64 = 4_102_444_800;
/// A replacement reads a link and its items, makes one, and ends the other.
const STEPS_MIN: i64 = 4;
/// How often to look whether something has happened.
const POLL: Duration = Duration::from_millis(2);
/// How long all may take to come right. Only a broken promise takes it.
const RIGHT_MAX: Duration = Duration::from_mins(1);

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The call meets this fate.
    Met(Fate),
    /// The process is killed before the call leaves.
    KilledBefore,
    /// The process is killed when the call is carried out.
    KilledAfter,
    /// The process is killed while the replacement waits.
    KilledWaiting,
    /// The caller leaves while the replacement waits.
    Left,
}

/// The way to Stripe, and where on it a replacement stops. Clones are the same.
#[derive(Clone)]
struct Way {
    stripe: Stripe,
    stop: Stop,
    /// The steps until then; none are left before they count and once it has come.
    left: Arc<AtomicI64>,
    kill: Arc<Notify>,
}

// === impl Stop ===

impl Stop {
    const ALL: [Self; 8] = [
        Self::Met(Fate::Unheard),
        Self::Met(Fate::Failed),
        Self::Met(Fate::Limited),
        Self::Met(Fate::Unauthorized),
        Self::KilledBefore,
        Self::KilledAfter,
        Self::KilledWaiting,
        Self::Left,
    ];

    fn is_of_waiting(self) -> bool {
        matches!(self, Self::KilledWaiting | Self::Left)
    }
}

// === impl Way ===

impl Way {
    fn new(stripe: &Stripe, stop: Stop) -> Self {
        Self { stripe: stripe.clone(), stop, left: Arc::default(), kill: Arc::default() }
    }

    /// Takes a step, and tells whether it is the one.
    fn comes(&self, waiting: bool) -> bool {
        self.stop.is_of_waiting() == waiting && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }

    async fn answer(self, call: Call) -> Result<Answer, Error> {
        let stop = self.comes(false).then_some(self.stop);
        if stop == Some(Stop::KilledBefore) {
            self.killed().await;
        }
        let fate = if let Some(Stop::Met(fate)) = stop { fate } else { Fate::Answered };
        let answer = self.stripe.answer_call(&call, fate).await;
        if stop == Some(Stop::KilledAfter) {
            self.killed().await;
        }
        answer
    }

    async fn killed(&self) {
        self.kill.notify_one();
        std::future::pending::<()>().await;
    }
}

/// A link with everything that a replacement takes over.
fn old() -> pb::CreatePaymentLinkRequest {
    let link = pb::PaymentLink {
        line_items: vec![item(2_500)],
        order_ref: ORDER.to_owned(),
        metadata: [("shop".to_owned(), "a".to_owned())].into(),
        inactive_message: "Gone.".to_owned(),
        expire_time: Some(prost_types::Timestamp { seconds: END_SECS, nanos: 0 }),
        ..Default::default()
    };
    pb::CreatePaymentLinkRequest { payment_link: Some(link), ..Default::default() }
}

fn item(amount: i64) -> pb::LineItem {
    let product =
        pb::line_item::price_data::ProductData { name: "Poster".to_owned(), ..Default::default() };
    let data = pb::line_item::PriceData {
        currency: "usd".to_owned(),
        product_data: Some(product),
        unit_amount: Some(amount),
        ..Default::default()
    };
    pb::LineItem { price_data: Some(data), quantity: Some(1), ..Default::default() }
}

fn request(old: &str, request_id: Uuid) -> Request<pb::ReplacePaymentLinkRequest> {
    let link = pb::PaymentLink { line_items: vec![item(3_000)], ..Default::default() };
    Request::new(pb::ReplacePaymentLinkRequest {
        id: old.to_owned(),
        payment_link: Some(link),
        request_id: request_id.to_string(),
        ..Default::default()
    })
}

/// Stops a replacement at a step, asks for it again until it is done, and says
/// whether it has so many steps.
fn run(stop: Stop, number: i64) -> Result<bool, String> {
    let (file, stripe) = (File::new(), Stripe::new());
    let request_id = Uuid::new_v4();
    let way = Way::new(&stripe, stop);
    let (old, mut told) = live(async {
        let answering = way.clone();
        let process = Process::start(&file, move |call| answering.clone().answer(call)).await;
        let made = process.links.create_payment_link(Request::new(old())).await.unwrap();
        let old = made.into_inner().id;
        way.left.store(number, Ordering::Relaxed);
        let told = tokio::select! {
            () = way.kill.notified() => Ok(Vec::new()),
            told = stopped(&process, &way, || request(&old, request_id)) => told,
        };
        told.map(|told| (old, told))
    })?;
    let is_reached = way.left.load(Ordering::Relaxed) <= 0;
    live(async {
        let process = Process::start(&file, move |call| way.clone().answer(call)).await;
        told.push(asked(&process, || request(&old, request_id)).await?);
        ended(&process).await?;
        check(&process, &stripe, &old, &told).await
    })?;
    Ok(is_reached)
}

/// Asks until the step, and again where the process outlives it. Gives the links
/// that were told of.
async fn stopped(
    process: &Process,
    way: &Way,
    request: impl Fn() -> Request<pb::ReplacePaymentLinkRequest>,
) -> Result<Vec<String>, String> {
    let mut told = Vec::new();
    {
        let mut replacing = pin!(process.links.replace_payment_link(request()));
        let until = poll_fn(|context| match replacing.as_mut().poll(context) {
            Poll::Pending if way.comes(true) => Poll::Ready(None),
            replaced => replaced.map(Some),
        });
        match until.await {
            Some(Ok(done)) => told.push(new_of(done)),
            None if way.stop == Stop::KilledWaiting => return Ok(told),
            Some(Err(_)) | None => {}
        }
    }
    told.push(asked(process, request).await?);
    ended(process).await?;
    Ok(told)
}

/// Asks for the replacement until it is done, and gives the new link's id.
async fn asked(
    process: &Process,
    request: impl Fn() -> Request<pb::ReplacePaymentLinkRequest>,
) -> Result<String, String> {
    let until_done = async {
        loop {
            match process.links.replace_payment_link(request()).await {
                Ok(done) => return Ok(new_of(done)),
                Err(status) if can_be_repeated(&status) => tokio::time::sleep(POLL).await,
                Err(status) => return Err(format!("it is refused: {status}")),
            }
        }
    };
    let done = tokio::time::timeout(RIGHT_MAX, until_done).await;
    done.unwrap_or_else(|_| Err("it is never done".to_owned()))
}

/// Whether a call under the same id may come to something else.
fn can_be_repeated(status: &Status) -> bool {
    let codes = [Code::Unavailable, Code::Internal, Code::ResourceExhausted, Code::Aborted];
    codes.contains(&status.code())
}

fn new_of(done: Response<pb::ReplacePaymentLinkResponse>) -> String {
    done.into_inner().payment_link.unwrap().id
}

/// Waits until no link is left to be ended.
async fn ended(process: &Process) -> Result<(), String> {
    let all = async {
        while !process.has_ended_all().await {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(RIGHT_MAX, all).await.map_err(|_| "a link is never ended".to_owned())
}

/// Checks that one link is new and payable, and like the old one.
async fn check(
    process: &Process,
    stripe: &Stripe,
    old: &str,
    told: &[String],
) -> Result<(), String> {
    let all = stripe.list("/v1/payment_links").await.len();
    let payable = stripe.list("/v1/payment_links?active=true").await;
    let [new] = &*payable else {
        return Err(format!("{all} links were made, and {} can be paid", payable.len()));
    };
    let new = new["id"].as_str().unwrap();
    if all != 2 || new == old || told.iter().any(|told| told != new) {
        return Err(format!("{all} links were made, {told:?} were told of, and {new} is payable"));
    }
    let known = |id: String| async move { process.storage.link(&id).await.unwrap().unwrap().link };
    let (old, new) = (known(old.to_owned()).await, known(new.to_owned()).await);
    if old.active || old.deactivation_reason() != DeactivationReason::Replaced {
        return Err(format!("the old link is known as {old:?}"));
    }
    let expected = pb::PaymentLink {
        id: new.id.clone(),
        url: new.url.clone(),
        active: true,
        deactivation_reason: 0,
        line_items: new.line_items.clone(),
        create_time: new.create_time,
        ..old
    };
    if new != expected || new.line_items[0].amount_total != 3_000 {
        return Err(format!("the new link is {new:?}, and not {expected:?}"));
    }
    Ok(())
}

/// Stops replacements at each step of one kind, and says how many there are.
fn at_each_step(stop: Stop) -> Result<i64, String> {
    for step in 1.. {
        if !run(stop, step).map_err(|broken| format!("{stop:?} at step {step}: {broken}"))? {
            return Ok(step - 1);
        }
    }
    unreachable!("a replacement ends")
}

/// Kills the process after each call to Stripe.
pub fn killed_after_each_call() -> Result<i64, String> {
    at_each_step(Stop::KilledAfter)
}

#[test]
fn a_replacement_that_stops_anywhere_makes_one_link_when_asked_again() {
    let kinds = u64::try_from(Stop::ALL.len()).unwrap();
    on_every_core(0..=kinds - 1, |kind| {
        let stop = Stop::ALL[usize::try_from(kind).unwrap()];
        let steps = at_each_step(stop).unwrap_or_else(|broken| panic!("{broken}"));
        println!("{stop:?} at each of {steps} steps: one new link, and it alone is payable");
        assert!(steps >= STEPS_MIN, "{steps} steps are fewer than a replacement has");
    });
}
