//! Expansion: the members of an answer that are shown in full only on request.
//!
//! The graph below says which members can be expanded. A path is checked against it before a
//! request is carried out, so that a wrong one changes nothing.

use serde_json::{Map, Value};

use super::list;
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;

/// How deep Stripe expands.
const DEPTH_MAX: usize = 4;

/// One way from an object to another.
struct Edge {
    owner: &'static str,
    member: &'static str,
    way: Way,
    target: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// An identifier that becomes the object.
    Reference,
    /// A member that is absent unless asked for.
    Included,
    /// A member that is always shown and only leads further.
    Inline,
}

const GRAPH: &[Edge] = &[
    edge("product", "default_price", Way::Reference, "price"),
    edge("price", "product", Way::Reference, "product"),
    edge("price", "currency_options", Way::Included, "currency_options"),
    edge("price", "tiers", Way::Included, "tiers"),
    edge("item", "price", Way::Inline, "price"),
    edge("item", "discounts", Way::Included, "discounts"),
    edge("item", "taxes", Way::Included, "taxes"),
    edge("payment_link", "line_items", Way::Included, "list item"),
    edge("checkout.session", "line_items", Way::Included, "list item"),
    edge("checkout.session", "payment_link", Way::Reference, "payment_link"),
    edge("checkout.session", "payment_intent", Way::Reference, "payment_intent"),
    edge("checkout.session", "customer", Way::Reference, "customer"),
    edge("checkout.session", "subscription", Way::Reference, "subscription"),
    edge("checkout.session", "invoice", Way::Reference, "invoice"),
    edge("checkout.session", "setup_intent", Way::Reference, "setup_intent"),
    edge("checkout.session", "total_details", Way::Inline, "total_details"),
    edge("total_details", "breakdown", Way::Included, "breakdown"),
    edge("payment_intent", "latest_charge", Way::Reference, "charge"),
    edge("payment_intent", "customer", Way::Reference, "customer"),
    edge("charge", "payment_intent", Way::Reference, "payment_intent"),
    edge("charge", "customer", Way::Reference, "customer"),
];

const fn edge(owner: &'static str, member: &'static str, way: Way, target: &'static str) -> Edge {
    Edge { owner, member, way, target }
}

/// Refuses paths that lead nowhere from what an endpoint answers with.
pub(super) fn validate(answer: &'static str, params: &Map<String, Value>) -> Result<(), Refusal> {
    for path in paths(params) {
        let segments: Vec<&str> = path.split('.').collect();
        if segments.len() > DEPTH_MAX {
            let message =
                format!("You cannot expand more than {DEPTH_MAX} levels of a property ({path}).");
            return Err(Refusal::invalid(message).param("expand"));
        }
        if !leads_somewhere(answer, &segments) {
            let mut message = format!("This property cannot be expanded ({path}).");
            let element = answer.strip_prefix("list ");
            if element.is_some_and(|element| leads_somewhere(element, &segments)) {
                let hint = format!(" You may want to try expanding 'data.{path}' instead.");
                message.push_str(&hint);
            }
            return Err(Refusal::invalid(message).param("expand"));
        }
    }
    Ok(())
}

/// Expands what the request asks for.
pub(super) fn apply(state: &State, answer: &mut Value, params: &Map<String, Value>) {
    for path in paths(params) {
        let segments: Vec<&str> = path.split('.').collect();
        follow(state, answer, &segments);
    }
}

/// An object as the API shows it: without what is shown only when expanded.
pub(super) fn shown(object: &Value) -> Value {
    let mut shown = object.clone();
    if let Value::Object(members) = &mut shown
        && members.get("object").is_some_and(|noun| noun == "price")
    {
        for hidden in ["currency_options", "tiers", "inline"] {
            members.remove(hidden);
        }
    }
    shown
}

fn paths(params: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let list = params.get("expand").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

fn find(owner: &str, member: &str) -> Option<&'static Edge> {
    GRAPH.iter().find(|edge| edge.owner == owner && edge.member == member)
}

fn leads_somewhere(answer: &'static str, segments: &[&str]) -> bool {
    let (mut at, mut last) = (answer, Way::Inline);
    for segment in segments {
        if let Some(element) = at.strip_prefix("list ")
            && *segment == "data"
        {
            (at, last) = (element, Way::Inline);
        } else if let Some(edge) = find(at, segment) {
            (at, last) = (edge.target, edge.way);
        } else {
            return false;
        }
    }
    last != Way::Inline
}

fn follow(state: &State, value: &mut Value, segments: &[&str]) {
    let Some((segment, rest)) = segments.split_first() else {
        return;
    };
    if let Value::Array(elements) = value {
        for element in elements {
            follow(state, element, segments);
        }
        return;
    }
    let noun = value.at("object").as_str().unwrap_or("total_details").to_owned();
    if noun != "list" {
        let Some(edge) = find(&noun, segment) else {
            return;
        };
        let expanded = match edge.way {
            Way::Inline => None,
            Way::Reference => {
                let id = value.at(segment).as_str();
                id.and_then(|id| look_up(state, edge.target, id))
            }
            Way::Included if value.get(segment).is_some() => None,
            Way::Included => included(state, value, segment),
        };
        if let (Some(expanded), Value::Object(members)) = (expanded, &mut *value) {
            members.insert((*segment).to_owned(), expanded);
        }
    }
    if let Some(inner) = value.get_mut(segment) {
        follow(state, inner, rest);
    }
}

fn look_up(state: &State, noun: &str, id: &str) -> Option<Value> {
    match noun {
        "product" => state.products.get(id).map(shown),
        "price" => state.prices.get(id).map(shown),
        "payment_link" => state.links.get(id).map(|link| shown(&link.object)),
        "payment_intent" => state.intents.get(id).map(shown),
        "charge" => state.charges.get(id).map(shown),
        "customer" => state.customers.get(id).map(shown),
        _ => None,
    }
}

fn included(state: &State, owner: &Value, member: &str) -> Option<Value> {
    let id = owner.at("id").as_str().unwrap_or_default();
    match (owner.at("object").as_str(), member) {
        (Some("price"), hidden) => state.prices.get(id)?.get(hidden).cloned(),
        (Some("payment_link"), _) => {
            let link = state.links.get(id)?;
            let items = link.lines.iter().map(|line| line.item(state)).collect();
            let url = format!("/v1/payment_links/{id}/line_items");
            list::page_in_order(items, "line item", &Map::new(), &url).ok()
        }
        (Some("checkout.session"), _) => {
            let session = state.sessions.get(id)?;
            let items = session.lines.iter().map(|line| line.item(state)).collect();
            let url = format!("/v1/checkout/sessions/{id}/line_items");
            list::page_in_order(items, "line item", &Map::new(), &url).ok()
        }
        (Some("item"), _) => Some(Value::Array(Vec::new())),
        (None, "breakdown") => Some(serde_json::json!({ "discounts": [], "taxes": [] })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(answer: &'static str, path: &str, expected: &str) {
        let params = json!({ "expand": [path] });
        let verdict = validate(answer, params.as_object().unwrap());
        assert_eq!(verdict.err().map_or(String::new(), |refusal| refusal.message), expected);
    }

    #[test]
    fn references_and_included_members_expand() {
        check("product", "default_price", "");
        check("payment_link", "line_items", "");
        check("payment_link", "line_items.data.price.product", "");
        check("checkout.session", "payment_intent.latest_charge", "");
        check("checkout.session", "total_details.breakdown", "");
    }

    #[test]
    fn a_list_is_expanded_through_its_data() {
        check("list payment_link", "data.line_items", "");
        check(
            "list payment_link",
            "line_items",
            "This property cannot be expanded (line_items). You may want to try expanding \
             'data.line_items' instead.",
        );
    }

    #[test]
    fn what_is_always_shown_does_not_expand() {
        check("list payment_link", "data", "This property cannot be expanded (data).");
        check("product", "name", "This property cannot be expanded (name).");
    }

    #[test]
    fn expansion_ends_at_four_levels() {
        check(
            "list payment_link",
            "data.line_items.data.price.product",
            "You cannot expand more than 4 levels of a property \
             (data.line_items.data.price.product).",
        );
    }
}
