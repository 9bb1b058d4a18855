//! The rules of a link that span several of its parameters.

use serde_json::{Map, Value};

use super::super::line_items::Line;
use super::super::object::Members;
use super::super::refusal::Refusal;
use super::super::store::State;
use super::super::{methods, money, prices};
use super::lines::Offer;

/// The most line items and optional items together.
const ITEMS_MAX: usize = 20;

type Params = Map<String, Value>;

/// Refuses a new link whose parts do not fit together.
pub(super) fn check(params: &Params, offer: &Offer) -> Result<(), Refusal> {
    check_custom_amount(params, offer)?;
    check_methods(params, &offer.currency)?;
    check_mode(params, offer.recurring())?;
    check_parts(params)?;
    for (index, draft) in offer.drafts.iter().enumerate() {
        check_quantities(&draft.line, offer.drafts.len(), &format!("line_items[{index}]"))?;
    }
    let optional = params.get("optional_items").and_then(Value::as_array).map_or(0, Vec::len);
    if offer.drafts.len() + optional > ITEMS_MAX {
        let message = format!("Line items and optional items can be up to {ITEMS_MAX} altogether.");
        return Err(Refusal::invalid(message).param("optional_items"));
    }
    check_minimum(offer)
}

/// Refuses an update that would leave a link whose parts do not fit together.
pub(super) fn check_update(
    state: &State,
    params: &Params,
    lines: &[Line],
    after: &Value,
) -> Result<(), Refusal> {
    let price = |line: &Line| state.prices.get(&line.price);
    let any = |test: fn(&Value) -> bool| lines.iter().filter_map(price).any(test);
    check_mode(params, any(|price| price.at("type") == "recurring"))?;
    check_parts(params)?;
    check_methods(params, after.at("currency").as_str().unwrap_or_default())?;
    for line in lines {
        check_quantities(line, lines.len(), "line_items")?;
    }
    if after.at("allow_promotion_codes") == true
        && any(|price| price.at("custom_unit_amount").is_object())
    {
        return Err(promotion_codes());
    }
    Ok(())
}

/// A price that the buyer chooses stands alone.
fn check_custom_amount(params: &Params, offer: &Offer) -> Result<(), Refusal> {
    let custom = |price: &Value| price.at("custom_unit_amount").is_object();
    let Some(draft) = offer.drafts.iter().find(|draft| custom(&draft.price)) else {
        return Ok(());
    };
    let message = if offer.drafts.len() > 1 {
        "You can only specify 1 line item when specifying a price with `custom_unit_amount` \
         configured."
    } else if draft.line.range().is_some() {
        "You cannot specify `adjustable_quantity` when also using a price with \
         `custom_unit_amount`."
    } else if draft.line.quantity != 1 {
        "You can only specify a quantity of 1 when using a price with `custom_unit_amount` \
         configured."
    } else if params.get("allow_promotion_codes").is_some_and(|allowed| allowed == true) {
        return Err(promotion_codes());
    } else if params.contains_key("optional_items") {
        "You cannot specify `optional_items` when using a price with `custom_unit_amount` \
         configured."
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(message).param("line_items"))
}

fn promotion_codes() -> Refusal {
    Refusal::invalid(
        "You cannot enable promotion codes when using a price with `custom_unit_amount` configured",
    )
    .param("allow_promotion_codes")
}

/// Some parameters only make sense when something is paid once, others when it is paid repeatedly.
fn check_mode(params: &Params, recurring: bool) -> Result<(), Refusal> {
    let sent = |name: &str| params.get(name).is_some_and(|value| !value.is_null());
    let invoices = params.get("invoice_creation").is_some_and(|sent| sent.at("enabled") == true);
    let (param, message) = if recurring && sent("payment_intent_data") {
        ("payment_intent_data", "You can not pass `payment_intent_data` in `subscription` mode.")
    } else if recurring && invoices {
        (
            "invoice_creation",
            "You can only enable invoice creation when `mode` is set to `payment`. Invoices are \
             created automatically when `mode` is set to `subscription`",
        )
    } else if recurring && sent("customer_creation") {
        ("customer_creation", "`customer_creation` can only be used in `payment` mode.")
    } else if recurring && sent("application_fee_amount") {
        (
            "application_fee_amount",
            "You can not pass `application_fee_amount` in `subscription` mode.",
        )
    } else if !recurring && sent("subscription_data") {
        ("subscription_data", "You can not pass `subscription_data` in `payment` mode.")
    } else if !recurring && sent("payment_method_collection") {
        (
            "payment_method_collection",
            "You can only set `payment_method_collection` in `subscription` mode.",
        )
    } else if !recurring && sent("application_fee_percent") {
        ("application_fee_percent", "You can not pass `application_fee_percent` in `payment` mode.")
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(message).param(param))
}

/// Each way to pay takes the currencies that it takes.
fn check_methods(params: &Params, currency: &str) -> Result<(), Refusal> {
    let named = params.get("payment_method_types").and_then(Value::as_array);
    for word in named.into_iter().flatten().filter_map(Value::as_str) {
        if let Some(taken) = methods::named(word).and_then(|method| method.refuses(currency)) {
            let taken: Vec<String> = taken.iter().map(|taken| format!("`{taken}`")).collect();
            let message = format!(
                "Invalid currency: {currency}. The payment method `{word}` only supports the \
                 following currencies: {}.",
                taken.join(", ")
            );
            return Err(Refusal::invalid(message).param("payment_method_types"));
        }
    }
    Ok(())
}

/// Parameters with a `type` bring the details of that type.
fn check_parts(params: &Params) -> Result<(), Refusal> {
    if let Some(after) = params.get("after_completion") {
        let other = if after.at("type") == "redirect" {
            if after.at("redirect").is_null() {
                return Err(Refusal::required("after_completion[redirect]"));
            }
            "hosted_confirmation"
        } else {
            "redirect"
        };
        if !after[other].is_null() {
            let kind = after.at("type").as_str().unwrap_or_default();
            let message = format!("You cannot specify `{other}` when `type` is `{kind}`.");
            return Err(Refusal::invalid(message).param(format!("after_completion[{other}]")));
        }
    }
    let fields = params.get("custom_fields").and_then(Value::as_array);
    let mut keys = Vec::new();
    for (index, field) in fields.into_iter().flatten().enumerate() {
        let name = format!("custom_fields[{index}]");
        check_custom_field(field, &name)?;
        if keys.contains(&field.at("key")) {
            let message = "Custom field keys must be unique.";
            return Err(Refusal::invalid(message).param(format!("{name}[key]")));
        }
        keys.push(field.at("key"));
    }
    Ok(())
}

fn check_custom_field(field: &Value, name: &str) -> Result<(), Refusal> {
    let kind = field.at("type").as_str().unwrap_or_default();
    for other in ["dropdown", "numeric", "text"].iter().filter(|other| **other != kind) {
        if !field.at(other).is_null() {
            let message = format!("You cannot specify `{other}` when `type` is `{kind}`.");
            return Err(Refusal::invalid(message).param(format!("{name}[{other}]")));
        }
    }
    let detail = field.at(kind);
    let length = |name: &str| detail.at(name).as_i64();
    if let (Some(low), Some(high)) = (length("minimum_length"), length("maximum_length"))
        && low > high
    {
        let message = "`minimum_length` must be less than or equal to `maximum_length`.";
        return Err(Refusal::invalid(message).param(format!("{name}[{kind}][minimum_length]")));
    }
    if kind != "dropdown" {
        return Ok(());
    }
    let options = detail.at("options").as_array().map(Vec::as_slice).unwrap_or_default();
    if options.is_empty() {
        return Err(Refusal::required(&format!("{name}[dropdown][options]")));
    }
    let wanted = detail.at("default_value");
    if !wanted.is_null() && !options.iter().any(|option| option.at("value") == wanted) {
        let message = "`default_value` must match the `value` of one of the options.";
        return Err(Refusal::invalid(message).param(format!("{name}[dropdown][default_value]")));
    }
    Ok(())
}

fn check_quantities(line: &Line, lines: usize, name: &str) -> Result<(), Refusal> {
    let Some((minimum, maximum)) = line.range() else {
        return Ok(());
    };
    let message = if minimum > maximum {
        "`adjustable_quantity[minimum]` must be less than or equal to `maximum`.".to_owned()
    } else if line.quantity < minimum || line.quantity > maximum {
        format!("`quantity` must lie between {minimum} and {maximum}.")
    } else if lines == 1 && maximum == 0 {
        "The quantity of a lone line item cannot be 0.".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(message).param(format!("{name}[adjustable_quantity]")))
}

/// What is due now is nothing, or enough to be charged.
fn check_minimum(offer: &Offer) -> Result<(), Refusal> {
    let currency = &offer.currency;
    let total: i64 = offer
        .drafts
        .iter()
        .filter_map(|draft| {
            let priced = prices::in_currency(&draft.price, currency)?;
            Some(prices::total(priced, draft.line.quantity))
        })
        .fold(0, i64::saturating_add);
    let minimum = money::minimum_charge(currency);
    if total == 0 || total >= minimum {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "The Checkout Session's total amount due must add up to at least {} {currency}",
        money::format(minimum, currency)
    ))
    .code("amount_too_small"))
}
