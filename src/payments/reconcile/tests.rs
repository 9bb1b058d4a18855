use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::StatusCode;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;
use crate::payments::ledger::Lack;
use crate::payments::projector::{Details, Unread};
use crate::payments::tests::{
    COMPLETED, OneItem, config, event, next_change, over_stripe, project, receive, watch,
};
use crate::pb;
use crate::pb::payment::State;
use crate::storage::{Fact, testing};
use crate::stripe::Transport;
use crate::stripe::call::Call;
use crate::stripe::transport::exchange;

const SESSIONS: &str = "/v1/checkout/sessions";

/// A Stripe that shows what a test has put there: nothing in its lists at first, and
/// 404 for everything else.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<BTreeMap<String, Value>>>);

/// A Stripe that knows no session.
#[derive(Clone)]
struct Nothing;

// === impl Shown ===

impl Shown {
    fn client(&self) -> stripe::Client {
        let shown = self.clone();
        let answering = service_fn(move |call: Call| {
            let answer = shown.answer(&call);
            async move { answer }
        });
        let config = stripe::Config { rate_test: 0, ..stripe::Config::testing() };
        config.client_over(Transport::over(answering))
    }

    fn answer(&self, call: &Call) -> Result<stripe::call::Answer, stripe::Error> {
        let path = call.place.path.split('?').next().unwrap_or_default();
        let shown = self.0.lock().unwrap().get(path).cloned();
        let is_list = [SESSIONS, "/v1/events", "/v1/payment_links"].contains(&path);
        let empty = || json!({"object": "list", "data": [], "has_more": false});
        let (status, body) = match shown.or_else(|| is_list.then(empty)) {
            Some(body) => (StatusCode::OK, body),
            None => (StatusCode::NOT_FOUND, json!({"error": {"code": "resource_missing"}})),
        };
        exchange::answer(call, status, &<_>::default(), body.to_string().into())
    }

    /// Lists these sessions.
    fn list(&self, sessions: &[Value]) {
        let list = json!({"object": "list", "data": sessions, "has_more": false});
        self.0.lock().unwrap().insert(SESSIONS.to_owned(), list);
    }

    /// Shows a session where it is asked for by itself.
    fn show(&self, session: &Value) {
        let path = format!("{SESSIONS}/{}", session["id"].as_str().unwrap());
        self.0.lock().unwrap().insert(path, session.clone());
    }
}

// === impl Nothing ===

impl Details for Nothing {
    async fn read(&self, _: &str, _: &Lack, _: &str) -> Result<Vec<Fact>, Unread> {
        Err(Unread { is_temporary: false, cause: "a test".into() })
    }

    async fn link(&self, _: &str, _: &str, _: bool) -> Result<pb::PaymentLink, Unread> {
        Err(Unread { is_temporary: false, cause: "a test".into() })
    }
}

/// A submitted session, with what was bought.
fn session(payment_status: &str) -> Value {
    json!({
        "id": "cs_1", "object": "checkout.session", "payment_link": "plink_1",
        "status": "complete", "payment_status": payment_status, "created": 1_700_000_000,
        "line_items": {"object": "list", "data": [{"id": "li_1", "object": "item"}]},
    })
}

/// A payment that an event has told of, over a Stripe that knows nothing of it yet.
async fn told(details: impl Details, payment_status: &str) -> (Payments, Shown) {
    let shown = Shown::default();
    let payments = over_stripe(testing::fresh().await, &config(), shown.client(), 8);
    let _projector = project(&payments, details);
    receive(&payments, event("evt_1", COMPLETED, "cs_1", payment_status)).await;
    next_change(&mut watch(&payments, "", "").await).await;
    (payments, shown)
}

/// Compares all, and gives what was repaired and how much stays unexplained.
async fn compared(payments: &Payments) -> (i32, i64) {
    let report = payments.reconcile(DEFAULT_ACCOUNT, None).await.unwrap();
    (report.payments_repaired, payments.storage.unexplained().await.unwrap())
}

#[tokio::test]
async fn a_payment_that_was_told_without_line_items_gets_them() {
    let (payments, shown) = told(Nothing, "paid").await;
    let known = async || payments.storage.payment("cs_1").await.unwrap().unwrap();
    assert_eq!((known().await.state(), known().await.line_items.len()), (State::Paid, 0));
    shown.list(&[session("paid")]);
    shown.show(&session("paid"));
    assert_eq!(compared(&payments).await, (1, 0));
    assert_eq!((known().await.state(), known().await.line_items.len()), (State::Paid, 1));
    assert_eq!(compared(&payments).await, (0, 0));
}

#[tokio::test]
async fn a_payment_that_could_not_be_read_is_explained_as_soon_as_it_can() {
    let (payments, shown) = told(OneItem, "unpaid").await;
    assert_eq!(compared(&payments).await, (0, 1));
    shown.show(&session("unpaid"));
    assert_eq!(compared(&payments).await, (0, 0));
}

#[tokio::test]
async fn what_changed_while_it_was_compared_is_explained_though_it_is_listed_no_more() {
    let (payments, shown) = told(OneItem, "paid").await;
    shown.list(&[session("unpaid")]);
    assert_eq!(compared(&payments).await, (0, 1));
    shown.list(&[]);
    shown.show(&session("paid"));
    assert_eq!(compared(&payments).await, (0, 0));
}

#[tokio::test]
async fn a_session_that_cannot_be_read_keeps_no_other_from_being_compared() {
    let (payments, shown) = told(OneItem, "unpaid").await;
    let mut other = session("paid");
    other["id"] = "cs_unreadable".into();
    shown.list(&[other, session("paid")]);
    shown.show(&session("paid"));
    assert_eq!(compared(&payments).await, (1, 1));
}
