//! Payments over a Stripe that refunds as a test has it.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tower::service_fn;

use super::*;
use crate::payments::books;
use crate::stripe::Transport;
use crate::stripe::call::{Answer, Call};
use crate::stripe::transport::exchange;

/// The amount of every payment.
pub(in crate::payments) const AMOUNT: i64 = 2_500;

/// What becomes of a question for a refund. Where nothing is said, it is made.
#[derive(Debug, Clone)]
pub(in crate::payments) enum Reply {
    /// It is made, and stands like that.
    Made(&'static str),
    /// Stripe refuses it for what it is.
    Refused,
    /// It does not leave.
    Unreachable,
    /// It is made, and the answer is lost.
    Lost,
    /// It is answered once the test lets it.
    Held(Box<Reply>),
    /// What is noted of refunds cannot be changed any more when it is answered.
    Spoilt(Box<Reply>),
}

/// Payments, and their Stripe.
pub(in crate::payments) struct Bench {
    pub(in crate::payments) payments: Payments,
    stripe: Arc<Stripe>,
}

/// What a Stripe was asked, and is to answer.
struct Stripe {
    storage: Storage,
    replies: Mutex<VecDeque<Reply>>,
    /// The key and the parameters of each question.
    asked: Mutex<Vec<(String, Map<String, Value>)>>,
    /// What each key has brought, and brings again.
    results: Mutex<BTreeMap<String, (StatusCode, Value)>>,
    held: Semaphore,
    released: Semaphore,
}

// === impl Bench ===

impl Bench {
    /// Payments before a Stripe that replies so, one after the other.
    pub(in crate::payments) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::with_room(8, replies).await
    }

    /// The same, of whose writes so many may be under way.
    pub(in crate::payments) async fn with_room(
        running_max: usize,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Self {
        let storage = storage::testing::fresh().await;
        let stripe = Arc::new(Stripe {
            storage: storage.clone(),
            replies: Mutex::new(replies.into_iter().collect()),
            asked: Mutex::default(),
            results: Mutex::default(),
            held: Semaphore::new(0),
            released: Semaphore::new(0),
        });
        let config = stripe::Config { rate_test: 0, rate_endpoint: 0, ..hasty() };
        let behind = stripe.clone();
        let client = config.client_over(Transport::over(service_fn(move |call: Call| {
            let stripe = behind.clone();
            async move { stripe.answer(&call).await }
        })));
        let payments = over_stripe(storage, &super::config(), client, running_max);
        Self { payments, stripe }
    }

    /// Adds what events tell to a payment.
    pub(in crate::payments) async fn told(&self, id: &str, events: &[Value]) {
        for event in events {
            let event = Event::parse(event.to_string().as_bytes()).unwrap();
            let (id, told) = (id.to_owned(), ledger::read(&event).unwrap());
            let added = self.payments.storage.write(move |mut transaction| {
                Box::pin(async move { books::add(&mut transaction, &id, told, ("", "")).await })
            });
            added.await.unwrap();
        }
    }

    /// A payment whose money has come.
    pub(in crate::payments) async fn paid(&self, id: &str) {
        self.told(id, &[completed(id, "")]).await;
    }

    /// A payment of an order that another has taken.
    pub(in crate::payments) async fn duplicate(&self, id: &str) {
        self.told("cs_first", &[completed("cs_first", "order 1")]).await;
        self.told(id, &[completed(id, "order 1")]).await;
    }

    pub(in crate::payments) async fn payment(&self, id: &str) -> pb::Payment {
        self.payments.storage.payment(id).await.unwrap().unwrap()
    }

    /// The keys that Stripe was asked under.
    pub(in crate::payments) fn keys(&self) -> Vec<String> {
        self.stripe.asked.lock().unwrap().iter().map(|(key, _)| key.clone()).collect()
    }

    /// The parameters of what Stripe was asked last.
    pub(in crate::payments) fn last(&self) -> Map<String, Value> {
        self.stripe.asked.lock().unwrap().last().unwrap().1.clone()
    }

    /// How much has gone back, whether or not anybody was told.
    pub(in crate::payments) fn gone(&self) -> i64 {
        let results = self.stripe.results.lock().unwrap();
        let gone = results.values().filter(|(_, body)| body["status"] == "succeeded");
        gone.map(|(_, body)| body["amount"].as_i64().unwrap()).sum()
    }

    /// Lets a refund fail that was made, and tells of it.
    pub(in crate::payments) async fn fail(&self, payment: &str, refund: &str) {
        let object = {
            let mut results = self.stripe.results.lock().unwrap();
            let (_, body) = results.values_mut().find(|(_, body)| body["id"] == refund).unwrap();
            body["status"] = "failed".into();
            body.clone()
        };
        let id = format!("evt_{refund}");
        let event = json!({"id": id, "type": "refund.failed", "data": {"object": object}});
        self.told(payment, &[event]).await;
    }

    /// Lets every refund be made from now on.
    pub(in crate::payments) fn calm(&self) {
        self.stripe.replies.lock().unwrap().clear();
    }

    /// Waits until Stripe holds a question back.
    pub(in crate::payments) async fn is_held(&self) {
        tokio::time::timeout(WAIT_MAX, self.stripe.held.acquire()).await.unwrap().unwrap().forget();
    }

    /// Lets Stripe answer what it holds back.
    pub(in crate::payments) fn release(&self) {
        self.stripe.released.add_permits(1);
    }
}

// === impl Stripe ===

impl Stripe {
    async fn answer(&self, call: &Call) -> Result<Answer, stripe::Error> {
        let key = call.idempotency_key.clone().unwrap_or_default();
        let form = form_urlencoded::parse(&call.form);
        let form: Map<_, _> = form.map(|(name, value)| (name.into(), value.into())).collect();
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((key.clone(), form.clone()));
            asked.iter().position(|(other, _)| *other == key).unwrap()
        };
        let mut reply =
            self.replies.lock().unwrap().pop_front().unwrap_or(Reply::Made("succeeded"));
        loop {
            let is_lost = matches!(reply, Reply::Lost);
            let result = match reply {
                Reply::Made(status) => (StatusCode::OK, refund(number, &form, status)),
                Reply::Lost => (StatusCode::OK, refund(number, &form, "succeeded")),
                Reply::Refused => {
                    let error = json!({"type": "invalid_request_error", "message": "no"});
                    (StatusCode::BAD_REQUEST, json!({ "error": error }))
                }
                Reply::Unreachable => {
                    let phase = stripe::error::Phase::Connect;
                    return Err(stripe::Error::Unreachable { phase });
                }
                Reply::Held(then) => {
                    self.held.add_permits(1);
                    self.released.acquire().await.unwrap().forget();
                    reply = *then;
                    continue;
                }
                Reply::Spoilt(then) => {
                    let away = "ALTER TABLE refund_requests RENAME TO away";
                    storage::testing::spoil(&self.storage, away).await;
                    reply = *then;
                    continue;
                }
            };
            let mut results = self.results.lock().unwrap();
            let (status, body) = results.entry(key).or_insert(result);
            if is_lost {
                return Err(stripe::Error::AnswerLost { write: true });
            }
            let body = Bytes::from(body.to_string());
            return exchange::answer(call, *status, &HeaderMap::new(), body);
        }
    }
}

/// The event of a page that was paid.
pub(in crate::payments) fn completed(id: &str, order: &str) -> Value {
    let notes = if order.is_empty() { json!({}) } else { json!({ "pl_order": order }) };
    json!({"id": format!("evt_{id}"), "type": COMPLETED, "data": {"object": {
        "id": id, "object": "checkout.session", "payment_link": "plink_1",
        "payment_status": "paid", "amount_total": AMOUNT, "currency": "usd", "metadata": notes,
        "payment_intent": format!("pi_{id}"), "line_items": {"data": [{"id": "li_1"}]},
    }}})
}

/// The refund that a question brings.
fn refund(number: usize, form: &Map<String, Value>, status: &str) -> Value {
    let notes = form.iter().filter_map(|(name, value)| {
        let key = name.strip_prefix("metadata[")?.strip_suffix(']')?;
        Some((key.to_owned(), value.clone()))
    });
    let amount: i64 = form["amount"].as_str().unwrap().parse().unwrap();
    json!({
        "id": format!("re_{number}"), "object": "refund", "amount": amount, "currency": "usd",
        "status": status, "created": number, "payment_intent": form["payment_intent"],
        "charge": "ch_1", "balance_transaction": "txn_1",
        "metadata": notes.collect::<Map<String, Value>>(),
    })
}
