//! The accounts of Stripe that the service works at: that of `[stripe]` itself, and
//! those of `[stripe.accounts]`. Each has a way to Stripe of its own, so that what
//! one of them is refused or has to wait for is nothing to another.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::access::{Key, Standing};
use super::credentials::{Credentials, KeyKind};
use super::reads::Reads;
use super::stack::{self, Stack};
use super::webhook::Event;
use super::{Client, Error, SetupError, Transport};
use crate::caller::{DEFAULT_ACCOUNT, account_name};
use crate::stripe::error::Phase;

/// An account, as the configuration describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its secret or restricted key.
    pub api_key: SecretString,
    /// The file that the key was read from, which is followed.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// The secrets of its webhook endpoint; several while one is being rolled.
    #[serde(default)]
    pub webhook_secrets: Vec<SecretString>,
    /// The file that they were read from, which is followed.
    #[serde(default)]
    pub webhook_secrets_file: Option<PathBuf>,
    /// The connected account, `acct_…`, that the key is used for, where it is not
    /// the key's own: <https://docs.stripe.com/connect/authentication>.
    #[serde(default)]
    pub stripe_account: Option<String>,
    /// Whether its money is real; where it is not said, the key says it.
    #[serde(default)]
    pub mode: Option<Mode>,
}

/// Whether money is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is not.
    Test,
    /// It is.
    Live,
}

/// An account, and the way to it.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) stack: Stack,
    pub(super) reads: Reads,
    pub(super) standing: Standing,
    livemode: Option<bool>,
    /// The connected account; empty for the key's own.
    connected: String,
    credentials: Credentials,
}

/// The longest name of an account.
const NAME_BYTES_MAX: usize = 32;

// === impl Config ===

impl Config {
    /// Whether its money is real; `None` where nothing says so.
    pub(super) fn livemode(&self) -> Option<bool> {
        self.mode.map(|mode| mode == Mode::Live).or_else(|| Credentials::livemode(&self.api_key))
    }
}

// === impl stack::Config ===

impl stack::Config {
    /// Makes a client of every account. Opens no connection, and refuses keys that
    /// are not what the rest of the configuration says.
    pub fn client(&self) -> Result<Client, SetupError> {
        let accounts: BTreeMap<String, Config> = self.all_accounts();
        self.check(&accounts)?;
        let every = Duration::from_millis(self.reload_ms.get());
        let mut built = BTreeMap::new();
        for (name, config) in accounts {
            let credentials = Credentials::new(&name, &config, every)?;
            let transport = Transport::http(self, &config, credentials.clone())?;
            let account = self.account(&name, &config, credentials, transport);
            built.insert(name, account);
        }
        Ok(Client { accounts: Arc::new(built) })
    }

    /// Makes a client of one account that has that in HTTP's place, as tests and
    /// simulations do. Every layer above it is the true one.
    #[must_use]
    pub fn client_over(&self, transport: Transport) -> Client {
        let config = self.own_account();
        let credentials = Credentials::fixed(&config);
        let account = self.account(DEFAULT_ACCOUNT, &config, credentials, transport);
        Client { accounts: Arc::new([(DEFAULT_ACCOUNT.to_owned(), account)].into()) }
    }

    /// The account of `[stripe]` itself.
    pub(super) fn own_account(&self) -> Config {
        Config {
            api_key: self.api_key.clone(),
            api_key_file: self.api_key_file.clone(),
            webhook_secrets: self.webhook_secrets.clone(),
            webhook_secrets_file: self.webhook_secrets_file.clone(),
            stripe_account: self.stripe_account.clone(),
            mode: self.mode,
        }
    }

    fn all_accounts(&self) -> BTreeMap<String, Config> {
        let mut accounts = self.accounts.clone();
        // Its name cannot be given to another, which is refused.
        accounts.insert(DEFAULT_ACCOUNT.to_owned(), self.own_account());
        accounts
    }

    /// Refuses what could take real money by mistake, or mix it with what is not.
    fn check(&self, accounts: &BTreeMap<String, Config>) -> Result<(), SetupError> {
        if let Some(name) = self.accounts.keys().find(|name| !is_name(name)) {
            let what = "is no name of an account: a letter, and up to 31 of a-z, 0-9, - and _; \
                        and \"default\" is that of [stripe]";
            return Err(SetupError::setting(name, "", what));
        }
        for (name, account) in accounts {
            let (said, shown) = (account.livemode(), Credentials::livemode(&account.api_key));
            if shown.is_some() && said != shown {
                return Err(SetupError::setting(name, "mode", "is not that of the account's key"));
            }
            if said == Some(true) && !self.allow_live {
                let what = "is for real money, which stripe.allow_live must allow";
                return Err(SetupError::setting(name, "api_key", what));
            }
            let connected = account.stripe_account.as_deref().unwrap_or("acct_");
            let is_id = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !connected.starts_with("acct_") || !connected.chars().all(is_id) {
                let what = "must be the id of a connected account, acct_…";
                return Err(SetupError::setting(name, "stripe_account", what));
            }
        }
        let modes = || accounts.values().filter_map(Config::livemode);
        if modes().any(|live| live) && modes().any(|live| !live) {
            return Err(SetupError::setting("", "accounts", "mix test mode and live mode"));
        }
        Ok(())
    }

    fn account(
        &self,
        name: &str,
        config: &Config,
        credentials: Credentials,
        transport: Transport,
    ) -> Account {
        let standing = Standing::default();
        let livemode = config.livemode();
        Account {
            stack: self.stack(name, transport, standing.clone(), livemode),
            reads: Reads::new(Duration::from_millis(self.cache_age_ms), self.cache_items_max),
            standing,
            livemode,
            connected: config.stripe_account.clone().unwrap_or_default(),
            credentials,
        }
    }
}

// === impl Client ===

impl Client {
    /// Names every account, the default one first.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// Whether there is an account of that name.
    #[must_use]
    pub fn has_account(&self, account: &str) -> bool {
        self.accounts.contains_key(account)
    }

    /// Whether the money of an account is real; `None` where nothing says so.
    #[must_use]
    pub fn livemode_of(&self, account: &str) -> Option<bool> {
        self.accounts.get(account)?.livemode
    }

    /// Whether money is real here; `None` where nothing says so. It is the same at
    /// all accounts that say it.
    #[must_use]
    pub fn livemode(&self) -> Option<bool> {
        self.accounts.values().find_map(|account| account.livemode)
    }

    /// Whether an event is one of an account, by what the event says.
    #[must_use]
    pub fn is_of(&self, account: &str, event: &Event) -> bool {
        self.accounts.get(account).is_some_and(|known| known.connected == event.account)
    }

    /// The secrets of an account's webhook endpoint, as they are now.
    #[must_use]
    pub fn webhook_secrets(&self, account: &str) -> Option<Arc<Vec<SecretString>>> {
        self.accounts.get(account).map(|account| account.credentials.webhook_secrets())
    }

    /// What an account's key says of itself, as it is now. Where the configuration says
    /// whether money is real, that counts.
    #[must_use]
    pub fn key_kind(&self, account: &str) -> Option<KeyKind> {
        let account = self.accounts.get(account)?;
        let kind = account.credentials.key_kind();
        Some(KeyKind { livemode: account.livemode.or(kind.livemode), ..kind })
    }

    /// How the keys stand with Stripe: as that of the account which can do most.
    #[must_use]
    pub fn key(&self) -> Key {
        let keys = || self.accounts.values().map(|account| account.standing.now());
        let best = [Key::Accepted, Key::Untried, Key::Revoked];
        best.into_iter().find(|key| keys().any(|one| one == *key)).unwrap_or(Key::Refused)
    }

    /// Keeps the keys and secrets that stand in files up to date, and asks whether
    /// refused keys are accepted again, until it is stopped. Runs once in a process.
    pub async fn mind_keys(self, stop: CancellationToken) {
        let mut minded = JoinSet::new();
        for (name, account) in self.accounts.iter() {
            minded.spawn(account.credentials.clone().follow(stop.clone()));
            minded.spawn(self.clone().mind_key(name.clone(), stop.clone()));
        }
        minded.join_all().await;
    }

    /// The way to an account. One that is no longer configured, of which the memory
    /// still knows operations, cannot be reached; nothing was sent.
    pub(super) fn at(&self, account: &str) -> Result<&Account, Error> {
        let known = self.accounts.get(account);
        known.ok_or_else(|| {
            tracing::error!(account = account_name(account), "There is no such account any more");
            Error::Unreachable { phase: Phase::Connect }
        })
    }
}

// === impl SetupError ===

impl SetupError {
    /// Names a key of an account in the configuration; all of it without one.
    pub(super) fn setting(account: &str, key: &str, what: &'static str) -> Self {
        let parts = match account {
            DEFAULT_ACCOUNT => vec!["stripe", key],
            name => vec!["stripe", "accounts", name, key],
        };
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        SetupError::Setting { key: parts.join("."), what }
    }
}

fn is_name(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(is_inner)
        && name.len() <= NAME_BYTES_MAX
        && name != account_name(DEFAULT_ACCOUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(key: &str) -> Config {
        let mut config = stack::Config::testing().own_account();
        config.api_key = key.into();
        config
    }

    fn config(own: &str, named: &[(&str, Config)]) -> stack::Config {
        let accounts = named.iter().map(|(name, config)| ((*name).to_owned(), config.clone()));
        stack::Config {
            api_key: own.into(),
            accounts: accounts.collect(),
            ..stack::Config::testing()
        }
    }

    fn check(config: &stack::Config, expected: Option<&str>) {
        let refused = config.client().err().map(|error| error.to_string());
        let fits = match (&refused, expected) {
            (Some(text), Some(expected)) => text.starts_with(expected) && !text.contains("secret"),
            (refused, expected) => refused.is_none() && expected.is_none(),
        };
        assert!(fits, "{refused:?} {expected:?}");
    }

    #[test]
    fn real_money_must_be_allowed() {
        let live = config("rk_live_secret", &[]);
        check(&live, Some("stripe.api_key is for real money"));
        check(&stack::Config { allow_live: true, ..live }, None);
        let said = stack::Config { mode: Some(Mode::Live), ..config("secret", &[]) };
        check(&said, Some("stripe.api_key is for real money"));
    }

    #[test]
    fn test_and_live_accounts_never_mix() {
        let named = [("eu", account("rk_test_secret"))];
        let mixed = stack::Config { allow_live: true, ..config("rk_live_secret", &named) };
        check(&mixed, Some("stripe.accounts mix"));
        check(&config("rk_test_secret", &named), None);
        check(&config("secret", &named), None);
    }

    #[test]
    fn a_mode_is_that_of_the_key() {
        let eu = Config { mode: Some(Mode::Live), ..account("rk_test_secret") };
        check(&config("rk_test_1", &[("eu", eu)]), Some("stripe.accounts.eu.mode is not"));
    }

    #[test]
    fn names_are_short_and_plain_and_not_that_of_the_default() {
        let long = "a".repeat(33);
        for name in ["default", "", "EU", "1a", "a b", "a.b", &long] {
            check(&config("rk_test_1", &[(name, account("rk_test_2"))]), Some("stripe"));
        }
        check(&config("rk_test_1", &[("e-u_1", account("rk_test_2"))]), None);
    }

    #[test]
    fn only_a_connected_account_can_be_named() {
        let eu = |id: &str| Config { stripe_account: Some(id.into()), ..account("rk_test_1") };
        check(&config("rk_test_1", &[("eu", eu("acct_1"))]), None);
        for id in ["", "cus_1", "acct_1\n"] {
            let expected = Some("stripe.accounts.eu.stripe_account");
            check(&config("rk_test_1", &[("eu", eu(id))]), expected);
        }
    }
}
