//! Secrets: in files of their own where asked for, and masked where shown.

use std::fs;

use figment2::value::{Dict, Map, Num, Value};
use figment2::{Error, Metadata, Profile, Provider};

/// Where secrets stand, and whether there are several of one.
const SECRETS: [(&str, &str, bool); 5] = [
    ("stripe", "api_key", false),
    ("stripe", "webhook_secrets", true),
    ("storage", "url", false),
    ("sandbox", "api_key", false),
    ("sandbox", "webhook_secret", false),
];

/// What a masked secret looks like.
const MASK: &str = "***";

/// Replaces `api_key_file = "…"` by the `api_key` that the file holds.
pub(super) struct SecretFiles<P>(pub(super) P);

impl<P: Provider> Provider for SecretFiles<P> {
    fn metadata(&self) -> Metadata {
        self.0.metadata()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut profiles = self.0.data()?;
        for root in profiles.values_mut() {
            for (table, key, several) in SECRETS {
                if let Some(Value::Dict(_, table_dict)) = root.get_mut(table) {
                    resolve(table_dict, key, several)
                        .map_err(|what| Error::from(what).with_path(&format!("{table}.{key}")))?;
                }
            }
        }
        Ok(profiles)
    }
}

/// Hides every secret of a configuration.
pub(super) fn mask(root: &mut toml::Table) {
    for (table, key, _) in SECRETS {
        let Some(toml::Value::Table(table)) = root.get_mut(table) else { continue };
        match table.get_mut(key) {
            Some(toml::Value::Array(several)) => {
                several.fill(MASK.into());
            }
            // A file's path is no secret; the password in a server's URL is.
            Some(toml::Value::String(url)) if key == "url" && !url.contains('@') => {}
            Some(one) => *one = MASK.into(),
            None => {}
        }
    }
}

fn resolve(table: &mut Dict, key: &str, several: bool) -> Result<(), String> {
    let text = match (table.remove(&format!("{key}_file")), table.get(key)) {
        (Some(_), Some(_)) => return Err(format!("give {key} or {key}_file, not both")),
        (Some(file), None) => {
            let path = file.into_string().ok_or_else(|| format!("{key}_file must be a path"))?;
            // The error says why and not what: the path may be all that is known of it.
            let read = fs::read_to_string(&path);
            read.map_err(|error| format!("{key}_file cannot be read: {error}"))?
        }
        (None, Some(Value::String(_, text))) => text.clone(),
        // A key that looks like a number is text all the same.
        (None, Some(Value::Num(_, number))) => whole(*number),
        (None, _) => return Ok(()),
    };
    let value: Value = if several {
        let parts = text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
        parts.map(Value::from).collect::<Vec<_>>().into()
    } else {
        text.trim().into()
    };
    table.insert(key.to_owned(), value);
    Ok(())
}

fn whole(number: Num) -> String {
    match (number.to_u128(), number.to_i128()) {
        (Some(number), _) => number.to_string(),
        (_, Some(number)) => number.to_string(),
        _ => String::new(),
    }
}
