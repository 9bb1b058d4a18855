//! What Stripe lists of what happened, for those who compare.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::call::{Call, Place};
use super::webhook::Event;
use super::wire::{form, json};
use super::{Client, Error, PAGE_ITEMS_MAX, Resourceful as _, expand};
use crate::caller::Caller;
use crate::pb;

/// A page of what Stripe lists, the newest first.
#[derive(Debug)]
pub struct PageOf<T> {
    /// What could be read of the page.
    pub items: Vec<T>,
    /// The id from which the next page goes on; `None` on the last page.
    pub next: Option<String>,
}

/// A list, as it stands in an answer.
#[derive(Deserialize)]
struct List {
    data: Vec<Box<RawValue>>,
    #[serde(default)]
    has_more: bool,
}

/// What every listed object has.
#[derive(Deserialize)]
struct Named {
    id: String,
}

// === impl Client ===

impl Client {
    /// Lists events of these kinds, of which Stripe takes twenty at most, with
    /// their bodies as a webhook would have brought them.
    pub async fn events(
        &self,
        kinds: &[&str],
        since_secs: i64,
        after: Option<&str>,
        caller: &Caller,
    ) -> Result<PageOf<(Event, Bytes)>, Error> {
        let mut query = since(since_secs, after);
        for (index, kind) in kinds.iter().enumerate() {
            form::push(&mut query, &format!("types[{index}]"), kind);
        }
        let place = Place { path: "/v1/events".into(), route: "/v1/events" };
        self.listed(place, query, caller, |raw| {
            let body = Bytes::copy_from_slice(raw.as_bytes());
            Event::parse(&body).ok().map(|event| (event, body))
        })
        .await
    }

    /// Lists the Checkout Sessions that were opened since then.
    pub async fn sessions(
        &self,
        since_secs: i64,
        after: Option<&str>,
        caller: &Caller,
    ) -> Result<PageOf<pb::Payment>, Error> {
        let route = "/v1/checkout/sessions";
        let place = Place { path: route.into(), route };
        self.listed(place, since(since_secs, after), caller, |raw| {
            json::read::<pb::Payment>(raw.as_bytes()).ok().map(|read| read.message)
        })
        .await
    }

    /// Lists the newest refunds of a charge, a hundred at most.
    pub async fn refunds(&self, charge: &str, caller: &Caller) -> Result<Vec<pb::Refund>, Error> {
        let route = "/v1/refunds";
        let place = Place { path: route.into(), route };
        let mut query = format!("limit={PAGE_ITEMS_MAX}");
        form::push(&mut query, "charge", charge);
        let page = self.listed(place, query, caller, |raw| {
            json::read::<pb::Refund>(raw.as_bytes()).ok().map(|read| read.message)
        });
        Ok(page.await?.items)
    }

    /// Lists the Checkout Sessions of a link: all, or those that are open.
    pub async fn sessions_of(
        &self,
        link: &str,
        is_open: bool,
        after: Option<&str>,
        caller: &Caller,
    ) -> Result<PageOf<pb::Payment>, Error> {
        let mut query = format!("limit={PAGE_ITEMS_MAX}");
        form::push(&mut query, "payment_link", link);
        if is_open {
            form::push(&mut query, "status", "open");
        }
        if let Some(after) = after {
            form::push(&mut query, "starting_after", after);
        }
        let route = "/v1/checkout/sessions";
        let place = Place { path: route.into(), route };
        self.listed(place, query, &caller.clone().wanting_fresh(), |raw| {
            json::read::<pb::Payment>(raw.as_bytes()).ok().map(|read| read.message)
        })
        .await
    }

    /// Lists payment links with what they sell.
    pub async fn payment_links(
        &self,
        after: Option<&str>,
        caller: &Caller,
    ) -> Result<PageOf<pb::PaymentLink>, Error> {
        let mut query = format!("limit={PAGE_ITEMS_MAX}");
        expand(&mut query, pb::PaymentLink::resource(), "data.");
        if let Some(after) = after {
            form::push(&mut query, "starting_after", after);
        }
        let place = pb::PaymentLink::collection();
        self.listed(place, query, &caller.clone().wanting_fresh(), |raw| {
            json::read::<pb::PaymentLink>(raw.as_bytes()).ok().map(|read| read.message)
        })
        .await
    }

    /// Expires a Checkout Session, so that nobody can pay it any more. One that is
    /// not open needs no expiring, and cannot be: that is no error.
    pub async fn expire_session(
        &self,
        session: &str,
        key: String,
        caller: &Caller,
    ) -> Result<(), Error> {
        let item = pb::Payment::item(session);
        let route = "/v1/checkout/sessions/{id}/expire";
        let expired = self.send(Call {
            method: Method::POST,
            place: Place { path: format!("{}/expire", item.path), route },
            form: Bytes::new(),
            idempotency_key: Some(key),
            deadline: caller.deadline,
        });
        match expired.await {
            Err(error) if error.verdict().is_some() => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    pub(super) async fn listed<T>(
        &self,
        place: Place,
        query: String,
        caller: &Caller,
        item: impl Fn(&str) -> Option<T>,
    ) -> Result<PageOf<T>, Error> {
        let answer = self.read(place, query, caller).await?;
        let unreadable =
            |_| Error::Unreadable { write: false, request_id: answer.request_id.clone() };
        let page: List = serde_json::from_slice(&answer.body).map_err(unreadable)?;
        let end = page.data.last().filter(|_| page.has_more);
        let end = end.map(|end| serde_json::from_str::<Named>(end.get())).transpose();
        let next = end.map_err(unreadable)?.map(|end| end.id);
        let items = page.data.iter().filter_map(|raw| item(raw.get())).collect();
        Ok(PageOf { items, next })
    }
}

fn since(since_secs: i64, after: Option<&str>) -> String {
    let mut query = format!("limit={PAGE_ITEMS_MAX}");
    form::push(&mut query, "created[gte]", &since_secs.to_string());
    if let Some(after) = after {
        form::push(&mut query, "starting_after", after);
    }
    query
}
