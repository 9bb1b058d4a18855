//! Payment links: a page at an address, where anyone can buy what the link offers.

mod lines;
mod rules;
mod shape;
mod shipping;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::{Call, Origin};
use super::line_items::{self, Line};
use super::object::Members;
use super::refusal::Refusal;
use super::store::{Held, State};
use super::{events, identifier, list as lists, object};

/// A link, with what its object does not show.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Link {
    /// The object of the API, without its line items.
    pub(super) object: Value,
    /// What it offers.
    pub(super) lines: Vec<Line>,
}

/// `POST /v1/payment_links`.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let offer = lines::read(state, &call.params)?;
    lines::check_optional(state, &call.params, &offer.currency)?;
    rules::check(&call.params, &offer)?;
    let shipping = shipping::options(state, &call.params, &offer.currency)?;
    let lines: Vec<Line> = offer.drafts.iter().map(|draft| draft.line.clone()).collect();
    let token = identifier::fresh("test_", 18);
    let mut link = shape::defaults();
    object::set(&mut link, "id", identifier::fresh("plink_1", 23));
    object::set(&mut link, "currency", offer.currency.clone());
    object::set(&mut link, "url", format!("{}/b/{token}", state.public_url));
    object::set(&mut link, "metadata", object::metadata(call.params.get("metadata")));
    if offer.recurring() {
        object::set(&mut link, "invoice_creation", Value::Null);
    }
    shape::assign(&mut link, &call.params);
    object::set(&mut link, "shipping_options", shipping);
    offer.keep(state, &call.origin);
    let id = link.at("id").as_str().unwrap_or_default().to_owned();
    state.links.insert(&id, Link { object: link.clone(), lines });
    events::emit(state, "payment_link.created", &link, &call.origin);
    Ok(link)
}

/// `GET /v1/payment_links/{payment_link}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.links.named(&call.id).map(|link| link.object.clone())
}

/// `POST /v1/payment_links/{payment_link}`.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let link = state.links.named(&call.id)?;
    let before = link.object.clone();
    let lines = lines::adjusted(&link.lines, &call.params)?;
    let mut after = before.clone();
    shape::assign(&mut after, &call.params);
    object::assign(&mut after, &call.params, &["active"]);
    let merged = object::merge_metadata(before.at("metadata"), call.params.get("metadata"));
    object::set(&mut after, "metadata", merged);
    rules::check_update(state, &call.params, &lines, &after)?;
    let currency = after.at("currency").as_str().unwrap_or_default();
    lines::check_optional(state, &call.params, currency)?;
    let link = state.links.named_mut(&call.id)?;
    *link = Link { object: after.clone(), lines };
    events::emit_updated(state, "payment_link.updated", &before, &after, &call.origin);
    Ok(after)
}

/// `GET /v1/payment_links`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    lists::page(&state.links, call, "/v1/payment_links", |link| {
        lists::matches(&call.params, "active", &link.object)
    })
}

/// `GET /v1/payment_links/{payment_link}/line_items`.
pub(super) fn line_items(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let link = state.links.named(&call.id)?;
    let items = link.items(state);
    let url = format!("/v1/payment_links/{}/line_items", call.id);
    lists::page_in_order(items, "line item", &call.params, &url)
}

/// The link whose address ends in that token.
pub(super) fn at<'a>(state: &'a State, token: &str) -> Option<&'a Link> {
    let ends = |link: &&Link| {
        let url = link.object.at("url").as_str().unwrap_or_default();
        url.rsplit_once('/').is_some_and(|(_, last)| last == token)
    };
    state.links.newest().find(ends)
}

/// Counts a completed session, and deactivates a link that has reached its limit.
pub(super) fn count_completed(state: &mut State, id: &str) {
    let Some(link) = state.links.get_mut(id) else {
        return;
    };
    let before = link.object.clone();
    let Some(completed) = link.object.pointer_mut("/restrictions/completed_sessions") else {
        return;
    };
    let count = completed.at("count").as_i64().unwrap_or_default() + 1;
    let reached = completed.at("limit").as_i64().is_some_and(|limit| count >= limit);
    object::set(completed, "count", count);
    if !reached {
        return;
    }
    object::set(&mut link.object, "active", false);
    let after = link.object.clone();
    events::emit_updated(state, "payment_link.updated", &before, &after, &Origin::default());
}

// === impl Link ===

impl Held for Link {
    fn object(&self) -> Cow<'_, Value> {
        Cow::Borrowed(&self.object)
    }
}

impl Link {
    /// What it offers, as `item` objects.
    pub(super) fn items(&self, state: &State) -> Vec<Value> {
        self.lines.iter().map(|line| line.item(state, None)).collect()
    }

    /// Whether all is still kept by which its sessions are priced.
    pub(super) fn is_priced(&self, state: &State) -> bool {
        let optional = self.object.at("optional_items").as_array().into_iter().flatten();
        let optional = optional.filter_map(|item| item.at("price").as_str());
        let prices = self.lines.iter().map(|line| line.price.as_str()).chain(optional);
        line_items::are_priced(state, prices, self.object.at("shipping_options"))
    }

    /// Whether its sessions subscribe rather than pay once.
    pub(super) fn recurring(&self, state: &State) -> bool {
        self.lines.iter().any(|line| {
            state.prices.get(&line.price).is_some_and(|price| price.at("type") == "recurring")
        })
    }
}
