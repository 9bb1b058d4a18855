//! The way out: all that paylink knows about talking to Stripe.
//!
//! A [`Client`] turns drafts into forms, sends them down its stack of layers,
//! and reads the answers. Nothing outside this module knows HTTP, forms or
//! Stripe's JSON.

pub mod access;
pub mod accounts;
pub mod breaker;
pub mod call;
mod credentials;
pub mod error;
pub mod examine;
mod lists;
mod money;
pub mod observe;
mod param;
pub mod queue;
pub mod rate_limit;
mod reads;
pub mod retry;
pub mod stack;
pub mod timeout;
mod trail;
pub mod transport;
pub mod way;
pub mod webhook;
pub mod wire;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use http::Method;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use prost::{Message, Name};

pub use self::credentials::{KeyKind, listed};
pub use self::error::Error;
pub use self::lists::PageOf;
pub use self::money::{Charge, PaymentIntent};
pub use self::stack::Config;
pub use self::trail::{Made, Marked, Scan};
pub use self::transport::exchange::STRIPE_VERSION;
pub use self::transport::{SetupError, Transport};
pub use self::write::{Effect, OPERATION_METADATA, Write, event_kind};

use self::accounts::Account;
use self::call::{Answer, Call, Place};
use self::way::Way as _;
use self::webhook::Event;
use self::wire::{form, json};
use crate::caller::Caller;
use crate::contract::Draft;
use crate::pb::plan::{self, Resource};
use crate::pb::{self};

/// A client of the Stripe accounts that are configured: what is asked for a caller is
/// asked of the caller's. Clones share connections and budgets.
#[derive(Debug, Clone)]
pub struct Client {
    accounts: Arc<BTreeMap<String, Account>>,
}

/// A page of a list.
#[derive(Debug)]
pub struct Listed<L> {
    /// The list, in the words of the contract.
    pub list: L,
    /// Whether Stripe has more.
    pub has_more: bool,
}

static UNKNOWN_VALUES: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("paylink")
        .u64_counter("paylink.stripe.unknown_values")
        .with_unit("{value}")
        .with_description("Words and values in Stripe's answers that this version does not know.")
        .build()
});

/// The most items that Stripe gives in one page.
const PAGE_ITEMS_MAX: u32 = 100;
/// The status of what is not there.
const NOT_FOUND: u16 = 404;
/// How many items Stripe shows of a list within another object.
const EXPANDED_ITEMS_MAX: usize = 10;

// === impl Client ===

impl Client {
    /// Gets a resource.
    pub async fn get<R: Resourceful>(&self, id: &str, caller: &Caller) -> Result<R, Error> {
        let mut query = String::new();
        expand(&mut query, R::resource(), "");
        let answer = self.read(R::item(id), query, caller).await?;
        R::of(&answer)
    }

    /// Gets a resource if it is one that the caller may see; `None` of any other,
    /// and of one that does not exist. Which of the two it is shows in nothing: a
    /// kept answer is used only where it is given.
    pub async fn get_seen<R: Resourceful>(
        &self,
        id: &str,
        caller: &Caller,
        is_seen: impl Fn(&R) -> bool,
    ) -> Result<Option<R>, Error> {
        let mut query = String::new();
        expand(&mut query, R::resource(), "");
        let call = read_call(R::item(id), query, caller);
        let account = self.at(caller.account())?;
        if !caller.wants_fresh()
            && let Some(kept) = account.reads.kept(&call.place)
            && let Some(resource) = R::of(&kept).ok().filter(&is_seen)
        {
            return Ok(Some(resource));
        }
        if call.time_left().is_zero() {
            return Err(Error::Deadline);
        }
        match account.reads.asked(call, caller.wants_fresh(), &account.stack).await {
            Ok(answer) => Ok(Some(R::of(&answer)?).filter(is_seen)),
            Err(Error::Refused(refusal)) if refusal.status == NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists resources: those that the request's other fields ask for, from its page on.
    pub async fn list<R: Resourceful, L: Message + Name + Default>(
        &self,
        draft: &Draft,
        caller: &Caller,
    ) -> Result<Listed<L>, Error> {
        let mut query = form::write(draft.part());
        expand(&mut query, R::resource(), "data.");
        self.page(R::collection(), query, draft, draft.page().size, caller).await
    }

    /// Lists resources as [`Self::list`] does, as many at once as Stripe gives.
    pub async fn list_many<R: Resourceful, L: Message + Name + Default>(
        &self,
        draft: &Draft,
        caller: &Caller,
    ) -> Result<Listed<L>, Error> {
        let mut query = form::write(draft.part());
        expand(&mut query, R::resource(), "data.");
        self.page(R::collection(), query, draft, PAGE_ITEMS_MAX, caller).await
    }

    /// Searches resources. The answer's own `next_page_token` is Stripe's.
    pub async fn search<R: Resourceful, L: Message + Name + Default>(
        &self,
        draft: &Draft,
        caller: &Caller,
    ) -> Result<L, Error> {
        let mut query = form::write(draft.part());
        expand(&mut query, R::resource(), "data.");
        form::push(&mut query, "limit", &draft.page().size.to_string());
        if let Some(page) = &draft.page().after {
            form::push(&mut query, "page", page);
        }
        let answer = self.read(R::collection().search(), query, caller).await?;
        Ok(read::<L>(&answer, false)?.message)
    }

    /// Lists the line items of a payment link.
    pub async fn link_line_items(
        &self,
        link: &str,
        draft: &Draft,
        caller: &Caller,
    ) -> Result<Listed<pb::ListLineItemsResponse>, Error> {
        let place = pb::PaymentLink::item(link).line_items("/v1/payment_links/{id}/line_items");
        self.page(place, String::new(), draft, draft.page().size, caller).await
    }

    /// Gets a payment with all of its line items.
    pub async fn payment_in_full(
        &self,
        payment: &str,
        caller: &Caller,
    ) -> Result<pb::Payment, Error> {
        let mut query = String::new();
        form::push(&mut query, "expand[0]", "line_items");
        let answer = self.read(pb::Payment::item(payment), query, caller).await?;
        let mut payment = read::<pb::Payment>(&answer, false)?.message;
        // An expanded list ends after its first page.
        if payment.line_items.len() >= EXPANDED_ITEMS_MAX {
            payment.line_items = self.payment_line_items(&payment.id, caller).await?;
        }
        Ok(payment)
    }

    /// Gives all line items of a link that was read.
    pub async fn all_line_items(
        &self,
        link: &pb::PaymentLink,
        caller: &Caller,
    ) -> Result<Vec<pb::LineItem>, Error> {
        if !may_sell_more(link) {
            return Ok(link.line_items.clone());
        }
        let place = pb::PaymentLink::item(&link.id).line_items("/v1/payment_links/{id}/line_items");
        self.line_items(place, caller).await
    }

    /// Lists all line items of a payment.
    async fn payment_line_items(
        &self,
        payment: &str,
        caller: &Caller,
    ) -> Result<Vec<pb::LineItem>, Error> {
        let place = pb::Payment::item(payment).line_items("/v1/checkout/sessions/{id}/line_items");
        self.line_items(place, caller).await
    }

    async fn line_items(&self, place: Place, caller: &Caller) -> Result<Vec<pb::LineItem>, Error> {
        let mut items: Vec<pb::LineItem> = Vec::new();
        loop {
            let mut query = format!("limit={PAGE_ITEMS_MAX}");
            if let Some(last) = items.last() {
                form::push(&mut query, "starting_after", &last.id);
            }
            let answer = self.read(place.clone(), query, caller).await?;
            let page = read::<pb::ListLineItemsResponse>(&answer, false)?;
            let empty = page.message.line_items.is_empty();
            items.extend(page.message.line_items);
            if empty || !page.has_more {
                return Ok(items);
            }
        }
    }

    /// Takes notice of an account's event: what it says has changed is read again.
    pub fn hear(&self, account: &str, event: &Event) {
        let object = event.kind.rsplit_once('.').map(|(object, _)| object);
        let resources = plan::all().iter().filter_map(|message| message.resource.as_ref());
        let resource = resources.into_iter().find(|resource| object == Some(&*resource.object));
        if let (Some(resource), Some(id)) = (resource, event.object_id())
            && let Some(account) = self.accounts.get(account)
        {
            account.reads.forget(&Place::one(resource, &id).path);
        }
    }

    async fn page<L: Message + Name + Default>(
        &self,
        place: Place,
        mut query: String,
        draft: &Draft,
        size: u32,
        caller: &Caller,
    ) -> Result<Listed<L>, Error> {
        form::push(&mut query, "limit", &size.to_string());
        if let Some(after) = &draft.page().after {
            form::push(&mut query, "starting_after", after);
        }
        let answer = self.read(place, query, caller).await?;
        let page = read::<L>(&answer, false)?;
        Ok(Listed { list: page.message, has_more: page.has_more })
    }

    async fn read(&self, place: Place, query: String, caller: &Caller) -> Result<Answer, Error> {
        let call = read_call(place, query, caller);
        if call.time_left().is_zero() {
            return Err(Error::Deadline);
        }
        let account = self.at(caller.account())?;
        account.reads.answer(call, caller.wants_fresh(), &account.stack).await
    }

    async fn send(&self, account: &str, call: Call) -> Result<Answer, Error> {
        if call.time_left().is_zero() {
            return Err(Error::Deadline);
        }
        self.at(account)?.stack.carry(&call).await
    }
}

/// A message of the contract that is a resource of Stripe's.
pub trait Resourceful: Message + Name + Default {
    /// Gives what the proto says of the resource.
    #[must_use]
    fn resource() -> &'static Resource {
        #[expect(clippy::expect_used, reason = "implemented only for messages with the option")]
        plan::of::<Self>().resource.as_ref().expect("the message is a resource")
    }

    /// Reads an answer that is one of them.
    fn of(answer: &Answer) -> Result<Self, Error> {
        Ok(read::<Self>(answer, false)?.message)
    }

    /// The path of all of them.
    #[must_use]
    fn collection() -> Place {
        Place { path: Self::resource().collection.clone(), route: &Self::resource().collection }
    }

    /// The path of one of them.
    #[must_use]
    fn item(id: &str) -> Place {
        Place::one(Self::resource(), id)
    }
}

impl Resourceful for pb::Product {}
impl Resourceful for pb::Price {}
impl Resourceful for pb::PaymentLink {}
impl Resourceful for pb::Payment {}
impl Resourceful for pb::Coupon {}
impl Resourceful for pb::PromotionCode {}
impl Resourceful for pb::ShippingRate {}
impl Resourceful for pb::Refund {}

/// Whether a link that was read may have more line items than it shows.
#[must_use]
pub fn may_sell_more(link: &pb::PaymentLink) -> bool {
    link.line_items.len() >= EXPANDED_ITEMS_MAX
}

fn read_call(place: Place, query: String, caller: &Caller) -> Call {
    Call {
        method: Method::GET,
        place,
        form: query.into(),
        idempotency_key: None,
        deadline: caller.deadline,
    }
}

fn expand(form: &mut String, resource: &Resource, of: &str) {
    for (index, property) in resource.expand.iter().enumerate() {
        form::push(form, &format!("expand[{index}]"), &format!("{of}{property}"));
    }
}

fn read<M: Message + Name + Default>(answer: &Answer, write: bool) -> Result<json::Read<M>, Error> {
    let read = json::read::<M>(&answer.body)
        .map_err(|_| Error::Unreadable { write, request_id: answer.request_id.clone() })?;
    if read.unknown > 0 {
        UNKNOWN_VALUES.add(read.unknown.into(), &[KeyValue::new("message", M::NAME)]);
        let request_id = answer.request_id.as_deref().unwrap_or_default();
        tracing::debug!(
            stripe.request_id = request_id,
            unknown = read.unknown,
            "Stripe's answer has values that this version does not know"
        );
    }
    Ok(read)
}

#[cfg(test)]
mod tests;
