//! Objects to begin with: written as JSON, made by the API itself.
//!
//! ```json
//! {
//!   "products": [{ "id": "prod_mug", "name": "Mug" }],
//!   "prices": [
//!     { "id": "price_mug", "product": "prod_mug", "currency": "usd", "unit_amount": 1500 }
//!   ],
//!   "payment_links": [
//!     { "id": "plink_mug", "line_items": [{ "price": "price_mug", "quantity": 1 }] }
//!   ]
//! }
//! ```
//!
//! Each object holds the parameters with which it is created, in their own types. An `id` may be
//! chosen for every kind, so that tests can name what they need; one that is taken is refused.

use std::path::Path;

use serde_json::{Map, Value};

use super::api::{self, Call, Origin};
use super::form;
use super::refusal::Refusal;
use super::store::State;
use super::{Error, Shared, identifier, params};

/// The kinds of objects in the order in which they are made: what others refer to comes first.
const KINDS: &[&str] = &[
    "products",
    "prices",
    "coupons",
    "promotion_codes",
    "shipping_rates",
    "customers",
    "payment_links",
    "webhook_endpoints",
];

/// Why an object was not made. Then none was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub(super) struct NotMade {
    place: String,
    what: String,
}

/// Makes the objects of a file.
pub(super) fn load(shared: &Shared, path: &Path) -> Result<(), Error> {
    let failed = |what: String| Error::Data { path: path.to_owned(), what };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    make(shared, &text).map(drop).map_err(|error| failed(error.to_string()))
}

/// Makes objects one after the other, all of them or none; the answer is each as the API shows it.
pub(super) fn make(shared: &Shared, text: &str) -> Result<Vec<Value>, NotMade> {
    let wanted: Map<String, Value> = serde_json::from_str(text)
        .map_err(|error| NotMade { place: "the text".into(), what: error.to_string() })?;
    if let Some(kind) = wanted.keys().find(|kind| !KINDS.contains(&kind.as_str())) {
        let what = format!("no such kind of objects; there are {}", KINDS.join(", "));
        return Err(NotMade { place: kind.clone(), what });
    }
    let listed = KINDS.iter().filter_map(|kind| Some((*kind, wanted.get(*kind)?.as_array()?)));
    let all = listed.flat_map(|(kind, objects)| {
        objects.iter().enumerate().map(move |(at, object)| (kind, at, object))
    });
    shared.with(|state| {
        // What is made before a mistake must not stay, so it is made in a copy.
        let mut staged = state.clone();
        let made = identifier::attempt(|| {
            all.map(|(kind, at, object)| {
                create(shared, &mut staged, kind, object)
                    .map_err(|what| NotMade { place: format!("{kind}[{at}]"), what })
            })
            .collect::<Result<_, _>>()
        })?;
        *state = staged;
        Ok(made)
    })
}

fn create(shared: &Shared, state: &mut State, kind: &str, object: &Value) -> Result<Value, String> {
    let (endpoint, _) =
        api::find("POST", &format!("/v1/{kind}")).ok_or("the API does not make these")?;
    let known = shared.tables.endpoint(&endpoint.name()).ok_or("the API does not make these")?;
    let mut object = object.clone();
    // Where the API takes no identifier, the next one that it gives is the chosen one.
    let chosen = match &mut object {
        Value::Object(members) if !["products", "coupons"].contains(&kind) => members.remove("id"),
        _ => None,
    };
    let told = |refusal: Refusal| refusal.message;
    let node = form::decode(&[form_of(&object).as_bytes()]).map_err(told)?;
    let params = params::check(known, &node).map_err(told)?;
    let call = Call { id: String::new(), params, origin: Origin::default() };
    if let Some(id) = chosen.as_ref().and_then(Value::as_str) {
        if is_taken(state, kind, id) {
            return Err(format!("the id {id} already exists"));
        }
        identifier::want(id);
    }
    let made = (endpoint.run)(state, &call).map_err(told);
    if identifier::want_no_more() && made.is_ok() {
        return Err("the id does not begin as those of its kind do".to_owned());
    }
    made
}

/// Whether the API has an object of that kind and identifier.
fn is_taken(state: &mut State, kind: &str, id: &str) -> bool {
    api::find("GET", &format!("/v1/{kind}/{id}")).is_some_and(|(endpoint, id)| {
        let (id, params, origin) = (id.to_owned(), Map::new(), Origin::default());
        (endpoint.run)(state, &Call { id, params, origin }).is_ok()
    })
}

/// Parameters in the form in which a client sends them.
fn form_of(object: &Value) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    for (name, value) in object.as_object().into_iter().flatten() {
        append(&mut pairs, name, value);
    }
    pairs.finish()
}

fn append(pairs: &mut form_urlencoded::Serializer<'_, String>, name: &str, value: &Value) {
    match value {
        Value::Object(members) => {
            for (inner, value) in members {
                append(pairs, &format!("{name}[{inner}]"), value);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                append(pairs, &format!("{name}[{at}]"), value);
            }
        }
        Value::String(text) => _ = pairs.append_pair(name, text),
        Value::Null => _ = pairs.append_pair(name, ""),
        Value::Bool(_) | Value::Number(_) => _ = pairs.append_pair(name, &value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Config, snapshot};
    use super::*;

    #[test]
    fn a_mistake_leaves_the_state_as_it_was() {
        let address = ([127, 0, 0, 1], 12111).into();
        let shared = Config { seed: Some(7), ..Config::default() }.share(address).unwrap();
        let untouched = shared.read(snapshot::save).unwrap();
        let half = r#"{ "products": [{ "name": "a" }], "prices": [{ "product": "none" }] }"#;
        let mistake = make(&shared, half).unwrap_err();
        assert_eq!(mistake.to_string(), "prices[0]: Missing required param: currency.");
        assert_eq!(shared.read(snapshot::save).unwrap(), untouched);
    }

    #[test]
    fn parameters_are_written_as_clients_write_them() {
        let object = json!({ "a": { "b": [true, 1] }, "c": null, "d": "x y" });
        assert_eq!(form_of(&object), "a%5Bb%5D%5B0%5D=true&a%5Bb%5D%5B1%5D=1&c=&d=x+y");
    }
}
