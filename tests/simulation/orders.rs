//! One order, two links, and payments of both in the same second: by seeds, through
//! events in any order, repeated and late, crashes at any instant and a Stripe that
//! fails. Never are two of them offered for fulfilment, and no link stays payable.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use paylink::dice;
use paylink::pb;
use paylink::pb::payment::OrderStanding;
use paylink::pb::payment_service_server::PaymentService as _;
use paylink::storage::{PageLimit, SeenLink, Storage};
use paylink::stripe::webhook::Event;
use paylink::stripe::{Resourceful as _, call};
use serde_json::{Value, json};

use crate::memory::{File, live};
use crate::on_every_core;
use crate::process::Process;
use crate::stripe::{Fate, Stripe};

/// Which seeds are simulated.
const SEEDS: RangeInclusive<u64> = 1..=200;
const ORDER: &str = "order 1";
/// The payments of the order, by their links.
const SESSIONS: [(&str, usize); 3] = [("cs_1", 0), ("cs_2", 1), ("cs_3", 1)];
/// How often to look whether something has happened.
const POLL: Duration = Duration::from_millis(2);
/// How long all may take to come right. Only a broken promise takes it.
const RIGHT_MAX: Duration = Duration::from_mins(1);
/// How long a life of the process may last that ends in a crash, in milliseconds.
const LIFE_MS_MAX: f64 = 25.0;

// === impl Process ===

impl Process {
    async fn receive(&self, event: &Value) {
        let body = Bytes::from(event.to_string());
        // What was not acknowledged is sent again in a later life.
        let _ = self.payments.receive("", Event::parse(&body).unwrap(), body).await;
    }

    /// Claims what there is to ship, and never gives it back.
    async fn claim(&self) -> Option<String> {
        let request = pb::ClaimFulfillmentRequest { worker: "packer".into(), ..Default::default() };
        let claimed = self.payments.claim_fulfillment(tonic::Request::new(request)).await.ok()?;
        claimed.into_inner().payment.map(|payment| payment.id)
    }

    /// Whether every event is done with and every link ended.
    async fn is_right(&self) -> bool {
        let due = self.storage.due_events(i64::MAX / 4, 0, 1).await.unwrap();
        due.is_empty() && self.has_ended_all().await
    }
}

/// Starts a process whose calls meet any fate, or none but that they are answered.
async fn start(file: &File, stripe: &Stripe, is_calm: bool) -> Process {
    let stripe = stripe.clone();
    let process = Process::start(file, move |call| {
        let fate = if is_calm { Fate::Answered } else { quick_fate() };
        let stripe = stripe.clone();
        async move { stripe.answer_call(&call, fate).await }
    });
    let process = process.await;
    tokio::spawn(process.payments.clone().run());
    process
}

/// A fate that no retry has to wait long for.
fn quick_fate() -> Fate {
    match dice::between(0.0, 10.0) {
        throw if throw < 7.0 => Fate::Answered,
        throw if throw < 8.5 => Fate::Unheard,
        _ => Fate::Failed,
    }
}

/// Makes two links of the order, past the service, and gives them.
async fn links(stripe: &Stripe) -> Vec<pb::PaymentLink> {
    let mut links = Vec::new();
    for _ in 0..2 {
        let form = "line_items[0][price_data][currency]=usd\
            &line_items[0][price_data][unit_amount]=2500\
            &line_items[0][price_data][product_data][name]=Poster\
            &line_items[0][quantity]=1&metadata[pl_order]=order+1";
        let request = Request::post("/v1/payment_links")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .unwrap();
        let made = stripe.answer(request, Fate::Answered).await.unwrap();
        let resource = String::new();
        let answer = call::Answer { body: made.body, request_id: None, resource, replayed: false };
        links.push(pb::PaymentLink::of(&answer).unwrap());
    }
    links
}

/// The events of a seed, in the order in which they come, some more than once.
fn events(links: &[pb::PaymentLink]) -> Vec<Value> {
    let mut events = Vec::new();
    for (session, link) in SESSIONS {
        let event = |id: &str, kind: &str, status: &str| {
            json!({
                "id": format!("evt_{session}_{id}"), "type": kind, "created": 1_800_000_000,
                "data": {"object": {
                    "id": session, "object": "checkout.session", "payment_link": links[link].id,
                    "payment_status": status, "created": 1_800_000_000, "amount_total": 2_500,
                    "currency": "usd", "metadata": {"pl_order": ORDER},
                    "line_items": {"data": [{"id": "li_1"}]},
                }},
            })
        };
        // One of them is paid by a bank debit, perhaps.
        if dice::between(0.0, 3.0) < 1.0 {
            events.push(event("a", "checkout.session.completed", "unpaid"));
            events.push(event("b", "checkout.session.async_payment_succeeded", "paid"));
        } else {
            events.push(event("c", "checkout.session.completed", "paid"));
        }
    }
    let twice: Vec<Value> =
        events.iter().filter(|_| dice::between(0.0, 2.0) < 1.0).cloned().collect();
    events.extend(twice);
    let mut shuffled = Vec::new();
    while !events.is_empty() {
        shuffled.push(events.swap_remove(pick(events.len())));
    }
    shuffled
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn pick(below: usize) -> usize {
    dice::between(0.0, below as f64) as usize
}

/// Simulates a seed, and says which promise it breaks.
pub fn run(seed: u64) -> Result<u32, String> {
    dice::seed(seed);
    let (file, stripe) = (File::new(), Stripe::new());
    let links = live(links(&stripe));
    live(async {
        let storage = file.open().await;
        for link in &links {
            let picture = SeenLink {
                account: String::new(),
                link: link.clone(),
                created_at_ms: 0,
                seen_at_ms: 0,
            };
            storage.put_link(picture, 0).await.unwrap();
        }
    });
    let all = events(&links);
    let mut claimed = BTreeSet::new();
    let mut crashes = 0;
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(1 + pick(rest.len()));
        rest = later;
        crashes += 1;
        // The runtime is gone at the end, with all that was under way in it.
        claimed.extend(live(async {
            let process = start(&file, &stripe, false).await;
            for event in now {
                process.receive(event).await;
            }
            let life = Duration::from_secs_f64(dice::between(0.0, LIFE_MS_MAX) / 1_000.0);
            tokio::time::sleep(life).await;
            if dice::between(0.0, 2.0) < 1.0 { process.claim().await } else { None }
        }));
    }
    live(async {
        let process = start(&file, &stripe, true).await;
        for event in &all {
            process.receive(event).await;
        }
        let right = async {
            while !process.is_right().await {
                process.endings.wake();
                tokio::time::sleep(POLL).await;
            }
        };
        let in_time = tokio::time::timeout(RIGHT_MAX, right).await;
        in_time.map_err(|_| "it never comes right".to_owned())?;
        while let Some(payment) = process.claim().await {
            claimed.insert(payment);
        }
        check(&process.storage, &claimed).await?;
        let active = stripe.list("/v1/payment_links?active=true").await;
        if active.is_empty() { Ok(crashes) } else { Err(format!("still payable: {active:?}")) }
    })
}

/// Checks what is told of the order against what was claimed.
async fn check(storage: &Storage, claimed: &BTreeSet<String>) -> Result<(), String> {
    let payments = storage.payments_of_order("", "", ORDER).await.unwrap();
    let order = storage.order("", "", ORDER).await.unwrap().ok_or("nobody has taken the order")?;
    if payments.len() != SESSIONS.len() {
        return Err(format!("{} payments are known", payments.len()));
    }
    for payment in &payments {
        let is_first = payment.id == order.taken_by;
        let standing = if is_first { OrderStanding::First } else { OrderStanding::Duplicate };
        if payment.order_standing() != standing {
            return Err(format!("{} is {:?}", payment.id, payment.order_standing()));
        }
        if !is_first && payment.duplicate_of != order.taken_by {
            return Err(format!("{} is a duplicate of {}", payment.id, payment.duplicate_of));
        }
    }
    if *claimed != [order.taken_by.clone()].into() {
        return Err(format!("{claimed:?} were offered, and {} is first", order.taken_by));
    }
    // The first is the one that the feed tells of first as paid.
    let start = storage.feed_ends().await.unwrap().forgotten;
    let limit = PageLimit { changes: 1_000, bytes: usize::MAX };
    let page = storage.feed_after(start, None, limit).await.unwrap();
    let mut paid = page.changes.iter().filter_map(|change| change.payment.as_ref());
    let first = paid.find(|payment| payment.order_standing != 0).map(|one| one.id.as_str());
    if first == Some(order.taken_by.as_str()) {
        Ok(())
    } else {
        Err(format!("the feed tells of {first:?} first, and {} is", order.taken_by))
    }
}

#[test]
fn no_seed_fulfils_an_order_twice_or_leaves_it_payable() {
    let or_say = |seed| run(seed).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    let crashes: u32 = on_every_core(SEEDS, or_say).into_iter().sum();
    let seeds = SEEDS.count();
    println!("{seeds} seeds, {} payments, {crashes} crashes: one fulfilled each", 3 * seeds);
    assert!(crashes > 200, "the seeds crash too seldom: {crashes}");
}
