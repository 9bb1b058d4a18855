//! What changes leave behind at Stripe, by which they are found again when their
//! answers were lost: events name the idempotency key of the request that caused
//! them, and links the operation that made them.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use tokio::time::Instant;

use super::call::{Answer, Call, Place};
use super::error::Error;
use super::wire::form;
use super::write::OPERATION_METADATA;
use super::{Client, PAGE_ITEMS_MAX, Resourceful, expand};
use crate::pb;
use crate::pb::plan;

/// What Stripe calls it that a link was made.
const LINK_CREATED: &str = "payment_link.created";
/// How many pages one search reads at most.
const PAGES_MAX: u32 = 200;

/// What a search of the events found.
#[derive(Debug)]
pub struct Scan {
    /// What was found, newest first.
    pub found: Vec<Made>,
    /// Whether all was read that there is. What is missing from a search that was
    /// not whole may be there.
    pub is_whole: bool,
}

/// That a request under a key made or changed a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The idempotency key of the request.
    pub key: String,
    /// What Stripe calls that, such as `payment_link.created`: one request can make
    /// several resources.
    pub kind: String,
    /// The id of the resource.
    pub resource: String,
}

/// A link that says which operation made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The id of the link.
    pub id: String,
    /// The name of the operation.
    pub operation: String,
    /// Whether buyers can open the link.
    pub active: bool,
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
    #[serde(default)]
    request: Option<Request>,
}

#[derive(Deserialize)]
struct Data {
    object: Named,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    id: String,
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
struct Link {
    id: String,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    metadata: std::collections::BTreeMap<String, String>,
}

// === impl Made ===

impl Made {
    /// Reads what an event says of the request that caused it.
    #[must_use]
    pub fn of_event(body: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Event>(body).ok().and_then(Event::made)
    }
}

impl From<Marked> for Made {
    fn from(link: Marked) -> Self {
        Self { key: link.operation, kind: LINK_CREATED.into(), resource: link.id }
    }
}

// === impl Event ===

impl Event {
    fn made(self) -> Option<Made> {
        let key = self.request?.idempotency_key?;
        Some(Made { key, kind: self.kind, resource: self.data.object.id })
    }
}

// === impl Answer ===

impl Answer {
    /// Whether the answer is a resource of that id, whole.
    fn names(&self, id: &str) -> bool {
        serde_json::from_slice::<Named>(&self.body).is_ok_and(|named| named.id == id)
    }
}

// === impl Client ===

impl Client {
    /// Reads the events of an account about changes of those kinds since a time, in
    /// unix seconds. Each of their pages may take `time`.
    pub async fn made_since(
        &self,
        account: &str,
        kinds: &[String],
        since: i64,
        time: Duration,
    ) -> Result<Scan, Error> {
        let mut query = String::new();
        for (index, kind) in kinds.iter().enumerate() {
            form::push(&mut query, &format!("types[{index}]"), kind);
        }
        form::push(&mut query, "created[gte]", &since.to_string());
        let place = Place { path: "/v1/events".into(), route: "/v1/events" };
        let mut scan = Scan { found: Vec::new(), is_whole: false };
        let mut after = String::new();
        for _ in 0..PAGES_MAX {
            let page: Page<Event> = self.page_after(account, &place, &query, &after, time).await?;
            after = page.data.last().map(|event| event.id.clone()).unwrap_or_default();
            scan.found.extend(page.data.into_iter().filter_map(Event::made));
            if !page.has_more || after.is_empty() {
                scan.is_whole = true;
                break;
            }
        }
        Ok(scan)
    }

    /// Reads the links of an account that say which operation made them, newest first: all,
    /// or those of the last 20,000. More are not made while an operation is in
    /// doubt, and Stripe does not tell how old a link is. Each page may take `time`.
    pub async fn marked_links(&self, account: &str, time: Duration) -> Result<Vec<Marked>, Error> {
        let place = pb::PaymentLink::collection();
        let (mut found, mut after) = (Vec::new(), String::new());
        for _ in 0..PAGES_MAX {
            let page: Page<Link> = self.page_after(account, &place, "", &after, time).await?;
            after = page.data.last().map(|link| link.id.clone()).unwrap_or_default();
            found.extend(page.data.into_iter().filter_map(|mut link| {
                let operation = link.metadata.remove(OPERATION_METADATA)?;
                Some(Marked { id: link.id, operation, active: link.active })
            }));
            if !page.has_more || after.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// Gets the resource of an id at an account, as an answer to a change of it or of its
    /// like at that path.
    pub async fn answer_of(
        &self,
        account: &str,
        path: &str,
        id: &str,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let mut query = String::new();
        let mut item = path.to_owned();
        if let Some(resource) = plan::resource_at(path) {
            expand(&mut query, resource, "");
            item = format!("{}/{id}", resource.collection);
        }
        let call = Call {
            method: Method::GET,
            place: Place::stored(item),
            form: query.into(),
            idempotency_key: None,
            deadline,
        };
        let answer = self.send(account, call).await?;
        // It is kept for everyone who asks, so it is no good unless it can be read.
        if !answer.names(id) {
            return Err(Error::Unreadable { write: false, request_id: answer.request_id });
        }
        Ok(Answer { resource: id.to_owned(), ..answer })
    }

    async fn page_after<T: for<'de> Deserialize<'de>>(
        &self,
        account: &str,
        place: &Place,
        query: &str,
        after: &str,
        time: Duration,
    ) -> Result<Page<T>, Error> {
        let mut query = query.to_owned();
        form::push(&mut query, "limit", &PAGE_ITEMS_MAX.to_string());
        if !after.is_empty() {
            form::push(&mut query, "starting_after", after);
        }
        let call = Call {
            method: Method::GET,
            place: place.clone(),
            form: Bytes::from(query),
            idempotency_key: None,
            deadline: Instant::now() + time,
        };
        let answer = self.send(account, call).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|_| Error::Unreadable { write: false, request_id: answer.request_id.clone() })
    }
}
