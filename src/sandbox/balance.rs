//! The seller's balance: what each payment, refund and dispute moves in it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::api::Call;
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{identifier, list as lists, object};

/// How long a payment stays pending.
const PENDING_S: i64 = 2 * 24 * 60 * 60;
/// Stripe's share of a payment, in thousandths.
const FEE_PER_MILLE: i64 = 29;
/// What a payment costs beside that share, in minor units.
const FEE_FIXED: i64 = 30;
/// What a dispute costs, in minor units.
pub(super) const DISPUTE_FEE: i64 = 1500;

/// Something that moves money.
#[derive(Debug, Clone, Copy)]
pub(super) struct Movement<'a> {
    /// Stripe's type of it.
    pub(super) kind: &'static str,
    /// Stripe's category of it in reports.
    pub(super) category: &'static str,
    /// What comes in, or goes out if negative, in minor units.
    pub(super) amount: i64,
    /// What Stripe keeps of it, in minor units.
    pub(super) fee: i64,
    /// The object that moves it: a charge, a refund or a dispute.
    pub(super) source: &'a Value,
    /// What it is, for people.
    pub(super) description: &'a Value,
}

/// `GET /v1/balance`.
#[expect(clippy::unnecessary_wraps, reason = "every endpoint may refuse, this one never does")]
pub(super) fn retrieve(state: &mut State, _: &Call) -> Result<Value, Refusal> {
    let now = state.clock.now();
    let (mut available, mut pending) = (BTreeMap::from([("usd", 0)]), BTreeMap::from([("usd", 0)]));
    for movement in state.movements.newest() {
        let sums = if is_available(movement, now) { &mut available } else { &mut pending };
        let currency = movement.at("currency").as_str().unwrap_or("usd");
        let sum: &mut i64 = sums.entry(currency).or_default();
        *sum = sum.saturating_add(movement.at("net").as_i64().unwrap_or_default());
    }
    Ok(json!({
        "object": "balance",
        "available": sums(available),
        "livemode": false,
        "pending": sums(pending),
    }))
}

/// `GET /v1/balance_transactions/{id}`.
pub(super) fn transaction(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.movements.named(&call.id).map(|movement| shown(state, movement))
}

/// `GET /v1/balance_transactions`.
pub(super) fn transactions(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let url = "/v1/balance_transactions";
    let mut page = lists::page(&state.movements, call, url, |movement| {
        ["currency", "source", "type"]
            .iter()
            .all(|name| lists::matches(&call.params, name, movement))
            && lists::in_range(call.params.get("created"), movement.at("created"))
    })?;
    for movement in page.get_mut("data").and_then(Value::as_array_mut).into_iter().flatten() {
        *movement = shown(state, movement);
    }
    Ok(page)
}

/// Enters a movement; the answer is its balance transaction.
pub(super) fn enter(state: &mut State, movement: &Movement) -> Value {
    let now = state.clock.now();
    let id = identifier::fresh("txn_3", 23);
    let fees = json!([{
        "amount": movement.fee,
        "application": null,
        "currency": movement.source.at("currency"),
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }]);
    let transaction = json!({
        "id": id,
        "object": "balance_transaction",
        "amount": movement.amount,
        "available_on": if movement.amount > 0 { now + PENDING_S } else { now },
        "balance_type": "payments",
        "created": now,
        "currency": movement.source.at("currency"),
        "description": movement.description,
        "exchange_rate": null,
        "fee": movement.fee,
        "fee_details": if movement.fee == 0 { json!([]) } else { fees },
        "net": movement.amount.saturating_sub(movement.fee),
        "reporting_category": movement.category,
        "source": movement.source.at("id"),
        "status": if movement.amount > 0 { "pending" } else { "available" },
        "type": movement.kind,
    });
    state.movements.insert(&id, transaction.clone());
    transaction
}

fn sums(by_currency: BTreeMap<&str, i64>) -> Value {
    let sums = by_currency.into_iter().map(|(currency, amount)| {
        let source_types = json!({ "card": amount });
        json!({ "amount": amount, "currency": currency, "source_types": source_types })
    });
    sums.collect()
}

/// What Stripe keeps of a payment, in minor units.
pub(super) fn fee(amount: i64) -> i64 {
    amount.saturating_mul(FEE_PER_MILLE) / 1000 + FEE_FIXED
}

/// A balance transaction as it stands now.
pub(super) fn shown(state: &State, movement: &Value) -> Value {
    let mut shown = movement.clone();
    if is_available(movement, state.clock.now()) {
        object::set(&mut shown, "status", "available");
    }
    shown
}

fn is_available(movement: &Value, now: i64) -> bool {
    movement.at("available_on").as_i64().is_some_and(|time| time <= now)
}
