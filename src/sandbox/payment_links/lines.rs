//! The line items of a request: existing prices, and prices and products made on the way.

use serde_json::{Map, Value};

use super::super::api::Origin;
use super::super::line_items::Line;
use super::super::object::Members;
use super::super::refusal::Refusal;
use super::super::store::State;
use super::super::{identifier, object, prices, products};

/// What a new link offers, before any of it is kept.
#[derive(Debug)]
pub(super) struct Offer {
    /// The currency of every line.
    pub(super) currency: String,
    /// The lines in order.
    pub(super) drafts: Vec<Draft>,
}

/// One line, with the price and the product that it brings into being, if any.
#[derive(Debug)]
pub(super) struct Draft {
    /// The line.
    pub(super) line: Line,
    /// Its price, existing or new.
    pub(super) price: Value,
    new_price: bool,
    new_product: Option<Value>,
}

/// Reads the line items of a new link.
pub(super) fn read(state: &State, params: &Map<String, Value>) -> Result<Offer, Refusal> {
    let sent = params.get("line_items").and_then(Value::as_array);
    let mut drafts = Vec::new();
    for (index, item) in sent.into_iter().flatten().enumerate() {
        drafts.push(draft(state, item, &format!("line_items[{index}]"))?);
    }
    let Some(first) = drafts.first() else {
        return Err(Refusal::required("line_items"));
    };
    let stated = params.get("currency").and_then(Value::as_str);
    let own = first.price.at("currency").as_str().unwrap_or_default();
    let currency = stated.unwrap_or(own).to_owned();
    for (index, draft) in drafts.iter_mut().enumerate() {
        check_currency(&draft.price, &currency, &format!("line_items[{index}][price]"))?;
        draft.line.currency.clone_from(&currency);
    }
    Ok(Offer { currency, drafts })
}

/// The lines of a link after an update, which may change quantities and nothing else.
pub(super) fn adjusted(lines: &[Line], params: &Map<String, Value>) -> Result<Vec<Line>, Refusal> {
    let mut lines = lines.to_vec();
    let sent = params.get("line_items").and_then(Value::as_array);
    for (index, item) in sent.into_iter().flatten().enumerate() {
        let id = item.at("id").as_str().unwrap_or_default();
        let Some(line) = lines.iter_mut().find(|line| line.id == id) else {
            let param = format!("line_items[{index}][id]");
            return Err(Refusal::dangling("line item", id, &param));
        };
        line.adjust(item);
    }
    Ok(lines)
}

/// Optional items are sold at prices of the same kind as the line items.
pub(super) fn check_optional(
    state: &State,
    params: &Map<String, Value>,
    currency: &str,
) -> Result<(), Refusal> {
    let sent = params.get("optional_items").and_then(Value::as_array);
    for (index, item) in sent.into_iter().flatten().enumerate() {
        let param = format!("optional_items[{index}][price]");
        let price = state.prices.referred(item.at("price").as_str().unwrap_or_default(), &param)?;
        check_sellable(price, &param)?;
        check_currency(price, currency, &param)?;
    }
    Ok(())
}

fn draft(state: &State, item: &Value, name: &str) -> Result<Draft, Refusal> {
    let line = |price: &Value| {
        let mut line = Line {
            id: identifier::fresh("li_1", 23),
            price: price.at("id").as_str().unwrap_or_default().to_owned(),
            currency: String::new(),
            quantity: 1,
            adjustable_quantity: Value::Null,
            chosen_amount: None,
            discount: 0,
            tax: None,
            offered: None,
        };
        line.adjust(item);
        line
    };
    match (item.at("price").as_str(), item.at("price_data").as_object()) {
        (Some(_), Some(_)) => Err(Refusal::only_one_of("price", "price_data").param(name)),
        (None, None) => Err(Refusal::required(&format!("{name}[price]"))),
        (Some(id), None) => {
            let param = format!("{name}[price]");
            let price = state.prices.referred(id, &param)?.clone();
            check_sellable(&price, &param)?;
            Ok(Draft { line: line(&price), price, new_price: false, new_product: None })
        }
        (None, Some(data)) => {
            let inside = format!("{name}[price_data]");
            let new_product = product(state, data, &inside)?;
            let id = match &new_product {
                Some(product) => product.at("id").as_str(),
                None => data.get("product").and_then(Value::as_str),
            };
            let mut price = prices::build(state, data, id.unwrap_or_default(), &inside)?;
            object::set(&mut price, "inline", true);
            object::set(&mut price, "active", false);
            Ok(Draft { line: line(&price), price, new_price: true, new_product })
        }
    }
}

fn product(state: &State, data: &Map<String, Value>, name: &str) -> Result<Option<Value>, Refusal> {
    let sent = data.get("product_data").and_then(Value::as_object);
    match (data.get("product").and_then(Value::as_str), sent) {
        (Some(_), Some(_)) => Err(Refusal::only_one_of("product", "product_data").param(name)),
        (None, None) => Err(Refusal::required(&format!("{name}[product]"))),
        (Some(id), None) => {
            state.products.referred(id, &format!("{name}[product]"))?;
            Ok(None)
        }
        (None, Some(sent)) => {
            let mut product = products::build(state, sent);
            object::set(&mut product, "active", false);
            Ok(Some(product))
        }
    }
}

/// Links sell by the unit, at active prices.
fn check_sellable(price: &Value, param: &str) -> Result<(), Refusal> {
    let message = if price.at("active") == false {
        "The price specified is inactive. This field only accepts active prices."
    } else if price.at("billing_scheme") == "tiered" {
        "Payment links do not support prices with `billing_scheme=tiered`."
    } else if !price.at("transform_quantity").is_null() {
        "Payment links do not support prices with `transform_quantity`."
    } else if price.pointer("/recurring/usage_type").is_some_and(|usage| usage == "metered") {
        "Payment links do not support prices with `recurring[usage_type]=metered`."
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(message).param(param))
}

fn check_currency(price: &Value, currency: &str, param: &str) -> Result<(), Refusal> {
    if prices::in_currency(price, currency).is_some() {
        return Ok(());
    }
    let only = price.at("currency").as_str().unwrap_or_default();
    let message = format!(
        "The price specified only supports `{only}`. This doesn't match the expected currency: \
         `{currency}`."
    );
    Err(Refusal::invalid(message).param(param))
}

// === impl Offer ===

impl Offer {
    /// Whether any line is paid again and again.
    pub(super) fn recurring(&self) -> bool {
        self.drafts.iter().any(|draft| draft.price.at("type") == "recurring")
    }

    /// Keeps the prices and products that were made on the way.
    pub(super) fn keep(self, state: &mut State, origin: &Origin) {
        for draft in self.drafts {
            if let Some(product) = draft.new_product {
                products::keep(state, product, origin);
            }
            if draft.new_price {
                prices::keep(state, draft.price, origin);
            }
        }
    }
}
