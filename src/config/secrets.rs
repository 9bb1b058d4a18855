//! Secrets: in files of their own where asked for, and masked where shown.

use std::fs;

use figment2::value::{Dict, Map, Num, Value};
use figment2::{Error, Metadata, Profile, Provider};

use crate::stripe;

/// Where secrets stand, and whether there are several of one.
const SECRETS: [(&str, &str, bool); 4] = [
    ("storage", "url", false),
    ("stripe", "proxy_url", false),
    ("sandbox", "api_key", false),
    ("sandbox", "webhook_secret", false),
];

/// Those of each of Stripe's accounts. Their files can change while the service runs,
/// so it is told of them.
const OF_ACCOUNTS: [(&str, bool); 2] = [("api_key", false), ("webhook_secrets", true)];

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
            if let Some(Value::Dict(_, stripe)) = root.get_mut("stripe") {
                of_account(stripe, "stripe").map_err(|error| *error)?;
                if let Some(Value::Dict(_, accounts)) = stripe.get_mut("accounts") {
                    for (name, account) in accounts {
                        if let Value::Dict(_, account) = account {
                            of_account(account, &format!("stripe.accounts.{name}"))
                                .map_err(|error| *error)?;
                        }
                    }
                }
            }
        }
        Ok(profiles)
    }
}

/// Hides every secret of a configuration.
pub(super) fn mask(root: &mut toml::Table) {
    for (table, key, _) in SECRETS {
        if let Some(toml::Value::Table(table)) = root.get_mut(table) {
            hide(table, key);
        }
    }
    let Some(toml::Value::Table(stripe)) = root.get_mut("stripe") else { return };
    let hide_all = |table: &mut toml::Table| OF_ACCOUNTS.map(|(key, _)| hide(table, key));
    hide_all(stripe);
    let Some(toml::Value::Table(accounts)) = stripe.get_mut("accounts") else { return };
    for (_, account) in accounts {
        if let toml::Value::Table(account) = account {
            hide_all(account);
        }
    }
}

fn hide(table: &mut toml::Table, key: &str) {
    // Where it was read from is shown in its place, so that what is shown can be used.
    match table.get(&format!("{key}_file")).and_then(toml::Value::as_str) {
        Some("") => drop(table.remove(&format!("{key}_file"))),
        Some(_) => drop(table.remove(key)),
        None => {}
    }
    match table.get_mut(key) {
        Some(toml::Value::Array(several)) => {
            several.fill(MASK.into());
        }
        Some(toml::Value::String(text)) if is_plain(key, text) => {}
        Some(one) => *one = MASK.into(),
        None => {}
    }
}

/// Whether what stands in a secret's place is none: the path of a database's file, and a
/// proxy that asks for no password. A server's URL can have one anywhere.
fn is_plain(key: &str, text: &str) -> bool {
    match key {
        "url" => text.starts_with("sqlite:"),
        "proxy_url" => !text.contains('@'),
        _ => false,
    }
}

/// Reads the secrets of an account, and keeps where they stand.
fn of_account(account: &mut Dict, path: &str) -> Result<(), Box<Error>> {
    for (key, several) in OF_ACCOUNTS {
        let file_key = format!("{key}_file");
        // Where this source gives the secret itself, it does so in the place of the
        // file that another has named.
        let given = account.contains_key(key).then(|| Value::from(""));
        let file = account.get(&file_key).cloned().or(given);
        resolve(account, key, several)
            .map_err(|what| Box::new(Error::from(what).with_path(&format!("{path}.{key}"))))?;
        if let Some(file) = file {
            account.insert(file_key, file);
        }
    }
    Ok(())
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
        stripe::listed(&text).map(Value::from).collect::<Vec<_>>().into()
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
