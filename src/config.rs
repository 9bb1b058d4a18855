//! The configuration: what every module asks for, composed and loaded. The
//! only reader of the environment.
//!
//! Commented defaults are compiled in; over them comes a file, over that the
//! environment: `PAYLINK__GRPC__LISTEN` is `listen` in `[grpc]`. Each secret can
//! stand in a file of its own, named by the same key with `_file` behind it.

mod environment;
mod otel;
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};

use figment2::Figment;
use figment2::error::Kind;
use figment2::providers::{Format as _, Serialized, Toml};
use serde::Deserialize;

use self::environment::Environment;
use self::secrets::SecretFiles;
use crate::auth;
use crate::operations;
use crate::server::operations as probes;
use crate::server::{grpc, listener, webhook};
use crate::{endings, links, orders, payments, sandbox, storage, stripe, telemetry};

/// The defaults, which are also the documentation of every key.
const DEFAULTS: &str = include_str!("config/default.toml");
/// What differs in `paylink dev`.
const DEV: &str = include_str!("config/dev.toml");

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The gRPC services.
    pub grpc: grpc::Config,
    /// Who may call.
    pub auth: auth::Config,
    /// The webhook route.
    pub webhook: webhook::Config,
    /// The operations routes.
    pub operations: probes::Config,
    /// The connections of all listeners.
    pub connections: listener::Config,
    /// The way to Stripe.
    pub stripe: stripe::Config,
    /// The memory.
    pub storage: storage::Config,
    /// Writes.
    pub writes: operations::Config,
    /// Links.
    pub links: links::Config,
    /// The ends of links.
    pub endings: endings::Config,
    /// Orders.
    pub orders: orders::Config,
    /// Payments.
    pub payments: payments::Config,
    /// The sandbox.
    pub sandbox: sandbox::Config,
    /// Signals.
    pub telemetry: telemetry::Config,
}

/// Which defaults apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For work: nothing is assumed.
    Serve,
    /// For a laptop: everything is assumed, and nothing is asked for.
    Dev,
}

/// Where a configuration comes from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Which defaults apply.
    pub profile: Profile,
    /// A file over the defaults.
    pub file: Option<PathBuf>,
    /// The environment over the file.
    pub environment: Vec<(String, String)>,
}

/// The configuration is not usable. The text names the key and never a value,
/// which could be a secret.
#[derive(Debug, thiserror::Error)]
#[error("{}{what}", key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default())]
pub struct Error {
    key: Option<String>,
    what: String,
}

// === impl Sources ===

impl Sources {
    /// Reads this process's environment. Of what is no text, our own variables are refused,
    /// and others are none of our concern.
    pub fn of_process(profile: Profile, file: Option<PathBuf>) -> Result<Self, Error> {
        let mut environment = Vec::new();
        for (name, value) in std::env::vars_os() {
            let shown = name.to_string_lossy().into_owned();
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => environment.push((name, value)),
                _ if shown.starts_with(environment::PREFIX) => {
                    return Err(Error { key: Some(shown), what: "must be UTF-8".into() });
                }
                _ => {}
            }
        }
        Ok(Self { profile, file, environment })
    }

    /// Loads the configuration.
    pub fn load(&self) -> Result<Config, Error> {
        let mut config: Config = self.merged()?.extract().map_err(Error::from)?;
        otel::apply(&self.environment, &mut config.telemetry)?;
        Ok(config)
    }

    /// Loads the part that says where the memory is.
    pub fn storage(&self) -> Result<storage::Config, Error> {
        self.merged()?.extract_inner("storage").map_err(Error::from)
    }

    /// Writes the effective configuration as TOML, with every secret masked.
    pub fn effective(&self) -> Result<String, Error> {
        self.load()?;
        let mut table: toml::Table = self.merged()?.extract().map_err(Error::from)?;
        secrets::mask(&mut table);
        toml::to_string(&table).map_err(|error| Error { key: None, what: error.to_string() })
    }

    fn merged(&self) -> Result<Figment, Error> {
        let mut merged = Figment::from(Toml::string(DEFAULTS));
        if self.profile == Profile::Dev {
            merged = merged.merge(Toml::string(DEV));
        }
        if let Some(file) = &self.file {
            merged = merged.merge(SecretFiles(Serialized::defaults(table(file)?)));
        }
        Ok(merged.merge(SecretFiles(Environment(&self.environment))))
    }
}

/// Reads a file. What is wrong with one that is no TOML is told without its text, in which
/// secrets can stand.
fn table(file: &Path) -> Result<toml::Table, Error> {
    let refused = |what| Error { key: Some("--config".into()), what };
    if !file.is_file() {
        return Err(refused(format!("there is no file {}", file.display())));
    }
    let text = fs::read_to_string(file)
        .map_err(|error| refused(format!("{} cannot be read: {error}", file.display())))?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        refused(format!("line {line}: {}", error.message()))
    })
}

// === impl Error ===

impl From<figment2::Error> for Error {
    fn from(error: figment2::Error) -> Self {
        let what = match &error.kind {
            Kind::UnknownField(name, known) => {
                let what = format!("unknown key; known here are {}", known.join(", "));
                return Self { key: Some(path_to(&error, name)), what };
            }
            Kind::MissingField(name) => {
                return Self { key: Some(path_to(&error, name)), what: "must be set".into() };
            }
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                format!("must be {expected}")
            }
            Kind::UnknownVariant(_, known) => format!("must be one of {}", known.join(", ")),
            // Custom messages of our own and of the standard library's parsers.
            Kind::Message(message) => message.clone(),
            _ => "is not of the expected form".into(),
        };
        let key = (!error.path.is_empty()).then(|| error.path.join("."));
        Self { key, what }
    }
}

/// The whole path of a field, which the error's path may or may not end with.
fn path_to(error: &figment2::Error, field: &str) -> String {
    let mut path = error.path.clone();
    if path.last().is_none_or(|last| last != field) {
        path.push(field.to_owned());
    }
    path.join(".")
}

#[cfg(test)]
mod tests;
