//! One request to Stripe, and Stripe's answer, before either is understood.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::time::Instant;

use crate::pb::plan::{self, Resource};

/// The longest wait for a turn.
const TURN_WAIT_MAX: Duration = Duration::from_secs(1);

/// A request to Stripe. Each attempt sends the same bytes under the same key.
#[derive(Debug, Clone)]
pub struct Call {
    /// GET, POST or DELETE.
    pub method: Method,
    /// The path below the base URL.
    pub place: Place,
    /// The form of a POST, the query of another method.
    pub form: Bytes,
    /// Stripe gives requests under one key one result:
    /// <https://docs.stripe.com/api/idempotent_requests>.
    pub idempotency_key: Option<String>,
    /// When the answer is of no more use.
    pub deadline: Instant,
}

/// A path at Stripe.
#[derive(Debug, Clone)]
pub struct Place {
    /// The path, such as `/v1/products/prod_1`.
    pub path: String,
    /// The path with ids left out, for signals of bounded variety.
    pub route: &'static str,
}

/// Stripe's answer of status 2xx.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The JSON.
    pub body: Bytes,
    /// Stripe's id of the request, `req_…`.
    pub request_id: Option<String>,
    /// The id of what a change has made or changed. Empty in the answer to a read.
    pub resource: String,
    /// Whether it is the result of an earlier request under the same key, and tells of
    /// how things were then.
    pub replayed: bool,
}

// === impl Place ===

impl Place {
    /// Where one of a kind is.
    #[must_use]
    pub fn one(resource: &'static Resource, id: &str) -> Self {
        Self::below(&resource.collection, id, &resource.item)
    }

    /// Where something is by its id, in the collection of its kind.
    pub(super) fn below(collection: &str, id: &str, route: &'static str) -> Self {
        // A path tells a plus sign from a space, unlike a form.
        let mut segment: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
        segment = segment.replace('+', "%20");
        // A URL takes these for steps through its path, even with one `%2E`
        // for each dot. Encoded twice they are what they must be: ids of nothing.
        if matches!(id, "." | "..") {
            segment = segment.replace('.', "%252E");
        }
        Self { path: format!("{collection}/{segment}"), route }
    }

    /// A path that was stored. Its route is that of its resource.
    #[must_use]
    pub fn stored(path: String) -> Self {
        let route = plan::resource_at(&path).map_or("", |resource| {
            if path == resource.collection { &resource.collection } else { &resource.item }
        });
        Self { path, route }
    }

    /// Whether this is the place of all resources of a kind.
    #[must_use]
    pub fn is_collection(&self) -> bool {
        self.path == self.route
    }

    /// The search among what stands here.
    #[must_use]
    pub fn search(mut self) -> Self {
        self.path.push_str("/search");
        self
    }

    /// The line items of what stands here.
    #[must_use]
    pub fn line_items(mut self, route: &'static str) -> Self {
        self.path.push_str("/line_items");
        Self { route, ..self }
    }
}

// === impl Call ===

impl Call {
    /// How long the answer is still of use.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// How long the call may wait for its turn. Who waits longer than this for
    /// little time with Stripe gets neither an answer nor an early refusal.
    #[must_use]
    pub fn patience(&self) -> Duration {
        (self.time_left() / 4).min(TURN_WAIT_MAX)
    }

    /// Whether the call is to change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }
}
