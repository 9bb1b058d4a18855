//! Promotion codes: the words that a buyer types to be given a coupon's discount.

use serde_json::{Map, Value, json};

use super::api::Call;
use super::object::Members;
use super::refusal::Refusal;
use super::store::State;
use super::{events, identifier, list as lists, object, redemption};

/// `POST /v1/promotion_codes`.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let params = &call.params;
    let coupon = coupon(state, params)?.clone();
    check_bounds(params, &coupon, state.clock.now())?;
    check_restrictions(params)?;
    let code = match call.text("code") {
        Some(code) => code.to_owned(),
        None => identifier::fresh("", 8).to_uppercase(),
    };
    check_code(&code)?;
    let enabled = params.get("active").is_none_or(|active| *active == true);
    if enabled {
        check_unique(state, &code, params.get("customer"), "")?;
    }
    let sent = |name: &str| params.get(name).cloned().unwrap_or_default();
    let id = identifier::fresh("promo_1", 23);
    let mut created = json!({
        "id": id,
        "object": "promotion_code",
        "active": enabled,
        "code": code,
        "created": state.clock.now(),
        "customer": sent("customer"),
        "customer_account": sent("customer_account"),
        "enabled": enabled,
        "expires_at": sent("expires_at"),
        "livemode": false,
        "max_redemptions": sent("max_redemptions"),
        "metadata": object::metadata(params.get("metadata")),
        "promotion": { "coupon": coupon.at("id"), "type": "coupon" },
        "restrictions": {
            "currency_options": {},
            "first_time_transaction": false,
            "minimum_amount": null,
            "minimum_amount_currency": null,
        },
        "times_redeemed": 0,
    });
    if let (Some(shape), Some(sent)) = (created.get_mut("restrictions"), params.get("restrictions"))
    {
        object::overlay(shape, sent);
    }
    redemption::note_end(state, created.at("expires_at"), &id);
    state.promotion_codes.insert(&id, created.clone());
    events::emit(state, "promotion_code.created", &created, &call.origin);
    Ok(created)
}

/// `GET /v1/promotion_codes/{promotion_code}`.
pub(super) fn retrieve(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    state.promotion_codes.named(&call.id).cloned()
}

/// `POST /v1/promotion_codes/{promotion_code}`.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let before = state.promotion_codes.named(&call.id)?.clone();
    let mut after = before.clone();
    if let Some(switch) = call.params.get("active") {
        if *switch == true && before.at("active") != true {
            check_activation(state, &before)?;
        }
        object::set(&mut after, "enabled", switch.clone());
        object::set(&mut after, "active", switch.clone());
    }
    let merged = object::merge_metadata(before.at("metadata"), call.params.get("metadata"));
    object::set(&mut after, "metadata", merged);
    if let (Some(restrictions), Some(sent)) =
        (after.get_mut("restrictions"), call.params.get("restrictions"))
    {
        object::overlay(restrictions, sent);
    }
    *state.promotion_codes.named_mut(&call.id)? = after.clone();
    events::emit_updated(state, "promotion_code.updated", &before, &after, &call.origin);
    Ok(after)
}

/// `GET /v1/promotion_codes`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let params = &call.params;
    let coupon = params.get("coupon");
    lists::page(&state.promotion_codes, call, "/v1/promotion_codes", |code| {
        let names = ["active", "customer", "customer_account"];
        names.iter().all(|name| lists::matches(params, name, code))
            && call.text("code").is_none_or(|wanted| is_code(code, wanted))
            && coupon.is_none_or(|coupon| code.at("promotion").at("coupon") == coupon)
            && lists::in_range(params.get("created"), code.at("created"))
    })
}

/// The active code that a buyer typed, in whatever case. Sessions have guests, so a code that
/// belongs to a customer is nobody's here.
pub(super) fn typed<'a>(state: &'a State, text: &str) -> Option<&'a Value> {
    let usable = |code: &&Value| {
        code.at("active") == true && code.at("customer").is_null() && is_code(code, text)
    };
    state.promotion_codes.newest().find(usable)
}

fn is_code(code: &Value, text: &str) -> bool {
    code.at("code").as_str().is_some_and(|code| code.eq_ignore_ascii_case(text))
}

fn coupon<'a>(state: &'a State, params: &Map<String, Value>) -> Result<&'a Value, Refusal> {
    let sent = params.get("promotion").and_then(|promotion| promotion.at("coupon").as_str());
    let param = "promotion[coupon]";
    let Some(id) = sent else {
        let message = "You must pass promotion.coupon when passing promotion";
        return Err(Refusal::invalid(message).code("parameter_missing").param(param));
    };
    let coupon = state.coupons.referred(id, param)?;
    if coupon.at("valid") != true {
        return Err(Refusal::invalid(format!("The coupon `{id}` is no longer valid.")).param(param));
    }
    Ok(coupon)
}

/// A code ends no later than its coupon, by time and by use.
fn check_bounds(params: &Map<String, Value>, coupon: &Value, now: i64) -> Result<(), Refusal> {
    let exceeds = |own: &str, of_coupon: &str| {
        let own = params.get(own).and_then(Value::as_i64);
        own.zip(coupon.at(of_coupon).as_i64()).is_some_and(|(own, coupon)| own > coupon)
    };
    let (param, message) = if params.get("expires_at").is_some_and(|end| end.as_i64() <= Some(now))
    {
        ("expires_at", "expires_at must be in the future.")
    } else if exceeds("expires_at", "redeem_by") {
        ("expires_at", "expires_at cannot be after the coupon's redeem_by.")
    } else if exceeds("max_redemptions", "max_redemptions") {
        ("max_redemptions", "max_redemptions cannot be greater than the coupon's max_redemptions.")
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(message).param(param))
}

fn check_restrictions(params: &Map<String, Value>) -> Result<(), Refusal> {
    let sent = params.get("restrictions").unwrap_or(&Value::Null);
    let names = ["minimum_amount", "minimum_amount_currency"];
    let missing = match names.map(|name| sent.at(name).is_null()) {
        [false, true] => "restrictions[minimum_amount_currency]",
        [true, false] => "restrictions[minimum_amount]",
        _ => return Ok(()),
    };
    Err(Refusal::required(missing))
}

/// Stripe takes underscores too, although its description names only letters, digits and dashes.
fn check_code(code: &str) -> Result<(), Refusal> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if code.chars().all(allowed) {
        return Ok(());
    }
    let message = "The promotion code must only contain letters, digits and dashes.";
    Err(Refusal::invalid(message).param("code"))
}

/// Of the active codes of a customer, or of those for everyone, each is another.
fn check_unique(
    state: &State,
    code: &str,
    customer: Option<&Value>,
    own: &str,
) -> Result<(), Refusal> {
    let customer = customer.unwrap_or(&Value::Null);
    let same = |other: &Value| {
        other.at("active") == true
            && other.at("customer") == customer
            && other.at("id") != own
            && is_code(other, code)
    };
    if state.promotion_codes.newest().any(same) {
        let message = format!("An active promotion code with `code: {code}` already exists.");
        return Err(Refusal::invalid(message).param("code"));
    }
    Ok(())
}

fn check_activation(state: &State, code: &Value) -> Result<(), Refusal> {
    if !redemption::code_is_redeemable(state, code) {
        let message = "This promotion code cannot be activated: it or its coupon can no longer be \
                       redeemed.";
        return Err(Refusal::invalid(message).param("active"));
    }
    let text = |name: &str| code.at(name).as_str().unwrap_or_default();
    check_unique(state, text("code"), code.get("customer"), text("id"))
}
