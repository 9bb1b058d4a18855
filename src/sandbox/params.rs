//! The check of a request's parameters, and their typed form.
//!
//! The rules stand as data in `params/facts.txt`, which `scripts/stripe-facts` writes; this module
//! only knows the kinds of value and Stripe's words for what is wrong with them. What comes out is
//! JSON: numbers and booleans as such, and `null` for a parameter that was sent empty in order to
//! unset it.

mod scalar;
mod table;

use serde_json::{Map, Value};

use super::form::Node;
use super::money;
use super::refusal::Refusal;
pub(super) use table::Tables;
use table::{Field, Kind};

/// The most keys in metadata.
const METADATA_KEYS_MAX: usize = 50;
/// The most characters in a key of metadata.
const METADATA_KEY_CHARS_MAX: usize = 40;
/// The most characters in a value of metadata.
const METADATA_VALUE_CHARS_MAX: usize = 500;

/// Checks a request against the parameters of its endpoint.
pub(super) fn check(endpoint: &Field, node: &Node) -> Result<Map<String, Value>, Refusal> {
    let mut unknown = Vec::new();
    collect_unknown(endpoint, node, "", &mut unknown);
    if let Some(first) = unknown.first() {
        let plural = if unknown.len() == 1 { "" } else { "s" };
        let message = format!("Received unknown parameter{plural}: {}", unknown.join(", "));
        return Err(Refusal::invalid(message).code("parameter_unknown").param(first));
    }
    object(endpoint, node, "")
}

/// The versions that Stripe's API has had.
pub(super) fn versions(tables: &Tables) -> impl Iterator<Item = &str> {
    let endpoint = tables.endpoint("POST /v1/webhook_endpoints");
    let field = endpoint.and_then(|endpoint| endpoint.member("api_version"));
    field.into_iter().flat_map(|field| field.words.iter().copied())
}

/// Names come before values: Stripe refuses what it does not know without looking further.
fn collect_unknown(field: &Field, node: &Node, name: &str, unknown: &mut Vec<String>) {
    let Node::Members(members) = node else { return };
    for (key, child) in members {
        let inner = nested(name, key);
        match field.kind {
            Kind::Object => match field.member(key) {
                Some(member) => collect_unknown(member, child, &inner, unknown),
                None => unknown.push(inner),
            },
            Kind::List | Kind::Map => {
                if let Some(element) = &field.element {
                    collect_unknown(element, child, &inner, unknown);
                }
            }
            Kind::Range if !["gt", "gte", "lt", "lte"].contains(&key.as_str()) => {
                unknown.push(inner);
            }
            _ => {}
        }
    }
}

fn object(field: &Field, node: &Node, name: &str) -> Result<Map<String, Value>, Refusal> {
    let Node::Members(members) = node else {
        return Err(Refusal::invalid("Invalid object").param(name));
    };
    for (key, member) in &field.members {
        if member.required && !members.iter().any(|(sent, _)| sent == key) {
            return Err(Refusal::required(&nested(name, key)));
        }
    }
    let mut checked = Map::new();
    for (key, child) in members {
        if let Some(member) = field.member(key) {
            checked.insert(key.clone(), value(member, child, &nested(name, key))?);
        }
    }
    Ok(checked)
}

fn value(field: &Field, node: &Node, name: &str) -> Result<Value, Refusal> {
    if matches!(node, Node::Text(text) if text.is_empty()) {
        return if field.clear { Ok(Value::Null) } else { Err(empty(name)) };
    }
    match field.kind {
        Kind::Object => object(field, node, name).map(Value::Object),
        Kind::List => list(field, node, name),
        Kind::Map => map(field, node, name),
        Kind::Range => range(node, name),
        _ => match node {
            Node::Text(text) => scalar::parse(field, text, name),
            Node::Members(_) => Err(Refusal::invalid("Invalid string: {...}").param(name)),
        },
    }
}

fn list(field: &Field, node: &Node, name: &str) -> Result<Value, Refusal> {
    let invalid = || Refusal::invalid("Invalid array").param(name);
    let Node::Members(members) = node else {
        return Err(invalid());
    };
    let mut indexed = Vec::new();
    for (key, child) in members {
        indexed.push((key.parse::<u32>().map_err(|_| invalid())?, child));
    }
    indexed.sort_by_key(|(index, _)| *index);
    if let Some(max) = field.max
        && indexed.len() > usize::try_from(max).unwrap_or(usize::MAX)
    {
        let message = format!("Array {name} exceeded maximum {max} allowed elements.");
        return Err(Refusal::invalid(message).param(name));
    }
    let element = field.element.as_deref().ok_or_else(invalid)?;
    indexed
        .into_iter()
        .map(|(index, child)| value(element, child, &nested(name, &index.to_string())))
        .collect()
}

fn map(field: &Field, node: &Node, name: &str) -> Result<Value, Refusal> {
    let Node::Members(members) = node else {
        return Err(Refusal::invalid("Invalid object").param(name));
    };
    let mut checked = Map::new();
    for (key, child) in members {
        let inner = nested(name, key);
        let entry = match (&field.element, child) {
            (Some(element), _) => {
                currency_key(key, &inner)?;
                value(element, child, &inner)?
            }
            (None, Node::Text(text)) => metadata_entry(key, text, &inner)?,
            (None, Node::Members(_)) => {
                return Err(Refusal::invalid("Invalid string: {...}").param(inner));
            }
        };
        checked.insert(key.clone(), entry);
    }
    if field.element.is_none() && checked.len() > METADATA_KEYS_MAX {
        let message = format!("Metadata can have up to {METADATA_KEYS_MAX} keys.");
        return Err(Refusal::invalid(message).param(name));
    }
    Ok(Value::Object(checked))
}

fn currency_key(key: &str, name: &str) -> Result<(), Refusal> {
    let lower = key.to_ascii_lowercase();
    if key != lower {
        return Err(Refusal::invalid(format!(
            "Currencies must be lowercase when used as keys in a map. Use `{lower}` instead of \
             `{key}`."
        ))
        .param(name));
    }
    money::supported(&lower).then_some(()).ok_or_else(|| scalar::unknown_currency(key, name))
}

fn metadata_entry(key: &str, text: &str, name: &str) -> Result<Value, Refusal> {
    let key_chars = key.chars().count();
    if key_chars > METADATA_KEY_CHARS_MAX {
        return Err(Refusal::invalid(format!(
            "Metadata keys can have up to {METADATA_KEY_CHARS_MAX} characters, but you passed in a \
             key that is {key_chars} characters. Invalid key: {key}"
        ))
        .param("metadata"));
    }
    let value_chars = text.chars().count();
    if value_chars > METADATA_VALUE_CHARS_MAX {
        return Err(Refusal::invalid(format!(
            "Metadata values can have up to {METADATA_VALUE_CHARS_MAX} characters, but you passed \
             in a value that is {value_chars} characters. Invalid value: {text}"
        ))
        .param(name));
    }
    Ok(if text.is_empty() { Value::Null } else { text.into() })
}

fn range(node: &Node, name: &str) -> Result<Value, Refusal> {
    match node {
        Node::Text(text) => scalar::integer(text, name).map(Value::from),
        Node::Members(members) => members
            .iter()
            .map(|(key, child)| {
                let inner = nested(name, key);
                let Node::Text(text) = child else {
                    return Err(Refusal::invalid("Invalid integer: {...}").param(inner));
                };
                Ok((key.clone(), scalar::integer(text, &inner)?.into()))
            })
            .collect::<Result<Map<_, _>, _>>()
            .map(Value::Object),
    }
}

fn nested(name: &str, key: &str) -> String {
    if name.is_empty() { key.to_owned() } else { format!("{name}[{key}]") }
}

fn empty(name: &str) -> Refusal {
    let last = name.rsplit_once('[').map_or(name, |(_, last)| last.trim_end_matches(']'));
    Refusal::invalid(format!(
        "You passed an empty string for '{name}'. We assume empty values are an attempt to unset a \
         parameter; however '{last}' cannot be unset. You should remove '{name}' from your request \
         or supply a non-empty value."
    ))
    .code("parameter_invalid_empty")
    .param(name)
}

#[cfg(test)]
mod tests;
