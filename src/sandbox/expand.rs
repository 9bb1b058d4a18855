//! Expansion: the members of an answer that are shown in full only on request.
//!
//! Objects are kept whole. On the way out, references are replaced by what they name where a
//! request asks for it, and members that are shown on request only are taken out where it does not.
//! The graph says which members these are. A path is checked against it before a request is carried
//! out, so that a wrong one changes nothing.

mod graph;

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{balance, list};
use graph::Way;

/// How deep Stripe expands.
const DEPTH_MAX: usize = 4;

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
            let element = graph::element(answer);
            if element.is_some_and(|element| leads_somewhere(element, &segments)) {
                let hint = format!(" You may want to try expanding 'data.{path}' instead.");
                message.push_str(&hint);
            }
            return Err(Refusal::invalid(message).param("expand"));
        }
    }
    Ok(())
}

/// Shows an answer as the request asks for it.
pub(super) fn apply(
    state: &State,
    noun: &'static str,
    answer: &mut Value,
    params: &Map<String, Value>,
) {
    let asked: Vec<Vec<&str>> = paths(params).map(|path| path.split('.').collect()).collect();
    for path in &asked {
        follow(state, noun, answer, path);
    }
    let asked: Vec<&[&str]> = asked.iter().map(Vec::as_slice).collect();
    hide(noun, answer, &asked);
}

/// An object as the API shows it when nothing is asked for.
pub(super) fn shown(object: &Value) -> Cow<'_, Value> {
    match object.at("object").as_str().and_then(graph::noun) {
        Some(noun) if hides(noun, object) => {
            let mut shown = object.clone();
            hide(noun, &mut shown, &[]);
            Cow::Owned(shown)
        }
        _ => Cow::Borrowed(object),
    }
}

/// Whether anything is taken out where nothing is asked for. Most objects are shown as they are
/// kept, and need no copy.
fn hides(noun: &'static str, value: &Value) -> bool {
    if let Value::Array(elements) = value {
        return elements.iter().any(|element| hides(noun, element));
    }
    let Value::Object(members) = value else {
        return false;
    };
    let of_data = |element| members.get("data").is_some_and(|data| hides(element, data));
    graph::element(noun).is_some_and(of_data)
        || graph::from(noun).any(|edge| match (members.get(edge.member), edge.way) {
            (None, _) => false,
            (Some(_), Way::Included | Way::Hidden) => true,
            (Some(inner), Way::Reference | Way::Inline) => hides(edge.target, inner),
        })
}

fn paths(params: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let list = params.get("expand").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

fn leads_somewhere(answer: &'static str, segments: &[&str]) -> bool {
    let (mut at, mut last) = (answer, Way::Inline);
    for segment in segments {
        if let Some(element) = graph::element(at)
            && *segment == "data"
        {
            (at, last) = (element, Way::Inline);
        } else if let Some(edge) = graph::find(at, segment) {
            (at, last) = (edge.target, edge.way);
        } else {
            return false;
        }
    }
    matches!(last, Way::Reference | Way::Included)
}

/// Puts what a path asks for in its place.
fn follow(state: &State, noun: &'static str, value: &mut Value, path: &[&str]) {
    let Some((segment, rest)) = path.split_first() else {
        return;
    };
    if let Value::Array(elements) = value {
        for element in elements {
            follow(state, noun, element, path);
        }
        return;
    }
    let target = match graph::find(noun, segment) {
        Some(edge) => {
            let found = match edge.way {
                Way::Reference => {
                    value.at(segment).as_str().and_then(|id| look_up(state, edge.target, id))
                }
                Way::Included if value.get(segment).is_none() => included(state, noun, value),
                _ => None,
            };
            if let (Some(found), Value::Object(members)) = (found, &mut *value) {
                members.insert((*segment).to_owned(), found);
            }
            edge.target
        }
        None => match graph::element(noun) {
            Some(element) => element,
            None => return,
        },
    };
    if let Some(inner) = value.get_mut(segment) {
        follow(state, target, inner, rest);
    }
}

/// Takes out what is shown on request only, where no path asks for it.
fn hide(noun: &'static str, value: &mut Value, asked: &[&[&str]]) {
    if let Value::Array(elements) = value {
        for element in elements {
            hide(noun, element, asked);
        }
        return;
    }
    let Value::Object(members) = value else {
        return;
    };
    if let (Some(element), Some(data)) = (graph::element(noun), members.get_mut("data")) {
        hide(element, data, &beyond(asked, "data"));
    }
    for edge in graph::from(noun) {
        let further = beyond(asked, edge.member);
        let on_request = edge.way == Way::Included && further.is_empty();
        if on_request || edge.way == Way::Hidden {
            members.remove(edge.member);
        } else if let Some(inner) = members.get_mut(edge.member) {
            hide(edge.target, inner, &further);
        }
    }
}

/// What the paths ask for beyond a member.
fn beyond<'a>(asked: &[&'a [&'a str]], member: &str) -> Vec<&'a [&'a str]> {
    let rest = |path: &&'a [&'a str]| {
        path.split_first().filter(|(first, _)| **first == member).map(|(_, rest)| rest)
    };
    asked.iter().filter_map(rest).collect()
}

fn look_up(state: &State, noun: &str, id: &str) -> Option<Value> {
    match noun {
        "product" => state.products.get(id).cloned(),
        "price" => state.prices.get(id).cloned(),
        "coupon" => state.coupons.get(id).cloned(),
        "promotion_code" => state.promotion_codes.get(id).cloned(),
        "shipping_rate" => state.shipping_rates.get(id).cloned(),
        "payment_link" => state.links.get(id).map(|link| link.object.clone()),
        "payment_intent" => state.intents.get(id).cloned(),
        "charge" => state.charges.get(id).cloned(),
        "customer" => state.customers.get(id).cloned(),
        "subscription" => state.subscriptions.get(id).cloned(),
        "invoice" => state.invoices.get(id).cloned(),
        "balance_transaction" => {
            state.movements.get(id).map(|movement| balance::shown(state, movement))
        }
        "source of money" => {
            let sources = [&state.charges, &state.refunds, &state.disputes];
            sources.into_iter().find_map(|source| source.get(id)).cloned()
        }
        _ => None,
    }
}

/// The first page of what is kept beside its owner and not in it.
fn included(state: &State, noun: &str, owner: &Value) -> Option<Value> {
    let id = owner.at("id").as_str().unwrap_or_default();
    let (items, url) = match noun {
        "payment_link" => {
            (state.links.get(id)?.items(state), format!("/v1/payment_links/{id}/line_items"))
        }
        "checkout.session" => {
            (state.sessions.get(id)?.items(state), format!("/v1/checkout/sessions/{id}/line_items"))
        }
        "invoice" => {
            let of_invoice = |payment: &&Value| payment.at("invoice") == id;
            let payments = state.invoice_payments.newest().filter(of_invoice);
            (payments.cloned().collect(), format!("/v1/invoice_payments?invoice={id}"))
        }
        "charge" => {
            let refunds = state.refunds.newest().filter(|refund| refund.at("charge") == id);
            (refunds.cloned().collect(), format!("/v1/charges/{id}/refunds"))
        }
        _ => return None,
    };
    list::page_in_order(items, "line item", &Map::new(), &url).ok()
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
        check("checkout.session", "shipping_cost.shipping_rate", "");
        check("promotion_code", "promotion.coupon.applies_to", "");
        check("shipping_rate", "fixed_amount.currency_options", "");
        check("search product", "data.default_price", "");
        check("search product", "total_count", "");
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
        check("price", "inline", "This property cannot be expanded (inline).");
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

    #[test]
    fn what_is_shown_on_request_is_shown_nowhere_else() {
        let object = json!({
            "object": "shipping_rate",
            "fixed_amount": { "amount": 5, "currency_options": { "eur": { "amount": 4 } } },
        });
        let expected = json!({ "object": "shipping_rate", "fixed_amount": { "amount": 5 } });
        assert_eq!(*shown(&object), expected);
        let mut whole = object.clone();
        hide("shipping_rate", &mut whole, &[&["fixed_amount", "currency_options"]]);
        assert_eq!(whole, object);
    }
}
