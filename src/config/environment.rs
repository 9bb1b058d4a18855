//! The environment as a source of configuration.

use figment2::value::{Dict, Map, Value};
use figment2::{Error, Metadata, Profile, Provider};

pub(super) const PREFIX: &str = "PAYLINK__";
const LEVEL: &str = "__";

/// Variables such as `PAYLINK__GRPC__LISTEN`.
pub(super) struct Environment<'a>(pub(super) &'a [(String, String)]);

impl Provider for Environment<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("the environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut root = Dict::new();
        for (name, value) in self.0 {
            let Some(name) = name.strip_prefix(PREFIX) else { continue };
            let lower = name.to_ascii_lowercase();
            let path: Vec<&str> = lower.split(LEVEL).collect();
            insert(&mut root, &path, value);
        }
        Ok(Profile::Default.collect(root))
    }
}

/// Puts a value where its path leads. Text that reads as a number or a truth
/// value is one, except where [`super::secrets`] knows better.
fn insert(dict: &mut Dict, path: &[&str], text: &str) {
    match path {
        [] => {}
        [leaf] => {
            let value = match text.parse::<i64>() {
                Ok(number) => Value::from(number),
                Err(_) => text.parse::<bool>().map_or_else(|_| Value::from(text), Value::from),
            };
            dict.insert((*leaf).to_owned(), value);
        }
        [table, rest @ ..] => {
            let inner = dict.entry((*table).to_owned()).or_insert_with(|| Dict::new().into());
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, text);
            }
        }
    }
}
