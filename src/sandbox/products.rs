//! Products: what is sold.

use serde_json::{Map, Value, json};

use super::api::Call;
use super::object::Members;
use super::refusal::Refusal;
use super::search::{self, Kind};
use super::store::State;
use super::{events, identifier, list as lists, object, prices};

/// The most characters in a statement descriptor's alphabet that banks garble.
const DESCRIPTOR_FORBIDDEN: [char; 5] = ['<', '>', '\\', '"', '\''];

/// What can be searched for.
const SEARCHED: search::Fields = &[
    ("active", Kind::Token),
    ("description", Kind::Text),
    ("metadata", Kind::Metadata),
    ("name", Kind::Text),
    ("shippable", Kind::Token),
    ("url", Kind::Text),
];

/// `POST /v1/products`.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    if let Some(id) = call.text("id")
        && state.products.get(id).is_some()
    {
        let refusal = Refusal::invalid("Product already exists.");
        return Err(refusal.code("resource_already_exists").param("id"));
    }
    check_descriptor(&call.params)?;
    let mut product = build(state, &call.params);
    let id = product.at("id").as_str().unwrap_or_default().to_owned();
    let price = match call.params.get("default_price_data").and_then(Value::as_object) {
        Some(sent) => Some(prices::build(state, sent, &id, "default_price_data")?),
        None => None,
    };
    if let Some(price) = &price {
        object::set(&mut product, "default_price", price.at("id").clone());
    }
    state.products.insert(&id, product.clone());
    events::emit(state, "product.created", &product, &call.origin);
    if let Some(price) = price {
        prices::keep(state, price, &call.origin);
    }
    Ok(product)
}

/// `GET /v1/products/{id}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.products.named(&call.id).cloned()
}

/// `POST /v1/products/{id}`.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    check_descriptor(&call.params)?;
    let before = state.products.named(&call.id)?.clone();
    if let Some(id) = call.text("default_price") {
        check_default_price(state, id, &call.id)?;
    }
    let mut after = before.clone();
    assign(&mut after, &call.params);
    let merged = object::merge_metadata(before.at("metadata"), call.params.get("metadata"));
    object::set(&mut after, "metadata", merged);
    object::assign(&mut after, &call.params, &["default_price"]);
    if after != before {
        object::set(&mut after, "updated", state.clock.now());
        *state.products.named_mut(&call.id)? = after.clone();
        events::emit_updated(state, "product.updated", &before, &after, &call.origin);
    }
    Ok(after)
}

/// `DELETE /v1/products/{id}`.
pub(super) fn delete(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let product = state.products.named(&call.id)?.clone();
    let of_product =
        |price: &&Value| price.at("product") == product.at("id") && !prices::inline(price);
    if state.prices.newest().any(|price| of_product(&price)) {
        return Err(Refusal::invalid(
            "This product cannot be deleted because it has one or more user-created prices.",
        ));
    }
    state.products.remove(&call.id);
    events::emit(state, "product.deleted", &product, &call.origin);
    Ok(json!({ "id": call.id, "object": "product", "deleted": true }))
}

/// `GET /v1/products`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let ids = call.params.get("ids").and_then(Value::as_array);
    lists::page(&state.products, call, "/v1/products", |product| {
        ids.is_none_or(|ids| ids.contains(product.at("id")))
            && ["active", "shippable", "url"]
                .iter()
                .all(|name| lists::matches(&call.params, name, product))
            && lists::in_range(call.params.get("created"), product.at("created"))
    })
}

/// `GET /v1/products/search`.
pub(super) fn search(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    search::page(&state.products, call, "/v1/products/search", SEARCHED, |_| true)
}

/// A new product of those parameters, not yet kept.
pub(super) fn build(state: &State, params: &Map<String, Value>) -> Value {
    let now = state.clock.now();
    let id = params.get("id").and_then(Value::as_str);
    let mut product = json!({
        "id": id.map_or_else(|| identifier::fresh("prod_", 14), str::to_owned),
        "object": "product",
        "active": true,
        "created": now,
        "default_price": null,
        "description": null,
        "images": [],
        "livemode": false,
        "marketing_features": [],
        "metadata": object::metadata(params.get("metadata")),
        "name": null,
        "package_dimensions": null,
        "shippable": null,
        "statement_descriptor": null,
        "tax_code": null,
        "type": "service",
        "unit_label": null,
        "updated": now,
        "url": null,
    });
    assign(&mut product, params);
    product
}

/// Keeps a product that was made for one line item only.
pub(super) fn keep(state: &mut State, product: Value, origin: &super::api::Origin) {
    let id = product.at("id").as_str().unwrap_or_default().to_owned();
    events::emit(state, "product.created", &product, origin);
    state.products.insert(&id, product);
}

fn assign(product: &mut Value, params: &Map<String, Value>) {
    object::assign(
        product,
        params,
        &[
            "active",
            "description",
            "images",
            "marketing_features",
            "name",
            "package_dimensions",
            "shippable",
            "statement_descriptor",
            "tax_code",
            "unit_label",
            "url",
        ],
    );
    for name in ["images", "marketing_features"] {
        if product.at(name).is_null() {
            object::set(product, name, json!([]));
        }
    }
}

fn check_descriptor(params: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(text) = params.get("statement_descriptor").and_then(Value::as_str) else {
        return Ok(());
    };
    let message = if text.contains(DESCRIPTOR_FORBIDDEN) {
        "The statement descriptor may not contain any of the following characters: < > \\ \" '"
    } else if !text.chars().any(char::is_alphabetic) {
        "The statement descriptor must contain at least one alphabetic character."
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(message).param("statement_descriptor"))
}

fn check_default_price(state: &State, id: &str, product: &str) -> Result<(), Refusal> {
    let price = state.prices.referred(id, "default_price")?;
    let message = if price.at("product") != product {
        format!("The price `{id}` does not belong to the product `{product}`.")
    } else if price.at("active") == false {
        "The price specified is inactive. This field only accepts active prices.".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(message).param("default_price"))
}
