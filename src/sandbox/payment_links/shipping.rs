//! The shipping rates among which the buyers of a link choose.

use serde_json::{Map, Value, json};

use super::super::object::Members;
use super::super::refusal::Refusal;
use super::super::shipping_rates;
use super::super::store::State;

/// The options of a new link as it shows them, with what each costs in the link's currency.
pub(super) fn options(
    state: &State,
    params: &Map<String, Value>,
    currency: &str,
) -> Result<Value, Refusal> {
    let sent = params.get("shipping_options").and_then(Value::as_array);
    let options = sent.into_iter().flatten().enumerate();
    options.map(|(index, option)| self::option(state, option, index, currency)).collect()
}

fn option(state: &State, sent: &Value, index: usize, currency: &str) -> Result<Value, Refusal> {
    let param = format!("shipping_options[{index}][shipping_rate]");
    let id = sent.at("shipping_rate").as_str().ok_or_else(|| Refusal::required(&param))?;
    let rate = state.shipping_rates.referred(id, &param)?;
    if rate.at("active") != true {
        let message = "The shipping rate specified is inactive. This field only accepts active \
                       shipping rates.";
        return Err(Refusal::invalid(message).param(param));
    }
    if let Some(amount) = shipping_rates::amount(rate, currency) {
        return Ok(json!({ "shipping_amount": amount, "shipping_rate": id }));
    }
    let only = rate.at("fixed_amount").at("currency").as_str().unwrap_or_default();
    let message = format!(
        "The shipping rate specified only supports `{only}`. This doesn't match the expected \
         currency: `{currency}`."
    );
    Err(Refusal::invalid(message).param(param))
}
