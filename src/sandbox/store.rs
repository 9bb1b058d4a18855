//! What the sandbox remembers: every object, in the order in which it was made.

mod saved;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agenda::Agenda;
use super::checkout::Session;
use super::clock::Clock;
use super::delivery::Outbox;
use super::events::Event;
use super::faults::Faults;
use super::idempotency::Ledger;
use super::identifier::Source;
use super::journal::Journal;
use super::payment_links::Link;
use super::refusal::Refusal;
use super::webhook_endpoints::Receiver;

/// How many notes of the agenda there is room for beside each object.
const NOTES_OF_AN_OBJECT: usize = 4;
/// How many events are kept beside each object: a payment makes a handful, and they are small.
const EVENTS_OF_AN_OBJECT: usize = 4;
/// How many idempotency keys are kept beside each object. A request that comes again after its key
/// is forgotten is carried out again, which Stripe does only after a day.
const KEYS_OF_AN_OBJECT: usize = 4;

/// All of the sandbox's state, behind one lock that is never held across an await.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    /// The connected account whose store this is; none for the platform's own.
    #[serde(default)]
    pub(super) account: Option<String>,
    /// The stores of connected accounts, by their identifiers.
    #[serde(default)]
    pub(super) connected: BTreeMap<String, State>,
    /// How many objects of each kind are kept.
    pub(super) objects_max: usize,
    pub(super) clock: Clock,
    /// Where identifiers come from.
    pub(super) identifiers: Source,
    /// Where links live: `http://host:port`, without a slash at the end.
    pub(super) public_url: String,
    pub(super) products: Collection<Value>,
    pub(super) prices: Collection<Value>,
    pub(super) coupons: Collection<Value>,
    pub(super) promotion_codes: Collection<Value>,
    pub(super) shipping_rates: Collection<Value>,
    pub(super) links: Collection<Link>,
    pub(super) sessions: Collection<Session>,
    pub(super) customers: Collection<Value>,
    pub(super) intents: Collection<Value>,
    pub(super) charges: Collection<Value>,
    pub(super) tax_rates: Collection<Value>,
    pub(super) refunds: Collection<Value>,
    pub(super) disputes: Collection<Value>,
    pub(super) warnings: Collection<Value>,
    /// Balance transactions.
    pub(super) movements: Collection<Value>,
    pub(super) subscriptions: Collection<Value>,
    pub(super) invoices: Collection<Value>,
    pub(super) invoice_payments: Collection<Value>,
    /// What falls due by itself.
    pub(super) agenda: Agenda,
    pub(super) events: Collection<Event>,
    /// Registered webhook endpoints, of all accounts.
    pub(super) receivers: Collection<Receiver>,
    pub(super) outbox: Outbox,
    pub(super) ledger: Ledger,
    /// What is to go wrong.
    pub(super) faults: Faults,
    /// What was asked of the API.
    pub(super) journal: Journal,
}

/// Objects of one kind, by identifier and by age. Beyond its capacity it forgets the oldest.
#[derive(Debug, Clone)]
pub(super) struct Collection<T> {
    noun: Cow<'static, str>,
    capacity: usize,
    by_id: HashMap<String, (u64, T)>,
    by_age: BTreeMap<u64, String>,
    next: u64,
}

/// Something kept in a [`Collection`]: it has an object of the API.
pub(super) trait Held {
    /// The object as it is kept, or would be.
    fn object(&self) -> Cow<'_, Value>;
}

/// How much a part of the state keeps, by its name there.
pub(super) fn capacity(name: &str, objects_max: usize) -> usize {
    objects_max.saturating_mul(match name {
        "events" => EVENTS_OF_AN_OBJECT,
        "ledger" => KEYS_OF_AN_OBJECT,
        _ => 1,
    })
}

// === impl State ===

impl State {
    /// An empty sandbox that keeps at most so many objects of each kind.
    pub(super) fn new(public_url: String, objects_max: usize, outbox: Outbox) -> Self {
        Self {
            account: None,
            connected: BTreeMap::new(),
            objects_max,
            clock: Clock::default(),
            identifiers: Source::random(),
            public_url,
            products: Collection::new("product", objects_max),
            prices: Collection::new("price", objects_max),
            coupons: Collection::new("coupon", objects_max),
            promotion_codes: Collection::new("promotion code", objects_max),
            shipping_rates: Collection::new("shipping rate", objects_max),
            links: Collection::new("payment_link", objects_max),
            sessions: Collection::new("checkout.session", objects_max),
            customers: Collection::new("customer", objects_max),
            intents: Collection::new("payment_intent", objects_max),
            charges: Collection::new("charge", objects_max),
            tax_rates: Collection::new("tax rate", objects_max),
            refunds: Collection::new("refund", objects_max),
            disputes: Collection::new("dispute", objects_max),
            warnings: Collection::new("early_fraud_warning", objects_max),
            movements: Collection::new("balance transaction", objects_max),
            subscriptions: Collection::new("subscription", objects_max),
            invoices: Collection::new("invoice", objects_max),
            invoice_payments: Collection::new("invoice_payment", objects_max),
            agenda: Agenda::new(objects_max.saturating_mul(NOTES_OF_AN_OBJECT)),
            events: Collection::new("event", capacity("events", objects_max)),
            receivers: Collection::new("webhook endpoint", objects_max),
            outbox,
            ledger: Ledger::new(capacity("ledger", objects_max)),
            faults: Faults::default(),
            journal: Journal::default(),
        }
    }
}

// === impl Collection ===

impl<T> Collection<T> {
    fn new(noun: &'static str, capacity: usize) -> Self {
        let (by_id, by_age) = (HashMap::new(), BTreeMap::new());
        Self { noun: Cow::Borrowed(noun), capacity, by_id, by_age, next: 0 }
    }

    /// Keeps an object under its identifier, as the newest one.
    pub(super) fn insert(&mut self, id: &str, held: T) {
        self.remove(id);
        self.by_age.insert(self.next, id.to_owned());
        self.by_id.insert(id.to_owned(), (self.next, held));
        self.next += 1;
        if self.by_id.len() > self.capacity
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_id.remove(&oldest);
        }
    }

    /// How many objects there have ever been.
    pub(super) fn made(&self) -> u64 {
        self.next
    }

    /// Forgets an object.
    pub(super) fn remove(&mut self, id: &str) {
        if let Some((age, _)) = self.by_id.remove(id) {
            self.by_age.remove(&age);
        }
    }

    /// The object of that identifier.
    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.by_id.get(id).map(|(_, held)| held)
    }

    /// The object of that identifier, to change.
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.by_id.get_mut(id).map(|(_, held)| held)
    }

    /// The object that a request's path names.
    pub(super) fn named(&self, id: &str) -> Result<&T, Refusal> {
        self.get(id).ok_or_else(|| Refusal::missing(&self.noun, id))
    }

    /// The object that a request's path names, to change.
    pub(super) fn named_mut(&mut self, id: &str) -> Result<&mut T, Refusal> {
        let noun = self.noun.clone();
        self.get_mut(id).ok_or_else(|| Refusal::missing(&noun, id))
    }

    /// The object that a request's parameter names.
    pub(super) fn referred(&self, id: &str, param: &str) -> Result<&T, Refusal> {
        self.get(id).ok_or_else(|| Refusal::dangling(&self.noun, id, param))
    }

    /// All objects, newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = &T> {
        self.older_than(u64::MAX)
    }

    /// The objects made before that age, newest first.
    pub(super) fn older_than(&self, age: u64) -> impl Iterator<Item = &T> {
        self.by_age.range(..age).rev().filter_map(|(_, id)| self.get(id))
    }

    /// The objects made after that age, oldest first.
    pub(super) fn newer_than(&self, age: u64) -> impl Iterator<Item = &T> {
        self.by_age.range(age.saturating_add(1)..).filter_map(|(_, id)| self.get(id))
    }

    /// The age of the object that a cursor names.
    pub(super) fn age(&self, id: &str, param: &str) -> Result<u64, Refusal> {
        let found = self.by_id.get(id).map(|(age, _)| *age);
        found.ok_or_else(|| Refusal::dangling(&self.noun, id, param))
    }
}

// === impl Held ===

impl Held for Value {
    fn object(&self) -> Cow<'_, Value> {
        Cow::Borrowed(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_beyond_the_capacity() {
        let mut collection = Collection::new("thing", 2);
        for id in ["a", "b", "c"] {
            collection.insert(id, id.to_owned());
        }
        assert_eq!(collection.newest().collect::<Vec<_>>(), ["c", "b"]);
        assert!(collection.get("a").is_none());
    }

    #[test]
    fn cursors_look_both_ways() {
        let mut collection = Collection::new("thing", 9);
        for id in ["a", "b", "c"] {
            collection.insert(id, id.to_owned());
        }
        let middle = collection.age("b", "starting_after").unwrap();
        assert_eq!(collection.older_than(middle).collect::<Vec<_>>(), ["a"]);
        assert_eq!(collection.newer_than(middle).collect::<Vec<_>>(), ["c"]);
    }
}
