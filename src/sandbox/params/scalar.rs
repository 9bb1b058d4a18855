//! The values at the leaves: numbers, words, texts.

use serde_json::Value;

use super::super::money;
use super::super::refusal::Refusal;
use super::table::{Field, Kind};

/// The most decimal places of a decimal amount.
const DECIMAL_PLACES_MAX: usize = 12;

/// Reads one leaf as the kind of value that its field takes.
pub(super) fn parse(field: &Field, text: &str, name: &str) -> Result<Value, Refusal> {
    match field.kind {
        Kind::Integer if field.words.contains(&text) => Ok(text.into()),
        Kind::Integer | Kind::Time => bounded(field, integer(text, name)?, name).map(Value::from),
        Kind::Number => number(field, text, name),
        Kind::Decimal => decimal(text, name),
        Kind::Boolean => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err(Refusal::invalid(format!("Invalid boolean: {text}")).param(name)),
        },
        Kind::Currency => {
            let lower = text.to_ascii_lowercase();
            if money::supported(&lower) {
                Ok(lower.into())
            } else {
                Err(unknown_currency(text, name))
            }
        }
        Kind::Word => word(field, text, name),
        Kind::Url => url(text, name),
        Kind::Alnum if !text.chars().all(char::is_alphanumeric) => {
            let message = format!("Invalid {name}: must only contain alphanumeric characters.");
            Err(Refusal::invalid(message).param(name))
        }
        _ => limited(field, text, name),
    }
}

/// Reads a whole number.
pub(super) fn integer(text: &str, name: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| {
        Refusal::invalid(format!("Invalid integer: {text}"))
            .code("parameter_invalid_integer")
            .param(name)
    })
}

/// A currency that Stripe does not support.
pub(super) fn unknown_currency(text: &str, name: &str) -> Refusal {
    let all = money::SUPPORTED.join(", ");
    Refusal::invalid(format!(
        "Invalid currency: {text}. Stripe currently supports these currencies: {all}"
    ))
    .param(name)
}

fn bounded(field: &Field, number: i64, name: &str) -> Result<i64, Refusal> {
    let bound = match (field.min, field.max) {
        (Some(min), _) if number < min => format!("greater than or equal to {min}"),
        (_, Some(max)) if number > max => format!("less than or equal to {max}"),
        _ => return Ok(number),
    };
    Err(Refusal::invalid(format!("This value must be {bound}."))
        .code("parameter_invalid_integer")
        .param(name))
}

fn number(field: &Field, text: &str, name: &str) -> Result<Value, Refusal> {
    let invalid = || Refusal::invalid(format!("Invalid decimal: {text}")).param(name);
    let number: f64 = text.parse().map_err(|_| invalid())?;
    // The bounds of numbers in the facts are small whole numbers, so the comparison loses nothing.
    #[expect(clippy::cast_precision_loss, reason = "the bounds are small whole numbers")]
    let inside = field.min.is_none_or(|min| number >= min as f64)
        && field.max.is_none_or(|max| number <= max as f64);
    if !number.is_finite() || !inside {
        return Err(invalid());
    }
    Ok(number.into())
}

fn decimal(text: &str, name: &str) -> Result<Value, Refusal> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(places) || text.ends_with('.') {
        return Err(Refusal::invalid(format!("Invalid decimal: {text}")).param(name));
    }
    if places.len() > DECIMAL_PLACES_MAX {
        let message = format!(
            "Invalid decimal: must contain at maximum {DECIMAL_PLACES_MAX} decimal places."
        );
        return Err(Refusal::invalid(message).param(name));
    }
    Ok(text.into())
}

fn word(field: &Field, text: &str, name: &str) -> Result<Value, Refusal> {
    if field.words.contains(&text) {
        return Ok(text.into());
    }
    let choices = match &*field.words {
        [only] => format!("must be {only}"),
        [first, second] => format!("must be one of {first} or {second}"),
        [most @ .., last] => format!("must be one of {}, or {last}", most.join(", ")),
        [] => "must not be set".to_owned(),
    };
    Err(Refusal::invalid(format!("Invalid {name}: {choices}")).param(name))
}

fn url(text: &str, name: &str) -> Result<Value, Refusal> {
    let web = text.starts_with("https://") || text.starts_with("http://");
    // The placeholder of a session's id stands in redirect URLs as it is, braces and all.
    let plain = text.replace("{CHECKOUT_SESSION_ID}", "id");
    let host = plain.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    if web && host.is_some() {
        return Ok(text.into());
    }
    Err(Refusal::invalid("Not a valid URL").code("url_invalid").param(name))
}

fn limited(field: &Field, text: &str, name: &str) -> Result<Value, Refusal> {
    let chars = text.chars().count();
    match field.max {
        Some(max) if i64::try_from(chars).unwrap_or(i64::MAX) > max => {
            let start: String = text.chars().take(8).collect();
            let message = format!("Invalid string: {start}...; must be at most {max} characters");
            Err(Refusal::invalid(message).param(name))
        }
        _ => Ok(text.into()),
    }
}
